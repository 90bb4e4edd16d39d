"""One logical request, step by step, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost
from volc_dashscope._limits.retry import DEFAULT_RETRIES, Retry
from volc_dashscope._request.exchange import RetryContext, exchange
from volc_dashscope._types import Fault, Flow, Reply, Request, Send, Wait
from volc_dashscope.errors import (
    AuthError,
    BadReplyError,
    EmbeddingError,
    RateLimitError,
    ServiceUnavailableError,
    TransportError,
)

GOOD = Reply(200, {}, b"rows")
DOWN = ServiceUnavailableError("down", retryable=True)
REFUSED = AuthError("no", account=True)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Embedding:
    """An operation whose replies are judged by a list, one entry for each."""

    verdicts: list[bytes | EmbeddingError]
    cost: RequestCost = field(default_factory=RequestCost)
    built: int = 0

    def build(self) -> Request:
        self.built += 1
        return Request("POST", "https://service/embed", {}, b"{}")

    def read(self, reply: Reply) -> bytes | EmbeddingError:
        return self.verdicts.pop(0)


@dataclass
class Log:
    sent: int = 0
    waits: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    rows: bytes | None = None
    error: EmbeddingError | None = None


def _context(
    clock: Clock, *, retries: int = 2, deadline: float = 100.0, rate_limiter: RateLimiter | None = None
) -> RetryContext:
    return RetryContext(
        Retry(retries, deadline, lambda: 1.0), rate_limiter or RateLimiter(None, None), clock, "ark"
    )


def _drive(
    flow: Flow[bytes],
    clock: Clock,
    *,
    answer: Callable[[int], Reply | Fault] = lambda _: GOOD,
    takes: float = 0.0,
) -> Log:
    """Carry out a flow with a clock of our own."""
    log, happened = Log(), None
    while True:
        try:
            step = flow.send(happened)
        except StopIteration as done:
            log.rows = done.value
            return log
        except EmbeddingError as error:
            log.error = error
            return log
        happened = None
        if isinstance(step, Send):
            log.starts.append(clock.now)
            happened = answer(log.sent)
            log.sent += 1
            clock.now += takes
        elif isinstance(step, Wait):
            log.waits.append(step.seconds)
            clock.now += step.seconds


def test_a_good_reply_ends_the_exchange() -> None:
    clock = Clock()

    log = _drive(exchange(Embedding([b"rows"]), _context(clock)), clock)

    assert (b"rows", 1, []) == (log.rows, log.sent, log.waits)


def test_a_passing_fault_is_tried_again() -> None:
    clock = Clock()

    log = _drive(exchange(Embedding([DOWN, DOWN, b"rows"]), _context(clock)), clock)

    assert (b"rows", 3, [0.5, 1.0]) == (log.rows, log.sent, log.waits)


def test_the_request_is_built_once_for_all_attempts() -> None:
    clock, operation = Clock(), Embedding([DOWN, DOWN, b"rows"])

    _drive(exchange(operation, _context(clock)), clock)

    assert 1 == operation.built


def test_attempts_run_out_with_the_last_error() -> None:
    clock = Clock()
    errors = [ServiceUnavailableError(f"down {number}", retryable=True) for number in range(3)]

    log = _drive(exchange(Embedding(list(errors)), _context(clock)), clock)

    assert (errors[-1], 3, 2) == (log.error, log.sent, len(log.waits))


@pytest.mark.parametrize(
    "error",
    [REFUSED, BadReplyError("odd"), RateLimitError("quota")],
    ids=["key", "reply", "throttle that is final"],
)
def test_a_final_error_is_sent_exactly_once(error: EmbeddingError) -> None:
    clock = Clock()

    log = _drive(exchange(Embedding([error, b"rows"]), _context(clock)), clock)

    assert (error, 1, []) == (log.error, log.sent, log.waits)


def test_no_attempt_follows_the_deadline() -> None:
    clock = Clock()

    log = _drive(exchange(Embedding([DOWN] * 9), _context(clock, retries=8, deadline=20.0)), clock, takes=8.0)

    assert (DOWN, [0.0, 8.5, 17.5]) == (log.error, log.starts)


def test_a_hint_longer_than_the_time_left_gives_up_at_once() -> None:
    clock = Clock()
    error = RateLimitError("slow down", retryable=True, retry_after=500.0)

    log = _drive(exchange(Embedding([error]), _context(clock)), clock)

    assert (error, 1, []) == (log.error, log.sent, log.waits)


def test_waiting_in_line_is_no_part_of_the_deadline() -> None:
    clock, rate_limiter = Clock(), RateLimiter(1, None)
    for _ in range(200):
        rate_limiter.reserve(RequestCost(), clock.now)

    log = _drive(exchange(Embedding([DOWN, b"rows"]), _context(clock, rate_limiter=rate_limiter)), clock)

    assert clock.now > 100.0
    assert (b"rows", 2) == (log.rows, log.sent)


def test_a_told_limit_makes_the_request_wait_for_its_slot() -> None:
    clock, rate_limiter = Clock(), RateLimiter(60, None)
    rate_limiter.reserve(RequestCost(), clock.now)

    log = _drive(exchange(Embedding([b"rows"]), _context(clock, rate_limiter=rate_limiter)), clock)

    assert [1.0] == log.starts


def test_a_throttle_while_in_line_sends_the_request_to_the_end_of_the_pause() -> None:
    clock, rate_limiter = Clock(), RateLimiter(60, None)
    for _ in range(2):
        rate_limiter.reserve(RequestCost(), clock.now)
    flow = exchange(Embedding([b"rows"]), _context(clock, rate_limiter=rate_limiter))
    first = next(flow)
    rate_limiter.report(RateLimitError("slow down", retryable=True, retry_after=30.0), RequestCost(), 1.0)
    clock.now = 2.0

    second = flow.send(None)

    assert [2.0, 29.0] == [step.seconds for step in (first, second) if isinstance(step, Wait)]


@pytest.mark.parametrize(
    ("kind", "sent"),
    [("connect", 3), ("timeout", 3), ("broken", 3), ("too large", 1)],
    ids=["connect", "timeout", "broken", "too large"],
)
def test_a_reply_that_did_not_arrive_is_a_transport_error(kind: str, sent: int) -> None:
    clock = Clock()

    log = _drive(exchange(Embedding([]), _context(clock)), clock, answer=lambda _: Fault(kind))  # type: ignore[arg-type]

    assert (TransportError, "ark", sent) == (type(log.error), log.error and log.error.provider, log.sent)


def test_a_reply_after_a_broken_connection_is_the_result() -> None:
    clock = Clock()

    log = _drive(
        exchange(Embedding([b"rows"]), _context(clock)),
        clock,
        answer=lambda sent: GOOD if sent else Fault("broken"),
    )

    assert (b"rows", 2) == (log.rows, log.sent)


def test_an_error_of_building_is_raised_before_anything_is_sent() -> None:
    @dataclass
    class Gone(Embedding):
        def build(self) -> Request:
            raise EmbeddingError("the file is gone")

    clock = Clock()

    log = _drive(exchange(Gone([b"rows"]), _context(clock)), clock)

    assert ("the file is gone", 0) == (str(log.error), log.sent)


@pytest.mark.parametrize(("retries", "sent"), [(7, 3), (0, 1), (4, 5)], ids=["default", "none", "asked for"])
def test_what_was_never_reached_is_tried_three_times_unless_more_was_asked_for(
    retries: int, sent: int
) -> None:
    clock = Clock()

    log = _drive(
        exchange(Embedding([]), _context(clock, retries=retries)), clock, answer=lambda _: Fault("connect")
    )

    assert (sent, True) == (log.sent, log.error and log.error.account)


def test_what_was_never_reached_is_not_tried_again_after_ten_seconds() -> None:
    clock = Clock()

    log = _drive(
        exchange(Embedding([]), _context(clock, retries=7)),
        clock,
        answer=lambda _: Fault("connect"),
        takes=10.0,
    )

    assert 1 == log.sent


def test_a_service_that_was_reached_may_be_away_for_a_while() -> None:
    clock, context = Clock(), _context(Clock(), retries=7)
    _drive(exchange(Embedding([b"rows"]), context), clock)

    log = _drive(exchange(Embedding([]), context), clock, answer=lambda _: Fault("connect"))
    again = _drive(exchange(Embedding([]), context), clock, answer=lambda _: Fault("connect"))

    assert (8, 3) == (log.sent, again.sent)


def test_a_failed_connection_ends_nothing_while_others_are_answered() -> None:
    clock, context = Clock(), _context(Clock(), retries=0)
    flow = exchange(Embedding([]), context)
    assert isinstance(flow.send(None), Send)
    _drive(exchange(Embedding([b"rows"]), context), clock)

    with pytest.raises(TransportError) as caught:
        flow.send(Fault("connect"))

    assert not caught.value.account


@pytest.mark.parametrize("kind", ["certificate", "tls", "proxy"])
def test_a_setting_that_is_wrong_is_final_for_all(kind: str) -> None:
    clock = Clock()

    log = _drive(exchange(Embedding([]), _context(clock)), clock, answer=lambda _: Fault(kind))  # type: ignore[arg-type]

    assert (1, True) == (log.sent, log.error and log.error.account)


def test_a_wait_says_what_failed_where_and_how_often() -> None:
    flow = exchange(Embedding([]), _context(Clock()))
    flow.send(None)

    wait = flow.send(Fault("connect", "connection refused"))

    assert isinstance(wait, Wait)
    assert wait.why.startswith("attempt 1 at service failed: cannot connect to service (connection refused)")


def test_a_wait_for_the_rate_limit_says_which_attempt_waits_and_for_which_host() -> None:
    rate_limiter = RateLimiter(60, None)
    rate_limiter.reserve(RequestCost(60), 0.0)

    wait = next(exchange(Embedding([]), _context(Clock(), rate_limiter=rate_limiter)))

    assert isinstance(wait, Wait)
    assert "attempt 1 at service waits, the rate limit comes first" == wait.why


def test_a_wait_for_a_pause_names_who_asked_and_the_last_failure() -> None:
    rate_limiter, throttled = (
        RateLimiter(None, None),
        RateLimitError("slowly", retryable=True, retry_after=30.0),
    )
    flow = exchange(Embedding([throttled]), _context(Clock(), rate_limiter=rate_limiter))
    flow.send(None)
    flow.send(Reply(429, {}, b""))

    wait = flow.send(None)

    assert isinstance(wait, Wait)
    assert "attempt 2 at service waits, ark asked for a pause; the last attempt failed: slowly" == wait.why


def test_a_service_that_was_given_up_is_tried_once_until_it_answers() -> None:
    """So that batch after batch of a job does not wait out all attempts again."""
    clock = Clock()
    context = _context(clock, retries=DEFAULT_RETRIES)

    sent = [
        _drive(exchange(Embedding([b"rows"]), context), clock, answer=answer).sent
        for answer in (_nobody, _nobody, lambda _: GOOD, _nobody)
    ]

    assert [3, 1, 1, DEFAULT_RETRIES + 1] == sent


def _nobody(number: int) -> Fault:
    return Fault("connect", "connection refused")
