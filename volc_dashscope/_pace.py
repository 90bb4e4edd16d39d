"""
How fast to send: requests and tokens per minute, shared by every thread and task of a client.

Each request reserves a slot on a time line and waits for it. One throttle reply moves every slot behind the
pause the service asked for and lowers the rate; replies without a throttle raise it again. Pure: the time
comes in as an argument.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

from volc_dashscope.errors import EmbeddingError, RateLimitError

_BURST_SECONDS = 1.0
_PAUSE = 1.0
_BACK_OFF = 0.85
_RECOVERY_PER_SECOND = 0.03
_SLOWEST = 1 / 60
_WINDOW = 5.0
_ENOUGH = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request takes from the allowance. Tokens are an estimate."""

    requests: int = 1
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A reserved slot: seconds until it comes, and the throttle count it was made under."""

    delay: float
    epoch: int


class _Lane:
    """One allowance as a line of slots: `limit` is told or learnt, per second; None means unlimited."""

    __slots__ = ("limit", "next", "told")

    def __init__(self, per_minute: float | None) -> None:
        self.told = per_minute / 60 if per_minute else None
        self.limit = self.told
        self.next = float("-inf")

    def take(self, amount: float, at: float) -> None:
        if self.limit is not None:
            seconds = amount / self.limit
            # At most one second's worth at once, this request included.
            self.next = max(self.next, at - max(0.0, _BURST_SECONDS - seconds)) + seconds


class Pace:
    """
    A client's allowance.

    Args:
        requests_per_minute, tokens_per_minute: The account's limits, or None to learn them from throttles.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _Lane(requests_per_minute)
        self._tokens = _Lane(tokens_per_minute)
        self._epoch = 0
        self._lowered = float("-inf")
        self._raised = float("-inf")
        self._resume = float("-inf")
        # Slots that are still to come, each with where both lines stood before it.
        self._coming: deque[tuple[float, float, float]] = deque()
        # When requests ended, and whether with an answer or a throttle.
        self._ended: deque[tuple[float, bool]] = deque(maxlen=8192)
        self._lock = Lock()

    def reserve(self, cost: Cost, now: float) -> Turn:
        """Take the next free slot."""
        with self._lock:
            # Both allowances are taken at the same moment: requests that waited for tokens must not bunch up.
            at = max(now, self._requests.next, self._tokens.next)
            while self._coming and self._coming[0][0] <= now:
                self._coming.popleft()
            if at > now:
                self._coming.append((at, self._requests.next, self._tokens.next))
            self._requests.take(cost.requests, at)
            self._tokens.take(cost.tokens, at)
            return Turn(at - now, self._epoch)

    def confirms(self, turn: Turn) -> bool:
        """Whether a slot still stands: a throttle since it was made cancels it."""
        return turn.epoch == self._epoch

    def report(self, error: EmbeddingError | None, cost: Cost, now: float) -> None:
        """Learn from how a request ended."""
        with self._lock:
            if isinstance(error, RateLimitError) and error.retryable:
                self._slow_down(error, now)
            elif error is None:
                self._speed_up(now)

    def _slow_down(self, error: RateLimitError, now: float) -> None:
        self._ended.append((now, False))
        resume = now + (error.retry_after if error.retry_after is not None else _PAUSE)
        # Requests in flight together are throttled together; that is one lesson, not many.
        if now - self._lowered >= _PAUSE:
            observed = self._observed(now)
            if observed is not None:
                lane = self._requests
                lane.limit = max(_SLOWEST, min(lane.limit or observed, observed) * _BACK_OFF)
            self._lowered = now
        if resume > self._resume:
            self._cancel(now)
            self._resume = resume
        for lane in (self._requests, self._tokens):
            lane.next = max(lane.next, self._resume)
        self._raised = self._resume

    def _cancel(self, now: float) -> None:
        """Take back the slots that are still to come; a line that kept them would stand still that long."""
        self._epoch += 1
        while self._coming and self._coming[0][0] <= now:
            self._coming.popleft()
        if self._coming:
            _, self._requests.next, self._tokens.next = self._coming[0]
            self._coming.clear()

    def _speed_up(self, now: float) -> None:
        self._ended.append((now, True))
        lane = self._requests
        if lane.limit is None or now <= self._raised:
            return
        seconds = min(now - self._raised, _WINDOW)
        self._raised = now
        lane.limit *= 1 + _RECOVERY_PER_SECOND * seconds
        if lane.told is not None:
            lane.limit = min(lane.limit, lane.told)

    def _observed(self, now: float) -> float | None:
        """Requests per second that were answered lately; None when too little was seen to tell."""
        while self._ended and self._ended[0][0] < now - _WINDOW:
            self._ended.popleft()
        answered = sum(with_answer for _, with_answer in self._ended)
        span = now - self._ended[0][0]
        # The first burst says little; few answers among many throttles for a while say that the limit is low.
        if answered < _ENOUGH and (len(self._ended) < _ENOUGH or span < _WINDOW / 2):
            return None
        return max(answered, 1) / max(span, _BURST_SECONDS)
