"""Multimodal embeddings from Volcengine Ark and Alibaba DashScope: text, image, video, fused."""

from __future__ import annotations

from volc_dashscope._types import OnError, OutputType, TextType
from volc_dashscope._version import __version__
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
from volc_dashscope.estimate import Estimate, estimate_cost
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
    "get_model_info",
    "list_models",
]
