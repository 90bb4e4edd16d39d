"""Multimodal embeddings from Volcengine Ark and Alibaba DashScope for LlamaIndex."""

from __future__ import annotations

try:
    import llama_index.core  # noqa: F401
except ImportError as error:
    raise ImportError(
        'llama_index_ext needs llama-index-core: pip install "volc-dashscope[llama-index]"'
    ) from error

from llama_index_ext.embeddings import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding

__all__ = ["ArkMultiModalEmbedding", "DashScopeMultiModalEmbedding"]
