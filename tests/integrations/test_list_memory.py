"""What the integrations need above the lists they return: the rows' array shrinks as its rows become lists."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from langchain_volc_dashscope import DashScopeEmbeddings
from volc_dashscope import BulkError

WIDTH = 256
COUNT = 4000
ARRAY = 4 * WIDTH * COUNT


def _array(text: str) -> np.ndarray:
    return np.arange(1, WIDTH + 1, dtype=np.float32) * np.float32(text.rsplit(maxsplit=1)[-1])


def _row(text: str) -> list[float]:
    return _array(text).tolist()


def _answer(request: httpx.Request) -> httpx.Response:
    texts = orjson.loads(request.content)["input"]["texts"]
    if "refused" in texts:
        return httpx.Response(400, json={"code": "InvalidParameter", "message": "no", "request_id": "r"})
    rows = [{"text_index": index, "embedding": _array(text)} for index, text in enumerate(texts)]
    body = {"output": {"embeddings": rows}, "usage": {"total_tokens": 1}, "request_id": "r"}
    # Without lists of its own, each number of which `tracemalloc` would note.
    return httpx.Response(200, content=orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY))


@pytest.fixture
def embeddings():
    transport = httpx.MockTransport(_answer)
    made = DashScopeEmbeddings(
        model="text-embedding-v4",
        dimensions=WIDTH,
        normalize=False,
        api_key="k",
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
        max_concurrency=2,
    )
    yield made
    made.close()


CALLS: dict[str, Callable[[Any, list[str]], list[list[float]]]] = {
    "sync": lambda embeddings, texts: embeddings.embed_documents(texts),
    "async": lambda embeddings, texts: asyncio.run(embeddings.aembed_documents(texts)),
}


@pytest.mark.parametrize("call", CALLS)
def test_memory_above_the_lists_is_a_fraction_of_the_array(embeddings, call):
    texts = [f"text {number}" for number in range(1, COUNT + 1)]
    CALLS[call](embeddings, texts[:100])
    gc.collect()
    tracemalloc.start()
    try:
        rows = CALLS[call](embeddings, texts)
        peak = tracemalloc.get_traced_memory()[1]
        gc.collect()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert len(rows) == COUNT
    assert peak - left < ARRAY / 3


@pytest.mark.parametrize("call", CALLS)
def test_rows_are_right_across_the_blocks(embeddings, call):
    texts = [f"text {number}" for number in range(1, COUNT + 1)]

    rows = CALLS[call](embeddings, texts)

    assert [_row(text) for text in texts] == rows


@pytest.mark.parametrize("call", CALLS)
def test_a_failed_item_leaves_the_other_rows_in_the_error(embeddings, call):
    texts = [f"text {number}" for number in range(1, 31)]
    texts[15] = "refused"

    with pytest.raises(BulkError) as caught:
        CALLS[call](embeddings, texts)

    done = [*range(10), *range(20, 30)]
    assert list(range(10, 20)) == list(caught.value.failures)
    assert [_row(texts[place]) for place in done] == caught.value.result.vectors[done].tolist()
