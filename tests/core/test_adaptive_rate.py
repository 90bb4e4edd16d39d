"""How one limit is learnt, in numbers: each boundary, operator and constant of it has an effect that is named."""

from __future__ import annotations

import pytest

from volc_dashscope._limits.adaptive_rate import RateWindow, TokenEstimator
from volc_dashscope._limits.concurrency import ConcurrencyLimit

# Sixteen requests, one each quarter of a second, of which the last is throttled: 16 in 3.75 seconds were too much.
TOO_MUCH = 16 / 3.75


def _throttled_once(per_minute: float | None = None) -> RateWindow:
    window = RateWindow(per_minute)
    for number in range(15):
        window.passed(1, number / 4)
    window.throttled(1, 3.75)
    window.lower(1, 3.75, again=False)
    return window


def test_a_slot_takes_what_the_limit_says_and_half_a_second_goes_at_once() -> None:
    window = RateWindow(240)

    window.reserve(1, 10.0)
    first = window.next
    window.reserve(1, 10.0)
    window.reserve(3, 10.0)

    assert (10.0, 10.25, 11.0) == (first, 10.25, window.next)


def test_a_slot_longer_than_half_a_second_saves_nothing_up() -> None:
    window = RateWindow(60)

    window.reserve(1, 10.0)

    assert 11.0 == window.next


def test_a_line_moves_by_what_a_request_cost_more_or_less() -> None:
    window = RateWindow(240)
    window.reserve(4, 10.0)

    window.correct(2)
    more = window.next
    window.correct(-3)

    assert (11.5, 10.75) == (more, window.next)


def test_one_throttle_lowers_the_rate_by_the_share_that_was_throttled() -> None:
    assert pytest.approx(TOO_MUCH * 15 / 16) == _throttled_once().limit


def test_fewer_than_sixteen_requests_teach_no_rate() -> None:
    window = RateWindow(None)
    for number in range(14):
        window.passed(1, number / 4)

    window.throttled(1, 3.5)
    window.lower(1, 3.5, again=False)

    assert window.limit is None


def test_requests_that_end_together_count_as_a_tenth_of_a_second() -> None:
    window = RateWindow(None)
    for _ in range(16):
        window.throttled(1, 7.0)

    window.lower(1, 7.0, again=False)

    # All of them were throttled, which lowers by half at most.
    assert pytest.approx(160 / 2) == window.limit


@pytest.mark.parametrize(
    ("start", "requests"), [(0.0, 21), (-0.001, 20)], ids=["five seconds ago", "a little earlier"]
)
def test_the_last_five_seconds_count(start: float, requests: int) -> None:
    window = RateWindow(None)
    times = [start, *(2.5 + number / 8 for number in range(1, 20))]
    for at in times:
        window.passed(1, at)

    window.throttled(1, 5.0)
    window.lower(1, 5.0, again=False)

    oldest = times[21 - requests]
    assert pytest.approx(requests / (5.0 - oldest) * (1 - 1 / requests)) == window.limit


def test_the_rate_rises_along_a_cubic_curve_that_is_level_where_it_was_too_much() -> None:
    window = _throttled_once()
    limits = []

    for seconds in (1.0, 2.0, 4.0, 6.0):
        window.passed(1, 3.75 + seconds)
        limits.append(window.limit)

    # A sixteenth below is the cube root of (1/16) / 0.15 windows of five seconds away.
    level = (1 / 16 / 0.15) ** (1 / 3)
    assert pytest.approx([TOO_MUCH * (1 + 0.15 * (at - level) ** 3) for at in (0.2, 0.4, 0.8, 1.2)]) == limits
    assert pytest.approx([4.16198, 4.23995, 4.26676, 4.32620], abs=1e-4) == limits


def test_a_time_in_which_nothing_was_sent_counts_as_half_a_window() -> None:
    window = _throttled_once()

    window.passed(1, 1_000.0)

    level = (1 / 16 / 0.15) ** (1 / 3)
    assert pytest.approx(TOO_MUCH * (1 + 0.15 * (0.5 - level) ** 3)) == window.limit


