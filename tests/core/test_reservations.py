"""How fast: configured limits are kept, throttles slow all down, nothing stands still and nothing storms."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volc_dashscope._limits.adaptive_rate import RateWindow
from volc_dashscope._limits.rate_limiter import RateLimiter, RequestCost, Reservation
from volc_dashscope._limits.retry import Retry
from volc_dashscope._request.exchange import RetryContext, exchange
from volc_dashscope._types import Flow, Reply, Request, Send
from volc_dashscope.errors import EmbeddingError, RateLimitError, ServiceUnavailableError

BURST = 1.0
ONE = RequestCost()


def _throttle(hint: float | None = None) -> RateLimitError:
    return RateLimitError("slow down", retryable=True, retry_after=hint)


def _delays(limiter: RateLimiter, number: int, now: float, cost: RequestCost = ONE) -> list[float]:
    return [limiter.reserve(cost, now).delay for _ in range(number)]


def test_without_a_limit_nothing_waits() -> None:
    assert [0.0] * 100 == _delays(RateLimiter(None, None), 100, 5.0)


def test_slots_of_a_configured_limit_are_evenly_spaced_after_half_a_second_of_burst() -> None:
    delays = _delays(RateLimiter(240, None), 8, 50.0)

    assert pytest.approx([0, 0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]) == delays


def test_a_hint_of_more_than_a_day_stops_nobody_else() -> None:
    limiter = RateLimiter(None, None)

    limiter.report(_throttle(1e99), ONE, 0.0)

    assert 1.0 == limiter.pause(0.0)
    assert [0.0] == _delays(limiter, 1, 1.0)


def test_a_pause_in_the_work_saves_up_no_more_than_half_a_second() -> None:
    limiter = RateLimiter(240, None)
    _delays(limiter, 1, 0.0)

    delays = _delays(limiter, 9, 1000.0)

    assert 2 == delays.count(0.0)


def test_tokens_are_paced_too() -> None:
    limiter = RateLimiter(None, 6_000)

    delays = _delays(limiter, 4, 0.0, RequestCost(1, 100))

    assert pytest.approx([0, 1, 2, 3]) == delays


def test_the_tighter_limit_decides() -> None:
    limiter = RateLimiter(60, 600)

    delays = _delays(limiter, 3, 0.0, RequestCost(1, 20))

    assert pytest.approx([0, 2, 4]) == delays


def test_requests_that_waited_for_tokens_do_not_bunch_up() -> None:
    limiter = RateLimiter(60, 60_000)
    limiter.reserve(RequestCost(1, 60_000), 0.0)

    delays = _delays(limiter, 30, 0.0, RequestCost(1, 1))

    assert all(later - sooner > 0.99 for sooner, later in pairwise(delays[1:]))


def test_tokens_are_counted_from_when_they_are_sent() -> None:
    limiter = RateLimiter(60, 120)
    _delays(limiter, 30, 0.0, RequestCost(1, 1))
    large = limiter.reserve(RequestCost(1, 60), 0.0).delay

    after = limiter.reserve(RequestCost(1, 1), 0.0).delay

    assert pytest.approx([30.0, 60.0], abs=0.6) == [large, after]


@given(
    st.integers(1, 600),
    st.one_of(st.none(), st.integers(600, 600_000)),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3_000)), min_size=1, max_size=120),
)
def test_no_window_holds_more_than_the_configured_limit_and_its_burst(
    rpm: int, tpm: int | None, steps: list[tuple[float, int]]
) -> None:
    limiter, now, sent = RateLimiter(rpm, tpm), 0.0, []
    for pause, tokens in steps:
        now += pause
        sent.append((now + limiter.reserve(RequestCost(1, tokens), now).delay, tokens))
    sent.sort()

    for first, (start, _) in enumerate(sent):
        tokens = 0
        for requests, (at, cost) in enumerate(sent[first:], 1):
            window = at - start + 1e-6
            assert requests <= max(1, BURST * rpm / 60) + window * rpm / 60
            if tpm is not None:
                # The last one may be larger than what is left: its slot is where it starts to be paid.
                assert tokens <= 3_000 + (window + BURST) * tpm / 60
                tokens += cost


@given(
    st.integers(1, 600),
    st.lists(st.tuples(st.floats(0, 2), st.booleans(), st.floats(0, 5)), min_size=1, max_size=80),
)
def test_throttles_never_let_more_through_than_was_configured(
    rpm: int, steps: list[tuple[float, bool, float]]
) -> None:
    """Cancelled slots are given out again; none may be counted twice."""
    limiter, now = RateLimiter(rpm, None), 0.0
    standing: list[tuple[float, Reservation]] = []
    sent: list[float] = []
    for pause, throttled, hint in steps:
        now += pause
        sent += [at for at, reservation in standing if at <= now and limiter.confirms(reservation)]
        standing = [(at, reservation) for at, reservation in standing if at > now]
        if throttled:
            limiter.report(_throttle(hint), ONE, now)
        reservation = limiter.reserve(ONE, now)
        standing.append((now + reservation.delay, reservation))
    sent += [at for at, reservation in standing if limiter.confirms(reservation)]
    sent.sort()

    for first, start in enumerate(sent):
        for number, at in enumerate(sent[first:], 1):
            assert number <= max(1, BURST * rpm / 60) + (at - start + 1e-6) * rpm / 60


def test_a_throttle_cancels_the_slots_that_are_still_to_come() -> None:
    limiter = RateLimiter(60, None)
    reservations = [limiter.reserve(ONE, 0.0) for _ in range(5)]

    limiter.report(_throttle(), ONE, 0.0)

    assert [False] * 5 == [limiter.confirms(reservation) for reservation in reservations]


@pytest.mark.parametrize(
    ("hint", "pause"), [(None, 1.0), (0.0, 0.0), (7.5, 7.5)], ids=["none", "at once", "seconds"]
)
def test_nothing_goes_out_during_the_pause(hint: float | None, pause: float) -> None:
    limiter = RateLimiter(None, None)
    limiter.report(_throttle(hint), ONE, 10.0)

    assert [pause] * 3 == _delays(limiter, 3, 10.0)


def test_a_longer_pause_asked_for_moments_later_moves_everyone_too() -> None:
    limiter = RateLimiter(None, None)
    limiter.report(_throttle(), ONE, 0.0)
    waiting = limiter.reserve(ONE, 0.1)

    limiter.report(_throttle(30.0), ONE, 0.5)

    assert (False, 29.5) == (limiter.confirms(waiting), limiter.reserve(ONE, 1.0).delay)


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    limiter = RateLimiter(None, None)
    limiter.report(_throttle(30.0), ONE, 0.0)

    limiter.report(_throttle(1.0), ONE, 0.5)

    assert 29.5 == limiter.reserve(ONE, 0.5).delay


def test_the_line_does_not_stand_still_for_slots_that_were_cancelled() -> None:
    limiter = RateLimiter(60, None)
    for _ in range(600):
        limiter.reserve(ONE, 0.0)

    limiter.report(_throttle(5.0), ONE, 0.0)

    assert 5.0 == limiter.reserve(ONE, 0.0).delay


def test_a_cancelled_line_still_owes_what_was_sent() -> None:
    limiter = RateLimiter(1, None)
    limiter.reserve(ONE, 0.0)
    limiter.reserve(ONE, 0.0)

    limiter.report(_throttle(1.0), ONE, 0.1)

    assert pytest.approx(59.9) == limiter.reserve(ONE, 0.1).delay


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnavailableError("down", retryable=True, retry_after=9.0),
        RateLimitError("quota", retry_after=9.0),
    ],
    ids=["fault of the service", "throttle that is final"],
)
def test_other_errors_slow_nobody_down(error: EmbeddingError) -> None:
    limiter = RateLimiter(None, None)
    reservation = limiter.reserve(ONE, 0.0)

    limiter.report(error, ONE, 0.0)

    assert (True, 0.0) == (limiter.confirms(reservation), limiter.reserve(ONE, 0.0).delay)


def _spacing(limiter: RateLimiter, now: float) -> float:
    """Return the seconds between two slots once the burst is used up."""
    *_, sooner, later = _delays(limiter, 300, now)
    return later - sooner


def _answered(limiter: RateLimiter, *, rate: float, start: float, seconds: float) -> float:
    for tick in range(int(rate * seconds)):
        limiter.report(None, ONE, start + tick / rate)
    return start + seconds


@pytest.mark.parametrize(
    ("rate", "seconds", "throttles", "limit"),
    [
        # 50 answers and one throttle in the last 5 seconds: 51 requests were sent in them, one was too many.
        pytest.param(10, 5.0, 1, 10.0, id="the share that was throttled"),
        pytest.param(10, 5.0, 25, 10.0, id="a third of those sent"),
        pytest.param(10, 5.0, 75, 12.5, id="half at most"),
        pytest.param(100, 30.0, 10, 100.0, id="only the last seconds count"),
        pytest.param(1, 30.0, 1, 1.0, id="but at least sixteen requests"),
        pytest.param(10, 1.4, 1, None, id="fourteen answers teach nothing"),
        pytest.param(10, 1.5, 1, 10.0, id="fifteen answers and a throttle do"),
        pytest.param(10_000, 0.05, 1, 5_000.0, id="a tenth of a second at least"),
    ],
)
def test_a_throttle_lowers_the_rate_by_the_share_that_was_throttled(rate, seconds, throttles, limit) -> None:
    window = RateWindow(None)
    for tick in range(round(rate * seconds)):
        window.passed(1, tick / rate)
    for number in range(throttles):
        window.throttled(1, seconds)
        window.lower(1, seconds, again=number > 0)

    assert window.limit == (None if limit is None else pytest.approx(limit, rel=0.02))


def test_an_outage_halves_the_rate_down_to_a_request_a_minute_and_it_comes_back() -> None:
    window = RateWindow(600)
    for tick in range(50):
        window.passed(1, tick / 10)
    halved = []
    for _ in range(12):
        for _ in range(50):
            window.throttled(1, 5.0)
        window.lower(1, 5.0, again=False)
        halved.append(window.limit)
    for second in range(6, 30):
        window.passed(1, second)

    # A configured limit that is throttled twice keeps a margin of a twentieth.
    assert pytest.approx([5.0, 4.75, 2.375]) == halved[:3]
    assert 1 / 60 == halved[-1]
    assert pytest.approx(9.5) == window.limit


def test_the_pause_between_throttles_doubles_up_to_sixteen_seconds_while_nothing_is_answered() -> None:
    limiter, now, pauses = RateLimiter(None, None), 0.0, []
    for _ in range(7):
        limiter.report(_throttle(), ONE, now)
        pauses.append(limiter.pause(now))
        now += pauses[-1]
    limiter.report(None, ONE, now)
    limiter.report(_throttle(), ONE, now)

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0] == pauses
    assert 1.0 == limiter.pause(now)


def _crowd(hint: float | None = None) -> RateLimitError:
    return RateLimitError("overloaded", retryable=True, retry_after=hint, limit="concurrency")


def test_an_overloaded_service_lowers_the_requests_in_flight_and_not_the_rate() -> None:
    limiter, now = RateLimiter(None, None, 64), 0.0
    for _ in range(20):
        now = _answered(limiter, rate=100, start=now, seconds=1.0)
        limiter.report(_crowd(), ONE, now)

    assert [0.0] * 100 == _delays(limiter, 100, now)
    assert 1 <= limiter.max_in_flight() < 32
    _answered(limiter, rate=100, start=now, seconds=60.0)
    assert 64 == limiter.max_in_flight()


def test_an_overloaded_service_that_asks_for_a_pause_gets_one() -> None:
    limiter = RateLimiter(None, None, 64)
    reservation = limiter.reserve(ONE, 0.0)

    limiter.report(_crowd(3.0), ONE, 0.0, reservation=reservation)

    assert 3.0 == limiter.pause(0.0)
    assert [3.0] == _delays(limiter, 1, 0.0)


def test_throttles_at_the_same_time_are_one_lesson() -> None:
    single, many = RateLimiter(None, None), RateLimiter(None, None)
    for limiter, times in ((single, 1), (many, 20)):
        now = _answered(limiter, rate=10, start=0.0, seconds=5.0)
        for _ in range(times):
            limiter.report(_throttle(), ONE, now)

    assert pytest.approx(_spacing(single, 5.0)) == _spacing(many, 5.0)


def test_few_answers_at_the_start_teach_no_rate() -> None:
    limiter = RateLimiter(None, None)
    limiter.report(None, ONE, 0.0)

    limiter.report(_throttle(), ONE, 0.1)

    assert 0.0 == _spacing(limiter, 0.1)


def test_a_rate_rises_along_a_cubic_curve_level_at_what_was_too_much() -> None:
    """Half of it refused: 10 a second, back at 20 after 1.494 windows of five seconds, and 15 % more one later."""
    window = RateWindow(None)
    for tick in range(50):
        window.passed(1, tick / 10)
        window.throttled(1, tick / 10)
    window.lower(1, 5.0, again=False)

    def after(windows: float) -> float | None:
        for tick in range(1, 101):
            window.passed(1, 5.0 + done[-1] * 5.0 + (windows - done[-1]) * 5.0 * tick / 100)
        done.append(windows)
        return window.limit

    done = [0.0]
    limits = [window.limit, after(1.494), after(2.494)]

    assert pytest.approx([10.0, 20.0, 23.0], rel=1e-3) == limits


def test_time_in_which_nothing_is_sent_raises_no_rate() -> None:
    window = RateWindow(None)
    for tick in range(50):
        window.passed(1, tick / 10)
        window.throttled(1, tick / 10)
    window.lower(1, 5.0, again=False)
    window.passed(1, 3600.0)

    assert pytest.approx(20.0 * (1 - 0.15 * 0.994**3), rel=1e-3) == window.limit


def test_a_configured_limit_is_never_exceeded_by_recovery() -> None:
    limiter = RateLimiter(600, None)
    now = _answered(limiter, rate=10, start=0.0, seconds=5.0)
    limiter.report(_throttle(), ONE, now)

    later = _answered(limiter, rate=10, start=now, seconds=100.0)

    assert pytest.approx(0.1) == _spacing(limiter, later)


# Many workers against a service that enforces a limit by the second.


@dataclass
class Simulation:
    """A clock, a service with an allowance, and workers that carry out flows until the time is up."""

    workers: int
    allowance: float
    limiter: RateLimiter
    seconds: float = 60.0
    hint: float | None = None
    now: float = 0.0
    sent: list[float] = field(default_factory=list)
    answered: int = 0
    throttled: int = 0
    lost: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(1).random
        self._level, self._at = max(1.0, self.allowance), 0.0
        self._number = count()
        self._events: list[tuple[float, int, Flow[bool], Reply | None]] = []
        self.cost = ONE

    def build(self) -> Request:
        return Request("POST", "https://service/embed")

    def read(self, reply: Reply) -> bool | EmbeddingError:
        return True if reply.status == 200 else _throttle(self.hint)

    def run(self) -> Simulation:
        context = RetryContext(Retry(8, 180.0, self._random), self.limiter, lambda: self.now, "ark")
        for _ in range(self.workers):
            self._step(exchange(self, context), None, context)
        while self._events and self._events[0][0] < self.seconds:
            self.now, _, flow, happened = heapq.heappop(self._events)
            self._step(flow, happened, context)
        return self

    def _step(self, flow: Flow[bool], happened: Reply | None, context: RetryContext) -> None:
        while True:
            try:
                step = flow.send(happened)
            except StopIteration:
                self.answered += 1
            except EmbeddingError:
                self.lost += 1
            else:
                break
            flow, happened = exchange(self, context), None
        if isinstance(step, Send):
            delay, reply = 0.16 + 0.08 * self._random(), self._admit()
        else:
            delay, reply = step.seconds, None
        heapq.heappush(self._events, (self.now + delay, next(self._number), flow, reply))

    def _admit(self) -> Reply:
        self.sent.append(self.now)
        gained = (self.now - self._at) * self.allowance
        self._level, self._at = min(max(1.0, self.allowance), self._level + gained), self.now
        if self._level < 1 - 1e-9:
            self.throttled += 1
            return Reply(429, {}, b"")
        self._level -= 1
        return Reply(200, {}, b"")


def test_workers_under_a_configured_limit_are_never_throttled() -> None:
    simulation = Simulation(64, 10.0, RateLimiter(600, None)).run()

    assert (0, 0) == (simulation.throttled, simulation.lost)
    assert 590 <= simulation.answered <= 610


@pytest.mark.parametrize(
    ("workers", "allowance", "share"),
    [
        pytest.param(8, 0.5, 0.6, id="8 workers at 30 a minute"),
        pytest.param(8, 2.0, 0.7, id="8 workers at 120 a minute"),
        pytest.param(64, 0.5, 0.6, id="64 workers at 30 a minute"),
        pytest.param(64, 10.0, 0.85, id="64 workers at 600 a minute"),
        pytest.param(256, 10.0, 0.75, id="256 workers at 600 a minute"),
    ],
)
def test_workers_without_a_configured_limit_lose_nothing_and_use_most_of_the_allowance(
    workers: int, allowance: float, share: float
) -> None:
    simulation = Simulation(workers, allowance, RateLimiter(None, None)).run()

    assert 0 == simulation.lost
    assert simulation.answered >= share * simulation.seconds * allowance


@pytest.mark.parametrize("configured", [720, 6_000], ids=["a little", "tenfold"])
def test_a_limit_configured_too_high_costs_little(configured: int) -> None:
    simulation = Simulation(64, 10.0, RateLimiter(configured, None)).run()

    assert 0 == simulation.lost
    assert simulation.answered >= 0.9 * 600


def test_no_second_is_empty_for_longer_than_a_pause() -> None:
    simulation = Simulation(64, 10.0, RateLimiter(720, None)).run()

    assert max(later - sooner for sooner, later in pairwise(simulation.sent)) < 1.5


def test_no_storm_follows_a_pause_once_the_rate_is_known() -> None:
    simulation = Simulation(64, 10.0, RateLimiter(None, None), hint=2.0).run()

    late = [at for at in simulation.sent if at > 20.0]
    busiest = max(sum(start <= at < start + 1.0 for at in late) for start in late)

    assert busiest < 2.5 * simulation.allowance
