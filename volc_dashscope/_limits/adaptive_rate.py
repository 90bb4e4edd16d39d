"""The learned rate of one limit, and the tokens that requests actually cost. Pure."""

from __future__ import annotations

from collections import deque

# Seconds' worth of requests that may be sent in a burst. Services accept one second's worth, but requests that were
# sent apart may be delayed and arrive together; the other half second is for those.
_AT_ONCE_SECONDS = 0.5
# A rate is measured over the latest requests: all within the window, and at least this many where the rate is low.
_WINDOW_SECONDS = 5.0
_WINDOW_REQUESTS = 16
# The shortest time a window counts as: requests that end together say nothing about a rate per second.
_WINDOW_SHORTEST = 0.1
# One throttle lowers the rate by half at most, as in TCP: the replies that make up a share are few.
_LARGEST_DECREASE = 0.5
# CUBIC's scale: one window after the rate has reached the last throttled one, it is above it by this share.
_GROWTH = 0.15
# The lowest rate, in requests per second, after a long outage.
_SLOWEST = 1 / 60
# A service that throttles at the configured rate counts a little differently; the rate is lowered to this share.
_CONFIGURED_MARGIN = 0.95


class RateWindow:
    """
    The rate of requests, or of tokens, as a line of slots.

    The limit, per second, is configured or learned from throttles, as in TCP congestion control; None means unlimited.
    A throttle lowers the rate by the share of the latest requests that were throttled (DCTCP, RFC 8257):
    one throttle among hundreds of answers is chance and costs next to nothing, while a real limit refuses the
    whole excess and is reached in a few steps. Requests that are not throttled raise it along a cubic curve (CUBIC,
    RFC 9438): flat near the rate that was too much, and steeper the longer no throttle follows.
    """

    __slots__ = (
        "_before",
        "_ended",
        "_grown",
        "_level_at",
        "_passed",
        "_raised",
        "_throttle_count",
        "_too_much",
        "_tried",
        "_window",
        "configured",
        "limit",
        "next",
    )

    def __init__(self, per_minute: float | None) -> None:
        self.configured = per_minute / 60 if per_minute else None
        self.limit = self.configured
        self.next = float("-inf")
        # The latest requests: when they ended, the requests or tokens they used, and whether they were throttled.
        self._ended: deque[tuple[float, float, bool]] = deque()
        # The rate that was throttled; None before the first throttle.
        self._too_much: float | None = None
        self._throttle_count = 0
        # The limit before the last throttle, whether requests had passed under it, and whether any has since.
        self._before: float | None = None
        self._tried = self._passed = False
        # The cubic curve, in windows: how long one is, how far the rate has come, where it is level.
        self._window, self._grown, self._level_at = _WINDOW_SECONDS, 0.0, 0.0
        self._raised = 0.0

    def reserve(self, amount: float, at: float) -> None:
        """Move the line behind a slot at `at`."""
        if self.limit is not None:
            seconds = amount / self.limit
            # At most half a second's worth at once, this request included.
            self.next = max(self.next, at - max(0.0, _AT_ONCE_SECONDS - seconds)) + seconds

    def correct(self, amount: float) -> None:
        """Move the line by the difference between the actual cost of a request and the amount reserved for it."""
        if self.limit is not None:
            self.next += amount / self.limit

    def throttled(self, amount: float, active: float) -> None:
        """Record a throttled request, whichever limit it exceeded."""
        self._note(amount, active, throttled=True)

    def passed(self, amount: float, active: float) -> None:
        """Record a request that was not throttled; the rate may rise."""
        self._note(amount, active, throttled=False)
        self._passed = True
        if self._too_much is None:
            return
        # Time without requests does not count.
        self._grown += min(max(0.0, active - self._raised) / self._window, 0.5)
        self._raised = max(active, self._raised)
        self.limit = self._too_much * (1 + _GROWTH * (self._grown - self._level_at) ** 3)
        if self.configured is not None:
            self.limit = min(self.limit, self.configured)

    def lower(self, amount: float, active: float, *, again: bool) -> None:
        """
        Lower the limit below the rate that was just throttled.

        Args:
            amount: Requests or tokens that one request uses.
            active: The time, not counting pauses.
            again: Whether the throttled request was in flight together with the last throttled one. Both count as
                one throttle, and this one only makes the measured rate more exact.
        """
        if not again:
            self._throttle_count += 1
            if self.configured is not None and self._throttle_count == 2:  # once may be chance
                self.configured = self.limit = self.configured * _CONFIGURED_MARGIN
            # If nothing passed since the last throttle, it is an outage, which says nothing about the rate before.
            self._tried = self._passed or self._too_much is None
            self._before, self._passed = self.limit, False
        if len(self._ended) < _WINDOW_REQUESTS:
            return
        rate, share, seconds = self._latest(active)
        rate = min(self._before or rate, rate)
        if self._tried or self._too_much is None:
            self._too_much, self._window = rate, max(seconds, _WINDOW_SECONDS)
        self.limit = max(_SLOWEST * amount, rate * (1 - min(_LARGEST_DECREASE, share)))
        self._level_at = (max(0.0, 1 - self.limit / self._too_much) / _GROWTH) ** (1 / 3)
        self._grown, self._raised = 0.0, active

    def _note(self, amount: float, active: float, *, throttled: bool) -> None:
        ended = self._ended
        ended.append((active, amount, throttled))
        while len(ended) > _WINDOW_REQUESTS and active - ended[0][0] > _WINDOW_SECONDS:
            ended.popleft()

    def _latest(self, active: float) -> tuple[float, float, float]:
        """Return the rate of the latest requests, the throttled share of them, and the seconds they span."""
        total = sum(amount for _, amount, _ in self._ended)
        refused = sum(amount for _, amount, throttled in self._ended if throttled)
        seconds = max(active - self._ended[0][0], _WINDOW_SHORTEST)
        return total / seconds, refused / total, seconds


class TokenEstimator:
    """Corrects token estimates by billed tokens: services do not publish how they count."""

    __slots__ = ("_estimated", "_spent", "_unknown")

    def __init__(self) -> None:
        self._estimated = 0.0
        self._spent = 0.0
        self._unknown = 0.0

    def expected(self, estimate: int) -> float:
        """Return the tokens to reserve for a request; for media of unknown size, the cost of recent ones."""
        if not estimate:
            return self._unknown
        return estimate * self._spent / self._estimated if self._estimated else float(estimate)

    def learn(self, estimate: int, spent: int) -> None:
        """Record the billed tokens of a request."""
        if estimate:
            self._estimated = 0.95 * self._estimated + estimate
            self._spent = 0.95 * self._spent + spent
        else:
            self._unknown += (spent - self._unknown) / 4 if self._unknown else spent
