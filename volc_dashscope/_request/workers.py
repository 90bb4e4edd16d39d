"""Several flows at once: by daemon threads, or by tasks. What starts next is `_feed`'s to say."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from volc_dashscope._request.scheduler import Scheduler

T = TypeVar("T")
J = TypeVar("J")
Outcome = tuple[int, J, T | BaseException]
# Seconds over which the workers of one call begin. Requests that leave together are answered together, and then
# each reply waits while the others are read; and DashScope refuses rates that rise too quickly (its error table).
_RAMP = 0.032


def fan_out(
    feed: Scheduler[J],
    work: Callable[[J, threading.Event], T],
    *,
    alone: bool = False,
    hand_to_hand: bool = False,
) -> Iterator[Outcome[J, T]]:
    """
    Do jobs in daemon threads and yield (number, job, result or error) as they end.

    The caller's thread only waits, so Ctrl-C raises there at once; leaving the loop early tells the workers
    to stop and does not wait for replies in flight.

    So that no worker waits for the caller's thread, as many jobs wait in line as run. After an error none of them
    starts until the caller has seen it; if that halts the feed, none starts at all.

    Args:
        alone: Without workers: a job is done in the caller's thread, when its outcome is asked for.
        hand_to_hand: Nothing waits in line: the next job starts only when the caller has dealt with an outcome
            and come back for more. A caller that is killed loses no more jobs than run at once.
    """
    ahead = 0 if hand_to_hand else feed.width
    crew = _Inline(work) if alone else _ThreadPool(work, feed.width)
    running = 0
    try:
        while True:
            for number, job in feed.next_jobs(ahead=ahead):
                running += 1
                crew.start(number, job, running)
            if not running:
                break
            ended = crew.next()
            running -= 1
            yield ended
            if isinstance(ended[2], BaseException):
                running -= crew.go_on(halted=feed.halted)
    finally:
        crew.dismiss(idle=not running)


class _Inline(Generic[J, T]):
    """A crew of nobody: the job is done when its outcome is asked for."""

    def __init__(self, work: Callable[[J, threading.Event], T]) -> None:
        self._work = work
        self._waiting: deque[tuple[int, J]] = deque()

    def start(self, number: int, job: J, running: int) -> None:
        self._waiting.append((number, job))

    def next(self) -> Outcome[J, T]:
        number, job = self._waiting.popleft()
        try:
            return number, job, self._work(job, threading.Event())
        except Exception as error:
            return number, job, error

    def go_on(self, *, halted: bool) -> int:
        return 0

    def dismiss(self, *, idle: bool) -> None:
        self._waiting.clear()


class _ThreadPool(Generic[J, T]):
    """Daemon threads, at most `width`, one for each job that runs at the same time."""

    def __init__(self, work: Callable[[J, threading.Event], T], width: int) -> None:
        self._work, self._width = work, width
        self._todo: SimpleQueue[tuple[int, J] | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome[J, T]] = SimpleQueue()
        self._stop = threading.Event()
        self._clear = threading.Event()
        self._clear.set()
        self._threads: list[threading.Thread] = []

    def start(self, number: int, job: J, running: int) -> None:
        if len(self._threads) < min(running, self._width):
            after = _RAMP * len(self._threads) / self._width
            self._threads.append(
                threading.Thread(target=self._worker, args=(after,), name="volc-dashscope", daemon=True)
            )
            self._threads[-1].start()
        self._todo.put((number, job))

    def next(self) -> Outcome[J, T]:
        # A bounded wait keeps Ctrl-C alive where an unbounded one would not notice signals (Windows).
        while True:
            with suppress(Empty):
                return self._done.get(timeout=0.5)

    def go_on(self, *, halted: bool) -> int:
        """Let the next jobs start after an error, or take them back; returns how many were taken back."""
        taken = 0
        while halted:
            try:
                self._todo.get_nowait()
            except Empty:
                break
            taken += 1
        self._clear.set()
        return taken

    def dismiss(self, *, idle: bool) -> None:
        self._stop.set()
        self._clear.set()
        for _ in self._threads:
            self._todo.put(None)
        if idle:
            for thread in self._threads:
                thread.join()

    def _worker(self, after: float) -> None:
        self._stop.wait(after)
        while (task := self._next_task()) is not None and not self._stop.is_set():
            number, job = task
            try:
                self._done.put((number, job, self._work(job, self._stop)))
            except BaseException as error:
                self._clear.clear()
                if self._stop.is_set():
                    self._clear.set()  # nobody is there any more to do it
                self._done.put((number, job, error))

    def _next_task(self) -> tuple[int, J] | None:
        self._clear.wait()
        return self._todo.get()


async def afan_out(
    feed: Scheduler[J], work: Callable[[J], Awaitable[T]], *, alone: bool = False, hand_to_hand: bool = False
) -> AsyncGenerator[Outcome[J, T], None]:
    """As `fan_out`, in tasks; none outlives the loop."""
    ahead = 0 if hand_to_hand else feed.width
    crew = _Tasks(work, 0 if alone else feed.width)
    running = 0
    try:
        while True:
            for number, job in feed.next_jobs(ahead=ahead):
                running += 1
                crew.start(number, job, running)
            if not running:
                break
            ended = await crew.next()
            running -= 1
            yield ended
            if isinstance(ended[2], BaseException):
                running -= crew.go_on(halted=feed.halted)
    finally:
        await crew.dismiss()


class _Tasks(Generic[J, T]):
    """As `_ThreadPool`, of tasks; with a width of 0 the job is done by who asks for its outcome."""

    def __init__(self, work: Callable[[J], Awaitable[T]], width: int) -> None:
        self._work, self._width = work, width
        self._todo: asyncio.Queue[tuple[int, J]] = asyncio.Queue()
        self._done: asyncio.Queue[Outcome[J, T]] = asyncio.Queue()
        self._clear = asyncio.Event()
        self._clear.set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, number: int, job: J, running: int) -> None:
        if len(self._tasks) < min(running, self._width):
            after = _RAMP * len(self._tasks) / self._width
            self._tasks.append(asyncio.create_task(self._worker(after)))
        self._todo.put_nowait((number, job))

    async def next(self) -> Outcome[J, T]:
        if not self._width:
            await self._do(*self._todo.get_nowait())
        return await self._done.get()

    def go_on(self, *, halted: bool) -> int:
        taken = 0
        while halted and not self._todo.empty():
            self._todo.get_nowait()
            taken += 1
        self._clear.set()
        return taken

    async def dismiss(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _worker(self, after: float) -> None:
        await asyncio.sleep(after)
        while True:
            if not self._clear.is_set():
                await self._clear.wait()
            await self._do(*await self._todo.get())

    async def _do(self, number: int, job: J) -> None:
        try:
            self._done.put_nowait((number, job, await self._work(job)))
        except Exception as error:
            self._clear.clear()
            self._done.put_nowait((number, job, error))
