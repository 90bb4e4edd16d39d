"""One logical request, step by step, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost, Reservation
from volc_dashscope._limits.retry import DEFAULT_RETRIES, Retry
from volc_dashscope._request.exchange import RetryContext, exchange
from volc_dashscope._types import Fault, Flow, Reply, Request, Rows, Send, Wait
from volc_dashscope.errors import (
    AuthError,
    BadReplyError,
    ConfigError,
    EmbeddingError,
    RateLimitError,
    ServiceUnavailableError,
    TransportError,
)
from volc_dashscope.results import Usage

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

    verdicts: list[bytes | Rows | EmbeddingError]
    cost: RequestCost = field(default_factory=RequestCost)
    built: int = 0
    url: str = "https://service/embed"
    replies: list[Reply] = field(default_factory=list)

    def build(self) -> Request:
        self.built += 1
        return Request("POST", self.url, {}, b"{}")

    def read(self, reply: Reply) -> bytes | Rows | EmbeddingError:
        self.replies.append(reply)
        return self.verdicts.pop(0)


@dataclass
class Log:
    sent: int = 0
    waits: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    within: list[float] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
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
            log.within.append(step.within)
            log.requests.append(step.request)
            happened = answer(log.sent)
            log.sent += 1
            clock.now += takes
        elif isinstance(step, Wait):
            log.waits.append(step.seconds)
            log.whole.append(step.whole)
            clock.now += step.seconds


def test_a_good_reply_ends_the_exchange() -> None:
    clock, operation = Clock(), Embedding([b"rows"])

    log = _drive(exchange(operation, _context(clock)), clock)

    assert (b"rows", 1, []) == (log.rows, log.sent, log.waits)
    assert [GOOD] == operation.replies


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


def test_a_configured_limit_makes_the_request_wait_for_its_slot() -> None:
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
    [("connect", 3), ("timeout", 3), ("unanswered", 3), ("broken", 3), ("too large", 1)],
    ids=["connect", "timeout", "unanswered", "broken", "too large"],
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


def test_what_never_answered_may_be_the_wrong_place_and_is_given_up_like_it() -> None:
    clock, context = Clock(), _context(Clock(), retries=7)
    log = _drive(exchange(Embedding([]), context), clock, answer=lambda _: Fault("unanswered", "reset"))

    assert (3, True) == (log.sent, log.error and log.error.account)
    assert str(log.error) == (
        "ark: no complete reply from service (the connection broke) (reset); check the scheme (https:// or http://) "
        "and port in base_url, or run volc-dashscope doctor"
    )


PAGE = b"<!DOCTYPE html><title>Log in</title>"


@pytest.mark.parametrize(
    ("status", "body", "sent"),
    [
        (200, PAGE, 3),
        (200, b"\xef\xbb\xbf\n<HTML></HTML>", 3),
        (511, PAGE, 3),
        (200, b"<html>".rjust(64), 3),
        (200, b"<html".rjust(65), 8),
        (200, b"{}", 8),
        (300, PAGE, 8),
        (502, PAGE, 8),
    ],
    ids=["page", "BOM", "login required", "after spaces", "after too many", "JSON", "redirect", "gateway"],
)
def test_a_web_page_may_be_from_the_wrong_place(status: int, body: bytes, sent: int) -> None:
    clock, context = Clock(), _context(Clock(), retries=7)
    unreadable = Embedding([BadReplyError("not JSON", retryable=True) for _ in range(8)])

    log = _drive(exchange(unreadable, context), clock, answer=lambda _: Reply(status, {}, body))

    page = "; service answered with a web page; the network may require a login, or base_url is wrong; run "
    note = f"{page}volc-dashscope doctor" if sent == 3 else ""
    assert (sent, sent == 3) == (log.sent, log.error and log.error.account)
    assert f"not JSON{note}" == str(log.error)


def test_a_web_page_from_a_service_that_was_reached_is_retried_like_any_reply() -> None:
    clock, context = Clock(), _context(Clock(), retries=7)
    _drive(exchange(Embedding([b"rows"]), context), clock)
    unreadable = Embedding([BadReplyError("not JSON", retryable=True) for _ in range(8)])

    log = _drive(exchange(unreadable, context), clock, answer=lambda _: Reply(200, {}, PAGE))

    assert (8, False) == (log.sent, log.error and log.error.account)


def test_what_answered_before_is_the_right_place_also_when_it_breaks_before_a_reply() -> None:
    clock, context = Clock(), _context(Clock(), retries=7)
    _drive(exchange(Embedding([b"rows"]), context), clock)

    log = _drive(exchange(Embedding([]), context), clock, answer=lambda _: Fault("unanswered"))

    assert (8, False) == (log.sent, log.error and log.error.account)
    assert "ark: no complete reply from service (the connection broke)" == str(log.error)


def test_a_host_that_was_reached_says_nothing_of_another_one() -> None:
    clock, context = Clock(), _context(Clock(), retries=7)
    _drive(exchange(Embedding([b"rows"]), context), clock)

    elsewhere = Embedding([], url="https://results/lines")
    log = _drive(exchange(elsewhere, context), clock, answer=lambda _: Fault("connect"))

    assert 3 == log.sent


@pytest.mark.parametrize(("takes", "sent"), [(9.4, 2), (9.5, 1), (10.0, 1)])
def test_what_was_never_reached_is_not_tried_again_after_ten_seconds(takes: float, sent: int) -> None:
    """The pause of half a second before the next attempt is a part of the ten."""
    clock = Clock(50.0)

    log = _drive(
        exchange(Embedding([]), _context(clock, retries=7)),
        clock,
        answer=lambda _: Fault("connect"),
        takes=takes,
    )

    assert sent == log.sent


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
    assert "attempt 1 at service waits: the configured rate limit is reached" == wait.why


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
    assert "attempt 2 at service waits: ark asked for a pause; the last attempt failed: slowly" == wait.why


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


# What the rate limiter receives, and what time is left.


class Notebook(RateLimiter):
    """A rate limiter that records what it receives."""

    def __init__(self) -> None:
        super().__init__(None, None)
        self.reports: list[tuple[object, ...]] = []

    def report(
        self,
        error: EmbeddingError | None,
        cost: RequestCost,
        now: float,
        *,
        reservation: Reservation | None = None,
        spent: int | None = None,
    ) -> None:
        self.reports.append((error, cost, now, reservation, spent))
        super().report(error, cost, now, reservation=reservation, spent=spent)


@pytest.mark.parametrize(
    ("result", "spent"),
    [(Rows(None, Usage(total_tokens=27)), 27), (b"rows", None)],
    ids=["rows and their tokens", "no rows"],
)
def test_the_rate_limiter_learns_how_each_attempt_ended(result: bytes | Rows, spent: int | None) -> None:
    clock, notebook, cost = Clock(50.0), Notebook(), RequestCost(1, 40)

    _drive(
        exchange(Embedding([DOWN, result], cost), _context(clock, rate_limiter=notebook)), clock, takes=2.0
    )

    slot = Reservation(0.0, 0, 40.0)
    assert [(DOWN, cost, 52.0, slot, None), (None, cost, 54.5, slot, spent)] == notebook.reports


def test_each_attempt_sends_the_same_request_and_may_take_the_time_that_is_left() -> None:
    clock = Clock(50.0)

    log = _drive(exchange(Embedding([DOWN, DOWN, b"rows"]), _context(clock)), clock, takes=8.0)

    assert [100.0, 91.5, 82.5] == log.within
    assert [Request("POST", "https://service/embed", {}, b"{}")] * 3 == log.requests


def test_an_attempt_that_starts_after_the_deadline_has_no_time() -> None:
    """A thread that was not woken in time."""
    clock = Clock(50.0)
    flow = exchange(Embedding([DOWN]), _context(clock))
    flow.send(None)
    assert isinstance(flow.send(GOOD), Wait)
    clock.now += 500.0

    step = flow.send(None)

    assert isinstance(step, Send)
    assert 0.0 == step.within


def _throttled(hint: float) -> RateLimitError:
    return RateLimitError("slowly", retryable=True, retry_after=hint)


def _wait(flow: Flow[bytes], clock: Clock) -> float:
    """Let the flow wait once; return for how long."""
    step = flow.send(None)
    assert isinstance(step, Wait)
    clock.now += step.seconds
    return step.seconds


def test_a_pause_before_the_first_attempt_is_no_part_of_the_deadline() -> None:
    clock, rate_limiter = Clock(50.0), RateLimiter(None, None)
    rate_limiter.report(_throttled(30.0), RequestCost(), clock.now)

    log = _drive(exchange(Embedding([b"rows"]), _context(clock, rate_limiter=rate_limiter)), clock)

    assert ([30.0], [100.0]) == (log.waits, log.within)


def _paused(*hints: float) -> tuple[Flow[bytes], Clock]:
    """Return a flow whose first attempt failed, and that has waited for each of these pauses since."""
    clock, rate_limiter = Clock(50.0), RateLimiter(None, None)
    flow = exchange(Embedding([DOWN]), _context(clock, rate_limiter=rate_limiter))
    flow.send(None)
    step = flow.send(GOOD)
    assert isinstance(step, Wait)
    clock.now += step.seconds
    for hint in hints:
        rate_limiter.report(_throttled(hint), RequestCost(), clock.now)
        assert hint == _wait(flow, clock)
    return flow, clock


def test_pauses_between_attempts_are_a_part_of_the_deadline() -> None:
    flow, _ = _paused(30.0, 31.0)

    step = flow.send(None)

    assert isinstance(step, Send)
    assert 100.0 - 0.5 - 30.0 - 31.0 == step.within


@pytest.mark.parametrize(("last", "raised"), [(38.5, True), (38.25, False)], ids=["no time left", "some"])
def test_pauses_up_to_the_deadline_raise_the_last_attempts_error(last: float, raised: bool) -> None:
    clock, rate_limiter = Clock(50.0), RateLimiter(None, None)
    flow = exchange(Embedding([DOWN]), _context(clock, rate_limiter=rate_limiter))
    flow.send(None)
    flow.send(GOOD)
    clock.now += 0.5
    for hint in (30.0, 31.0):
        rate_limiter.report(_throttled(hint), RequestCost(), clock.now)
        _wait(flow, clock)
    rate_limiter.report(_throttled(last), RequestCost(), clock.now)

    if not raised:
        assert last == _wait(flow, clock)
        return
    with pytest.raises(ServiceUnavailableError) as caught:
        flow.send(None)

    assert DOWN is caught.value


def test_a_pause_longer_than_the_deadline_is_not_waited_for() -> None:
    clock, rate_limiter = Clock(50.0), RateLimiter(None, None)
    rate_limiter.report(_throttled(100.0), RequestCost(), clock.now)

    log = _drive(exchange(Embedding([b"rows"]), _context(clock, rate_limiter=rate_limiter)), clock)

    error = log.error
    assert isinstance(error, RateLimitError)
    assert (0, []) == (log.sent, log.waits)
    assert ("ark", 429, True, 100.0) == (error.provider, error.status, error.retryable, error.retry_after)
    assert str(error).startswith(
        "not sent: ark asked an earlier request to wait 100 s more, which is longer than the deadline of 100 s"
    )


# What is said of a request without a reply.

FAULTS: dict[str, tuple[Fault, str]] = {
    "connect": (
        Fault("connect", "refused"),
        "cannot connect to service:8443 (refused); run volc-dashscope doctor",
    ),
    "connect to a proxy": (
        Fault("connect", place="proxy:80"),
        "cannot connect to proxy:80; run volc-dashscope doctor",
    ),
    "certificate": (
        Fault("certificate", "expired"),
        "the certificate of service:8443 is not trusted (expired); if the host is right, set SSL_CERT_FILE to a file "
        "with the CA certificate that signed it",
    ),
    "certificate through a proxy": (
        Fault("certificate", place="proxy:80"),
        "the certificate of service:8443 through proxy:80 is not trusted; if the host is right, set SSL_CERT_FILE to "
        "a file with the CA certificate that signed it",
    ),
    "tls": (
        Fault("tls", "no cipher", place="proxy:80"),
        "TLS handshake with service:8443 through proxy:80 failed (no cipher); check base_url and the proxy, or run "
        "volc-dashscope doctor",
    ),
    "proxy": (
        Fault("proxy", "403", place="proxy:80"),
        "proxy:80 refused to connect to service:8443 (403); check HTTPS_PROXY, ALL_PROXY and NO_PROXY",
    ),
    "timeout": (Fault("timeout", "read"), "ark: no complete reply from service:8443 (timed out) (read)"),
    "late": (
        Fault("late"),
        "ark: no complete reply from service:8443 within the deadline of 100 s (timed out)",
    ),
    "broken": (
        Fault("broken", "reset"),
        "ark: no complete reply from service:8443 (the connection broke) (reset)",
    ),
    "upload": (
        Fault("upload", "reset", size=10**12),
        "ark: service:8443 closed the connection while 1000000.0 MB were being sent (reset); a gateway may limit "
        "the size of requests",
    ),
    "too large": (
        Fault("too large"),
        "ark: no complete reply from service:8443 (the reply is larger than any reply of this service)",
    ),
}


@pytest.mark.parametrize(("fault", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_names_the_place_and_the_reason_and_keeps_its_cause(fault: Fault, words: str) -> None:
    clock, cause = Clock(), OSError("reset")
    operation = Embedding([], url="https://user@corp:pass@service:8443/embed")
    context = _context(clock, retries=0)
    _drive(
        exchange(Embedding([b"rows"]), context), clock
    )  # once reached, a failed connection is no account's
    fault = Fault(fault.kind, fault.reason, cause, fault.place, fault.size)

    error = _drive(exchange(operation, context), clock, answer=lambda _: fault).error

    assert isinstance(error, TransportError)
    assert words == str(error)
    assert cause is error.__cause__
    assert "ark" == error.provider


@pytest.mark.parametrize(
    ("kind", "retryable", "account", "unsent"),
    [
        ("connect", True, True, True),
        ("certificate", False, True, True),
        ("tls", False, True, True),
        ("proxy", False, True, True),
        ("unanswered", True, True, False),
        ("timeout", True, False, False),
        ("late", False, False, False),
        ("broken", True, False, False),
        ("upload", True, False, False),
        ("too large", False, False, False),
    ],
)
def test_a_fault_that_every_request_meets_ends_the_call(
    kind: str, retryable: bool, account: bool, unsent: bool
) -> None:
    clock = Clock()

    error = _drive(
        exchange(Embedding([]), _context(clock, retries=0)),
        clock,
        answer=lambda _: Fault(kind),  # type: ignore[arg-type]
    ).error

    assert isinstance(error, TransportError)
    assert (retryable, account, unsent) == (error.retryable, error.account, error.unsent)


def test_a_client_that_was_closed_meanwhile_is_said_to_be() -> None:
    clock = Clock()

    log = _drive(exchange(Embedding([]), _context(clock)), clock, answer=lambda _: Fault("closed"))

    assert (ConfigError, 1) == (type(log.error), log.sent)
    assert "this client was closed during the call" == str(log.error)


def test_nothing_for_a_reply_is_a_broken_connection() -> None:
    flow = exchange(Embedding([]), _context(Clock(), retries=0))
    flow.send(None)

    with pytest.raises(TransportError, match="the connection broke"):
        flow.send(None)


def test_a_large_body_is_sent_three_times_at_most() -> None:
    clock = Clock()

    log = _drive(exchange(Embedding([]), _context(clock, retries=5)), clock, answer=lambda _: Fault("upload"))

    assert 3 == log.sent


PARTS = [0.25, 0.25, 0.25, 0.125]


def _halted_after(looks: float) -> Callable[[], EmbeddingError | None]:
    """Return what finds the call halted after that many looks."""
    seen = 0

    def halted() -> EmbeddingError | None:
        nonlocal seen
        seen += 1
        return REFUSED if seen > looks else None

    return halted


def _retried() -> tuple[Embedding, RetryContext, Clock]:
    """Return an operation that waits for its second attempt, of 0.875 s."""
    clock = Clock(now=5.0)
    retry = Retry(2, 100.0, lambda: 2.5)
    return Embedding([DOWN, b"rows"]), RetryContext(retry, RateLimiter(None, None), clock, "ark"), clock


def _limited() -> tuple[Embedding, RetryContext, Clock]:
    """Return an operation that waits as long for the rate limit."""
    clock = Clock(now=5.0)
    rate_limiter = RateLimiter(60 / 0.875, None)
    rate_limiter.reserve(RequestCost(), clock.now)
    return Embedding([b"rows"]), _context(clock, rate_limiter=rate_limiter), clock


@pytest.mark.parametrize(("made", "sent"), [(_retried, 2), (_limited, 1)], ids=["retry", "rate limit"])
def test_a_long_wait_has_parts_and_the_first_has_its_whole_length(made, sent) -> None:
    operation, context, clock = made()

    log = _drive(exchange(operation, context, _halted_after(1e9)), clock)

    assert (b"rows", sent) == (log.rows, log.sent)
    assert pytest.approx(PARTS) == log.waits
    assert [pytest.approx(sum(PARTS)), 0.0, 0.0, 0.0] == log.whole


@pytest.mark.parametrize("made", [_retried, _limited], ids=["retry", "rate limit"])
def test_a_call_that_is_not_halted_by_others_waits_in_one_piece(made) -> None:
    operation, context, clock = made()

    log = _drive(exchange(operation, context), clock)

    assert ([pytest.approx(sum(PARTS))], [0.0]) == (log.waits, log.whole)


def test_a_wait_of_one_part_is_no_part_of_a_longer_one() -> None:
    clock = Clock()
    context = RetryContext(Retry(2, 100.0, lambda: 0.0), RateLimiter(None, None), clock, "ark")

    log = _drive(exchange(Embedding([DOWN, b"rows"]), context, _halted_after(1e9)), clock)

    assert ([0.25], [0.0]) == (log.waits, log.whole)


# The looks: before the first attempt, then one before each part of the wait.
@pytest.mark.parametrize(
    ("made", "looks", "sent", "waits"),
    [
        (_retried, 0, 0, []),
        (_retried, 1, 1, []),
        (_retried, 3, 1, [0.25, 0.25]),
        (_limited, 0, 0, []),
        (_limited, 2, 0, [0.25, 0.25]),
    ],
)
def test_a_halted_exchange_waits_no_longer_and_sends_nothing(made, looks, sent, waits) -> None:
    operation, context, clock = made()

    log = _drive(exchange(operation, context, _halted_after(looks)), clock)

    assert (REFUSED, sent, waits) == (log.error, log.sent, log.waits)


def test_a_request_that_was_halted_while_it_waited_for_its_turn_raises_the_cause() -> None:
    """The driver asks once more, after the user's limiter."""
    halted = _halted_after(1e9)
    flow = exchange(Embedding([]), _context(Clock()), halted)
    step = flow.send(None)

    assert isinstance(step, Send)
    assert halted is step.halted
    with pytest.raises(AuthError) as caught:
        flow.send(Fault("halted", cause=REFUSED))
    assert REFUSED is caught.value


def test_a_throttle_moves_the_slot_of_an_exchange_that_is_not_halted() -> None:
    operation, context, clock = _limited()
    throttle = RateLimitError("slow down", retryable=True, retry_after=2.0)
    flow = exchange(operation, context, _halted_after(1e9))

    clock.now += flow.send(None).seconds
    context.rate_limiter.report(throttle, RequestCost(), clock.now)
    log = _drive(flow, clock)

    assert (b"rows", 1) == (log.rows, log.sent)
    assert 7.25 == pytest.approx(log.starts[0])
