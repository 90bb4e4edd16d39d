"""`llama_index_ext` under the name LlamaIndex's embeddings are found by; rerank has a package of its own."""

from __future__ import annotations

from llama_index_ext import (
    ArkMultiModalEmbedding,
    ArkSparseEmbedding,
    DashScopeMultiModalEmbedding,
    DashScopeSparseEmbedding,
    MultiModalNodeEmbedder,
    UsageCountingHandler,
    aquery_bundle,
    fingerprint,
    milvus_sparse_function,
    qdrant_sparse_fns,
    query_bundle,
)

__all__ = [
    "ArkMultiModalEmbedding",
    "ArkSparseEmbedding",
    "DashScopeMultiModalEmbedding",
    "DashScopeSparseEmbedding",
    "MultiModalNodeEmbedder",
    "UsageCountingHandler",
    "aquery_bundle",
    "fingerprint",
    "milvus_sparse_function",
    "qdrant_sparse_fns",
    "query_bundle",
]
