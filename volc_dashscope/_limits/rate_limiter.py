"""
How fast to send: requests and tokens per minute, shared by every thread and task of a client.

Each request reserves a slot on a time line and waits for it. One throttle reply moves every slot behind the
pause the service asked for and lowers the rate of the allowance it names; replies without a throttle raise it
again, slowly near the rate that was last too much. Pure: the time comes in as an argument.
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
    """What one request takes from the allowance. Tokens are an estimate."""

    requests: int = 1
    tokens: int = 0


class Reservation(NamedTuple):
    """A reserved slot: seconds until it comes, the throttle count it was made under, and its tokens."""

    delay: float
    epoch: int
    tokens: float = 0.0


class RateLimiter:
    """
    A client's allowance.

    Args:
        requests_per_minute, tokens_per_minute: The account's limits, or None to learn them from throttles.
        width: Requests in flight at most.
    """

    def __init__(
        self, requests_per_minute: float | None, tokens_per_minute: float | None, width: int | None = None
    ) -> None:
        self._room = ConcurrencyLimit(width)
        self._requests = RateWindow(requests_per_minute)
        self._tokens = RateWindow(tokens_per_minute)
        self._bill = TokenEstimator()
        self._epoch = 0
        self._lowered = float("-inf")
        self._resume = float("-inf")
        self._paused = 0.0
        self._pause = _PAUSE
        # Slots that are still to come, each with where both lines stood before it.
        self._coming: deque[tuple[float, float, float]] = deque()
        self._lock = Lock()

    def reserve(self, cost: RequestCost, now: float) -> Reservation:
        """Take the next free slot."""
        with self._lock:
            # Both allowances are taken at the same moment: requests that waited for tokens must not bunch up.
            at = max(now, self._requests.next, self._tokens.next)
            while self._coming and self._coming[0][0] <= now:
                self._coming.popleft()
            if at > now:
                self._coming.append((at, self._requests.next, self._tokens.next))
            tokens = self._bill.expected(cost.tokens)
            self._requests.take(cost.requests, at)
            self._tokens.take(tokens, at)
            return Reservation(at - now, self._epoch, tokens)

    def confirms(self, turn: Reservation) -> bool:
        """Whether a slot still stands: a throttle since it was made cancels it."""
        return turn.epoch == self._epoch

    def room(self) -> float:
        """Requests that may be in flight now."""
        return self._room.size

    def pause(self, now: float) -> float:
        """Seconds for which nothing may be sent, because the service asked for it."""
        return max(0.0, self._resume - now)

    def report(
        self,
        error: EmbeddingError | None,
        cost: RequestCost,
        now: float,
        *,
        turn: Reservation | None = None,
        spent: int | None = None,
    ) -> None:
        """
        Learn from how a request ended.

        Args:
            turn: The slot it was sent in; a throttle of one sent before the last throttle teaches nothing new.
            spent: Tokens it was billed, where the reply says so.
        """
        with self._lock:
            if isinstance(error, RateLimitError) and error.retryable:
                # Fewer at once, not fewer a minute, is what a crowded service needs.
                crowded = error.limit == "concurrency"
                if crowded:
                    self._room.unserved(now)
                late = turn is not None and turn.epoch < self._epoch
                self._slow_down(error, cost, now, teaches=not crowded and not late)
            elif isinstance(error, ServiceUnavailableError | TransportError):
                self._room.unserved(now)
            elif error is None:
                self._room.served()
                taken = turn.tokens if turn is not None else float(cost.tokens)
                self._speed_up(cost, taken, spent, now)

    def _slow_down(self, error: RateLimitError, cost: RequestCost, now: float, *, teaches: bool) -> None:
        # More than a day ends that request alone: one odd reply must not stop a client for good.
        hint = error.retry_after if (error.retry_after or 0.0) <= LONGEST_HINT else None
        active = self._active(now)
        for lane in (self._requests, self._tokens):
            lane.ended.append((active, now, 0.0))
        # Requests in flight together are throttled together; that is one lesson, not many.
        lesson = now - self._lowered >= _PAUSE and teaches
        if lesson:
            lane = self._tokens if error.limit == "tokens" else self._requests
            lane.lower(active, now, cost.requests if lane is self._requests else max(1, cost.tokens))
            self._lowered = now
            # Longer from throttle to throttle while nothing is answered between: a service that is overloaded.
            pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        elif hint is None:
            return
        resume = now + (hint if hint is not None else pause)
        if resume > self._resume:
            self._cancel(now)
            self._paused += resume - max(now, self._resume)
            self._resume = resume
        for lane in (self._requests, self._tokens):
            lane.next = max(lane.next, self._resume)

    def _cancel(self, now: float) -> None:
        """Take back the slots that are still to come; a line that kept them would stand still that long."""
        self._epoch += 1
        while self._coming and self._coming[0][0] <= now:
            self._coming.popleft()
        if self._coming:
            _, self._requests.next, self._tokens.next = self._coming[0]
            self._coming.clear()

    def _speed_up(self, cost: RequestCost, taken: float, spent: int | None, now: float) -> None:
        active, self._pause = self._active(now), _PAUSE
        if spent is not None:
            self._bill.learn(cost.tokens, spent)
            self._tokens.settle(spent - taken)
        self._requests.answered(cost.requests, active, now)
        self._tokens.answered(taken if spent is None else spent, active, now)

    def _active(self, now: float) -> float:
        """The time without the pauses: a clock that stands still in them."""
        return max(now, self._resume) - self._paused
