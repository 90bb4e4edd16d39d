"""What a service asks for is heeded, in every spelling; patience is jittered, bounded and ends at a deadline."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from promise import Breakage, sized

from volc_dashscope import EmbeddingError, RateLimitError, ServiceUnavailableError, get_model_info
from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost
from volc_dashscope._limits.retry import Retry, retry_after
from volc_dashscope._request.exchange import RetryContext, exchange
from volc_dashscope._types import Batch, Reply, Request, RequestSpec, Send, Wait
from volc_dashscope.providers import dashscope

NOW = 1_795_000_000.0  # Wed, 18 Nov 2026 11:06:40 GMT
BREAKAGES = [
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "_timestamp(value) - _clock_of(headers, now)",
        "_timestamp(value) - now",
        "test_a_date_is_read_against_the_replys_own",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "return _sane(milliseconds / 1000)",
        "return _sane(milliseconds)",
        "test_the_hint_is_heeded",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "seconds = max(0.0, _timestamp",
        "seconds = max(1.0, _timestamp",
        "test_the_hint_is_heeded",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "math.isfinite(seconds) and seconds >= 0",
        "math.isfinite(seconds)",
        "test_the_hint_is_heeded",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "and error.retry_after > LONGEST_HINT:",
        "and error.retry_after > 9e99:",
        "test_a_hint_of_more_than_a_day_is_the_end",
    ),
    Breakage(
        "volc_dashscope/_limits/rate_limiter.py",
        "if (error.retry_after or 0.0) <= LONGEST_HINT else None",
        "if True else None",
        "test_a_hint_of_more_than_a_day_is_the_end",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "_LONGEST_PAUSE = 20.0",
        "_LONGEST_PAUSE = 40.0",
        "test_back_off_grows_to_a_bound",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "return pause if elapsed + pause < self.deadline else None",
        "return pause",
        "TestPatience",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "pause = ceiling * (0.5 + 0.5 * self.random())",
        "pause = ceiling",
        "test_what_failed_together_does_not_come_back_together",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        "if server_pause and elapsed + total + server_pause >= context.retry.deadline:",
        "if False:",
        "test_a_hint_longer_than_the_deadline_ends_those_in_line_too",
    ),
]

# What the reply says, and the seconds it asks for; None means that it asks for nothing that can be used.
MATRIX: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "1"}, 1.0),
    ({"retry-after": "7"}, 7.0),
    ({"retry-after": "0.5"}, 0.5),
    ({"retry-after": " 3 "}, 3.0),
    ({"retry-after": "+2"}, 2.0),
    ({"retry-after": "1e1"}, 10.0),
    ({"retry-after": "59"}, 59.0),
    ({"retry-after": "-1"}, None),
    ({"retry-after": "-0"}, 0.0),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "1e999"}, None),
    ({"retry-after": "1_0"}, None),
    ({"retry-after": "٣"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "3;4"}, None),
    ({"retry-after": "9" * 400}, None),
    ({"retry-after": "Wed, 18 Nov 2026 11:06:45 GMT"}, 5.0),
    ({"retry-after": "Wed, 18 Nov 2026 11:06:45"}, 5.0),
    ({"retry-after": "Wed, 18 Nov 2026 19:06:45 +0800"}, 5.0),
    ({"retry-after": "Wednesday, 18-Nov-26 11:06:45 GMT"}, 5.0),
    ({"retry-after": "Wed, 18 Nov 2026 11:06:00 GMT"}, 0.0),
    ({"retry-after": "Fri, 99 Foo 2026 99:99:99 GMT"}, None),
    ({"retry-after": "Wed, 18 Nov 2026 11:06:45 -0000"}, 5.0),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "250", "retry-after": "60"}, 0.25),
    ({"retry-after-ms": "-250", "retry-after": "4"}, None),
    ({"retry-after-ms": "x", "retry-after": "4"}, 4.0),
]
ROW = get_model_info("text-embedding-v4")
assert ROW is not None
ASK = RequestSpec(model_info=ROW, model=ROW.name, base_url="https://service", place="here")


class Asked:
    """A request that is refused as often as there are replies, then answered."""

    cost = RequestCost()

    def __init__(self, *replies: Reply) -> None:
        self.replies = [*replies, Reply(200, {}, b"")]

    def build(self) -> Request:
        return Request("POST", "https://service/embed")

    def read(self, reply: Reply) -> str | EmbeddingError:
        if reply.status == 200:
            return "rows"
        refused = dashscope.read(reply, Batch((0,), ("text",)), ASK)
        assert isinstance(refused, EmbeddingError)
        return refused


def _waits(asked: Asked, *, deadline: float = 100.0, random: float = 0.0, retries: int = 7) -> list[float]:
    """Drive one exchange by a fake clock and return how long it waited before each further attempt."""
    clock = [0.0]
    context = RetryContext(
        Retry(retries, deadline, lambda: random), RateLimiter(None, None), lambda: clock[0], "dashscope"
    )
    flow, waits, pause = exchange(asked, context), [], 0.0
    reply = None
    replies = iter(asked.replies)
    while True:
        try:
            step = flow.send(reply)
        except StopIteration:
            return waits[1:]
        if isinstance(step, Send):
            waits.append(pause)
            reply, pause = next(replies), 0.0
        else:
            assert isinstance(step, Wait)
            clock[0], pause, reply = clock[0] + step.seconds, pause + step.seconds, None


assert len(MATRIX) >= 30


@pytest.mark.parametrize(("headers", "seconds"), MATRIX, ids=[str(headers)[:60] for headers, _ in MATRIX])
def test_the_hint_is_heeded(headers, seconds) -> None:
    # Two refusals: our own pauses grow, so that a hint cannot be mistaken for one.
    refusal = Reply(429, headers, b'{"code":"Throttling.RateQuota"}', NOW)

    earliest, latest = (_waits(Asked(refusal), random=random)[0] for random in (0.0, 1.0))

    if seconds is None:
        assert 1.0 == earliest  # the rate limiter's own second; ours is shorter
    else:
        assert pytest.approx([seconds, seconds + min(1.0, 0.1 * seconds)]) == [earliest, latest]


TOO_LONG = [
    {"retry-after": "86401"},
    {"retry-after": "1795000000"},  # a time of day, where seconds belong
    {"retry-after": "1e99"},
    {"retry-after": "Thu, 18 Nov 2027 11:06:45 GMT"},
    {"retry-after-ms": "86400001"},
]


@pytest.mark.parametrize("headers", TOO_LONG, ids=str)
@pytest.mark.parametrize("deadline", [180.0, float("inf")])
def test_a_hint_of_more_than_a_day_is_the_end(headers, deadline) -> None:
    """Of that request, which tells it; the others of the client find out for themselves."""
    clock = [0.0]
    context = RetryContext(
        Retry(8, deadline, lambda: 0.0), RateLimiter(None, None), lambda: clock[0], "dashscope"
    )
    flow = exchange(Asked(), context)
    next(flow)

    with pytest.raises(RateLimitError) as caught:
        flow.send(Reply(429, headers, b'{"code":"Throttling.RateQuota"}', NOW))
    following = next(exchange(Asked(), context))

    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 86_400
    assert isinstance(following, Wait)
    assert 1.0 == following.seconds


def test_what_failed_together_does_not_come_back_together() -> None:
    chance = Random(6).random
    down = Reply(503, {}, b"")

    waits = [_waits(Asked(down), random=chance())[0] for _ in range(50)]

    assert 50 == len(set(waits))
    assert max(waits) - min(waits) > 0.2


def test_back_off_grows_to_a_bound() -> None:
    waits = _waits(Asked(*[Reply(503, {}, b"")] * 9), retries=9, deadline=1e9, random=1.0)

    assert pytest.approx([0.5, 1, 2, 4, 8, 16, 20, 20, 20]) == waits


def test_a_hint_longer_than_the_deadline_ends_those_in_line_too() -> None:
    """One reply that says "come back in an hour" must not put the other requests to sleep for it."""
    clock = [0.0]
    limiter = RateLimiter(None, None)
    limiter.report(RateLimitError("later", retryable=True, retry_after=3600.0), RequestCost(), 0.0)
    flow = exchange(
        Asked(), RetryContext(Retry(8, 180.0, lambda: 0.0), limiter, lambda: clock[0], "dashscope")
    )

    with pytest.raises(RateLimitError, match="longer than the deadline") as caught:
        next(flow)

    assert (3600.0, True) == (caught.value.retry_after, caught.value.retryable)


class Patience(RuleBasedStateMachine):
    """Errors of every kind in any order: attempts and time are bounded, and no hint is cut short."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.attempt, self.over = 0.0, 1, False
        self.chance = Random(1)
        self.retry = Retry(5, 60.0, self.chance.random)

    @precondition(lambda self: not self.over)
    @rule(
        took=st.floats(0, 30),
        hint=st.none() | st.floats(0, 90),
        kind=st.sampled_from([RateLimitError, ServiceUnavailableError]),
        retryable=st.sampled_from([True, True, True, False]),
    )
    def fail(self, took: float, hint: float | None, kind: type[EmbeddingError], retryable: bool) -> None:
        self.clock += took
        error = kind("no", retryable=retryable, retry_after=hint)
        pause = self.retry.after(error, self.attempt, self.clock)
        if pause is None:
            self.over = True
            longest = 20.0 if hint is None else hint + 1.0
            assert not retryable or self.attempt >= 6 or self.clock + longest >= 60.0
            return
        assert retryable
        assert pause >= (hint or 0.0)
        assert pause <= (20.0 if hint is None else hint + 1.0)
        self.clock += pause
        self.attempt += 1

    @precondition(lambda self: self.over)
    @rule()
    def begin_again(self) -> None:
        self.clock, self.attempt, self.over = 0.0, 1, False

    @invariant()
    def bounded(self) -> None:
        assert self.attempt <= 6
        assert self.over or self.attempt == 1 or self.clock < 60.0


TestPatience = Patience.TestCase
TestPatience.settings = hypothesis_settings(max_examples=sized(1_000), stateful_step_count=12, deadline=None)


@pytest.mark.parametrize("skew", [-3600.0, 0.0, 3600.0])
def test_a_date_is_read_against_the_replys_own(skew) -> None:
    """The clock of this machine may be wrong; the service's is the one the date is meant by."""
    headers = {"date": "Wed, 18 Nov 2026 11:06:40 GMT", "retry-after": "Wed, 18 Nov 2026 11:06:50 GMT"}

    assert 10.0 == retry_after(headers, NOW + skew)
