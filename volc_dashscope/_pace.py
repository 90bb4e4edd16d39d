"""
How fast to send: requests and tokens per minute, shared by every thread and task of a client.

Each request reserves a slot on a time line and waits for it. One throttle reply moves every slot behind the
pause the service asked for and lowers the rate of the allowance it names; replies without a throttle raise it
again, slowly near the rate that was last too much. Pure: the time comes in as an argument.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

from volc_dashscope.errors import EmbeddingError, RateLimitError

_BURST_SECONDS = 1.0
_PAUSE = 1.0
_LONGEST_PAUSE = 16.0
_BACK_OFF = 0.85
_SLOWEST = 1 / 60
# What a rate is judged by: so many seconds, and so many answers where the rate is low.
_WINDOW = 5.0
_LONGEST_WINDOW = 60.0
_ANSWERS = 20
_ENOUGH = 5
# How long a rate that was kept up counts.
_MEMORY = 300.0
# A lowered rate is back at the one that was too much after so many seconds, or answers where the rate is low.
_RETURN_SECONDS = 5.0
_RETURN_ANSWERS = 20
# A service that throttles what it was told to allow counts a little differently; so much is left to it.
_MARGIN = 0.95


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request takes from the allowance. Tokens are an estimate."""

    requests: int = 1
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A reserved slot: seconds until it comes, the throttle count it was made under, and its tokens."""

    delay: float
    epoch: int
    tokens: float = 0.0


class Pace:
    """
    A client's allowance.

    Args:
        requests_per_minute, tokens_per_minute: The account's limits, or None to learn them from throttles.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _Lane(requests_per_minute)
        self._tokens = _Lane(tokens_per_minute)
        self._bill = _Bill()
        self._epoch = 0
        self._lowered = float("-inf")
        self._resume = float("-inf")
        self._paused = 0.0
        self._pause = _PAUSE
        # Slots that are still to come, each with where both lines stood before it.
        self._coming: deque[tuple[float, float, float]] = deque()
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
            tokens = self._bill.expected(cost.tokens)
            self._requests.take(cost.requests, at)
            self._tokens.take(tokens, at)
            return Turn(at - now, self._epoch, tokens)

    def confirms(self, turn: Turn) -> bool:
        """Whether a slot still stands: a throttle since it was made cancels it."""
        return turn.epoch == self._epoch

    def pause(self, now: float) -> float:
        """Seconds for which nothing may be sent, because the service asked for it."""
        return max(0.0, self._resume - now)

    def report(
        self,
        error: EmbeddingError | None,
        cost: Cost,
        now: float,
        *,
        turn: Turn | None = None,
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
                self._slow_down(error, cost, now, late=turn is not None and turn.epoch < self._epoch)
            elif error is None:
                taken = turn.tokens if turn is not None else float(cost.tokens)
                self._speed_up(cost, taken, spent, now)

    def _slow_down(self, error: RateLimitError, cost: Cost, now: float, *, late: bool) -> None:
        active = self._active(now)
        for lane in (self._requests, self._tokens):
            lane.ended.append((active, now, 0.0))
        # Requests in flight together are throttled together; that is one lesson, not many.
        lesson = now - self._lowered >= _PAUSE and not late
        if lesson:
            lane = self._tokens if error.limit == "tokens" else self._requests
            lane.lower(active, now, cost.requests if lane is self._requests else max(1, cost.tokens))
            self._lowered = now
            # Longer from throttle to throttle while nothing is answered between: a service that is overloaded.
            pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        elif error.retry_after is None:
            return
        resume = now + (error.retry_after if error.retry_after is not None else pause)
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

    def _speed_up(self, cost: Cost, taken: float, spent: int | None, now: float) -> None:
        active, self._pause = self._active(now), _PAUSE
        if spent is not None:
            self._bill.learn(cost.tokens, spent)
            self._tokens.settle(spent - taken)
        self._requests.answered(cost.requests, active, now)
        self._tokens.answered(taken if spent is None else spent, active, now)

    def _active(self, now: float) -> float:
        """The time without the pauses: a clock that stands still in them."""
        return max(now, self._resume) - self._paused


class _Lane:
    """One allowance as a line of slots: `limit` is told or learnt, per second; None means unlimited."""

    __slots__ = (
        "_back_off",
        "_best",
        "_grown",
        "_knee",
        "_lessons",
        "_raised",
        "_return",
        "ended",
        "limit",
        "next",
        "told",
    )

    def __init__(self, per_minute: float | None) -> None:
        self.told = per_minute / 60 if per_minute else None
        self.limit = self.told
        self.next = float("-inf")
        # When requests ended, without and with the pauses, and how much was answered; nothing for a throttle.
        self.ended: deque[tuple[float, float, float]] = deque(maxlen=8192)
        self._knee: float | None = None
        self._grown = 0.0
        self._raised = 0.0
        self._return = _RETURN_SECONDS
        self._back_off = _BACK_OFF
        self._lessons = 0
        self._best: deque[tuple[float, float]] = deque(maxlen=256)

    def take(self, amount: float, at: float) -> None:
        """Move the line behind a slot at `at`."""
        if self.limit is not None:
            seconds = amount / self.limit
            # At most one second's worth at once, this request included.
            self.next = max(self.next, at - max(0.0, _BURST_SECONDS - seconds)) + seconds

    def settle(self, amount: float) -> None:
        """Move the line by what a request cost more, or less, than was taken for it."""
        if self.limit is not None:
            self.next += amount / self.limit

    def lower(self, active: float, now: float, one: float) -> None:
        """
        Go below the rate that was just too much.

        Args:
            active: The time without the pauses.
            one: What one request takes.
        """
        self._lessons += 1
        if self.told is not None and self._lessons == 2:  # once may be chance
            self.told *= _MARGIN
        observed = self._observed(active, now)
        if observed is None:
            if self._knee is None and self.told is None and self._lessons > 1:
                # Nothing is known but that it was too much, again: a quarter of them a second, and less each time.
                crowd = one * sum(active - at <= _WINDOW for at, _, _ in self.ended)
                self.limit = max(one, (self.limit or crowd / 2) / 2)
                self._raised = active
            return
        rate, answers = observed
        # A throttle among many answers may be chance; a rate that was kept up a moment ago is not given up for it.
        self._knee = max(_SLOWEST, min(self.limit or rate, rate), self._proven(now))
        self._return = max(_RETURN_SECONDS, _RETURN_ANSWERS / answers)
        near = self.told is not None and rate > 0.75 * self.told
        self._back_off = _MARGIN if near else _BACK_OFF
        self.limit = max(_SLOWEST, self._knee * self._back_off)
        self._grown, self._raised = 0.0, active

    def answered(self, amount: float, active: float, now: float) -> None:
        """Note an answer; the rate may rise."""
        self.ended.append((active, now, amount))
        knee = self._knee
        if self.limit is None or active <= self._raised:
            return
        if knee is None:
            # Doubled each second, until a throttle tells what is too much.
            self.limit *= 2 ** min(active - self._raised, 1.0)
            self._raised = active
            self.limit = min(self.limit, self.told or self.limit)
            return
        # Time in which nothing was sent proves nothing.
        self._grown += min(active - self._raised, self._return / 2)
        self._raised = active
        # Level at the rate that was too much, and the faster the longer nothing objects to more.
        self.limit = knee * (1 + (1 - self._back_off) * (self._grown / self._return - 1) ** 3)
        if self.told is not None:
            self.limit = min(self.limit, self.told)

    def _proven(self, now: float) -> float:
        """Amount per second that was lately answered for some seconds on end; nothing while most are throttled."""
        total, answers, throttles = 0.0, 0, 0
        for _, when, amount in reversed(self.ended):
            if now - when > _WINDOW:
                break
            total, answers, throttles = total + amount, answers + (amount > 0), throttles + (amount == 0)
        self._best.append((now, total / _WINDOW))
        if throttles > answers / 2:
            return 0.0
        return max(rate for when, rate in self._best if now - when <= _MEMORY)

    def _observed(self, active: float, now: float) -> tuple[float, float] | None:
        """Amount and answers per second, of late; None when too little was seen to tell."""
        total, answers, seen, since, start = 0.0, 0, 0, active, now
        for at, when, amount in reversed(self.ended):
            if active - at > _LONGEST_WINDOW or (active - at > _WINDOW and answers >= _ANSWERS):
                break
            total, answers, seen = total + amount, answers + (amount > 0), seen + 1
            since, start = at, when
        seconds = active - since
        if not answers or (self.told is not None and answers < _ENOUGH):
            return None
        if answers < _ENOUGH:
            # The first burst says little; few answers among many throttles for a while say that the limit is
            # low, and then the pauses were for it too.
            if seen < _ENOUGH or now - start < _WINDOW / 2:
                return None
            seconds = now - start
        seconds = max(seconds, _BURST_SECONDS)
        return total / seconds, answers / seconds


class _Bill:
    """What requests cost beside what was estimated: services do not publish how they count tokens."""

    __slots__ = ("_estimated", "_spent", "_unknown")

    def __init__(self) -> None:
        self._estimated = 0.0
        self._spent = 0.0
        self._unknown = 0.0

    def expected(self, estimate: int) -> float:
        """Return the tokens to take for a request; for media of unknown size what the last ones cost."""
        if not estimate:
            return self._unknown
        return estimate * self._spent / self._estimated if self._estimated else float(estimate)

    def learn(self, estimate: int, spent: int) -> None:
        """Note what a request cost."""
        if estimate:
            self._estimated = 0.95 * self._estimated + estimate
            self._spent = 0.95 * self._spent + spent
        else:
            self._unknown += (spent - self._unknown) / 4 if self._unknown else spent
