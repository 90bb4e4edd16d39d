"""Replies of both services, made by hand from the reference's samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from volc_dashscope import EmbeddingError, Item, ModelInfo, get_model_info
from volc_dashscope._types import Batch, Reply, RequestSpec, Rows
from volc_dashscope.providers import codec

AT = 1_800_000_000.0


def row_of(name: str) -> ModelInfo:
    row = get_model_info(name)
    assert row is not None
    return row


def ask_for(name: str, **settings: Any) -> RequestSpec:
    """Return an ask for a model, with four numbers a vector unless a dimension is given."""
    row = row_of(name)
    given = {"dimension": None, **settings}
    return RequestSpec(
        model_info=row, model=row.name, base_url="https://service", place="region cn-beijing", **given
    )


def batch_of(*items: Item) -> Batch:
    return Batch(tuple(range(len(items))), items)


def read(
    body: Any,
    spec: RequestSpec,
    batch: Batch,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Rows | EmbeddingError:
    """Let the provider of `spec` read a reply; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return codec(spec.model_info.provider, foreign=False).read(
        Reply(status, headers or {}, data, AT), batch, spec
    )


def dashscope(*vectors: Any, indices: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a reply of the native text endpoint."""
    order = range(len(vectors)) if indices is None else indices
    entries = [
        {"text_index": index, "embedding": vector} for index, vector in zip(order, vectors, strict=True)
    ]
    return {"output": {"embeddings": entries}, "usage": {"total_tokens": 27}, "request_id": "r-1", **more}


def ark(vector: Any, **more: Any) -> dict[str, Any]:
    """Return a reply of the multimodal endpoint."""
    return {
        "id": "0217",
        "object": "list",
        "model": "doubao-embedding-vision-251215",
        "data": {"object": "embedding", "embedding": vector},
        "usage": {
            "prompt_tokens": 528,
            "total_tokens": 528,
            "prompt_tokens_details": {"text_tokens": 31, "image_tokens": 497},
        },
        **more,
    }


def listed(*vectors: Any, indices: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a reply of an OpenAI-shaped endpoint: Ark's text models, DashScope's compatible mode."""
    order = range(len(vectors)) if indices is None else indices
    data = [{"index": index, "embedding": vector} for index, vector in zip(order, vectors, strict=True)]
    return {"object": "list", "data": data, "usage": {"prompt_tokens": 8, "total_tokens": 8}, **more}
