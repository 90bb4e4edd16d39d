"""Requests, replies and error tables of the two services, one module each."""

from __future__ import annotations

from volc_dashscope._types import ProviderCodec
from volc_dashscope.models import Provider
from volc_dashscope.providers import ark, compatible, dashscope

CODECS: dict[Provider, ProviderCodec] = {"ark": ark, "dashscope": dashscope}


def codec(provider: Provider, *, foreign: bool) -> ProviderCodec:
    """Return the module that writes requests and reads replies: the vendor's, or that of OpenAI-compatible servers."""
    return compatible if foreign else CODECS[provider]
