"""Connections of our own, one to a lane: taken, given back, and closed when nobody needs them."""

from __future__ import annotations

import sys
import threading

import httpx
import pytest

from volc_dashscope._http._lanes import Lanes


@pytest.fixture
def hasty():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_many_threads_take_and_give_without_getting_in_each_others_way(hasty):
    lanes = Lanes(lambda: httpx.HTTPTransport(verify=False))
    used, errors = [], []

    def work() -> None:
        try:
            for _ in range(2000):
                lane = lanes.take()
                assert lane not in used
                used.append(lane)
                used.remove(lane)
                lanes.give(lane)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert 1 <= len(lanes.drain()) <= 8


def test_the_lane_that_was_free_last_is_taken_and_one_that_nobody_needs_is_closed():
    lanes = Lanes(lambda: httpx.HTTPTransport(verify=False), kept=0.0)
    first, second = lanes.take(), lanes.take()
    returned = [lanes.give(first), lanes.give(second)]

    assert [None, first] == returned
    assert lanes.take() is second


def test_a_lane_given_back_after_the_end_is_to_be_closed():
    lanes = Lanes(lambda: httpx.HTTPTransport(verify=False))
    lane = lanes.take()

    assert [lane] == lanes.drain()
    assert lanes.give(lane) is lane