def test_an_older_reply_that_comes_late_takes_nothing_back() -> None:
    window, other = _throttled_once(), _throttled_once()
    for each, times in ((window, (5.0, 4.5, 6.0)), (other, (5.0, 6.0))):
        for at in times:
            each.passed(1, at)

    assert other.limit == window.limit


def test_a_throttle_of_the_same_moment_only_tells_more_of_one_lesson() -> None:
    window = _throttled_once()

    window.throttled(1, 3.75)
    window.lower(1, 3.75, again=True)

    assert pytest.approx(17 / 3.75 * 15 / 17) == window.limit


def test_a_second_lesson_starts_from_the_rate_before_it() -> None:
    window = _throttled_once()
    window.passed(1, 4.0)
    before = window.limit
    for _ in range(40):
        window.passed(1, 4.0)

    window.throttled(1, 4.0)
    window.lower(1, 4.0, again=False)

    # What ended lately is more than the limit let through: what it allowed is what was too much.
    assert before is not None
    assert before * 0.9 < (window.limit or 0) < before


def test_what_was_too_much_again_is_the_new_level() -> None:
    window = _throttled_once()
    for number in range(20):
        window.passed(1, 10.0 + number)

    window.throttled(1, 30.0)
    window.lower(1, 30.0, again=False)

    # The latest sixteen took fifteen seconds.
    assert pytest.approx(16 / 15) == window._too_much


def test_an_outage_forgets_no_rate() -> None:
    window = _throttled_once()
    window.passed(1, 4.0)
    window.throttled(1, 5.0)
    window.lower(1, 5.0, again=False)
    learnt = window._too_much
    for number in range(30):
        window.throttled(1, 6.0 + number)
        window.lower(1, 6.0 + number, again=False)
    low = window.limit

    for number in range(60):
        window.passed(1, 36.0 + number / 4)

    assert learnt is not None
    assert low is not None
    assert low < learnt / 4
    assert learnt == window._too_much
    assert 0.9 * learnt < (window.limit or 0)


def test_a_long_outage_leaves_one_request_a_minute() -> None:
    window = RateWindow(None)

    for number in range(40):
        window.throttled(3, 600.0 * number)
        window.lower(3, 600.0 * number, again=False)

    assert pytest.approx(3 / 60) == window.limit


def test_a_configured_limit_is_never_passed_and_loses_a_twentieth_at_the_second_throttle() -> None:
    window = _throttled_once(per_minute=250)
    once = window.configured
    for number in range(200):
        window.passed(1, 4.0 + number / 4)
    grown = window.limit

    window.throttled(1, 60.0)
    window.lower(1, 60.0, again=False)
    twice = window.configured
    window.throttled(1, 70.0)
    window.lower(1, 70.0, again=False)

    assert pytest.approx((250 / 60, 250 / 60, 0.95 * 250 / 60, 0.95 * 250 / 60)) == (
        once,
        grown,
        twice,
        window.configured,
    )


def test_tokens_are_estimated_by_what_requests_cost_lately() -> None:
    bill = TokenEstimator()
    first = bill.expected(50)

    bill.learn(100, 200)
    second = bill.expected(50)
    bill.learn(100, 100)

    # What was before counts a twentieth less with each request.
    assert (50.0, 100.0, pytest.approx(290.0)) == (first, second, bill.expected(195))


def test_media_of_unknown_size_cost_what_the_last_ones_did() -> None:
    bill = TokenEstimator()
    expected = [bill.expected(0)]

    for spent in (100, 200, 25):
        bill.learn(0, spent)
        expected.append(bill.expected(0))

    assert [0.0, 100.0, 125.0, 100.0] == expected


def test_one_refusal_for_a_crowd_outweighs_the_answers_of_its_round() -> None:
    limit = ConcurrencyLimit(8)
    for _ in range(3):
        limit.failed()

    limit.overloaded()
    for _ in range(3):
        limit.succeeded()

    assert 4.0 == limit.size


def test_half_a_round_that_was_not_served_is_chance() -> None:
    limit = ConcurrencyLimit(4)
    for succeeded in (True, False, True, False):
        (limit.succeeded if succeeded else limit.failed)()

    assert 4.0 == limit.size


def test_one_request_stays_in_flight() -> None:
    limit = ConcurrencyLimit(2)

    for _ in range(5):
        limit.failed()

    assert 1.0 == limit.size
