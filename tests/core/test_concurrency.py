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


def _after(width: int, outcomes: str) -> float:
    limit = ConcurrencyLimit(width)
    for outcome in outcomes:
        {"+": limit.succeeded, "-": limit.failed, "!": limit.overloaded}[outcome]()
    return limit.size


@pytest.mark.parametrize(
    ("outcomes", "size"),
    [
        ("-" * 9, 10),
        ("-" * 10, 5),
        ("+++++-----", 10),
        ("++++------", 5),
        ("-" * 15, 2.5),
        ("-" * 100, 1),
        ("-" * 10 + "+", 5.2),
        ("-" * 10 + "+" * 60, 10),
        ("++++++++!", 5),
        ("-" * 8 + "!", 5),
        ("-" * 7 + "!", 10),
        ("++-" * 50, 10),
    ],
)
def test_a_round_that_is_mostly_failed_halves_the_limit_and_answers_raise_it_again(outcomes, size):
    """A round is as many requests as may be in flight; one refused as too many at once speaks for all of it."""
    assert pytest.approx(size) == _after(10, outcomes)


@given(st.integers(1, 200), st.text("+-!", max_size=300))
def test_there_is_always_room_for_one_and_never_for_more_than_asked(width, outcomes):
    assert all(1.0 <= _after(width, outcomes[:end]) <= width for end in range(0, len(outcomes), 10))


def test_nothing_stands_in_line_where_there_is_less_room():
    max_in_flight = [4.0]
    feed = Scheduler(range(100), width=4, max_in_flight=lambda: max_in_flight[0])
    first = [number for number, _ in feed.next_jobs(ahead=4)]
    max_in_flight[0] = 2.0
    for number in first[:7]:
        feed.finish(number)
    second = [number for number, _ in feed.next_jobs(ahead=4)]

    assert (list(range(8)), [8]) == (first, second)


@pytest.mark.parametrize("error", [ServiceUnavailableError("busy"), TransportError("timed out")], ids=repr)
def test_what_the_service_did_not_serve_counts_and_a_throttle_does_not(error):
    limiter = RateLimiter(None, None, 10)
    for _ in range(10):
        limiter.report(RateLimitError("slow down", retryable=True), RequestCost(), 0.0)
    after_throttles = limiter.max_in_flight()
    for _ in range(10):
        limiter.report(error, RequestCost(), 2.0)

    assert (10.0, 5.0) == (after_throttles, limiter.max_in_flight())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_while_the_service_fails_fewer_requests_are_in_flight(emulate, kind):
    mount = emulate(socket=True, latency=0.1)
    mount.emulator.fail(*[Fault("503", retry_after_ms=1)] * 7)

    with mount.client(ARK, max_concurrency=7) as client:
        client.embed(["refused seven times"])
        mount.emulator.ledger.clear()
        items = [f"text {number}" for number in range(9)]
        client.embed(items) if kind == "sync" else asyncio.run(client.aio.embed(items))

    # Seven failures in a row left half of the seven places; each answer gives a part of one back.
    assert 3 <= mount.emulator.ledger.in_flight_max <= 5


def test_without_a_width_there_is_no_limit() -> None:
    limit = ConcurrencyLimit(None)
    limit.succeeded()

    assert float("inf") == limit.size
