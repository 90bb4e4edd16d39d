"""Runs the cases of a test at the same time, where each does nothing but wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_LONGEST = 60.0


class AtOnce(Generic[T]):
    """
    A function whose calls with all of these arguments run together, in threads, when the first is asked for.

    Thirty cases that each wait for a deadline of a second then take one second and not thirty. Each test still looks
    at its own case: asking for it returns what the function returned, or raises what it raised.

        ended = AtOnce(wait_for_deadline, itertools.product(("sync", "async"), (1, 15)))
        assert ended("sync", 15) < 2.5
    """

    def __init__(self, work: Callable[..., T], cases: Iterable[tuple[Any, ...]]) -> None:
        self._work, self._cases = work, [*cases]
        self._outcomes: dict[tuple[Any, ...], Future[T]] = {}

    def __call__(self, *case: Any) -> T:
        """Return the outcome of one case; the first call runs all of them, with what its test has set up."""
        if not self._outcomes:
            self._outcomes = {each: Future() for each in self._cases}
            for each in self._outcomes:
                # Not a pool: the process would wait at its end for a case that hangs.
                threading.Thread(target=self._run, args=each, daemon=True).start()
            wait(self._outcomes.values(), timeout=_LONGEST)
        return self._outcomes[case].result(timeout=0)

    def _run(self, *case: Any) -> None:
        outcome = self._outcomes[case]
        try:
            outcome.set_result(self._work(*case))
        except BaseException as error:  # also pytest's own failures
            outcome.set_exception(error)
