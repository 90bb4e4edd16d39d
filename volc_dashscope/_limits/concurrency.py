"""How many requests may be in flight: as many as asked for, and fewer while they come back unserved. Pure."""

from __future__ import annotations

_LESS = 0.7
# Requests in flight together fail together; that is one lesson.
_LESSON_SECONDS = 1.0


class ConcurrencyLimit:
    """
    Requests in flight at once.

    A service that is overloaded answers 503, hangs up or lets requests time out; more of them at once make it
    worse. Each such second takes three tenths of the room, and answers give it back, one place for as many as fit.

    Args:
        width: The most there may be; None for no bound.
    """

    def __init__(self, width: int | None) -> None:
        self._width = float("inf") if width is None else float(width)
        self._size = self._width
        self._lowered = float("-inf")

    @property
    def size(self) -> float:
        """Requests that may be in flight now, at least one."""
        return max(1.0, self._size)

    def unserved(self, now: float) -> None:
        """Note a request that the service failed or that got no reply."""
        if now - self._lowered >= _LESSON_SECONDS:
            self._size = max(1.0, self._size * _LESS)
            self._lowered = now

    def served(self) -> None:
        """Note an answer."""
        if self._size < self._width:
            self._size = min(self._width, self._size + 1 / self._size)
