"""Limits the requests in flight: `max_concurrency`, and fewer while most of them fail. Pure."""

from __future__ import annotations


class ConcurrencyLimit:
    """
    Requests in flight at once.

    An overloaded service answers 503, closes connections or lets requests time out; more requests at once make it
    worse. Outcomes are counted in rounds of as many requests as may be in flight. A round with more than half failed
    halves the limit; every answer raises it, by one per round (AIMD, as TCP does). Fewer failures may be chance:
    retries handle them, and a lower limit would only slow the call down.

    Args:
        width: Largest number of requests in flight; None for no limit.

    Attributes:
        size: Requests that may be in flight now, at least one.
    """

    def __init__(self, width: int | None) -> None:
        self._width = float("inf") if width is None else float(width)
        self.size = self._width
        self._succeeded = self._failed = 0

    def overloaded(self) -> None:
        """Record a request refused because too many are in flight; one is enough to lower the limit."""
        self._failed += max(1, self._succeeded)
        self.failed()

    def failed(self) -> None:
        """Record a request that the service failed to answer."""
        self._failed += 1
        self._end_round()

    def succeeded(self) -> None:
        """Record a successful reply."""
        self._succeeded += 1
        self.size = min(self._width, self.size + 1 / self.size)
        self._end_round()

    def _end_round(self) -> None:
        if self._succeeded + self._failed < self.size:
            return
        if self._failed > self._succeeded:
            self.size = max(1.0, self.size / 2)
        self._succeeded = self._failed = 0
