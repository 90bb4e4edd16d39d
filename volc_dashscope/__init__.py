"""Multimodal embeddings from Volcengine Ark and Alibaba DashScope: text, image, video, fused."""

from __future__ import annotations

from volc_dashscope._version import __version__
from volc_dashscope._wire import OnError, OutputType, TextType
from volc_dashscope.client import AsyncClient, Client
from volc_dashscope.errors import (
    AuthError,
    BadReply,
    BulkError,
    ConfigError,
    ContentError,
    EmbeddingError,
    InputError,
    QuotaError,
    RateLimitError,
    RequestError,
    ServiceError,
    ServiceUnavailable,
    TransportError,
)
from volc_dashscope.estimate import Estimate, estimate
from volc_dashscope.inputs import Frames, Fused, Image, Item, Part, Video
from volc_dashscope.models import ModelCard, card, models
from volc_dashscope.results import EmbeddingResult, SparseVector, Usage

__all__ = [
    "AsyncClient",
    "AuthError",
    "BadReply",
    "BulkError",
    "Client",
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
    "ModelCard",
    "OnError",
    "OutputType",
    "Part",
    "QuotaError",
    "RateLimitError",
    "RequestError",
    "ServiceError",
    "ServiceUnavailable",
    "SparseVector",
    "TextType",
    "TransportError",
    "Usage",
    "Video",
    "__version__",
    "card",
    "estimate",
    "models",
]
