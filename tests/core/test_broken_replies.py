"""Replies without a result, under every status of success: no call accepts one, and each may be tried again."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from volc_dashscope import (
    AsyncClient,
    AsyncReranker,
    BadReplyError,
    Client,
    EmbeddingError,
    Reranker,
    TransportError,
)

ITEMS = ["one", "two"]
KEY = "key-of-the-tests"
# One request of two texts, or of one, in each form of a reply.
MODELS = {
    "Ark": ("doubao-embedding-vision-251215", ["one"]),
    "Ark, text": ("doubao-embedding-large-text-250515", ITEMS),
    "DashScope": ("text-embedding-v4", ITEMS),
    "DashScope, multimodal": ("qwen3-vl-embedding", ITEMS),
}
RERANK_MODELS = ("qwen3-rerank", "qwen3-vl-rerank")

Call = Callable[[Callable[[httpx.Request], httpx.Response]], list[Any]]


def _clients(answer: Any) -> dict[str, Any]:
    transport = httpx.MockTransport(answer)
    return {
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }


async def _outcomes(stream: Any) -> list[Any]:
    return [outcome async for _, outcome in stream]


def _embed(model: str, items: list[str]) -> dict[str, Call]:
    def settings(answer: Any) -> dict[str, Any]:
        return {"api_key": KEY, "max_retries": 0, **_clients(answer)}

    def rows(result: Any) -> list[Any]:
        return [result.errors.get(index, row) for index, row in enumerate(result.vectors)]

    def awaited(answer: Any) -> list[Any]:
        client = AsyncClient(model, **settings(answer))
        return rows(asyncio.run(client.embed(items, on_error="skip")))

    def streamed(answer: Any) -> list[Any]:
        return [outcome for _, outcome in Client(model, **settings(answer)).stream(items)]

    def stream_awaited(answer: Any) -> list[Any]:
        return asyncio.run(_outcomes(AsyncClient(model, **settings(answer)).stream(items)))

    return {
        "embed": lambda answer: rows(Client(model, **settings(answer)).embed(items, on_error="skip")),
        "embed, awaited": awaited,
        "stream": streamed,
        "stream, awaited": stream_awaited,
    }


def _rerank(model: str) -> dict[str, Call]:
    def settings(answer: Any) -> dict[str, Any]:
        return {"api_key": KEY, "max_retries": 0, **_clients(answer)}

    def one(answer: Any) -> list[Any]:
        try:
            return [Reranker(model, **settings(answer)).rerank("q", ITEMS)]
        except EmbeddingError as error:
            return [error]

    def awaited(answer: Any) -> list[Any]:
        try:
            return [asyncio.run(AsyncReranker(model, **settings(answer)).rerank("q", ITEMS))]
        except EmbeddingError as error:
            return [error]

    def streamed(answer: Any) -> list[Any]:
        return [outcome for _, outcome in Reranker(model, **settings(answer)).stream([("q", ITEMS)])]

    def stream_awaited(answer: Any) -> list[Any]:
        return asyncio.run(_outcomes(AsyncReranker(model, **settings(answer)).stream([("q", ITEMS)])))

    return {
        "rerank": one,
        "rerank, awaited": awaited,
        "rerank stream": streamed,
        "rerank stream, awaited": stream_awaited,
    }


CALLS: dict[str, Call] = {
    **{
        f"{name}: {way}": call
        for name, (model, items) in MODELS.items()
        for way, call in _embed(model, items).items()
    },
    **{f"{model}: {way}": call for model in RERANK_MODELS for way, call in _rerank(model).items()},
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)

EMPTY = {
    "nothing": b"",
    "blank": b" \r\n",
    "null": b"null",
    "an empty list": b"[]",
    "an empty text": b'""',
    "an empty object": b"{}",
    "false": b"false",
    "a number": b"0",
}
STATUSES = (200, 201, 202, 204, 205, 206)
CUT = {
    "after a brace": b"{",
    "in a key": b'{"outp',
    "after a key": b'{"output"',
    "in a vector": b'{"output":{"embeddings":[{"text_index":0,"embedding":[0.1,0.',
    "in a list of data": b'{"data":[{"index":0,"embedding":[0.1,',
    "before the last brace": b'{"output":{"results":[]},"data":[]',
    "two values": b"{}{}",
    "a text behind it": b'{"output":{}} ok',
}
WHOLE = orjson.dumps({"output": {"embeddings": [], "results": []}, "data": [], "request_id": "r"})
TWICE = {
    "the second is null": b'{"output":{},"output":null,"data":[{}],"data":null}',
    "the second is empty": b'{"output":{"embeddings":[{}],"results":[{}]},"output":{},"data":[{}],"data":[]}',
    "an index": b'{"output":{"embeddings":[{"text_index":0,"text_index":9,"index":9,"embedding":[1]}],'
    b'"results":[{"index":0,"index":9,"relevance_score":1}]},"data":[{"index":0,"index":9,"embedding":[1]}]}',
}


def _refused(call: Call, status: int, body: bytes, **headers: str) -> list[Any]:
    """Return the outcomes of a call whose only reply is this one."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))

    outcomes = call(answer)
    assert 1 == len(sent)
    assert outcomes
    return outcomes


@each_call
@pytest.mark.parametrize("body", EMPTY.values(), ids=EMPTY)
def test_an_empty_success_is_a_reply_to_try_again(call, body):
    for status in STATUSES:
        for outcome in _refused(call, status, body):
            assert (BadReplyError, True, status) == (type(outcome), outcome.retryable, outcome.status)


@each_call
@pytest.mark.parametrize("body", [*CUT.values(), *TWICE.values()], ids=[*CUT, *TWICE])
def test_json_that_is_cut_or_says_a_key_twice_is_a_bad_reply(call, body):
    for outcome in _refused(call, 200, body):
        assert (BadReplyError, True) == (type(outcome), outcome.retryable)


@each_call
@pytest.mark.parametrize("cut", [1, 4, 8])
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_compression_cut_before_its_checksum_is_a_broken_reply(call, pack, cut):
    coding = "gzip" if pack is gzip.compress else "deflate"
    for outcome in _refused(call, 200, pack(WHOLE)[:-cut], **{"content-encoding": coding}):
        assert (TransportError, True) == (type(outcome), outcome.retryable)
