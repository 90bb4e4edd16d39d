"""Several jobs at once, by threads and by tasks: what starts, and what no longer does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from statistics import median
from typing import Any

import pytest

from volc_dashscope._http import Interrupted, WorkerStep
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.tasks import afan_out, arun_jobs
from volc_dashscope._request.workers import fan_out, run_jobs
from volc_dashscope.errors import EmbeddingError

both_kinds = pytest.mark.parametrize("kind", ["threads", "tasks"])
# Seconds that are enough for a worker that does not wait.
ENOUGH = 0.02


def _do(
    kind: str,
    scheduler: Scheduler[int],
    work: Callable[[int], int],
    see: Callable[[int, Any], float],
    *,
    prefetch: bool = True,
) -> None:
    """
    Do jobs by threads or by tasks; `see` is shown each outcome and says how long the caller is busy with it.

    Tasks queue no job ahead, with or without `prefetch`.
    """

    async def in_tasks() -> None:
        async def begun(job: int) -> int:
            return work(job)

        async with aclosing(afan_out(scheduler, begun)) as outcomes:
            async for number, job, outcome in outcomes:
                await asyncio.sleep(see(job, outcome))
                scheduler.finish(number)

    if kind == "tasks":
        asyncio.run(in_tasks())
    else:
        for number, job, outcome in fan_out(scheduler, lambda job, stop: work(job), prefetch=prefetch):
            time.sleep(see(job, outcome))
            scheduler.finish(number)


@both_kinds
def test_nothing_in_line_starts_before_the_caller_has_seen_an_error(kind):
    started: list[int] = []
    scheduler = Scheduler(range(10), width=1)

    def work(job: int) -> int:
        started.append(job)
        if job == 2:
            raise LookupError
        return job

    def see(job: int, outcome: object) -> float:
        if not isinstance(outcome, LookupError):
            return 0.0
        scheduler.halt(EmbeddingError("no"))
        return ENOUGH

    _do(kind, scheduler, work, see)

    assert [0, 1, 2] == started


@both_kinds
def test_without_prefetch_nothing_starts_before_the_caller_comes_back(kind):
    started: list[int] = []
    ahead: list[int] = []

    def work(job: int) -> int:
        started.append(job)
        return job

    def see(job: int, outcome: object) -> float:
        ahead.append(len(started) - len(ahead))
        return ENOUGH

    _do(kind, Scheduler(range(6), width=2), work, see, prefetch=False)

    assert list(range(6)) == sorted(started)
    assert max(ahead) <= 2


@both_kinds
def test_an_error_that_halts_nothing_costs_no_job(kind):
    ended: list[tuple[int, bool]] = []

    def work(job: int) -> int:
        if job % 3 == 0:
            raise LookupError
        return job

    def see(job: int, outcome: object) -> float:
        ended.append((job, isinstance(outcome, LookupError)))
        return 0.0

    _do(kind, Scheduler(range(50), width=4), work, see)

    assert [(job, job % 3 == 0) for job in range(50)] == sorted(ended)


def test_no_more_jobs_run_at_once_than_the_feed_is_wide():
    running, most, lock = 0, 0, threading.Lock()

    def work(job: int, stop: threading.Event) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)  # long enough for all workers to have begun
        with lock:
            running -= 1

    scheduler = Scheduler(range(30), width=3)
    for number, _, _ in fan_out(scheduler, work):
        scheduler.finish(number)

    assert 3 == most


def test_workers_begin_one_after_the_other():
    """Requests that leave together are answered together, and DashScope refuses rates that rise too quickly."""

    def seconds_apart() -> float:
        begun: list[float] = []
        everybody = threading.Barrier(8, timeout=10)

        def work(job: int) -> int:
            begun.append(time.monotonic())
            everybody.wait()
            return job

        _do("threads", Scheduler(range(8), width=8), work, lambda job, outcome: 0.0)
        return max(begun) - min(begun)

    # On a busy machine the first begins late, or the others begin one after the other by themselves.
    assert median(seconds_apart() for _ in range(5)) > 0.02


@pytest.mark.parametrize("kind", ["threads", "handled where done"])
def test_threads_that_can_be_started_do_all_work(monkeypatch, kind):
    start = threading.Thread.start
    done_by: dict[int, threading.Thread] = {}
    begun: list[threading.Thread] = []

    def start_two(thread: threading.Thread) -> None:
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    def work(job: int) -> int:
        done_by[job] = threading.current_thread()
        time.sleep(0.005)
        return job

    monkeypatch.setattr(threading.Thread, "start", start_two)
    if kind == "threads":
        _do(kind, Scheduler(range(40), width=8), work, lambda job, outcome: 0.0)
    else:
        _run(Scheduler(range(40), width=8), work, lambda job, outcome: None)

    assert list(range(40)) == sorted(done_by)
    assert {*begun} == {*done_by.values()}


def _run(scheduler: Scheduler[int], work: Callable[[int], int], see: Callable[[int, Any], object]) -> None:
    def handle(number: int, job: int, outcome: object) -> None:
        see(job, outcome)
        scheduler.finish(number)

    run_jobs(scheduler, lambda job, worker_step: work(job), handle, while_waiting=lambda: None)


def test_jobs_are_handled_where_they_were_done_one_at_a_time_before_the_next_starts():
    done_in: dict[int, str] = {}
    seen_in: dict[int, str] = {}
    started: list[int] = []
    ahead: list[int] = []
    inside = threading.Semaphore(1)

    def work(job: int) -> int:
        started.append(job)
        done_in[job] = threading.current_thread().name + str(threading.get_ident())
        return job

    def see(job: int, outcome: object) -> None:
        assert inside.acquire(blocking=False)
        seen_in[job] = threading.current_thread().name + str(threading.get_ident())
        ahead.append(len(started) - len(ahead))
        time.sleep(0.001)
        inside.release()

    _run(Scheduler(range(40), width=3), work, see)

    assert list(range(40)) == sorted(started)
    assert done_in == seen_in
    assert str(threading.get_ident()) not in "".join(seen_in.values())
    assert max(ahead) <= 3


def test_what_a_handler_raises_ends_the_jobs():
    started: list[int] = []

    def work(job: int) -> int:
        started.append(job)
        return job

    def see(job: int, outcome: object) -> None:
        if job == 5:
            raise LookupError

    with pytest.raises(LookupError):
        _run(Scheduler(range(50), width=2), work, see)
    after = len(started)
    time.sleep(ENOUGH)

    assert after == len(started) <= 8


def test_what_the_source_of_the_jobs_raises_ends_them():
    def jobs() -> Iterator[int]:
        yield from range(5)
        raise LookupError

    seen: list[int] = []

    with pytest.raises(LookupError):
        _run(Scheduler(jobs(), width=2), lambda job: job, lambda job, outcome: seen.append(job))

    assert 3 <= len(seen) <= 5


def test_errors_of_jobs_are_handled_and_a_halt_starts_no_more():
    seen: list[object] = []
    scheduler = Scheduler(range(50), width=1)

    def work(job: int) -> int:
        if job == 3:
            raise KeyError
        return job

    def see(job: int, outcome: object) -> None:
        seen.append(outcome)
        if isinstance(outcome, KeyError):
            scheduler.halt(EmbeddingError("no"))

    _run(scheduler, work, see)

    assert [0, 1, 2] == seen[:3]
    assert isinstance(seen[3], KeyError)
    assert 4 == len(seen)


def test_no_job_is_no_call():
    seen: list[int] = []

    _run(Scheduler([], width=4), lambda job: job, lambda job, outcome: seen.append(job))

    assert [] == seen


def test_what_is_called_while_jobs_run_may_end_them():
    started: list[int] = []

    def work(job: int) -> int:
        started.append(job)
        time.sleep(0.005)
        return job

    def interrupt() -> None:
        raise KeyboardInterrupt

    scheduler = Scheduler(range(1000), width=2)

    with pytest.raises(KeyboardInterrupt):
        run_jobs(
            scheduler,
            lambda job, worker_step: work(job),
            lambda number, job, outcome: scheduler.finish(number),
            while_waiting=interrupt,
        )

    assert 0 < len(started) < 100


@pytest.mark.parametrize("kind", ["threads", "handled where done"])
def test_nobody_waits_for_the_jobs_of_a_scheduler_that_is_abandoned(kind):
    begun = threading.Barrier(2, timeout=10)
    over = threading.Event()
    ended: list[int] = []
    seen: list[object] = []
    scheduler = Scheduler(range(50), width=2)

    def work(job: int) -> int:
        begun.wait()
        if job:
            over.wait(10)
            ended.append(job)
        return job

    def see(job: int, outcome: object) -> float:
        seen.append(outcome)
        scheduler.abandon()
        return 0.0

    if kind == "handled where done":
        _run(scheduler, work, see)
    else:
        _do(kind, scheduler, work, see, prefetch=False)
    waited_for = [*ended]
    over.set()

    assert [] == waited_for
    assert [0] == seen


def test_a_job_that_is_over_its_time_is_ended_for_its_thread():
    ends = threading.Event()
    seen: dict[int, object] = {}
    scheduler = Scheduler(range(6), width=2)

    def work(job: int, worker_step: WorkerStep) -> int:
        if job == 1:
            worker_step.begin(time.monotonic() + ENOUGH, lambda fault: TimeoutError(fault.kind))
            ends.wait(10)
            if not worker_step.end():
                raise Interrupted
        return job

    def handle(number: int, job: int, outcome: object) -> None:
        seen[job] = outcome
        scheduler.finish(number)

    run_jobs(scheduler, work, handle, while_waiting=lambda: None)
    ends.set()

    assert [0, 2, 3, 4, 5] == sorted(job for job, outcome in seen.items() if job == outcome)
    assert "late" == str(seen[1])


def _run_in_tasks(
    scheduler: Scheduler[int], seconds: float, see: Callable[[int, Any], object], **how: Any
) -> tuple[list[int], int]:
    """Do jobs that take so long by tasks; return those that were begun, in order, and the tasks that are left."""
    begun: list[int] = []

    async def work(job: int) -> int:
        begun.append(job)
        await asyncio.sleep(seconds)
        if job % 7 == 3:
            raise LookupError
        return job

    def handle(number: int, job: int, outcome: object) -> None:
        scheduler.finish(number)
        see(job, outcome)

    async def main() -> int:
        try:
            await asyncio.wait_for(arun_jobs(scheduler, work, handle, **how), 10)
        finally:
            left.append(len(asyncio.all_tasks()) - 1)
        return left[0]

    left: list[int] = []
    return begun, asyncio.run(main())


def test_tasks_handle_each_outcome_and_leave_none_behind():
    seen: dict[int, object] = {}

    begun, left = _run_in_tasks(Scheduler(range(40), width=4), 0.001, seen.__setitem__)

    assert list(range(40)) == begun == sorted(seen)
    assert [job for job in range(40) if job % 7 == 3] == [job for job in seen if job != seen[job]]
    assert 0 == left


@pytest.mark.parametrize(("width", "inline"), [(3, False), (1, True)], ids=["tasks", "inline"])
def test_tasks_run_no_more_jobs_at_once_than_may_be_in_flight(width, inline):
    ahead: list[int] = []
    allowed = iter([2] * 12 + [width] * 1000)
    scheduler = Scheduler(range(30), width=width, max_in_flight=lambda: next(allowed))
    in_flight: list[int] = []

    async def work(job: int) -> int:
        in_flight.append(job)
        ahead.append(len(in_flight))
        await asyncio.sleep(0.01)  # long enough for all tasks to have begun
        in_flight.remove(job)
        return job

    asyncio.run(
        arun_jobs(scheduler, work, lambda number, job, outcome: scheduler.finish(number), inline=inline)
    )

    assert 30 == len(ahead)
    assert width == max(ahead)


def test_jobs_that_take_the_place_of_one_are_done_too():
    seen: list[int] = []
    scheduler = Scheduler(range(4), width=8)

    async def work(job: int) -> int:
        await asyncio.sleep(0.001)
        return job

    def handle(number: int, job: int, outcome: object) -> None:
        seen.append(job)
        scheduler.finish(number, [10 * job + 100, 10 * job + 101] if job < 4 else [])

    asyncio.run(arun_jobs(scheduler, work, handle))

    assert [0, 1, 2, 3, 100, 101, 110, 111, 120, 121, 130, 131] == sorted(seen)


def test_no_task_starts_a_job_after_a_halt():
    seen: list[int] = []
    scheduler = Scheduler(range(50), width=2)

    def see(job: int, outcome: object) -> None:
        seen.append(job)
        scheduler.halt(EmbeddingError("no"))

    begun, left = _run_in_tasks(scheduler, ENOUGH, see)

    assert begun == sorted(seen)
    assert len(begun) <= 2
    assert 0 == left


def test_tasks_that_are_abandoned_are_cancelled():
    scheduler = Scheduler(range(50), width=4)

    begun, left = _run_in_tasks(scheduler, 2 * ENOUGH, lambda job, outcome: scheduler.abandon())

    assert 1 < len(begun) <= 4
    assert 0 == left


@pytest.mark.parametrize("inline", [False, True], ids=["tasks", "inline"])
def test_what_a_handler_of_tasks_raises_ends_the_jobs(inline):
    def see(job: int, outcome: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        _run_in_tasks(Scheduler(range(50), width=2), 0.001, see, inline=inline)


def test_the_caller_is_called_while_tasks_run():
    called: list[float] = []
    scheduler = Scheduler(range(1), width=1)

    _run_in_tasks(scheduler, 0.3, lambda job, outcome: None, while_waiting=lambda: called.append(0.0))

    assert called
