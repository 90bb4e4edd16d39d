"""Our own transports, one connection each: acquired, released, and closed when idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from types import FrameType
from typing import Any

import httpx
import pytest

from volc_dashscope._http.transport import TransportPool


@pytest.fixture
def interrupted() -> Iterator[None]:
    """Let threads lose their turn before every line of what is tested here."""

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_globals.get("__name__") != TransportPool.__module__:
            return None
        time.sleep(1e-6)
        return trace

    before = threading.gettrace()
    threading.settrace(trace)
    yield
    threading.settrace(before)


def test_many_threads_acquire_and_release_without_disturbing_each_other(interrupted):
    """One thread after the other starts again and again, so that there are fewer transports than threads."""

    def work(number: int, pool: TransportPool[httpx.HTTPTransport], used: list[httpx.HTTPTransport]) -> None:
        time.sleep(2e-4 * number)
        for _ in range(5):
            transport = pool.acquire()
            assert transport not in used
            used.append(transport)
            time.sleep(1e-6)
            used.remove(transport)
            pool.release(transport)

    with ThreadPoolExecutor(8) as threads:
        for _ in range(20):
            pool = TransportPool(lambda: httpx.HTTPTransport(verify=False))
            list(threads.map(work, range(8), repeat(pool), repeat([])))
            assert 1 <= len(pool.drain()) <= 8


def test_the_transport_released_last_is_acquired_and_an_idle_one_is_closed():
    pool = TransportPool(lambda: httpx.HTTPTransport(verify=False), keepalive=0.0)
    first, second = pool.acquire(), pool.acquire()
    returned = [pool.release(first), pool.release(second)]

    assert [None, first] == returned
    assert pool.acquire() is second


def test_a_transport_released_after_the_end_is_to_be_closed():
    pool = TransportPool(lambda: httpx.HTTPTransport(verify=False))
    transport = pool.acquire()

    assert [transport] == pool.drain()
    assert pool.release(transport) is transport


def test_an_idle_transport_is_kept_for_half_a_minute(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pool = TransportPool(lambda: httpx.HTTPTransport(verify=False))
    used = [pool.acquire() for _ in range(3)]

    returned = []
    for transport, at in zip(used, (100.0, 130.0, 130.5), strict=True):
        now[0] = at
        returned.append(pool.release(transport))

    assert [None, None, used[0]] == returned
