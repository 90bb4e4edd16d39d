"""Connections of our own, one to a lane: taken, given back, and closed when nobody needs them."""

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


def test_many_threads_take_and_give_without_getting_in_each_others_way(interrupted):
    """Again and again from the start, one thread after the other, so that there are fewer lanes than threads."""

    def work(turn: int, lanes: TransportPool[httpx.HTTPTransport], used: list[httpx.HTTPTransport]) -> None:
        time.sleep(2e-4 * turn)
        for _ in range(5):
            lane = lanes.take()
            assert lane not in used
            used.append(lane)
            time.sleep(1e-6)
            used.remove(lane)
            lanes.give(lane)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            lanes = TransportPool(lambda: httpx.HTTPTransport(verify=False))
            list(pool.map(work, range(8), repeat(lanes), repeat([])))
            assert 1 <= len(lanes.drain()) <= 8


def test_the_lane_that_was_free_last_is_taken_and_one_that_nobody_needs_is_closed():
    lanes = TransportPool(lambda: httpx.HTTPTransport(verify=False), kept=0.0)
    first, second = lanes.take(), lanes.take()
    returned = [lanes.give(first), lanes.give(second)]

    assert [None, first] == returned
    assert lanes.take() is second


def test_a_lane_given_back_after_the_end_is_to_be_closed():
    lanes = TransportPool(lambda: httpx.HTTPTransport(verify=False))
    lane = lanes.take()

    assert [lane] == lanes.drain()
    assert lanes.give(lane) is lane
