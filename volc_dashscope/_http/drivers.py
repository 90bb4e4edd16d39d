"""
The two drivers. Each carries out the steps of one flow: it sends requests, computes and waits.

A flow's deadline bounds its requests everywhere. A task is cancelled at the deadline. A thread cannot be interrupted
while it waits for DNS, a connection or the first bytes of a reply. So at the deadline the caller's thread ends the flow
itself, and the worker discards the reply when it arrives or its own timeout fires.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from volc_dashscope._http.pool import AsyncTransport, Transport, running_loop
from volc_dashscope._types import Compute, Fault, Flow, Reply, Request, Send, Wait
from volc_dashscope.errors import ConfigError, EmbeddingError, TransportError

if TYPE_CHECKING:
    import asyncio  # the sync client does not need it

T = TypeVar("T")

_log = logging.getLogger("volc_dashscope")
_LONG_WAIT_SECONDS = 10.0
_MAX_ID_LENGTH = 120  # an id comes from the server and must not fill the log
# Seconds after the deadline at which a worker is abandoned that has not noticed the deadline itself.
_GRACE_SECONDS = 0.1


class Interrupted(Exception):
    """A worker was stopped while it waited, or was abandoned. Never leaves the client."""


class WorkerStep:
    """
    The current step of one worker, for the thread that waits for its result.

    Either the worker ends its step or the waiting thread gives it up, never both: whichever takes `_give_up` first
    wins.

    Args:
        stop: Set to end the waits of the worker.
    """

    __slots__ = ("_due", "_give_up", "_lock", "closed", "stop")

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = stop or threading.Event()
        self.closed = False
        self._due = math.inf
        self._give_up: Callable[[Fault], BaseException] | None = None
        self._lock = threading.Lock()

    @property
    def due(self) -> float:
        """The monotonic time at which the step is overdue; in the past once the client is closed."""
        # A separate flag, because the worker may begin its next step at the same time.
        return -math.inf if self.closed else self._due

    def close(self) -> None:
        """Let the waiting thread end the step now: the client was closed."""
        self.closed = True

    def begin(self, due: float, give_up: Callable[[Fault], BaseException]) -> None:
        """Begin a step that ends at `due`; `give_up` ends its flow and returns the flow's error."""
        self._give_up, self._due = give_up, due

    def end(self) -> bool:
        """Record that the step ended; False if it was given up, and the flow belongs to the other thread."""
        with self._lock:
            owned, self._give_up, self._due = self._give_up is not None, None, math.inf
        return owned

    def give_up(self, fault: Fault) -> BaseException | None:
        """End the step from another thread; None if the worker has just ended it."""
        with self._lock:
            give_up, self._give_up = self._give_up, None
        return None if give_up is None else give_up(fault)


def run(flow: Flow[T], transport: Transport, worker_step: WorkerStep) -> T:
    """Carry out a flow in this thread. Setting `worker_step.stop` ends its waits."""
    with transport.calls.entered(worker_step):
        return _run(flow, transport, worker_step)


def _run(flow: Flow[T], transport: Transport, worker_step: WorkerStep) -> T:
    outcome: Reply | Fault | None = None
    while True:
        try:
            step = flow.send(outcome)
        except StopIteration as done:
            result: T = done.value
            return result
        outcome = None
        if isinstance(step, Send):
            outcome = _send(flow, step, transport, worker_step)
        elif isinstance(step, Compute):
            _compute(flow, step, worker_step)
        else:
            _log_wait(step)
            worker_step.begin(math.inf, lambda fault: _end_flow(flow, fault))
            stopped = worker_step.stop.wait(step.seconds)
            if not worker_step.end() or stopped:
                raise Interrupted


async def arun(flow: Flow[T], transport: AsyncTransport) -> T:
    """Carry out a flow in this task. Cancelling the task, closing the client or the deadline ends it."""
    import asyncio

    try:
        async with asyncio.timeout(None) as scope:
            with transport.calls.entered(scope):
                return await _arun(flow, transport, scope)
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise _end_flow(flow, Fault("closed" if transport.calls.closed else "late", cause=error)) from error


