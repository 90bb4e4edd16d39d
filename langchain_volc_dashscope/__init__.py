"""Multimodal embeddings from Volcengine Ark and Alibaba DashScope as LangChain `Embeddings`."""

from __future__ import annotations

try:
    import langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        'langchain_volc_dashscope needs langchain-core: pip install "volc-dashscope[langchain]"'
    ) from error

from langchain_volc_dashscope.documents import (
    MediaDocument,
    MediaStr,
    media,
    uuid5_key,
)
from langchain_volc_dashscope.embeddings import ArkEmbeddings, DashScopeEmbeddings
from langchain_volc_dashscope.langgraph import langgraph_index
from langchain_volc_dashscope.media_metadata import content_blocks, media_of
from langchain_volc_dashscope.rerank import DashScopeRerank

__all__ = [
    "ArkEmbeddings",
    "DashScopeEmbeddings",
    "DashScopeRerank",
    "MediaDocument",
    "MediaStr",
    "content_blocks",
    "langgraph_index",
    "media",
    "media_of",
    "uuid5_key",
]
