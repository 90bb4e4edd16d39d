"""
Limits of requests and tokens per minute, enforced per second.

DashScope says that a limit per minute may be enforced as a sixtieth per second (model-studio/rate-limit,
2026-06), so a bucket holds one second's worth, at least one request, and refills steadily. Each model has its
own buckets.
"""

from __future__ import annotations

from threading import Lock


# Unsourced A49: a limit per minute is enforced as one sixtieth per second. Settled by a burst.
class Bucket:
    """One limit of one model. It may become negative by one request, whose tokens are known only afterwards."""

    def __init__(self, limit: float, now: float) -> None:
        self._per_second = limit / 60
        self._capacity = max(1.0, self._per_second)
        self._level = self._capacity
        self._at = now

    def holds(self, amount: float, now: float) -> bool:
        """Return whether `amount` is available now."""
        self._level = min(self._capacity, self._level + max(0.0, now - self._at) * self._per_second)
        self._at = now
        return self._level >= amount

    def consume(self, amount: float) -> None:
        """Remove an amount."""
        self._level -= amount


class RateLimits:
    """The limits of every model, in requests (`rpm`) and tokens (`tpm`) a minute; None means no limit."""

    def __init__(self, rpm: float | None, tpm: float | None) -> None:
        self._lock = Lock()
        self._limits = {unit: limit for unit, limit in (("rpm", rpm), ("tpm", tpm)) if limit is not None}
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def admit(self, model: str, now: float) -> str | None:
        """Admit one request and return None, or return the limit that is used up."""
        with self._lock:
            for unit, limit in self._limits.items():
                bucket = self._buckets.setdefault((unit, model), Bucket(limit, now))
                # One token is enough to admit a request, because its tokens are known only afterwards.
                if not bucket.holds(1.0, now):
                    return unit
            if "rpm" in self._limits:
                self._buckets["rpm", model].consume(1.0)
        return None

    def charge(self, model: str, tokens: int) -> None:
        """Subtract the tokens of an answered request."""
        with self._lock:
            bucket = self._buckets.get(("tpm", model))
            if bucket is not None:
                bucket.consume(tokens)
