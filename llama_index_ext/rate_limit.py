"""Core's rate limiter, asked once for every request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from llama_index.core.rate_limiter import BaseRateLimiter
from pydantic import BaseModel


class RateLimiterAdapter:
    """
    LlamaIndex's rate limiter in the words of our client, which asks before each request.

    Core asks the same limiter by itself: once for a batch of texts, however many requests that takes, and
    never for images. What core has asked for within `paid` is not asked for again.

    Args:
        limiter: Core's `BaseRateLimiter`, or None.
        other: A limiter in our client's own words, asked as well.
    """

    def __init__(self, limiter: Any, other: Any) -> None:
        self.limiter = limiter
        self._other = other
        self._lock = Lock()
        self._calls = 0
        self._credit = 0

    @contextmanager
    def prepaid(self) -> Iterator[None]:
        """Run one of core's hooks, for which core has asked once."""
        with self._lock:
            self._calls += 1
            self._credit += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                # A call served from memory sends nothing; what it leaves must not pile up.
                self._credit = min(self._credit, self._calls)

    def acquire(self) -> None:
        """Wait until a request may be sent."""
        if self._other is not None:
            self._other.acquire()
        if self.limiter is not None and not self._take():
            self.limiter.acquire()

    async def aacquire(self) -> None:
        """As `acquire`, awaited."""
        if self._other is not None:
            await self._other.aacquire()
        if self.limiter is not None and not self._take():
            await self.limiter.async_acquire()

    def _take(self) -> bool:
        with self._lock:
            if self._credit == 0:
                return False
            self._credit -= 1
            return True


@dataclass(frozen=True)
class Packed:
    """A limiter of core's on its way to another process: its settings, without the lock it counts under."""

    kind: type[BaseModel]
    settings: dict[str, Any]

    def made(self) -> BaseModel:
        """Return a limiter with the same limits, which counts for itself."""
        return self.kind(**self.settings)


def packed(value: Any) -> Any:
    """Return what travels in the place of a limiter of core's, and anything else as it is."""
    if isinstance(value, BaseModel) and isinstance(value, BaseRateLimiter):
        return Packed(type(value), {name: getattr(value, name) for name in type(value).model_fields})
    return value
