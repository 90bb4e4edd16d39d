"""Multimodal embeddings from Volcengine Ark and Alibaba DashScope as LangChain `Embeddings`."""

from __future__ import annotations

try:
    import langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        'langchain_volc_dashscope needs langchain-core: pip install "volc-dashscope[langchain]"'
    ) from error

from langchain_volc_dashscope.embeddings import ArkEmbeddings, DashScopeEmbeddings

__all__ = ["ArkEmbeddings", "DashScopeEmbeddings"]
