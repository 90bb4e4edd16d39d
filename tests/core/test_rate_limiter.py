"""What the limiter learns from each end of a request: which allowance, how much, and from whom nothing."""

from __future__ import annotations

import pytest

from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost
from volc_dashscope.errors import EmbeddingError, RateLimitError, ServiceUnavailableError

ONE = RequestCost()


def _throttle(hint: float | None = None, limit: str | None = None) -> RateLimitError:
    return RateLimitError("slow down", retryable=True, retry_after=hint, limit=limit)


def _spacing(limiter: RateLimiter, cost: RequestCost, now: float) -> float:
    """Seconds between two requests that wait for their turn."""
    delays = [limiter.reserve(cost, now).delay for _ in range(12)]
    return delays[-1] - delays[-2]


def _report(
    limiter: RateLimiter, error: EmbeddingError | None, cost: RequestCost, start: float = 0.0
) -> None:
    """Fifteen requests, one each quarter of a second, that ended so."""
    for number in range(15):
        limiter.report(error, cost, start + number / 4)


def test_a_pause_lasts_a_second_and_is_over_then() -> None:
    limiter = RateLimiter(None, None)

    limiter.report(_throttle(), ONE, 0.0)

    assert (1.0, 0.25, 0.0, 0.0) == tuple(limiter.pause(now) for now in (0.0, 0.75, 1.0, 5.0))


def test_pauses_double_up_to_sixteen_seconds_until_something_is_answered() -> None:
    limiter, now, pauses = RateLimiter(None, None), 0.0, []
    for _ in range(6):
        limiter.report(_throttle(), ONE, now)
        pauses.append(limiter.pause(now))
        now += pauses[-1]

    limiter.report(None, ONE, now)
    limiter.report(_throttle(), ONE, now)

    assert ([1, 2, 4, 8, 16, 16], 1) == (pauses, limiter.pause(now))


@pytest.mark.parametrize(("hint", "pause"), [(0.25, 0.25), (86_400.0, 86_400.0), (86_400.5, 1.0)])
def test_a_hint_of_up_to_a_day_is_kept_to(hint: float, pause: float) -> None:
    limiter = RateLimiter(None, None)

    limiter.report(_throttle(hint), ONE, 0.0)

    assert pause == limiter.pause(0.0)


@pytest.mark.parametrize(("limit", "large"), [(None, 1 / 4), ("tokens", 1.0)], ids=["requests", "tokens"])
def test_a_throttle_lowers_the_allowance_it_names(limit: str | None, large: float) -> None:
    limiter, cost = RateLimiter(None, None), RequestCost(1, 100)
    _report(limiter, None, cost)

    limiter.report(_throttle(limit=limit), cost, 3.75)

    # Fifteen of sixteen in 3.75 seconds are let through: four requests a second, or 400 tokens.
    assert pytest.approx(1 / 4) == _spacing(limiter, cost, 50.0)
    assert pytest.approx(large) == _spacing(limiter, RequestCost(1, 400), 500.0)


def test_tokens_of_unknown_number_count_as_one() -> None:
    limiter, cost = RateLimiter(None, None), RequestCost(1, 0)
    _report(limiter, None, cost)

    limiter.report(_throttle(limit="tokens"), cost, 3.75)

    assert pytest.approx(2 / 4) == _spacing(limiter, RequestCost(1, 2), 50.0)


@pytest.mark.parametrize("limit", [None, "tokens"])
def test_a_request_that_the_service_failed_took_its_place_in_the_rate(limit: str | None) -> None:
    limiter, cost = RateLimiter(None, None), RequestCost(1, 100)
    _report(limiter, ServiceUnavailableError("down", retryable=True), cost)

    limiter.report(_throttle(limit=limit), cost, 3.75)

    assert pytest.approx(1 / 4) == _spacing(limiter, cost, 50.0)