async def _arun(flow: Flow[T], transport: AsyncTransport, scope: asyncio.Timeout) -> T:
    import asyncio

    outcome: Reply | Fault | None = None
    while True:
        try:
            step = flow.send(outcome)
        except StopIteration as done:
            result: T = done.value
            return result
        outcome = None
        if isinstance(step, Send):
            outcome = await _asend(step, transport, scope)
        elif isinstance(step, Compute):
            await asyncio.to_thread(step.work)
        else:
            _log_wait(step)
            await asyncio.sleep(step.seconds)


def _compute(flow: Flow[T], step: Compute, worker_step: WorkerStep) -> None:
    """Do the work in this thread. If the client is closed meanwhile, the caller no longer waits for it."""
    worker_step.begin(math.inf, lambda fault: _end_flow(flow, fault))
    owned = False
    try:
        step.work()
    finally:
        owned = worker_step.end()
    if not owned or worker_step.stop.is_set():
        raise Interrupted


def _send(flow: Flow[T], step: Send, transport: Transport, worker_step: WorkerStep) -> Reply | Fault:
    _wait_for_turn(flow, transport, worker_step)

    def give_up(fault: Fault) -> BaseException:
        transport.semaphore.release()
        return _end_flow(flow, fault)

    if step.halted is not None and (cause := step.halted()) is not None:
        transport.semaphore.release()
        return Fault("halted", cause=cause)
    began = time.monotonic()
    until = began + step.within
    worker_step.begin(until + _GRACE_SECONDS, give_up)
    try:
        outcome = transport.channel.send(step.request, until)
    finally:
        in_time = worker_step.end()
        if in_time:
            transport.semaphore.release()
    if not in_time:
        raise Interrupted
    return _log_outcome(outcome, step.request, began)


def _wait_for_turn(flow: Flow[T], transport: Transport, worker_step: WorkerStep) -> None:
    """
    Wait for the user's limiter and for one of the places in flight. The deadline does not count this.

    Raises:
        Interrupted: The client was closed meanwhile, or the call left.
    """
    worker_step.begin(math.inf, lambda fault: _end_flow(flow, fault))
    if transport.limiter is not None:
        transport.limiter.acquire()
    transport.semaphore.acquire()
    if not worker_step.end() or worker_step.stop.is_set():
        transport.semaphore.release()
        raise Interrupted


def _closed_error() -> ConfigError:
    return ConfigError("this client was closed during the call")


def _end_flow(flow: Flow[T], fault: Fault) -> BaseException:
    """Send a flow its last fault and return the error it ends with."""
    if fault.kind == "closed":
        flow.close()
        return _closed_error()
    try:
        flow.send(fault)
    except StopIteration:
        pass
    except EmbeddingError as error:
        return error
    flow.close()
    return TransportError("no complete reply arrived before the deadline", retryable=False)


async def _asend(step: Send, transport: AsyncTransport, scope: asyncio.Timeout) -> Reply | Fault:
    if transport.limiter is not None:
        await transport.limiter.aacquire()
    async with transport.semaphore:
        if step.halted is not None and (cause := step.halted()) is not None:
            return Fault("halted", cause=cause)
        began = time.monotonic()
        _end_at(scope, transport, step.within)
        outcome = await transport.channel.send(step.request, began + step.within)
        _end_at(scope, transport, math.inf)
        return _log_outcome(outcome, step.request, began)


def _end_at(scope: asyncio.Timeout, transport: AsyncTransport, within: float) -> None:
    """Schedule the end of a flow's scope `within` seconds from now, unless it is ending already."""
    if not transport.calls.closed and not scope.expired():
        scope.reschedule(None if within == math.inf else running_loop().time() + within)


def _log_outcome(outcome: Reply | Fault, request: Request, began: float) -> Reply | Fault:
    if _log.isEnabledFor(logging.DEBUG):
        path, seconds = urlsplit(request.url).path, time.monotonic() - began
        if isinstance(outcome, Reply):
            _log.debug(
                "%s %s -> %d in %.3f s, request id %s",
                request.method,
                path,
                outcome.status,
                seconds,
                outcome.headers.get("x-request-id", "")[:_MAX_ID_LENGTH],
            )
        else:
            _log.debug("%s %s -> %s after %.3f s", request.method, path, outcome.kind, seconds)
    return outcome


def _log_wait(wait: Wait) -> None:
    seconds = max(wait.seconds, wait.whole)
    if seconds >= _LONG_WAIT_SECONDS and not wait.expected:
        _log.warning("waiting %.1f s before the next request%s", seconds, f": {wait.why}" if wait.why else "")
