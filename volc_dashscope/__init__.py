"""
Multimodal embeddings from Volcengine Ark and Alibaba DashScope: text, image, video, fused.

A public name loads its module when it is first used (PEP 562): the pytest plugin imports this package in every run of
pytest where it is installed, and must cost nothing there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volc_dashscope import _lazy
from volc_dashscope._version import __version__

if TYPE_CHECKING:
    from volc_dashscope._types import OnError, OutputType, TextType
    from volc_dashscope.client import AsyncClient, Client
    from volc_dashscope.errors import (
        AuthError,
        BadReplyError,
        BulkError,
        ConfigError,
        ContentError,
        EmbeddingError,
        InputError,
        QuotaError,
        RateLimitError,
        RequestError,
        ServiceError,
        ServiceUnavailableError,
        TransportError,
    )
    from volc_dashscope.estimate import Estimate, estimate_cost, estimate_rerank_cost
    from volc_dashscope.inputs import Frames, Fused, Image, Item, Part, Video
    from volc_dashscope.models import ModelInfo, get_model_info, list_models
    from volc_dashscope.rerank import AsyncReranker, Reranker, RerankResult
    from volc_dashscope.results import EmbeddingResult, SparseVector, Usage
    from volc_dashscope.settings import ClientSettings

__all__ = [
    "AsyncClient",
    "AsyncReranker",
    "AuthError",
    "BadReplyError",
    "BulkError",
    "Client",
    "ClientSettings",
    "ConfigError",
    "ContentError",
    "EmbeddingError",
    "EmbeddingResult",
    "Estimate",
    "Frames",
    "Fused",
    "Image",
    "InputError",
    "Item",
    "ModelInfo",
    "OnError",
    "OutputType",
    "Part",
    "QuotaError",
    "RateLimitError",
    "RequestError",
    "RerankResult",
    "Reranker",
    "ServiceError",
    "ServiceUnavailableError",
    "SparseVector",
    "TextType",
    "TransportError",
    "Usage",
    "Video",
    "__version__",
    "estimate_cost",
    "estimate_rerank_cost",
    "get_model_info",
    "list_models",
]

_NAMES = {
    "cache": (),
    "_types": ("OnError", "OutputType", "TextType"),
    "client": ("AsyncClient", "Client"),
    "errors": (
        "AuthError",
        "BadReplyError",
        "BulkError",
        "ConfigError",
        "ContentError",
        "EmbeddingError",
        "InputError",
        "QuotaError",
        "RateLimitError",
        "RequestError",
        "ServiceError",
        "ServiceUnavailableError",
        "TransportError",
    ),
    "estimate": ("Estimate", "estimate_cost", "estimate_rerank_cost"),
    "inputs": ("Frames", "Fused", "Image", "Item", "Part", "Video"),
    "models": ("ModelInfo", "get_model_info", "list_models"),
    "rerank": ("AsyncReranker", "Reranker", "RerankResult"),
    "results": ("EmbeddingResult", "SparseVector", "Usage"),
    "settings": ("ClientSettings",),
}


def __getattr__(name: str) -> object:
    """Load a public name, or a module such as `volc_dashscope.errors`, at its first use."""
    return _lazy.load(__name__, _NAMES, name)


def __dir__() -> list[str]:
    return _lazy.listed(__name__, _NAMES)
