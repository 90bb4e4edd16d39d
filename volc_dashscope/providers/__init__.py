"""The two services: one module each for a wire format and its error table."""

from __future__ import annotations

from volc_dashscope._types import ProviderCodec
from volc_dashscope.models import Provider
from volc_dashscope.providers import ark, dashscope

CODECS: dict[Provider, ProviderCodec] = {"ark": ark, "dashscope": dashscope}
