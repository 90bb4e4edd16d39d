"""The two services: one module each for a wire format and its error table."""

from __future__ import annotations

from volc_dashscope._wire import Wire
from volc_dashscope.models import Provider
from volc_dashscope.providers import ark, dashscope

WIRES: dict[Provider, Wire] = {"ark": ark, "dashscope": dashscope}
