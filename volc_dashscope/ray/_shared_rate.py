"""
Divides an account's requests and tokens per minute among clients, in short leases of one timeline. Pure.

A lease is a series of time slots, in each of which one request may be sent. Leases follow each other without a gap
and without a burst, and reach at most one second ahead, so that little is lost if a client dies.
"""

from __future__ import annotations

from dataclasses import dataclass

# Longest lease, and how far ahead of the clock the timeline may be when one is granted.
_MAX_LEASE_SECONDS = 0.5
_HORIZON_SECONDS = 1.0
# How late a slot may still be used, in seconds. Services do not treat the requests of one second as a burst.
GRACE_SECONDS = 0.5
# After this long, the leases of an earlier actor that died with its machine have expired.
_HOLD_SECONDS = _HORIZON_SECONDS + _MAX_LEASE_SECONDS + GRACE_SECONDS
_DECAY = 0.995


@dataclass(frozen=True, slots=True)
class Lease:
    """
    Time slots: `count` of them, `gap` seconds apart, the first after `delay` seconds.

    With `count` 0, ask again after `delay` seconds.

    Attributes:
        tokens: Tokens reserved for each request; returned in the next `UsageReport`.
    """

    count: int
    delay: float
    gap: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What a client was billed since its last report: answered requests, their tokens, and the tokens reserved."""

    requests: int = 0
    tokens: int = 0
    reserved: float = 0.0


class Allowance:
    """
    The timeline of one account.

    Args:
        requests_per_minute, tokens_per_minute: The account's limits; None for no limit.
        now: Seconds of a monotonic clock; every later `now` is of the same clock.
    """

    def __init__(
        self, requests_per_minute: float | None, tokens_per_minute: float | None, now: float
    ) -> None:
        self._request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._requests_until = self._tokens_until = now + _HOLD_SECONDS
        self._seen = self._spent = 0.0
        self.granted = self.answered = self.tokens = 0

    def lease(self, count: int, estimate: float, report: UsageReport, now: float) -> Lease:
        """
        Grant the next slots of the timeline.

        Args:
            count: Slots that the client can use.
            estimate: The client's estimate of the tokens of one request; used until the first report.
        """
        self._record(report)
        per_request = self._spent / self._seen if self._seen else estimate
        gap = max(self._request, per_request * self._token)
        at = max(now, self._requests_until, self._tokens_until)
        if at - now > _HORIZON_SECONDS:
            return Lease(0, at - now - _HORIZON_SECONDS)
        count = max(1, min(count, int(_MAX_LEASE_SECONDS / gap) if gap else count))
        # Both timelines move past the last slot, so that requests that waited for tokens are not sent in a burst.
        self._requests_until = at + (count - 1) * gap + self._request
        self._tokens_until = at + (count - 1) * gap + per_request * self._token
        self.granted += count
        return Lease(count, at - now, gap, per_request)

    def _record(self, report: UsageReport) -> None:
        if not report.requests:
            return
        self._tokens_until += (report.tokens - report.reserved) * self._token
        kept = _DECAY**report.requests
        self._seen = self._seen * kept + report.requests
        self._spent = self._spent * kept + report.tokens
        self.answered += report.requests
        self.tokens += report.tokens
