"""An async call that is cancelled, at any point, leaves no task and no open request."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import httpx
import pytest
from promise import ARK, Breakage, sized, texts

from volc_dashscope import BulkError
from volc_dashscope.emulator import Response

BREAKAGES = [
    Breakage(
        "volc_dashscope/_request/tasks.py",
        "                task.cancel()",
        "                task.get_name()",
        "test_a_cancelled_call_leaves_nothing_open",
    ),
    Breakage(
        "volc_dashscope/client.py",
        "            async with aclosing(outcomes):\n                async for number, batch, outcome in outcomes:\n                    stream",
        "            if True:\n                async for number, batch, outcome in outcomes:\n                    stream",
        "test_a_stream_that_is_left_leaves_nothing_open",
    ),
    Breakage(
        "volc_dashscope/_http/body.py",
        "        if self._bytes_left < 0:",
        "        if False:",
        "test_a_reply_that_is_cut_off_is_not_kept_open",
    ),
    Breakage(
        "volc_dashscope/_http/transport.py",
        "shielded=True",
        "shielded=False",
        "test_a_call_cancelled_while_its_reply_is_closed_blocks_no_later_one",
    ),
    Breakage(
        "volc_dashscope/_http/transport.py",
        "            # A transport that is cancelled while it closes a reply never frees its only connection.\n            await self._discard(transport)",
        "            self._pool.release(transport)",
        "test_a_call_cancelled_while_its_reply_is_closed_blocks_no_later_one",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "    async with transport.semaphore:\n        if step",
        "    await transport.semaphore.acquire()\n    with transport.calls.entered(scope):\n        if step",
        "test_a_call_cancelled_at_any_step_blocks_no_later_one",
    ),
]


@pytest.mark.parametrize("socket", [False, True], ids=["in-process", "socket"])
def test_a_cancelled_call_leaves_nothing_open(emulate, measured, socket) -> None:
    points = sized(100)
    chance = Random(6)
    mount = emulate(socket=socket, latency=0.02)
    cancelled: list[bool] = []

    async def at_a_random_point() -> tuple[int, int]:
        async with mount.async_client(ARK, max_concurrency=4) as client:
            task = asyncio.create_task(client.embed(texts(24)))
            await asyncio.sleep(chance.random() * 0.15)
            cancelled.append(task.cancel())
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)
            others = [other for other in asyncio.all_tasks() if other is not asyncio.current_task()]
            # The client goes on to work: its semaphore has all its places.
            again = await asyncio.wait_for(client.embed(texts(8)), 10)
            assert 8 == len(again)
            return len(others), len(again)

    left = [asyncio.run(at_a_random_point())[0] for _ in range(points)]
    until = time.monotonic() + 5
    while _open(mount) and time.monotonic() < until:
        time.sleep(0.01)

    measured(f"cancelled {sum(cancelled)} times at random, {sum(left)} tasks left")
    assert sum(cancelled) >= points / 2
    assert [0] * points == left
    assert 0 == _open(mount)


@pytest.mark.parametrize("handed_in", [False, True], ids=["own connections", "a client handed in"])
def test_a_call_cancelled_at_any_step_blocks_no_later_one(emulate, handed_in) -> None:
    """With one connection only, a place that a cancelled call keeps would be missed by the next call."""
    mount = emulate(socket=True)

    async def finished() -> int:
        own = httpx.AsyncClient(limits=httpx.Limits(max_connections=1), timeout=5)
        given = {"http_async_client": own} if handed_in else {}
        async with own, mount.async_client(ARK, max_concurrency=1, max_retries=0, **given) as client:
            await client.embed(["first"])
            number = 0
            for step in range(sized(800)):
                task = asyncio.create_task(client.embed(["left"]))
                for _ in range(step):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                number += len(await asyncio.wait_for(client.embed(["next"]), 10))
            return number

    assert sized(800) == asyncio.run(finished())


class _SlowToClose(httpx.AsyncByteStream):
    """The body of a reply; its closing takes a step of the event loop."""

    def __init__(self, body: Any, closing: asyncio.Event) -> None:
        self._body, self._closing = body, closing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

    async def aclose(self) -> None:
        self._closing.set()
        await asyncio.sleep(0)
        await self._body.aclose()


@pytest.mark.parametrize("handed_in", [False, True], ids=["own connections", "a client handed in"])
def test_a_call_cancelled_while_its_reply_is_closed_blocks_no_later_one(
    emulate, monkeypatch, handed_in
) -> None:
    """With one connection only, a place that a cancelled call keeps would be missed by the next call."""
    mount = emulate(socket=True)
    handle = httpx.AsyncHTTPTransport.handle_async_request
    closing = asyncio.Event()

    async def slow_to_close(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        response = await handle(self, request)
        response.stream = _SlowToClose(response.stream, closing)
        return response

    async def finished() -> int:
        own = httpx.AsyncClient(limits=httpx.Limits(max_connections=1))
        given = {"http_async_client": own} if handed_in else {}
        async with own, mount.async_client(ARK, max_concurrency=1, max_retries=0, **given) as client:
            number = 0
            for _ in range(sized(40)):
                closing.clear()
                task = asyncio.create_task(client.embed(["left"]))
                await closing.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                number += len(await asyncio.wait_for(client.embed(["next"]), 5))
            return number

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", slow_to_close)

    assert sized(40) == asyncio.run(finished())


def test_a_stream_that_is_left_leaves_nothing_open(emulate, measured) -> None:
    """By `break` and `aclose()`, as `async for` is left."""
    mount = emulate(latency=0.005)

    async def left() -> int:
        async with mount.async_client(ARK, max_concurrency=4) as client:
            stream = client.stream(iter(texts(40)))
            async for _ in stream:
                break
            await stream.aclose()
            return len(asyncio.all_tasks()) - 1

    assert [0] * 5 == [asyncio.run(left()) for _ in range(5)]
    assert 0 == _open(mount)


def test_a_reply_that_is_cut_off_is_not_kept_open(emulate) -> None:
    """What is too large is hung up on; the connections are not held until the collector comes by."""
    mount = emulate(socket=True)
    reach = {"max_concurrency": 2, "max_retries": 0}
    bomb = gzip.compress(b" " * 40_000_000)
    mount.emulator.reply_with(
        lambda request, response: Response(headers={"content-encoding": "gzip"}, body=bomb)
    )

    async def connections() -> int:
        async with mount.async_client(ARK, **reach) as client:
            with pytest.raises(BulkError):
                await client.embed(texts(6))
            until = time.monotonic() + 5
            while mount.emulator._server._open and time.monotonic() < until:
                await asyncio.sleep(0.01)
            return len(mount.emulator._server._open)

    assert 0 == asyncio.run(connections())


def _open(mount) -> int:
    mount.emulator.ledger.clear()
    return mount.emulator.ledger.in_flight_max
