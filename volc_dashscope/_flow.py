"""
One logical request, from its first attempt to its rows, without I/O.

`exchange` is a generator: it yields what to do (`Send`, `Wait`) and is sent what happened (`Reply`, `Fault`).
The two drivers in `_http` carry the steps out; every decision is here, once, for sync and async alike.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, Protocol, TypeAlias, TypeVar

from volc_dashscope._pace import Cost, Pace
from volc_dashscope._retry import Retry
from volc_dashscope._wire import Fault, Reply, Request
from volc_dashscope.errors import EmbeddingError, TransportError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Send:
    """Put this on the wire and come back with a `Reply` or a `Fault`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wait:
    """Let this many seconds pass; `expected` ones, such as between two looks at a job, are nothing to warn of."""

    seconds: float
    expected: bool = False


Flow: TypeAlias = Generator["Send | Wait", "Reply | Fault | None", T]


class Operation(Protocol[T_co]):
    """A request that can be built and whose reply can be read."""

    @property
    def cost(self) -> Cost: ...

    def build(self) -> Request: ...

    def read(self, reply: Reply) -> T_co | EmbeddingError: ...


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """An operation of two functions, for requests that are no batch of items: a policy, a file, a job."""

    build: Callable[[], Request]
    read: Callable[[Reply], T | EmbeddingError]
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class Terms:
    """What every exchange of a client shares: patience, pace and a clock."""

    retry: Retry
    pace: Pace
    clock: Callable[[], float]
    provider: str


def exchange(op: Operation[T], terms: Terms) -> Flow[T]:
    """Carry one logical request to a result. Yields `Send` and `Wait`; does no I/O of its own."""
    request = op.build()
    pace, clock = terms.pace, terms.clock
    started = None
    for attempt in count(1):
        yield from _turn(pace, op.cost, clock)
        # Waiting in line before the first attempt is no part of the deadline.
        started = clock() if started is None else started
        reply = yield Send(request)
        outcome = _read(op, reply, terms.provider)
        pace.report(outcome if isinstance(outcome, EmbeddingError) else None, op.cost, clock())
        if not isinstance(outcome, EmbeddingError):
            return outcome
        pause = terms.retry.after(outcome, attempt, clock() - started)
        if pause is None:
            raise outcome
        yield Wait(pause)
    raise AssertionError("unreachable: count() does not end")


def _turn(pace: Pace, cost: Cost, clock: Callable[[], float]) -> Generator[Wait, Reply | Fault | None, None]:
    """Wait for this request's slot; take another when a throttle moved all slots meanwhile."""
    while True:
        turn = pace.reserve(cost, clock())
        if turn.delay > 0:
            yield Wait(turn.delay)
        if pace.confirms(turn):
            return


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
