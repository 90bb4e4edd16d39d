"""Runs several flows at once, in daemon threads. `scheduler` decides which job starts next."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from volc_dashscope._http import Interrupted, WorkerStep
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._types import Fault
from volc_dashscope.errors import ConfigError

T = TypeVar("T")
J = TypeVar("J")
Outcome = tuple[int, J, T | BaseException]
# The workers of one call start spread over so many seconds. Requests that are sent together are answered together,
# and each reply then waits while the others are read; and DashScope refuses rates that rise too quickly (its error
# table).
RAMP = 0.032
# Longest time between two polls of the workers: a caller notices a closed client so late at most.
POLL_SECONDS = 0.25
# The same where a progress bar is updated at each poll: often enough to be smooth, and still 0.3 % of a core.
_PROGRESS_POLL_SECONDS = 0.01


def fan_out(
    scheduler: Scheduler[J],
    work: Callable[[J, WorkerStep], T],
    *,
    prefetch: bool = True,
    while_waiting: Callable[[], None] | None = None,
) -> Iterator[Outcome[J, T]]:
    """
    Run jobs in daemon threads and yield (number, job, result or error) as they end.

    The caller's thread only waits, also for a single job, so Ctrl-C raises there at once and a deadline holds
    whatever a worker waits for; leaving the loop early tells the workers to stop and does not wait for replies
    in flight.

    As many jobs are queued as run, so that no worker waits for the caller's thread. After an error no queued job
    starts until the caller has seen the error; if the caller halts the scheduler, none starts at all.

    Args:
        prefetch: False queues nothing: the next job starts only when the caller has dealt with an outcome and
            resumed the iterator. A caller that is killed loses no more jobs than run at once.
        while_waiting: Called in the caller's thread at least every quarter of a second without an outcome.
    """
    ahead = scheduler.width if prefetch else 0
    pool = _ThreadPool(work, scheduler.width, while_waiting)
    running = 0
    try:
        while True:
            for number, job in scheduler.next_jobs(ahead=ahead):
                running += 1
                pool.start(number, job, running)
            if not running:
                break
            ended = pool.next()
            running -= 1
            yield ended
            if scheduler.abandoned:
                break
            if isinstance(ended[2], BaseException):
                running -= pool.resume(halted=scheduler.halted)
    finally:
        pool.shut_down(idle=not running)


def run_jobs(
    scheduler: Scheduler[J],
    work: Callable[[J, WorkerStep], T],
    handle: Callable[[int, J, T | BaseException], None],
    *,
    while_waiting: Callable[[], None] | None = None,
) -> None:
    """
    Run jobs in daemon threads until none is left, and call `handle(number, job, result or error)` as each ends.

    As `fan_out` without prefetch: a job starts only when the outcomes before it were handled. But an outcome is
    handled in the thread that has it, under a lock, and the same thread then takes the next job. Passing each outcome
    to the caller's thread, and each job back, switches threads twice for each job.

    The caller's thread only waits, so that Ctrl-C raises there at once and a deadline holds whatever a worker waits
    for. When this returns or raises, `handle` does not run and is not called any more.

    Args:
        handle: Called in any thread, one call at a time. What it raises ends the call and is raised here. Jobs are
            read from the scheduler in the same way.
        while_waiting: Called in the caller's thread a hundred times a second.
    """
    _JobRun(scheduler, work, handle, while_waiting).run()


class _JobRun(Generic[J, T]):
    """One call of `run_jobs`: the jobs under way, and whether it is over."""

    def __init__(
        self,
        scheduler: Scheduler[J],
        work: Callable[[J, WorkerStep], T],
        handle: Callable[[int, J, T | BaseException], None],
        while_waiting: Callable[[], None] | None,
    ) -> None:
        self._scheduler, self._handle = scheduler, handle
        self._while_waiting = while_waiting
        self._poll_seconds = POLL_SECONDS if while_waiting is None else _PROGRESS_POLL_SECONDS
        self._pool = _ThreadPool(work, scheduler.width, None, deliver=self._deliver)
        self._running = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            with self._lock:
                self._start_jobs()
            while not self._over.wait(min(self._poll_seconds, self._pool.seconds_to_poll())):
                if self._while_waiting is not None:
                    self._while_waiting()
                with self._lock:
                    late = self._pool.poll()
                if late is not None:
                    self._deliver(late)
        finally:
            # Wait for a handler that runs now; those that come later see that the call is over.
            with self._lock:
                self._over.set()
            self._pool.shut_down(idle=not self._running)
            del self._pool  # which refers to this, and the two would wait for the garbage collector
        if self._error is not None:
            raise self._error

    def _deliver(self, ended: Outcome[J, T]) -> None:
        with self._lock:
            if self._over.is_set():
                return
            try:
                self._running -= 1
                self._handle(*ended)
                if isinstance(ended[2], BaseException):
                    self._running -= self._pool.resume(halted=self._scheduler.halted)
                self._start_jobs()
            except BaseException as error:
                self._error = error
                self._over.set()

    def _start_jobs(self) -> None:
        for number, job in self._scheduler.next_jobs():
            self._running += 1
            self._pool.start(number, job, self._running)
        if not self._running or self._scheduler.abandoned:
            self._over.set()


class _Worker(Generic[J]):
    """A daemon thread of a pool, with its current step and job."""

    def __init__(self, stop: threading.Event) -> None:
        self.step = WorkerStep(stop)
        self.job: tuple[int, J] | None = None
        self.thread: threading.Thread | None = None


class _ThreadPool(Generic[J, T]):
    """
    Daemon threads, at most `width`, one for each job that runs at the same time.

    Outcomes are what `next` returns, unless `deliver` is called with each instead, in the thread that has it.

    A thread cannot be interrupted while it waits for the network. When a step is over its time, the caller's thread
    ends the job itself and starts another worker; the old worker ends when its own time-out fires.

    A worker whose job failed clears `_may_start`, and no worker takes a queued job until the caller has seen the error
    and calls `resume`. The error may end the call, and a job that starts in between would be sent and billed for
    nothing. For the same reason a worker waits for `_may_start` first and then looks into the queue.

    `shut_down` does not wait for replies in flight, so that Ctrl-C ends at once. It joins the workers only if none has
    a job: they end within moments, and no thread is left behind by a call that ended normally.
    """

    def __init__(
        self,
        work: Callable[[J, WorkerStep], T],
        width: int,
        while_waiting: Callable[[], None] | None,
        deliver: Callable[[Outcome[J, T]], None] | None = None,
    ) -> None:
        self._work, self._width, self._while_waiting = work, width, while_waiting
        self._queue: SimpleQueue[tuple[int, J] | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome[J, T]] = SimpleQueue()
        self._deliver = deliver or self._done.put
        self._stop = threading.Event()
        self._may_start = threading.Event()
        self._may_start.set()
        self._workers: list[_Worker[J]] = []

    def start(self, number: int, job: J, running: int) -> None:
        if len(self._workers) < min(running, self._width):
            self._add_worker(RAMP * len(self._workers) / self._width)
        self._queue.put((number, job))

    def _add_worker(self, after: float) -> None:
        worker: _Worker[J] = _Worker(self._stop)
        begin = partial(self._run_worker, worker, after)
        worker.thread = threading.Thread(target=begin, name="volc-dashscope", daemon=True)
        self._workers.append(worker)
        try:
            if sys.is_finalizing():  # Python 3.11 would wait for ever for the thread to begin
                raise RuntimeError("the interpreter is shutting down")
            worker.thread.start()
        except RuntimeError as error:
            self._workers.remove(worker)
            if not self._workers:  # else the others do its work
                raise ConfigError(f"no thread can be started: {error}; check the limit on threads") from error

    def next(self) -> Outcome[J, T]:
        # A bounded wait, since on Windows an unbounded one does not notice Ctrl-C.
        while self._done.empty():
            with suppress(Empty):
                return self._done.get(timeout=self.seconds_to_poll())
            if (ended := self.poll()) is not None:
                return ended
        return self._done.get()

    def seconds_to_poll(self) -> float:
        """Return the longest time to wait until the next poll."""
        due = min([worker.step.due for worker in self._workers], default=math.inf)
        return min(POLL_SECONDS, max(0.001, due - time.monotonic()))

    def poll(self) -> Outcome[J, T] | None:
        """Return the outcome of a job that is over its time, if there is one."""
        if self._while_waiting is not None:
            self._while_waiting()
        for worker in self._workers:
            if worker.step.due <= time.monotonic() and (ended := self._give_up(worker)) is not None:
                return ended
        return None

    def _give_up(self, worker: _Worker[J]) -> Outcome[J, T] | None:
        job = worker.job
        fault = Fault("closed" if worker.step.due == -math.inf else "late")
        error = worker.step.give_up(fault)
        if error is None or job is None:
            return None
        self._workers.remove(worker)
        self._add_worker(0.0)
        return (*job, error)

    def resume(self, *, halted: bool) -> int:
        """Let the next jobs start after an error, or withdraw them; return how many were withdrawn."""
        withdrawn = 0
        with suppress(Empty):
            while halted:
                self._queue.get_nowait()
                withdrawn += 1
        self._may_start.set()
        return withdrawn

    def shut_down(self, *, idle: bool) -> None:
        self._stop.set()
        self._may_start.set()
        for _ in self._workers:
            self._queue.put(None)
        if idle:
            for worker in self._workers:
                assert worker.thread is not None
                worker.thread.join()

    def _run_worker(self, worker: _Worker[J], after: float) -> None:
        self._stop.wait(after)
        while (task := self._next_task()) is not None and not self._stop.is_set():
            number, job = worker.job = task
            outcome: T | BaseException
            try:
                outcome = self._work(job, worker.step)
            except Interrupted:
                return  # stopped, or given up: then another thread has ended the job
            except BaseException as error:
                self._may_start.clear()
                if self._stop.is_set():
                    self._may_start.set()  # the caller has left and will not set it
                outcome = error
            self._deliver((number, job, outcome))

    def _next_task(self) -> tuple[int, J] | None:
        self._may_start.wait()
        return self._queue.get()


def run_one(work: Callable[[WorkerStep], T]) -> T:
    """Run one job in its own worker, so that its deadline is kept, and return its result."""
    jobs: Scheduler[None] = Scheduler([None], width=1)
    for _number, _job, outcome in fan_out(jobs, lambda _, worker_step: work(worker_step)):
        if isinstance(outcome, BaseException):
            raise outcome
        result = outcome
        jobs.finish(0)
    return result
