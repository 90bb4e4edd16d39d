"""One call of many items to a service that fails by chance, simulated: our client, and a plain one beside it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from volc_dashscope import EmbeddingError, RateLimitError
from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost
from volc_dashscope._limits.retry import Retry
from volc_dashscope._request.exchange import RetryContext, exchange
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._types import Fault, Reply, Request, Send, Wait
from volc_dashscope.errors import ServiceUnavailableError

Work = Generator[Send | Wait, Reply | Fault | None, bool]
_IN_A_ROW = 3


@dataclass
class Run:
    """
    One call of `items` requests by `width` workers.

    Attributes:
        faults: Share of the requests that come back as a 503 or not at all, at most three times in a row each.
        strays: Numbers of the requests, as they arrive, that are throttled for no reason.
        plain: Run the plain client: threads that back off with jitter and all pause on a throttle.
        trip: Seconds a request is under way, before jitter of a quarter.
    """

    items: int
    width: int = 32
    faults: float = 0.3
    strays: Collection[int] = ()
    plain: bool = False
    trip: float = 0.02
    seed: int = 1
    now: float = 0.0
    lost: int = 0
    sent: list[float] = field(default_factory=list)
    limiter: RateLimiter = field(init=False)

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)
        self._number = count()
        self._events: list[tuple[float, int, int, Work, Reply | Fault | None]] = []
        self._failed: dict[int, int] = {}
        self._resume = 0.0
        self.limiter = RateLimiter(None, None, self.width)

    def run(self) -> Run:
        retry = Retry(7, 180.0, self._chance.random)
        context = RetryContext(retry, self.limiter, lambda: self.now, "ark")
        start: Callable[[int], Work] = (
            self._plainly if self.plain else lambda job: exchange(_Item(job), context)
        )
        max_in_flight = None if self.plain else self.limiter.max_in_flight
        jobs: Scheduler[int] = Scheduler(range(self.items), width=self.width, max_in_flight=max_in_flight)
        for number, job in jobs.next_jobs():
            self._step(jobs, number, start(job), None)
        while self._events:
            self.now, _, number, work, reply = heapq.heappop(self._events)
            self._step(jobs, number, work, reply)
            for other, job in jobs.next_jobs():
                self._step(jobs, other, start(job), None)
        return self

    def _step(self, jobs: Scheduler[int], number: int, work: Work, reply: Reply | Fault | None) -> None:
        try:
            step = work.send(reply)
        except (StopIteration, EmbeddingError) as ended:
            self.lost += isinstance(ended, EmbeddingError)
            jobs.finish(number)
            return
        if isinstance(step, Send):
            delay, reply = self.trip * (0.75 + 0.5 * self._chance.random()), self._answer(number)
        else:
            delay, reply = step.seconds, None
        heapq.heappush(self._events, (self.now + delay, next(self._number), number, work, reply))

    def _answer(self, item: int) -> Reply | Fault:
        self.sent.append(self.now)
        if len(self.sent) - 1 in self.strays:
            return Reply(429, {}, b"")
        if self._chance.random() < self.faults and self._failed.get(item, 0) < _IN_A_ROW:
            self._failed[item] = self._failed.get(item, 0) + 1
            return self._chance.choice([Reply(503, {}, b""), Fault("broken")])
        self._failed[item] = 0
        return Reply(200, {}, b"")

    def _plainly(self, job: int) -> Work:
        for attempt in count():
            while self._resume > self.now:
                yield Wait(self._resume - self.now)
            reply = yield Send(Request("POST", "https://service/embed"))
            if isinstance(reply, Reply) and reply.status == 200:
                return True
            pause = min(20.0, 0.5 * 2**attempt) * (0.5 + 0.5 * self._chance.random())
            if isinstance(reply, Reply) and reply.status == 429:
                self._resume = max(self._resume, self.now + 1.0)
            yield Wait(pause)
        raise AssertionError("unreachable: count() does not end")


@dataclass(frozen=True, slots=True)
class _Item:
    """One item as an operation of the flow."""

    number: int
    cost: RequestCost = field(default_factory=lambda: RequestCost(1, 30))

    def build(self) -> Request:
        return Request("POST", "https://service/embed")

    def read(self, reply: Reply) -> bool | EmbeddingError:
        if reply.status == 200:
            return True
        if reply.status == 429:
            return RateLimitError("slow down", retryable=True)
        return ServiceUnavailableError("busy", retryable=True)
