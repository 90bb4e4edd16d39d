"""The two services: one module each for a wire format and its error table."""

from __future__ import annotations

from volc_dashscope._types import ProviderCodec
from volc_dashscope.models import Provider
from volc_dashscope.providers import ark, compatible, dashscope

CODECS: dict[Provider, ProviderCodec] = {"ark": ark, "dashscope": dashscope}


def codec(provider: Provider, *, foreign: bool) -> ProviderCodec:
    """Return what writes requests and reads replies: the vendor's, or that of a server of anybody's own."""
    return compatible if foreign else CODECS[provider]
