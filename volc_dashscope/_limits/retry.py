"""Decides whether and when a request is sent again. Pure: clock and random numbers are arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from volc_dashscope.errors import EmbeddingError

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
# A longer hint than this means that the request will not be served.
LONGEST_HINT = 24 * 3600.0
DEFAULT_RETRIES = 7
_FIRST_CONNECTS, _FIRST_SECONDS = 3, 10.0


@dataclass(frozen=True, slots=True)
class Retry:
    """
    The attempts and the time that one request may use.

    Args:
        max_retries: Attempts after the first one.
        deadline: Seconds one request may take with all its attempts.
        random: Uniform numbers in [0, 1), for jitter.
    """

    max_retries: int
    deadline: float
    random: Callable[[], float]

    def after(self, error: EmbeddingError, attempt: int, elapsed: float) -> float | None:
        """
        Seconds to wait before the next attempt, or None to give up.

        A server hint longer than the time left, or than a day, means None: sleeping would only delay the same
        failure.

        Args:
            attempt: Number of requests sent so far, starting at 1.
            elapsed: Seconds since the first of them.
        """
        if not error.retryable or attempt > self.max_retries:
            return None
        # Jitter makes a hint longer, never shorter, and our own pause shorter.
        if error.retry_after is not None and error.retry_after > LONGEST_HINT:
            return None
        if error.retry_after is not None:
            pause = error.retry_after + self.random() * min(1.0, 0.1 * error.retry_after)
        else:
            ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))
            pause = ceiling * (0.5 + 0.5 * self.random())
        return pause if elapsed + pause < self.deadline else None


class Reachability:
    """
    Whether a host can be reached, learned from all exchanges of one client with it.

    A service that has never answered is tried three times within ten seconds, because a refused port or an unknown
    host does not recover. One that has answered before may be down for a while, and gets all retries; a request that
    has used them, while no other got a reply either, ends the calls of the client as an account error does. From then
    on each request is tried once, so that a job does not wait out all attempts for each of its batches.

    Attributes:
        replies: Number of replies that arrived.
        reached: Whether the latest exchange known got a reply.
    """

    def __init__(self) -> None:
        self.replies = 0
        self.reached = False
        self._given_up = False

    def replied(self) -> None:
        """Record a reply of any kind."""
        self.replies += 1
        self.reached, self._given_up = True, False

    def gives_up(self, retry: Retry, attempt: int, elapsed: float) -> bool:
        """Whether a failed connection is not tried again; `max_retries` other than the default is obeyed."""
        most = 1 if self._given_up else _FIRST_CONNECTS
        hopeless = attempt >= most or elapsed >= _FIRST_SECONDS
        return not self.reached and retry.max_retries == DEFAULT_RETRIES and hopeless

    def lost(self, replies: int) -> bool:
        """Record a failed connection; return whether no reply arrived since there were `replies` of them."""
        if replies != self.replies:
            return False
        self.reached, self._given_up = False, not self.reached
        return True


# Unsourced A47: Retry-After and retry-after-ms may be sent, and are to be obeyed. Settled by one recorded 429.
def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    Seconds a reply asks to wait: `retry-after-ms`, or `Retry-After` as seconds or an HTTP date.

    Neither service documents sending it; DashScope's SDK honours both spellings, so they are honoured when
    present. An unreadable or negative value is ignored.

    Args:
        headers: Reply headers with lower-case names.
        now: Wall-clock time when the reply arrived, for dates in a reply without a `Date` header.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _sane(milliseconds / 1000)
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    if seconds is None:
        try:
            seconds = max(0.0, _timestamp(value) - _clock_of(headers, now))
        except (TypeError, ValueError, OverflowError):
            return None
    return _sane(seconds)


def _clock_of(headers: Mapping[str, str], now: float) -> float:
    """Return the sender's clock when it wrote the reply: ours may be minutes off."""
    try:
        return _timestamp(headers.get("date", ""))
    except (TypeError, ValueError, OverflowError):
        return now


def _timestamp(value: str) -> float:
    date = parsedate_to_datetime(value)
    # RFC 9110 5.6.7: a date is in UTC even if it does not say so.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _number(value: str | None) -> float | None:
    # float() also accepts "1_0", "infinity" and Unicode digits, which are not valid in a header.
    text = (value or "").strip()
    if not text or not text.isascii() or text.strip("0123456789.-+eE"):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _sane(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
