"""Limits the requests in flight: `max_concurrency`, and fewer while most of them fail. Pure."""

from __future__ import annotations


class ConcurrencyLimit:
    """
    Requests in flight at once.

    A service that is overloaded answers 503, hangs up or lets requests time out; more of them at once make it
    worse. Outcomes are counted in rounds of as many requests as may be in flight. A round with more than half failed
    halves the limit; every answer raises it, by one per round (AIMD, as TCP does). Fewer failures are chance: retries
    deal with them, and a lower limit would only make the call slow.

    Args:
        width: The most there may be; None for no bound.

    Attributes:
        size: Requests that may be in flight now, at least one.
    """

    def __init__(self, width: int | None) -> None:
        self._width = float("inf") if width is None else float(width)
        self.size = self._width
        self._served = self._unserved = 0

    def crowded(self) -> None:
        """Note a request that the service refused because too many are in flight; one is enough."""
        self._unserved += max(1, self._served)
        self.unserved()

    def unserved(self) -> None:
        """Note a request that the service failed or that got no reply."""
        self._unserved += 1
        self._end_round()

    def served(self) -> None:
        """Note an answer."""
        self._served += 1
        self.size = min(self._width, self.size + 1 / self.size)
        self._end_round()

    def _end_round(self) -> None:
        if self._served + self._unserved < self.size:
            return
        if self._unserved > self._served:
            self.size = max(1.0, self.size / 2)
        self._served = self._unserved = 0
