"""Requests, replies and error tables of the two services, one module each."""

from __future__ import annotations

from volc_dashscope._types import ProviderCodec
from volc_dashscope.models import Provider


def codec(provider: Provider, *, foreign: bool) -> ProviderCodec:
    """
    Return the module that writes requests and reads replies: the vendor's, or that of OpenAI-compatible servers.

    Only that one is imported.
    """
    if foreign:
        from volc_dashscope.providers import compatible

        return compatible
    if provider == "ark":
        from volc_dashscope.providers import ark

        return ark
    from volc_dashscope.providers import dashscope

    return dashscope
