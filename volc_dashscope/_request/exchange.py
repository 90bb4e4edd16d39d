"""
One logical request, from its first attempt to its rows, without I/O.

`exchange` is a generator: it yields what to do (`Send`, `Wait`) and is sent what happened (`Reply`, `Fault`).
The two drivers in `_http` carry the steps out; every decision is here, once, for sync and async alike.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, Protocol, TypeVar

from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost, Reservation
from volc_dashscope._limits.retry import Retry
from volc_dashscope._types import Fault, Flow, Reply, Request, Rows, Send, Wait
from volc_dashscope.errors import EmbeddingError, RateLimitError, TransportError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Operation(Protocol[T_co]):
    """A request that can be built and whose reply can be read."""

    @property
    def cost(self) -> RequestCost: ...

    def build(self) -> Request: ...

    def read(self, reply: Reply) -> T_co | EmbeddingError: ...


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """An operation of two functions, for requests that are no batch of items: a policy, a file, a job."""

    build: Callable[[], Request]
    read: Callable[[Reply], T | EmbeddingError]
    cost: RequestCost = field(default_factory=RequestCost)


@dataclass(frozen=True, slots=True)
class RetryContext:
    """What every exchange of a client shares: patience, pace and a clock."""

    retry: Retry
    pace: RateLimiter
    clock: Callable[[], float]
    provider: str


def exchange(op: Operation[T], terms: RetryContext) -> Flow[T]:
    """Carry one logical request to a result. Yields `Send` and `Wait`; does no I/O of its own."""
    request = op.build()
    pace, clock = terms.pace, terms.clock
    error, elapsed = None, 0.0
    for attempt in count(1):
        turn, asked = yield from _turn(op.cost, terms, elapsed, error)
        # Standing in line for the pace is no part of the deadline; what the service asked for is.
        began, elapsed = clock(), elapsed + (asked if error is not None else 0.0)
        reply = yield Send(request)
        outcome = _read(op, reply, terms.provider)
        if not isinstance(outcome, EmbeddingError):
            spent = outcome.usage.total_tokens if isinstance(outcome, Rows) else None
            pace.report(None, op.cost, clock(), turn=turn, spent=spent)
            return outcome
        error = outcome
        pace.report(error, op.cost, clock(), turn=turn)
        pause = terms.retry.after(error, attempt, elapsed + clock() - began)
        if pause is None:
            raise error
        yield Wait(pause)
        elapsed += clock() - began
    raise AssertionError("unreachable: count() does not end")


def _turn(
    cost: RequestCost, terms: RetryContext, elapsed: float, error: EmbeddingError | None
) -> Generator[Wait, Reply | Fault | None, tuple[Reservation, float]]:
    """
    Wait for this request's slot; take another when a throttle moved all slots meanwhile.

    Returns the slot, and how many seconds of the wait the service had asked for.

    Raises:
        EmbeddingError: `error`, what became of the last attempt, when the next would start after the deadline;
            before the first attempt, a `RateLimitError` when the service asked others for a longer wait.
    """
    pace, clock, total = terms.pace, terms.clock, 0.0
    while True:
        now = clock()
        asked = pace.pause(now)
        if asked and elapsed + total + asked >= terms.retry.deadline:
            raise error or _too_long(asked, terms)
        total += asked
        turn = pace.reserve(cost, now)
        if turn.delay > 0:
            yield Wait(turn.delay)
        if pace.confirms(turn):
            return turn, total


def _too_long(asked: float, terms: RetryContext) -> RateLimitError:
    return RateLimitError(
        f"not sent: {terms.provider} asked another request to wait, for {asked:.0f} s more, which is longer "
        f"than the deadline of {terms.retry.deadline:g} s",
        provider=terms.provider,
        status=429,
        retryable=True,
        retry_after=asked,
    )


def _read(op: Operation[T], reply: Reply | Fault | None, provider: str) -> T | EmbeddingError:
    if isinstance(reply, Reply):
        return op.read(reply)
    fault = reply or Fault("broken")
    return TransportError(
        f"{provider}: no complete reply ({_FAULTS[fault.kind]})",
        provider=provider,
        retryable=fault.kind != "too large",
    )


_FAULTS = {
    "connect": "could not connect",
    "timeout": "timed out",
    "broken": "the connection broke",
    "too large": "the reply is larger than any reply of this service",
}
