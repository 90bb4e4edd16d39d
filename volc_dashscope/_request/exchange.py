"""
One logical request, from its first attempt to its rows, without I/O.

`exchange` is a generator: it yields what to do (`Send`, `Wait`) and is sent what happened (`Reply`, `Fault`).
The two drivers in `_http` carry out the steps. Every decision is made here, once for sync and async.
"""

from __future__ import annotations

import codecs
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost, Reservation
from volc_dashscope._limits.retry import Reachability, Retry
from volc_dashscope._types import Fault, Flow, Reply, Request, Rows, Send, Wait
from volc_dashscope.errors import ConfigError, EmbeddingError, RateLimitError, TransportError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# If every upload of a large body breaks, a proxy or gateway probably rejects it, and each attempt costs minutes.
_MAX_UPLOADS = 3
# Maximum seconds until a waiting request notices that its call was halted.
_MAX_PART_SECONDS = 0.25
Halted: TypeAlias = Callable[[], EmbeddingError | None]


class Operation(Protocol[T_co]):
    """A request that can be built and whose reply can be read."""

    @property
    def cost(self) -> RequestCost: ...

    def build(self) -> Request: ...

    def read(self, reply: Reply) -> T_co | EmbeddingError: ...


class Step(NamedTuple, Generic[T]):
    """An operation made of two functions, for requests without a batch of items: a policy, a file, a job."""

    build: Callable[[], Request]
    read: Callable[[Reply], T | EmbeddingError]
    cost: RequestCost = RequestCost()


@dataclass(frozen=True, slots=True)
class RetryContext:
    """What all exchanges of a client share: retries, rate limiter, clock, and the reachability of each host."""

    retry: Retry
    rate_limiter: RateLimiter
    clock: Callable[[], float]
    provider: str
    # By host: files and results are on other hosts than the service.
    reach: dict[str, Reachability] = field(default_factory=lambda: defaultdict(Reachability))


def exchange(op: Operation[T], context: RetryContext, halted: Halted | None = None) -> Flow[T]:
    """
    Carry one logical request to a result. Yields `Send` and `Wait`; does no I/O of its own.

    Args:
        halted: Returns the error that has halted the call, such as an account error of another request, or None. A
            wait ends then, and that error is raised.
    """
    request = op.build()
    host = _host_of(request.url)
    rate_limiter, clock = context.rate_limiter, context.clock
    reach = context.reach[host]
    error, elapsed, replies = None, 0.0, reach.replies
    for attempt in count(1):
        reservation, server_pause = yield from _wait_for_slot(
            op.cost, context, elapsed, error, f"attempt {attempt} at {host}", halted
        )
        _check_halted(halted)
        # Waits for the rate limit do not count towards the deadline; pauses that the service asked for do.
        began, elapsed = clock(), elapsed + (server_pause if error is not None else 0.0)
        reply = yield Send(request, max(0.0, context.retry.deadline - elapsed), halted)
        outcome = _read_outcome(op, reply, request, context, reach)
        if not isinstance(outcome, EmbeddingError):
            spent = outcome.usage.total_tokens if isinstance(outcome, Rows) else None
            rate_limiter.report(None, op.cost, clock(), reservation=reservation, spent=spent)
            return outcome
        error = outcome
        rate_limiter.report(error, op.cost, clock(), reservation=reservation)
        pause = _retry_pause(error, reply, context.retry, reach, attempt, elapsed + clock() - began)
        if pause is None:
            if _is_unreachable(reply, reach) and reach.lost(replies):
                error.account = True
            raise error
        why = f"attempt {attempt} at {host} failed: {error}"
        yield from _wait_in_parts(Wait(pause, why=why), context, halted)
        elapsed += clock() - began
    raise AssertionError("unreachable: count() does not end")


def _wait_for_slot(
    cost: RequestCost,
    context: RetryContext,
    elapsed: float,
    error: EmbeddingError | None,
    subject: str,
    halted: Halted | None,
) -> Generator[Wait, Reply | Fault | None, tuple[Reservation, float]]:
    """
    Wait for this request's slot; reserve another if a throttle cancelled all slots meanwhile.

    Returns the slot, and the seconds of the wait that the service had asked for.

    Args:
        subject: Names the attempt and the host, for the log.

    Raises:
        EmbeddingError: `error`, of the last attempt, when the next would start after the deadline;
            before the first attempt, a `RateLimitError` when the service asked others for a longer wait.
    """
    rate_limiter, clock, total = context.rate_limiter, context.clock, 0.0
    while True:
        now = clock()
        server_pause = rate_limiter.pause(now)
        if server_pause and elapsed + total + server_pause >= context.retry.deadline:
            raise error or _pause_too_long(server_pause, context)
        total += server_pause
        reservation = rate_limiter.reserve(cost, now)
        if reservation.delay > 0:
            cause = (
                f"{context.provider} asked for a pause"
                if server_pause
                else "the configured rate limit is reached"
            )
            last = f"; the last attempt failed: {error}" if error else ""
            wait = Wait(reservation.delay, why=f"{subject} waits: {cause}{last}")
            yield from _wait_in_parts(wait, context, halted)
        if rate_limiter.confirms(reservation):
            return reservation, total


