"""Errors that name nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np
from llama_index.core.schema import BaseNode

from llama_index_ext.averaging import Vector
from volc_dashscope import BulkError, EmbeddingError, EmbeddingResult, Usage


def named(node: BaseNode, error: EmbeddingError) -> EmbeddingError:
    """Return the same error with the node's id, the service's code and its request id in the message."""
    text = f"node {node.node_id}: {error}"
    if error.code and error.code not in text:
        text += f" (code {error.code})"
    if error.request_id and error.request_id not in text:
        text += f" [request id {error.request_id}]"
    twin = copy(error)
    twin.args = (text,)
    twin.__cause__ = error
    return twin


def bulk(
    nodes: Sequence[BaseNode], rows: Mapping[int, Vector], errors: Mapping[int, EmbeddingError]
) -> EmbeddingError:
    """Return what to raise: the only node's own error, or one that holds what is done."""
    first = errors[min(errors)]
    if len(nodes) == 1:
        return first
    width = len(next(iter(rows.values()))) if rows else 0
    vectors = np.full((len(nodes), width), np.nan, dtype=np.float32)
    for position, row in rows.items():
        vectors[position] = row
    result = EmbeddingResult(vectors=vectors, usage=Usage(), request_ids=(), model="", errors=dict(errors))
    error = BulkError(
        f"{len(errors)} of {len(nodes)} nodes failed; the first: {first}", result=result, failures=errors
    )
    error.__cause__ = first
    return error
