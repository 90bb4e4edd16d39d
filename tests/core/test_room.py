"""`max_concurrency` is the most: fewer requests are in flight while a service does not keep up."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volc_dashscope import RateLimitError, ServiceUnavailableError, TransportError
from volc_dashscope._limits.concurrency import ConcurrencyLimit
from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope.emulator import Fault

ARK = "doubao-embedding-vision-251215"


def test_what_comes_back_unserved_takes_room_once_a_second_and_answers_give_it_back():
    room = ConcurrencyLimit(10)
    for now in (0.0, 0.5, 0.9):
        room.unserved(now)
    lowered = room.size
    for _ in range(40):
        room.served()

    assert (7.0, 10.0) == (lowered, room.size)


@given(st.integers(1, 200), st.lists(st.booleans(), max_size=300))
def test_there_is_always_room_for_one_and_never_for_more_than_asked(width, course):
    room = ConcurrencyLimit(width)
    for second, answered in enumerate(course):
        if answered:
            room.served()
        else:
            room.unserved(float(second))
        assert 1.0 <= room.size <= width


def test_nothing_stands_in_line_where_there_is_less_room():
    room = [4.0]
    feed = Scheduler(range(100), width=4, room=lambda: room[0])
    first = [number for number, _ in feed.next_jobs(ahead=4)]
    room[0] = 2.0
    for number in first[:7]:
        feed.finish(number)
    second = [number for number, _ in feed.next_jobs(ahead=4)]

    assert (list(range(8)), [8]) == (first, second)


@pytest.mark.parametrize("error", [ServiceUnavailableError("busy"), TransportError("timed out")], ids=repr)
def test_what_the_service_did_not_serve_counts_and_a_throttle_does_not(error):
    pace = RateLimiter(None, None, 10)
    pace.report(RateLimitError("slow down", retryable=True), RequestCost(), 0.0)
    after_throttle = pace.room()
    pace.report(error, RequestCost(), 2.0)

    assert (10.0, 7.0) == (after_throttle, pace.room())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_after_a_failure_of_the_service_fewer_requests_are_in_flight(emulate, kind):
    mount = emulate(socket=True, latency=0.1)
    mount.emulator.fail(Fault("503", retry_after_ms=1))

    with mount.client(ARK, max_concurrency=20) as client:
        client.embed(["refused once"])
        mount.emulator.ledger.clear()
        items = [f"text {number}" for number in range(28)]
        client.embed(items) if kind == "sync" else asyncio.run(client.aio.embed(items))

    assert 14 <= mount.emulator.ledger.in_flight_max <= 17