def _wait_in_parts(
    wait: Wait, context: RetryContext, halted: Halted | None
) -> Generator[Wait, Reply | Fault | None, None]:
    """
    Wait; a long wait is split into parts, so that a halt of the call is noticed soon.

    Raises:
        EmbeddingError: The cause of the halt.
    """
    if halted is None or wait.seconds <= _MAX_PART_SECONDS:
        yield wait
        return
    until, whole = context.clock() + wait.seconds, wait.seconds
    while (left := until - context.clock()) > 0:
        _check_halted(halted)
        yield wait._replace(seconds=min(left, _MAX_PART_SECONDS), whole=whole)
        whole = 0.0


def _check_halted(halted: Halted | None) -> None:
    if halted is not None and (cause := halted()) is not None:
        raise cause


def _pause_too_long(server_pause: float, context: RetryContext) -> RateLimitError:
    return RateLimitError(
        f"not sent: {context.provider} asked an earlier request to wait {server_pause:.0f} s more, which is longer "
        f"than the deadline of {context.retry.deadline:g} s",
        provider=context.provider,
        status=429,
        retryable=True,
        retry_after=server_pause,
    )


def _read_outcome(
    op: Operation[T],
    reply: Reply | Fault | None,
    request: Request,
    context: RetryContext,
    reach: Reachability,
) -> T | EmbeddingError:
    if not isinstance(reply, Reply):
        return _failure(reply or Fault("broken"), request, context, reach)
    outcome = op.read(reply)
    if isinstance(outcome, EmbeddingError) and _is_web_page(reply):
        outcome.args = (f"{outcome}; {_host_of(request.url)} answered with a web page{_CHECK_NETWORK}",)
    else:
        reach.replied()
    return outcome


def _failure(fault: Fault, request: Request, context: RetryContext, reach: Reachability) -> EmbeddingError:
    """
    Return the error for a request without a reply; its cause is what the HTTP library raised.

    Raises:
        EmbeddingError: The cause of a halt, while the request waited for its turn.
    """
    if fault.kind == "closed":
        return ConfigError("this client was closed during the call")
    if fault.kind == "halted" and fault.cause is not None:
        raise fault.cause
    host = _host_of(request.url)
    message = _FAULT_MESSAGES[fault.kind].format(
        host=host,
        place=fault.place or host,
        way=f" through {fault.place}" if fault.place else "",
        provider=context.provider,
        reason=f" ({fault.reason})" if fault.reason else "",
        size=f"{fault.size / 1e6:.1f} MB",
        deadline=f"{context.retry.deadline:g} s",
    )
    if fault.kind == "unanswered" and not reach.reached:
        message += _CHECK_BASE_URL
    error = TransportError(
        message,
        provider=context.provider,
        retryable=fault.kind in ("connect", "timeout", "unanswered", "broken", "upload"),
        account=fault.kind in ("certificate", "tls", "proxy"),
    )
    error.unsent = fault.kind in ("connect", "certificate", "tls", "proxy")
    error.__cause__ = fault.cause
    return error


def _host_of(url: str) -> str:
    """Return host and port as messages show them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _is_web_page(reply: Reply) -> bool:
    """
    Return whether a web page came instead of a reply: from a network that requires a login, or from a wrong host.

    Pages of errors do not count: gateways in front of the service send them too.
    """
    begin = reply.body[:64].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    is_html = begin.startswith((b"<!doctype html", b"<html"))
    return is_html and (reply.status < 300 or reply.status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED)


def _retry_pause(
    error: EmbeddingError,
    reply: Reply | Fault | None,
    retry: Retry,
    reach: Reachability,
    attempt: int,
    elapsed: float,
) -> float | None:
    """Return the seconds until the next attempt, or None to give up."""
    pause = retry.after(error, attempt, elapsed)
    if pause is None:
        return None
    if isinstance(reply, Fault) and reply.kind == "upload" and attempt >= _MAX_UPLOADS:
        return None
    if _is_unreachable(reply, reach) and reach.gives_up(retry, attempt, elapsed + pause):
        return None
    return pause


def _is_unreachable(reply: Reply | Fault | None, reach: Reachability) -> bool:
    """Return whether there was no connection, or the host has never replied: it may be no service at all."""
    if isinstance(reply, Reply):
        return _is_web_page(reply) and not reach.reached
    if reply is None:
        return False
    return reply.kind == "connect" or (reply.kind == "unanswered" and not reach.reached)


_CHECK_BASE_URL = (
    "; check the scheme (https:// or http://) and port in base_url, or run volc-dashscope doctor"
)
_CHECK_NETWORK = "; the network may require a login, or base_url is wrong; run volc-dashscope doctor"
_FAULT_MESSAGES = {
    "connect": "cannot connect to {place}{reason}; run volc-dashscope doctor",
    "certificate": "the certificate of {host}{way} is not trusted{reason}; if the host is right, set SSL_CERT_FILE to "
    "a file with the CA certificate that signed it",
    "tls": "TLS handshake with {host}{way} failed{reason}; check base_url and the proxy, or run volc-dashscope "
    "doctor",
    "proxy": "{place} refused to connect to {host}{reason}; check HTTPS_PROXY, ALL_PROXY and NO_PROXY",
    "timeout": "{provider}: no complete reply from {host} (timed out){reason}",
    "late": "{provider}: no complete reply from {host} within the deadline of {deadline} (timed out)",
    "unanswered": "{provider}: no complete reply from {host} (the connection broke){reason}",
    "broken": "{provider}: no complete reply from {host} (the connection broke){reason}",
    "upload": "{provider}: {host} closed the connection while {size} were being sent{reason}; a gateway may limit "
    "the size of requests",
    "too large": "{provider}: no complete reply from {host} (the reply is larger than any reply of this service)",
}
