"""An async call that is cancelled, at any point, leaves no task and no open request."""

from __future__ import annotations

import asyncio
import contextlib
import time
from random import Random

import pytest
from promise import ARK, Breakage, sized, texts

BREAKAGES = [
    Breakage(
        "volc_dashscope/_fan_out.py",
        "            worker.cancel()",
        "            worker.get_name()",
        "test_a_cancelled_call_leaves_nothing_open",
    ),
    Breakage(
        "volc_dashscope/_http.py",
        "                await response.aclose()",
        "                pass",
        "test_a_reply_that_is_cut_off_gives_its_connection_back",
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
            # The client goes on to work: no place in its gate was lost.
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


def test_a_reply_that_is_cut_off_gives_its_connection_back(emulate) -> None:
    """The same connection serves the next request, or is closed; none is kept open unused."""
    mount = emulate(socket=True)

    async def connections() -> int:
        async with mount.async_client(ARK, max_concurrency=1) as client:
            await client.embed(texts(30))
            return len(mount.emulator._server._open)

    assert 1 == asyncio.run(connections())


def _open(mount) -> int:
    mount.emulator.ledger.clear()
    return mount.emulator.ledger.in_flight_max
