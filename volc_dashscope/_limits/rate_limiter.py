"""
Limits requests and tokens per minute, for all threads and tasks of a client.

Each request reserves a slot on a time line and waits for it. One throttle reply moves every slot behind the
pause in the reply and lowers the rate of the limit it names; replies without a throttle raise it
again, slowly near the rate that was last throttled. Pure: the time is an argument.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import NamedTuple

from volc_dashscope._limits.adaptive_rate import RateWindow, TokenEstimator
from volc_dashscope._limits.concurrency import ConcurrencyLimit
from volc_dashscope._limits.retry import LONGEST_HINT
from volc_dashscope.errors import EmbeddingError, RateLimitError, ServiceUnavailableError, TransportError

_PAUSE = 1.0
_LONGEST_PAUSE = 16.0


class RequestCost(NamedTuple):
    """Requests and estimated tokens that one request uses of the limits."""

    requests: int = 1
    tokens: int = 0


class Reservation(NamedTuple):
    """A reserved slot: seconds until it begins, the throttle count when it was reserved, and its tokens."""

    delay: float
    epoch: int
    tokens: float = 0.0


# Unsourced A50: limits of two models are independent, and texts and media share one limit of tokens.
class RateLimiter:
    """
    A client's rate limits.

    Args:
        requests_per_minute, tokens_per_minute: The account's limits, or None to learn them from throttles.
        width: Largest number of requests in flight.
    """

    def __init__(
        self, requests_per_minute: float | None, tokens_per_minute: float | None, width: int | None = None
    ) -> None:
        self._concurrency = ConcurrencyLimit(width)
        self._requests = RateWindow(requests_per_minute)
        self._tokens = RateWindow(tokens_per_minute)
        self._estimator = TokenEstimator()
        self._epoch = 0
        self._lowered = float("-inf")
        self._resume = float("-inf")
        self._paused = 0.0
        self._pause = _PAUSE
        # Future slots, each with the state of both lines before it.
        self._future_slots: deque[tuple[float, float, float]] = deque()
        self._lock = Lock()

    def reserve(self, cost: RequestCost, now: float) -> Reservation:
        """Reserve the next free slot."""
        with self._lock:
            # Both are reserved at the same time, so that requests that waited for tokens are not sent in a bunch.
            at = max(now, self._requests.next, self._tokens.next)
            while self._future_slots and self._future_slots[0][0] <= now:
                self._future_slots.popleft()
            if at > now:
                self._future_slots.append((at, self._requests.next, self._tokens.next))
            tokens = self._estimator.expected(cost.tokens)
            self._requests.reserve(cost.requests, at)
            self._tokens.reserve(tokens, at)
            return Reservation(at - now, self._epoch, tokens)

    def confirms(self, reservation: Reservation) -> bool:
        """Return whether a slot is still valid: a later throttle cancels it."""
        return reservation.epoch == self._epoch

    def max_in_flight(self) -> float:
        """Return how many requests may be in flight now."""
        return self._concurrency.size

    def pause(self, now: float) -> float:
        """Return for how many seconds nothing may be sent, after the service's last throttle."""
        return max(0.0, self._resume - now)

    def report(
        self,
        error: EmbeddingError | None,
        cost: RequestCost,
        now: float,
        *,
        reservation: Reservation | None = None,
        spent: int | None = None,
    ) -> None:
        """
        Adapt the limits to the outcome of a request.

        Args:
            reservation: Its slot; a throttle of a request sent before the last throttle does not lower the rate again.
            spent: Billed tokens, if the reply has them.
        """
        with self._lock:
            # At least one token, so that the share of throttled ones can be computed.
            tokens = max(1.0, reservation.tokens if reservation is not None else float(cost.tokens))
            if isinstance(error, RateLimitError) and error.retryable:
                late = reservation is not None and reservation.epoch < self._epoch
                self._slow_down(error, cost._replace(tokens=round(tokens)), now, late=late)
            elif isinstance(error, ServiceUnavailableError | TransportError):
                # Not a throttle: it counts towards the rate like a successful reply.
                self._concurrency.failed()
                self._requests.passed(cost.requests, self._active(now))
                self._tokens.passed(tokens, self._active(now))
            elif error is None:
                self._concurrency.succeeded()
                self._answered(cost, tokens, spent, now)

    def _slow_down(self, error: RateLimitError, cost: RequestCost, now: float, *, late: bool) -> None:
        # A hint of more than a day ends only this request: one odd reply must not stop a client for good.
        hint = error.retry_after if (error.retry_after or 0.0) <= LONGEST_HINT else None
        active = self._active(now)
        self._requests.throttled(cost.requests, active)
        self._tokens.throttled(cost.tokens, active)
        # Requests in flight together are throttled together; that counts as one throttle.
        new_throttle = now - self._lowered >= _PAUSE and not late
        if error.limit == "concurrency":
            # The service has too many requests at once; the rate per minute is unchanged.
            self._concurrency.overloaded()
            new_throttle = False
        elif error.limit == "tokens":
            self._tokens.lower(cost.tokens, active, again=not new_throttle)
        else:
            self._requests.lower(cost.requests, active, again=not new_throttle)
        if new_throttle:
            self._lowered = now
            # The pause doubles from throttle to throttle while nothing is answered in between.
            pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        elif hint is None:
            return
        resume = now + (hint if hint is not None else pause)
        if resume > self._resume:
            self._cancel(now)
            self._paused += resume - max(now, self._resume)
            self._resume = resume
        for window in (self._requests, self._tokens):
            window.next = max(window.next, self._resume)

    def _cancel(self, now: float) -> None:
        """Release all future slots; otherwise the line would stay blocked until the last of them."""
        self._epoch += 1
        while self._future_slots and self._future_slots[0][0] <= now:
            self._future_slots.popleft()
        if self._future_slots:
            _, self._requests.next, self._tokens.next = self._future_slots[0]
            self._future_slots.clear()

    def _answered(self, cost: RequestCost, reserved: float, spent: int | None, now: float) -> None:
        active, self._pause = self._active(now), _PAUSE
        if spent is not None:
            self._estimator.learn(cost.tokens, spent)
            self._tokens.correct(spent - reserved)
        self._requests.passed(cost.requests, active)
        self._tokens.passed(reserved if spent is None else spent, active)

    def _active(self, now: float) -> float:
        """Return the time, not counting pauses."""
        return max(now, self._resume) - self._paused
