"""Of an unknown model the first reply says how long a vector is, and every later one is held to it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from volc_dashscope import BadReplyError, Client

EP = "ep-20260101-abcde"


def _client(lengths: Iterator[int], *, coded: bool = False, **settings: Any) -> Client:
    """Return a client of an endpoint that nobody knows, whose replies have these lengths, one after the other."""

    def answer(request: httpx.Request) -> httpx.Response:
        row = np.random.default_rng(1).standard_normal(next(lengths)).astype("<f4")
        value = base64.b64encode(row.tobytes()).decode() if coded else row.tolist()
        data = {
            "data": {"object": "embedding", "embedding": value},
            "model": "m",
            "usage": {"total_tokens": 1},
        }
        return httpx.Response(200, content=orjson.dumps(data))

    transport = httpx.MockTransport(answer)
    return Client(
        EP,
        **{
            "provider": "ark",
            "api_key": "k",
            "max_retries": 0,
            "max_concurrency": 1,
            "http_client": httpx.Client(transport=transport),
            "http_async_client": httpx.AsyncClient(transport=transport),
            **settings,
        },
    )


def _embed(client: Client) -> list[Any]:
    result = client.embed(["a"], on_error="skip")
    return [result.errors.get(0) or result.vectors[0]]


async def _aembed(client: Client) -> list[Any]:
    result = await client.aio.embed(["a"], on_error="skip")
    return [result.errors.get(0) or result.vectors[0]]


async def _astream(client: Client) -> list[Any]:
    return [row async for _, row in client.aio.stream(["a"])]


CALLS: dict[str, Callable[[Client], list[Any]]] = {
    "embed": _embed,
    "stream": lambda client: [row for _, row in client.stream(["a"])],
    "async embed": lambda client: asyncio.run(_aembed(client)),
    "async stream": lambda client: asyncio.run(_astream(client)),
}


@pytest.mark.parametrize("coded", [False, True], ids=["numbers", "base64"])
@pytest.mark.parametrize("later", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("first", CALLS.values(), ids=CALLS)
def test_the_first_reply_binds_the_others(first, later, coded) -> None:
    client = _client(iter([512, 256, 512]), coded=coded)

    (row,) = first(client)
    (error,) = later(client)
    (again,) = later(client)

    assert (512, 512, 512) == (len(row), client.dimension, len(again))
    assert BadReplyError is type(error)
    assert error.retryable
    assert "length 256 instead of 512" in str(error)


def test_replies_of_one_stream_have_one_length() -> None:
    client = _client(iter([512, 512, 1024, 512]))

    outcomes = [outcome for _, outcome in client.stream(["a", "b", "c", "d"])]

    assert [False, False, True, False] == [isinstance(outcome, BadReplyError) for outcome in outcomes]


def test_a_reply_of_another_length_is_asked_for_again() -> None:
    client = _client(iter([512, 128, 512]), max_retries=1)

    client.embed(["a"])

    assert (1, 512) == client.embed(["b"]).vectors.shape


def test_a_quarter_of_the_first_length_names_its_cause() -> None:
    client = _client(iter([512, 128]))
    client.embed(["a"])

    with pytest.raises(BadReplyError, match="a quarter of the expected length results when"):
        client.embed(["b"])


def test_a_cached_row_is_held_to_the_first_length_too() -> None:
    cache: dict[str, bytes] = {}
    _client(iter([256]), cache=cache).embed(["old"])
    client = _client(iter([512, 512]), cache=cache)
    client.embed(["new"])

    assert (1, 512) == client.embed(["old"]).vectors.shape


def test_rows_of_the_cache_and_of_replies_have_one_length_in_a_stream() -> None:
    """An endpoint may have got another model since the cache was written."""
    cache: dict[str, bytes] = {}
    _client(iter([256]), cache=cache).embed(["a"])
    client = _client(iter([512, 512]), cache=cache)

    outcomes: list[object] = []
    with pytest.raises(BadReplyError, match="rows of one stream have dimensions 256 and 512") as caught:
        outcomes.extend(outcome for _, outcome in client.stream(["a", "new"]))

    row, error = outcomes
    assert (256, caught.value) == (len(row), error)


def test_cached_rows_of_two_lengths_are_not_mixed_in_a_stream() -> None:
    cache: dict[str, bytes] = {}
    _client(iter([256]), cache=cache).embed(["a"])
    _client(iter([512]), cache=cache).embed(["b"])

    outcomes = [outcome for _, outcome in _client(iter([256]), cache=cache).stream(["a", "b"])]

    assert [256, 256] == [len(outcome) for outcome in outcomes]
