"""
Past one machine: embeddings as a stage of a Ray Data pipeline.

`Embedder` is the class for `ds.map_batches`; `RateBudget` keeps all its actors together under one account's
limits. Importing this does not import Ray.
"""

from __future__ import annotations

from volc_dashscope.ray._budget import RateBudget
from volc_dashscope.ray._embedder import Embedder

__all__ = ["Embedder", "RateBudget"]
