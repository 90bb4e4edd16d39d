"""Core's rate limiter, called once for every request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


class RateLimiterAdapter:
    """
    Adapts LlamaIndex's rate limiter to the client, which calls it before each request.

    Core calls the same limiter too: once for each batch of texts, however many requests it needs, and never for images.
    Within `prepaid`, core's call counts as the one for the first request.

    Args:
        limiter: Core's `BaseRateLimiter`, or None.
        other: A limiter with the client's own protocol, called as well.
    """

    def __init__(self, limiter: Any, other: Any) -> None:
        self.limiter = limiter
        self._other = other
        self._lock = Lock()
        self._calls = 0
        self._credit = 0

    @contextmanager
    def prepaid(self) -> Iterator[None]:
        """Wrap one of core's hooks, for which core has already called the limiter once."""
        with self._lock:
            self._calls += 1
            self._credit += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                # A call served from a cache sends nothing; unused credit must not accumulate.
                self._credit = min(self._credit, self._calls)

    def acquire(self) -> None:
        """Wait until a request may be sent."""
        if self._other is not None:
            self._other.acquire()
        if self.limiter is not None and not self._use_credit():
            self.limiter.acquire()

    async def aacquire(self) -> None:
        """As `acquire`, awaited."""
        if self._other is not None:
            await self._other.aacquire()
        if self.limiter is not None and not self._use_credit():
            await self.limiter.async_acquire()

    def _use_credit(self) -> bool:
        with self._lock:
            if self._credit == 0:
                return False
            self._credit -= 1
            return True
