"""Decides which job starts next, for the sync and the async fan-out. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from volc_dashscope.errors import EmbeddingError

J = TypeVar("J")


class Scheduler(Generic[J]):
    """
    Hands out jobs while at most `width` run and none is `window` or more ahead of the oldest unfinished one.

    Args:
        jobs: Read lazily, one at a time.
        width: Jobs under way at once.
        max_in_flight: Returns how many of `width` may be under way now.
        window: Distance that bounds what has to be remembered until the oldest job is done; None for no bound.

    Attributes:
        halted: Whether no more jobs start.
        abandoned: Whether the call also stops waiting for running jobs.
    """

    def __init__(
        self,
        jobs: Iterable[J],
        *,
        width: int,
        window: int | None = None,
        max_in_flight: Callable[[], float] | None = None,
    ) -> None:
        self._max_in_flight = max_in_flight
        self._jobs: Iterator[J] = iter(jobs)
        self._requeued: deque[tuple[int, J]] = deque()
        self.width = width
        self._window = window
        self._started = 0
        # Jobs under way by number; a batch that was split is two jobs with one number.
        self._running: dict[int, int] = {}
        self._active = 0
        self._exhausted = False
        self.halted = False
        self._cause: EmbeddingError | None = None
        self.abandoned = False

    def next_jobs(self, *, ahead: int = 0) -> Iterator[tuple[int, J]]:
        """Yield jobs that may start now, numbered in their order, and `ahead` more to start as others end."""
        if self._exhausted and not self._requeued:
            return
        while not self.halted and self._active < self._most(ahead):
            if self._requeued:
                number, job = self._requeued.popleft()
            else:
                if self._window is not None and self._ahead() >= self._window:
                    return
                try:
                    job = next(self._jobs)
                except StopIteration:
                    self._exhausted = True
                    return
                number = self._started
                self._started += 1
            self._running[number] = self._running.get(number, 0) + 1
            self._active += 1
            yield number, job

    def _most(self, ahead: int) -> float:
        max_in_flight = self.width if self._max_in_flight is None else self._max_in_flight()
        # Jobs in the queue start at once, so with fewer places than `width` none is queued.
        return self.width + ahead if max_in_flight >= self.width else max_in_flight

    def finish(self, number: int, requeue: Iterable[J] = ()) -> None:
        """Record that a job ended; `requeue` are the jobs that replace it, under its number."""
        for job in requeue:
            self._requeued.append((number, job))
        self._running[number] -= 1
        self._active -= 1
        if self._running[number] or (self._requeued and any(number == other for other, _ in self._requeued)):
            return
        del self._running[number]

    def halt(self, cause: EmbeddingError) -> None:
        """Start no more jobs because of this error; running ones may finish. Only the first error is kept."""
        self.halted = True
        self._cause = self._cause or cause

    def cause(self) -> EmbeddingError | None:
        """Return the error after which nothing may be sent, if there was one; running jobs check it."""
        return self._cause

    def abandon(self) -> None:
        """Start no more jobs, and end without waiting for running ones."""
        self.halted = self.abandoned = True

    def _ahead(self) -> int:
        return self._started - min(self._running, default=self._started)
