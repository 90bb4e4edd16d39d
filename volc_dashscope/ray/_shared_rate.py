"""
An account's requests and tokens a minute as one time line, handed out in short leases. Pure.

A lease is a row of moments at which one request each may be sent. Leases follow each other without a gap and
without a burst, and none is given further ahead than a second: a holder that dies takes little with it.
"""

from __future__ import annotations

from dataclasses import dataclass

# Longest lease, and how far ahead of the clock the line may be when one is given.
_LEASE_SECONDS = 0.5
_HORIZON = 1.0
# How late a moment may still be used. Services count at least one second's worth as no burst.
GRACE = 0.5
# Leases of a predecessor (an allowance that died with its machine) are used up or void after so long.
_HOLD = _HORIZON + _LEASE_SECONDS + GRACE
_FORGET = 0.995


@dataclass(frozen=True, slots=True)
class Lease:
    """
    Moments to send at: the first after `delay` seconds, `count` of them, `gap` seconds apart.

    None of them (`count` 0) means: ask again after `delay`.

    Attributes:
        tokens: What was set aside for each request; comes back in the next `UsageReport`.
    """

    count: int
    delay: float
    gap: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What a holder was billed since it last said so: answered requests, their tokens, and what was set aside."""

    requests: int = 0
    tokens: int = 0
    reserved: float = 0.0


class Allowance:
    """
    The time line.

    Args:
        requests_per_minute, tokens_per_minute: The account's limits; None for one that does not bind.
        now: Seconds of any clock that does not go back; every later `now` is of the same clock.
    """

    def __init__(
        self, requests_per_minute: float | None, tokens_per_minute: float | None, now: float
    ) -> None:
        self._request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._requests_until = self._tokens_until = now + _HOLD
        self._seen = self._spent = 0.0
        self.granted = self.answered = self.tokens = 0

    def lease(self, most: int, estimate: float, report: UsageReport, now: float) -> Lease:
        """
        Take the next moments of the line.

        Args:
            most: Requests the holder could send at once.
            estimate: Tokens one of them costs by the holder's estimate; used until the first report comes.
        """
        self._record(report)
        each = self._spent / self._seen if self._seen else estimate
        gap = max(self._request, each * self._token)
        at = max(now, self._requests_until, self._tokens_until)
        if at - now > _HORIZON:
            return Lease(0, at - now - _HORIZON)
        count = max(1, min(most, int(_LEASE_SECONDS / gap) if gap else most))
        # Both lines move behind the last moment: what waited for tokens must not send its requests in a bunch.
        self._requests_until = at + (count - 1) * gap + self._request
        self._tokens_until = at + (count - 1) * gap + each * self._token
        self.granted += count
        return Lease(count, at - now, gap, each)

    def _record(self, report: UsageReport) -> None:
        if not report.requests:
            return
        self._tokens_until += (report.tokens - report.reserved) * self._token
        kept = _FORGET**report.requests
        self._seen = self._seen * kept + report.requests
        self._spent = self._spent * kept + report.tokens
        self.answered += report.requests
        self.tokens += report.tokens
