"""
Runs several flows at once, in tasks. `scheduler` decides which job starts next.

Imported where a coroutine first needs it: the sync client does not need asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, Self, TypeVar

from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.workers import POLL_SECONDS, RAMP, Outcome

T = TypeVar("T")
J = TypeVar("J")


def afan_out(
    scheduler: Scheduler[J],
    work: Callable[[J], Awaitable[T]],
    *,
    while_waiting: Callable[[], None] | None = None,
) -> FanOut[J, T]:
    """As `fan_out` without prefetch, in tasks; none outlives the loop. The caller closes what this returns."""
    return FanOut(_Tasks(work, scheduler.width, while_waiting), scheduler)


class FanOut(Generic[J, T]):
    """
    The outcomes of `afan_out`.

    Not an async generator: an event loop that ends closes all async generators at once. It would close this one while
    the stream around it does the same, which asyncio reports as an error.
    """

    def __init__(self, pool: _Tasks[J, T], scheduler: Scheduler[J]) -> None:
        self._pool, self._scheduler = pool, scheduler
        self._running = 0
        self._failed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[J, T]:
        try:
            ended = await self._next()
        except BaseException:
            await self.aclose()
            raise
        self._failed = isinstance(ended[2], BaseException)
        return ended

    async def _next(self) -> Outcome[J, T]:
        if self._failed:
            self._running -= self._pool.resume(halted=self._scheduler.halted)
        for number, job in self._scheduler.next_jobs():
            self._running += 1
            self._pool.start(number, job, self._running)
        if not self._running:
            raise StopAsyncIteration
        ended = await self._pool.next()
        self._running -= 1
        return ended

    async def aclose(self) -> None:
        """Cancel the jobs that run, and wait for them."""
        await self._pool.shut_down()


class _Tasks(Generic[J, T]):
    """As `_ThreadPool`, with tasks. A task can be cancelled at any await, so that nothing has to be given up."""

    def __init__(
        self, work: Callable[[J], Awaitable[T]], width: int, while_waiting: Callable[[], None] | None
    ) -> None:
        self._work, self._width, self._while_waiting = work, width, while_waiting
        self._queue: asyncio.Queue[tuple[int, J]] = asyncio.Queue()
        self._done: asyncio.Queue[Outcome[J, T]] = asyncio.Queue()
        self._may_start = asyncio.Event()
        self._may_start.set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, number: int, job: J, running: int) -> None:
        if len(self._tasks) < min(running, self._width):
            after = RAMP * len(self._tasks) / self._width
            self._tasks.append(asyncio.create_task(self._worker(after)))
        self._queue.put_nowait((number, job))

    async def next(self) -> Outcome[J, T]:
        while self._while_waiting is not None and self._done.empty():
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    return await self._done.get()
            self._while_waiting()
        return await self._done.get()

    def resume(self, *, halted: bool) -> int:
        withdrawn = 0
        while halted and not self._queue.empty():
            self._queue.get_nowait()
            withdrawn += 1
        self._may_start.set()
        return withdrawn

    async def shut_down(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _worker(self, after: float) -> None:
        await asyncio.sleep(after)
        while True:
            if not self._may_start.is_set():
                await self._may_start.wait()
            number, job = await self._queue.get()
            try:
                self._done.put_nowait((number, job, await self._work(job)))
            except Exception as error:
                self._may_start.clear()
                self._done.put_nowait((number, job, error))


async def arun_jobs(
    scheduler: Scheduler[J],
    work: Callable[[J], Awaitable[T]],
    handle: Callable[[int, J, T | BaseException], None],
    *,
    inline: bool = False,
    while_waiting: Callable[[], None] | None = None,
) -> None:
    """
    As `run_jobs`, in tasks, of which none outlives this call.

    An outcome is handled in the task that has it, and the same task then takes the next job: another task for the
    outcomes would be woken for each.

    Args:
        inline: Run the jobs in the caller's task, one after the other.
        while_waiting: Called at least every quarter of a second; not where jobs run inline.
    """
    await _TaskRun(scheduler, work, handle, inline=inline).run(while_waiting)


class _TaskRun(Generic[J, T]):
    """
    One call of `arun_jobs`. Its tasks begin one after the other, as long as there are jobs.

    A task that takes a job first wakes an idle task, or starts a new one, which looks for the next job and does the
    same. So exactly as many tasks are woken as there are jobs that may start, and none polls. A task that finds no job
    waits in `_idle`; if no job runs either, the call is over. No lock is needed, because tasks switch only where they
    await.

    However the call ends (the last job, an error of `handle`, a cancelled caller), `run` cancels all tasks and waits
    for them, so that no request is in flight and no task is left when it returns.
    """

    def __init__(
        self,
        scheduler: Scheduler[J],
        work: Callable[[J], Awaitable[T]],
        handle: Callable[[int, J, T | BaseException], None],
        *,
        inline: bool,
    ) -> None:
        self._scheduler, self._work, self._handle = scheduler, work, handle
        self._most = 0 if inline else scheduler.width
        self._tasks: list[asyncio.Task[None]] = []
        self._idle: list[asyncio.Future[None]] = []
        self._running = 0
        self._began = asyncio.get_running_loop().time()
        self._over = asyncio.Event()
        self._error: BaseException | None = None

    async def run(self, while_waiting: Callable[[], None] | None) -> None:
        try:
            await self._begin()
            while while_waiting is not None and not self._over.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._over.wait()
                while_waiting()
            await self._over.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._error is not None:
            raise self._error

    async def _begin(self) -> None:
        if self._most:
            self._add_task(0.0)
        else:
            await self._do_jobs()

    def _add_task(self, after: float) -> None:
        self._tasks.append(asyncio.create_task(self._do_jobs_later(after)))

    async def _do_jobs_later(self, after: float) -> None:
        await asyncio.sleep(after)
        await self._do_jobs()

    async def _do_jobs(self) -> None:
        try:
            while not self._over.is_set():
                next_job = next(self._scheduler.next_jobs(), None)
                if next_job is not None:
                    self._running += 1
                    self._wake_another()
                    await self._do(*next_job)
                elif not self._running:
                    self._over.set()
                else:
                    await self._wait()
        except Exception as error:
            self._error = error
            self._over.set()

    async def _do(self, number: int, job: J) -> None:
        outcome: T | BaseException
        try:
            outcome = await self._work(job)
        except Exception as error:
            outcome = error
        self._running -= 1
        if self._over.is_set():
            return
        self._handle(number, job, outcome)
        if self._scheduler.abandoned:
            self._over.set()

    def _wake_another(self) -> None:
        """Wake or start one more task to look for a job; if it finds one, it wakes the next."""
        if self._idle:
            waiting = self._idle.pop()
            if not waiting.done():
                waiting.set_result(None)
        elif len(self._tasks) < self._most:
            due = self._began + RAMP * len(self._tasks) / self._most
            self._add_task(max(0.0, due - asyncio.get_running_loop().time()))

    async def _wait(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._idle.append(waiting)
        await waiting
