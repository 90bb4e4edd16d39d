"""Multimodal embeddings from Volcengine Ark and Alibaba DashScope for LlamaIndex."""

from __future__ import annotations

try:
    import llama_index.core  # noqa: F401
except ImportError as error:
    raise ImportError(
        'llama_index_ext needs llama-index-core: pip install "volc-dashscope[llama-index]"'
    ) from error

from llama_index.core.embeddings.loading import RECOGNIZED_EMBEDDINGS

from llama_index_ext.embeddings import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding
from llama_index_ext.events import UsageCountingHandler
from llama_index_ext.fingerprints import fingerprint
from llama_index_ext.nodes import MultiModalNodeEmbedder
from llama_index_ext.queries import aquery_bundle, query_bundle
from llama_index_ext.rerank import DashScopeRerank
from llama_index_ext.sparse import (
    ArkSparseEmbedding,
    DashScopeSparseEmbedding,
    milvus_sparse_function,
    qdrant_sparse_fns,
)

__all__ = [
    "ArkMultiModalEmbedding",
    "ArkSparseEmbedding",
    "DashScopeMultiModalEmbedding",
    "DashScopeRerank",
    "DashScopeSparseEmbedding",
    "MultiModalNodeEmbedder",
    "UsageCountingHandler",
    "aquery_bundle",
    "fingerprint",
    "milvus_sparse_function",
    "qdrant_sparse_fns",
    "query_bundle",
]

# For `load_embed_model(embed_model.to_dict())`; the key comes from the environment.
RECOGNIZED_EMBEDDINGS.update(
    {kind.class_name(): kind for kind in (ArkMultiModalEmbedding, DashScopeMultiModalEmbedding)}
)
