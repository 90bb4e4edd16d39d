"""
Embeddings in a Ray Data pipeline, over several machines.

`Embedder` is the class for `ds.map_batches`; `RateBudget` shares one account's limits among all its actors. Importing
this does not import Ray.
"""

from __future__ import annotations

from volc_dashscope.ray._budget import RateBudget
from volc_dashscope.ray._embedder import Embedder

__all__ = ["Embedder", "RateBudget"]
