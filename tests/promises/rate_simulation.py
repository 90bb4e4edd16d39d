"""Minutes of simulated work: flows of the client, a fake clock, and the emulator's own rate limits. No I/O."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

import orjson

from volc_dashscope import EmbeddingError, Usage, get_model_info
from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost
from volc_dashscope._limits.retry import Retry
from volc_dashscope._request.exchange import RetryContext, exchange
from volc_dashscope._types import Batch, Fault, Flow, Reply, Request, RequestSpec, Rows, Send
from volc_dashscope.emulator.rate import RateLimits
from volc_dashscope.providers import codec

MODELS = {"ark": "doubao-embedding-vision-251215", "dashscope": "text-embedding-v4"}
# As the services word them (reference/ark-api.md, reference/dashscope-api.md).
THROTTLES: dict[tuple[str, str], object] = {
    ("ark", "rpm"): {"error": {"code": "ModelAccountRpmRateLimitExceeded", "message": "RPM limit exceeded"}},
    ("ark", "tpm"): {"error": {"code": "ModelAccountTpmRateLimitExceeded", "message": "TPM limit exceeded"}},
    ("dashscope", "rpm"): {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"},
    ("dashscope", "tpm"): {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded"},
}


@dataclass
class Simulation:
    """
    Workers that carry out flows against a service with an allowance, until the time is up.

    Attributes:
        rpm, tpm: What the service allows.
        size: Mean tokens of a request; each is between a half and three halves of it.
        price: What the service bills for each token the client estimates.
        trip: Seconds a request is under way, there and back, before jitter of a half.
        outage: From when to when the service answers nothing but `broken`.
        chance: Share of the requests that are throttled whatever the rate.
        later: From when on requests have another mean size, and which.
    """

    workers: int
    rpm: float | None
    tpm: float | None
    limiter: RateLimiter
    seconds: float
    provider: str = "ark"
    size: int = 100
    price: float = 1.0
    trip: float = 0.2
    hint: float | None = None
    outage: tuple[float, float] = (0.0, 0.0)
    broken: Callable[[], Reply | Fault] = lambda: Reply(503, {}, b"{}")
    deadline: float = 180.0
    chance: float = 0.0
    later: tuple[float, int] = (float("inf"), 0)
    seed: int = 1
    now: float = 0.0
    sent: list[float] = field(default_factory=list)
    answered: list[tuple[float, int]] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    lost: int = 0

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)
        self._rate_limits = RateLimits(self.rpm, self.tpm)
        self._number = count()
        self._events: list[tuple[float, int, str, _Work, Reply | Fault | None]] = []
        model = MODELS[self.provider]
        row = get_model_info(model)
        assert row is not None
        self.ask = RequestSpec(model_info=row, model=model, base_url="https://service", place="here")

    def run(self) -> Simulation:
        retry = Retry(8, self.deadline, self._chance.random)
        self._context = RetryContext(retry, self.limiter, lambda: self.now, self.provider)
        for _ in range(self.workers):
            self._step(_Work(self), None)
        while self._events and self._events[0][0] < self.seconds:
            self.now, _, what, work, reply = heapq.heappop(self._events)
            if what == "arrives":
                self._later(self._half_trip(), "returns", work, self._admit(work))
            else:
                self._step(work, reply)
        return self

    def start(self, work: _Work) -> Flow[Rows]:
        return exchange(work, self._context)

    def estimate(self) -> int:
        size = self.size if self.now < self.later[0] else self.later[1]
        return self._chance.randint(size // 2, size * 3 // 2)

    def _step(self, work: _Work, reply: Reply | Fault | None) -> None:
        while True:
            try:
                step = work.flow.send(reply)
            except StopIteration:
                self.answered.append((self.now, work.bill))
            except EmbeddingError:
                self.lost += 1
            else:
                break
            work, reply = _Work(self), None
        if isinstance(step, Send):
            self._later(self._half_trip(), "arrives", work, None)
        else:
            self._later(step.seconds, "waited", work, None)

    def _later(self, seconds: float, what: str, work: _Work, reply: Reply | Fault | None) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._number), what, work, reply))

    def _half_trip(self) -> float:
        return self.trip / 2 * (0.75 + 0.5 * self._chance.random())

    def _admit(self, work: _Work) -> Reply | Fault:
        self.sent.append(self.now)
        if self.outage[0] <= self.now < self.outage[1]:
            return self.broken()
        by_chance = self._chance.random() < self.chance
        unit = "rpm" if by_chance else self._rate_limits.admit("m", self.now)
        if unit is not None:
            self.throttled.append(self.now)
            headers = {} if self.hint is None else {"retry-after": str(self.hint)}
            return Reply(429, headers, orjson.dumps(THROTTLES[self.provider, unit]))
        self._rate_limits.charge("m", work.bill)
        return Reply(200, {}, b"")

    def after(self, start: float) -> Shares:
        """Return what became of the requests that arrived, or were answered, from `start` on."""
        seconds = self.seconds - start
        sent = sum(at >= start for at in self.sent)
        bills = [bill for at, bill in self.answered if at >= start]
        used = max(
            len(bills) / (self.rpm * seconds / 60) if self.rpm else 0.0,
            sum(bills) / (self.tpm * seconds / 60) if self.tpm else 0.0,
        )
        return Shares(sum(at >= start for at in self.throttled) / max(1, sent), used)

    def busiest_second(self, start: float) -> int:
        """Return the most requests that arrived within one second from `start` on."""
        times = sorted(at for at in self.sent if at >= start)
        first, most = 0, 0
        for last, at in enumerate(times):
            while at - times[first] >= 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


@dataclass(frozen=True)
class Shares:
    """How much was throttled, of the requests, and used, of the allowance that binds."""

    throttled: float
    used: float

    def __str__(self) -> str:
        return f"{self.throttled:.2%} throttled, {self.used:.1%} of the allowance used"


class _Work:
    """One request of a worker, as an operation of the flow."""

    def __init__(self, simulation: Simulation) -> None:
        self._world = simulation
        estimate = simulation.estimate()
        self.cost = RequestCost(1, estimate)
        self.bill = max(1, round(estimate * simulation.price))
        self.flow = simulation.start(self)

    def build(self) -> Request:
        return Request("POST", "https://service/embed")

    def read(self, reply: Reply) -> Rows | EmbeddingError:
        if reply.status == 200:
            return Rows(vectors=None, usage=Usage(1, self.bill))
        written_by = codec(self._world.provider, foreign=False)  # type: ignore[arg-type]
        refused = written_by.read(reply, Batch((0,), ("text",)), self._world.ask)
        assert isinstance(refused, EmbeddingError)
        return refused
