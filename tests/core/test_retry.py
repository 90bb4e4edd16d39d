"""How long to wait, and when to stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volc_dashscope._limits.retry import Reachability, Retry, retry_after
from volc_dashscope.errors import EmbeddingError, ServiceUnavailableError

NOW = 1_800_000_000.0
DAY = 86_400

HINTS: dict[str, tuple[dict[str, str], float | None]] = {
    "none": ({}, None),
    "other header": ({"x-retry": "3"}, None),
    "zero": ({"retry-after": "0"}, 0.0),
    "negative zero": ({"retry-after": "-0"}, 0.0),
    "seconds": ({"retry-after": "20"}, 20.0),
    "spaces around": ({"retry-after": "  20 "}, 20.0),
    "plus sign": ({"retry-after": "+7"}, 7.0),
    "fraction": ({"retry-after": "0.25"}, 0.25),
    "no digit before the point": ({"retry-after": ".5"}, 0.5),
    "exponent": ({"retry-after": "1e1"}, 10.0),
    "a day": ({"retry-after": str(DAY)}, float(DAY)),
    "over a day": ({"retry-after": str(DAY + 1)}, DAY + 1.0),
    "huge": ({"retry-after": "9" * 400}, None),
    "1e99": ({"retry-after": "1e99"}, 1e99),
    "overflows a float": ({"retry-after": "1e999"}, None),
    "negative": ({"retry-after": "-1"}, None),
    "nan": ({"retry-after": "nan"}, None),
    "inf": ({"retry-after": "inf"}, None),
    "infinity": ({"retry-after": "Infinity"}, None),
    "empty": ({"retry-after": ""}, None),
    "blank": ({"retry-after": "   "}, None),
    "word": ({"retry-after": "soon"}, None),
    "unit": ({"retry-after": "20s"}, None),
    "hexadecimal": ({"retry-after": "0x10"}, None),
    "underscore": ({"retry-after": "1_0"}, None),
    "arabic digits": ({"retry-after": "٣"}, None),
    "full-width digits": ({"retry-after": "３"}, None),
    "two values": ({"retry-after": "3, 4"}, None),
    "only signs": ({"retry-after": "--"}, None),
    "two points": ({"retry-after": "1.2.3"}, None),
    "milliseconds": ({"retry-after-ms": "250"}, 0.25),
    "fraction of milliseconds": ({"retry-after-ms": "0.5"}, 0.0005),
    "milliseconds win": ({"retry-after-ms": "250", "retry-after": "20"}, 0.25),
    "unreadable milliseconds": ({"retry-after-ms": "soon", "retry-after": "20"}, 20.0),
    "empty milliseconds": ({"retry-after-ms": "", "retry-after": "20"}, 20.0),
    "negative milliseconds": ({"retry-after-ms": "-1"}, None),
    "endless milliseconds": ({"retry-after-ms": "1e9"}, 1e6),
    "date ahead": ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
    "date by the sender's clock": (
        {"retry-after": formatdate(NOW + 30, usegmt=True), "date": formatdate(NOW + 20, usegmt=True)},
        10.0,
    ),
    "date and a clock that is none": (
        {"retry-after": formatdate(NOW + 30, usegmt=True), "date": "noon"},
        30.0,
    ),
    "date with an offset": ({"retry-after": "Fri, 15 Jan 2027 16:00:30 +0800"}, 30.0),
    "date past": ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0.0),
    "date over a day ahead": ({"retry-after": formatdate(NOW + DAY + 9, usegmt=True)}, DAY + 9.0),
    "date of another age": ({"retry-after": "Fri, 15 Jan 99999 08:00:30 GMT"}, None),
    "no such day": ({"retry-after": "Fri, 32 Jan 2027 08:00:30 GMT"}, None),
    "half a date": ({"retry-after": "Fri, 15 Jan"}, None),
}


@pytest.mark.parametrize(("headers", "seconds"), HINTS.values(), ids=HINTS.keys())
def test_a_hint_is_read_or_is_no_hint(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds == retry_after(headers, NOW)


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XYZ-8")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(
    "date",
    ["Fri Jan 15 08:00:30 2027", "Fri, 15 Jan 2027 08:00:30", "Fri, 15 Jan 2027 08:00:30 -0000"],
    ids=["asctime", "no zone", "unknown zone"],
)
def test_a_date_without_a_zone_is_greenwich_time(date: str) -> None:
    """RFC 9110 5.6.7: a recipient takes an asctime date as UTC."""
    assert 30.0 == retry_after({"retry-after": date}, NOW)


@given(st.text() | st.text("0123456789.-+eE ,:GMTJan"))
def test_no_header_value_raises(value: str) -> None:
    for name in ("retry-after", "retry-after-ms"):
        seconds = retry_after({name: value}, NOW)

        assert seconds is None or 0 <= seconds < float("inf")


def _failed(hint: float | None = None, *, retryable: bool = True) -> EmbeddingError:
    return ServiceUnavailableError("down", retryable=retryable, retry_after=hint)


def _patient(*, random: float = 0.0, retries: int = 98, deadline: float = 1e9) -> Retry:
    return Retry(retries, deadline, lambda: random)


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"),
    [
        pytest.param(1, 0.25, 0.5, id="first"),
        pytest.param(2, 0.5, 1.0, id="second"),
        pytest.param(5, 4.0, 8.0, id="fifth"),
        pytest.param(7, 10.0, 20.0, id="the longest pause"),
        pytest.param(60, 10.0, 20.0, id="and no longer"),
    ],
)
def test_a_pause_doubles_up_to_a_bound_with_jitter_downwards(
    attempt: int, shortest: float, longest: float
) -> None:
    pauses = [_patient(random=random).after(_failed(), attempt, 0.0) for random in (0.0, 1.0)]

    assert [shortest, longest] == pauses


@pytest.mark.parametrize(
    ("hint", "latest"),
    [
        pytest.param(0.0, 0.0, id="at once"),
        pytest.param(2.0, 2.2, id="a tenth"),
        pytest.param(60.0, 61.0, id="a second at most"),
    ],
)
def test_jitter_on_a_hint_is_never_earlier_than_asked(hint: float, latest: float) -> None:
    pauses = [_patient(random=random).after(_failed(hint), 1, 0.0) for random in (0.0, 1.0)]

    assert pytest.approx([hint, latest]) == pauses


def test_the_jitter_spreads_what_failed_together() -> None:
    numbers = iter([0.1, 0.5, 0.9])
    retry = Retry(8, 180.0, lambda: next(numbers))

    pauses = {retry.after(_failed(), 1, 0.0) for _ in range(3)}

    assert 3 == len(pauses)


@pytest.mark.parametrize(("hint", "again"), [(DAY, True), (DAY + 1, False), (1e99, False)])
def test_a_hint_of_more_than_a_day_is_the_end(hint: float, again: bool) -> None:
    pause = _patient(deadline=float("inf")).after(_failed(hint), 1, 0.0)

    assert again == (pause is not None)


def test_a_final_error_is_not_retried() -> None:
    assert None is _patient().after(_failed(1.0, retryable=False), 1, 0.0)


@pytest.mark.parametrize(
    ("attempt", "again"),
    [(1, True), (2, True), (3, False), (4, False)],
    ids=["first", "next", "last", "past"],
)
def test_attempts_run_out(attempt: int, again: bool) -> None:
    pause = _patient(retries=2).after(_failed(), attempt, 0.0)

    assert again == (pause is not None)


@pytest.mark.parametrize(
    ("hint", "elapsed", "again"),
    [
        pytest.param(None, 0.0, True, id="time left"),
        pytest.param(None, 9.9, False, id="the pause ends too late"),
        pytest.param(9.0, 0.5, True, id="the hint fits"),
        pytest.param(9.0, 1.0, False, id="the hint ends with the time"),
        pytest.param(30.0, 0.0, False, id="the hint is longer than the time left"),
        pytest.param(None, 11.0, False, id="past the deadline"),
    ],
)
def test_the_deadline_ends_the_attempts(hint: float | None, elapsed: float, again: bool) -> None:
    pause = _patient(deadline=10.0).after(_failed(hint), 1, elapsed)

    assert again == (pause is not None)


def test_a_connection_is_lost_only_where_nothing_was_answered_meanwhile() -> None:
    reach = Reachability()
    for _ in range(3):
        before = reach.replies
        reach.replied()

        assert not reach.lost(before)
        assert reach.lost(reach.replies)
