"""One allowance, of requests or of tokens, as a line of slots; and what requests really cost. Pure."""

from __future__ import annotations

from collections import deque

_BURST_SECONDS = 1.0
# What may go at once. Services count a second's worth as no burst, but requests that left apart arrive together
# when anything on the way holds them up; the other half is for those.
_AT_ONCE_SECONDS = 0.5
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


class RateWindow:
    """One allowance as a line of slots: `limit` is told or learnt, per second; None means unlimited."""

    __slots__ = (
        "_back_off",
        "_best",
        "_grown",
        "_knee",
        "_raised",
        "_return",
        "_throttle_count",
        "configured",
        "ended",
        "limit",
        "next",
    )

    def __init__(self, per_minute: float | None) -> None:
        self.configured = per_minute / 60 if per_minute else None
        self.limit = self.configured
        self.next = float("-inf")
        # When requests ended, without and with the pauses, and how much was answered; nothing for a throttle.
        self.ended: deque[tuple[float, float, float]] = deque(maxlen=8192)
        self._knee: float | None = None
        self._grown = 0.0
        self._raised = 0.0
        self._return = _RETURN_SECONDS
        self._back_off = _BACK_OFF
        self._throttle_count = 0
        self._best: deque[tuple[float, float]] = deque(maxlen=256)

    def take(self, amount: float, at: float) -> None:
        """Move the line behind a slot at `at`."""
        if self.limit is not None:
            seconds = amount / self.limit
            # At most half a second's worth at once, this request included.
            self.next = max(self.next, at - max(0.0, _AT_ONCE_SECONDS - seconds)) + seconds

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
        self._throttle_count += 1
        if self.configured is not None and self._throttle_count == 2:  # once may be chance
            self.configured *= _MARGIN
        observed = self._observed(active, now)
        if observed is None:
            if self._knee is None and self.configured is None and self._throttle_count > 1:
                # Nothing is known but that it was too much, again: a quarter of them a second, and less each time.
                crowd = one * sum(active - at <= _WINDOW for at, _, _ in self.ended)
                self.limit = max(one, (self.limit or crowd / 2) / 2)
                self._raised = active
            return
        rate, answers = observed
        # A throttle among many answers may be chance; a rate that was kept up a moment ago is not given up for it.
        self._knee = max(_SLOWEST, min(self.limit or rate, rate), self._proven(now))
        self._return = max(_RETURN_SECONDS, _RETURN_ANSWERS / answers)
        near = self.configured is not None and rate > 0.75 * self.configured
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
            self.limit = min(self.limit, self.configured or self.limit)
            return
        # Time in which nothing was sent proves nothing.
        self._grown += min(active - self._raised, self._return / 2)
        self._raised = active
        # Level at the rate that was too much, and the faster the longer nothing objects to more.
        self.limit = knee * (1 + (1 - self._back_off) * (self._grown / self._return - 1) ** 3)
        if self.configured is not None:
            self.limit = min(self.limit, self.configured)

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
        if not answers or (self.configured is not None and answers < _ENOUGH):
            return None
        if answers < _ENOUGH:
            # The first burst says little; few answers among many throttles for a while say that the limit is
            # low, and then the pauses were for it too.
            if seen < _ENOUGH or now - start < _WINDOW / 2:
                return None
            seconds = now - start
        seconds = max(seconds, _BURST_SECONDS)
        return total / seconds, answers / seconds


class TokenEstimator:
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