def test_what_was_reserved_counts_and_not_the_first_guess() -> None:
    limiter, cost = RateLimiter(None, None), RequestCost(1, 100)
    limiter.report(None, cost, -100.0, reservation=limiter.reserve(cost, -100.0), spent=200)
    for number in range(15):
        reserved = limiter.reserve(cost, number / 4)
        limiter.report(
            ServiceUnavailableError("down", retryable=True), cost, number / 4, reservation=reserved
        )

    limiter.report(_throttle(limit="tokens"), cost, 3.75, reservation=limiter.reserve(cost, 3.75))

    # 800 tokens a second: four requests of the 200 tokens that each is now known to cost.
    assert 200.0 == reserved.tokens
    assert pytest.approx(1 / 4) == _spacing(limiter, cost, 50.0)


def test_what_was_billed_counts_and_not_what_was_reserved() -> None:
    limiter, cost = RateLimiter(None, None), RequestCost(1, 100)
    for number in range(15):
        limiter.report(None, cost, number / 4, spent=200)

    limiter.report(_throttle(limit="tokens"), cost, 3.75)

    # Fifteen times 200 tokens in 3.75 seconds are let through: 800 a second, of which a request is known to cost 200.
    assert pytest.approx(1 / 4) == _spacing(limiter, cost, 50.0)


@pytest.mark.parametrize(
    ("times", "seconds"),
    [([0.0], 1.0), ([0.0, 0.5], 1.0), ([0.0, 2.0], 1 / 0.95), ([0.0, 2.0, 2.5, 9.0], 1 / 0.95)],
    ids=["one", "two at once", "one and another", "three"],
)
def test_a_second_throttle_at_a_configured_limit_of_tokens_lowers_it(
    times: list[float], seconds: float
) -> None:
    limiter, cost = RateLimiter(None, 6_000), RequestCost(1, 100)
    for now in times:
        limiter.report(_throttle(limit="tokens"), cost, now)

    assert pytest.approx(seconds) == _spacing(limiter, cost, 50.0)


def test_the_tokens_that_were_billed_correct_the_line_and_the_estimate() -> None:
    limiter, cost = RateLimiter(None, 6_000), RequestCost(1, 100)
    reserved = limiter.reserve(cost, 0.0)

    limiter.report(None, cost, 0.0, reservation=reserved, spent=50)
    after = limiter.reserve(cost, 0.0)

    assert (0.5, 50.0) == (after.delay, after.tokens)


def test_a_throttle_of_a_request_sent_before_the_last_one_teaches_nothing() -> None:
    limiter = RateLimiter(None, None)
    early = limiter.reserve(ONE, 0.0)
    limiter.report(_throttle(), ONE, 5.0)

    limiter.report(_throttle(), ONE, 10.0, reservation=early)

    assert 0.0 == limiter.pause(10.0)


def test_a_second_hint_that_ends_no_later_cancels_nothing() -> None:
    limiter = RateLimiter(60, None)
    limiter.report(_throttle(5.0), ONE, 0.0)
    reserved = limiter.reserve(ONE, 0.0)

    limiter.report(_throttle(5.0), ONE, 0.0)
    same = limiter.confirms(reserved)
    limiter.report(_throttle(6.0), ONE, 0.0)

    assert (True, False) == (same, limiter.confirms(reserved))


def test_a_slot_that_has_come_is_not_given_out_again() -> None:
    limiter = RateLimiter(60, None)
    for _ in range(2):
        limiter.reserve(ONE, 0.0)

    limiter.report(_throttle(0.0), ONE, 1.0)

    assert 1.0 == limiter.reserve(ONE, 1.0).delay


def test_the_time_of_all_pauses_is_no_time_in_which_requests_were_sent() -> None:
    limiter = RateLimiter(None, None)
    for _ in range(10):
        limiter.report(None, ONE, 0.0)
    limiter.report(_throttle(100.0), ONE, 0.0)
    limiter.report(_throttle(100.0), ONE, 100.0)
    for second in range(1, 5):
        limiter.report(None, ONE, 200.0 + second)

    limiter.report(_throttle(), ONE, 204.0)

    # Fourteen requests were answered in four seconds between the pauses.
    assert pytest.approx(4 / 14) == _spacing(limiter, ONE, 300.0)
