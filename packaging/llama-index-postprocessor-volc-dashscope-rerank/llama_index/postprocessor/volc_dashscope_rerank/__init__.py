"""The reranker of `llama_index_ext` under the name LlamaIndex's postprocessors are found by."""

from __future__ import annotations

from llama_index_ext import DashScopeRerank

__all__ = ["DashScopeRerank"]
