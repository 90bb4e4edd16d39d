"""The time line of an account's limits: no burst, no gap, bills settled, nothing held by the dead."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from volc_dashscope.ray._shared_rate import Allowance, Lease, UsageReport

HOLD = 2.0


@dataclass
class Holders:
    """Clients that take leases as fast as they are given, on a clock of their own."""

    line: Allowance
    price: float = 0.0
    now: float = 0.0
    sent: list[float] = field(default_factory=list)
    spent: list[tuple[float, float]] = field(default_factory=list)

    def work(self, seconds: float, holders: int, want: int, chance: random.Random) -> None:
        ready = [(0.0, UsageReport())] * holders
        while True:
            place = min(range(holders), key=lambda index: ready[index][0])
            self.now, bill = max(self.now, ready[place][0]), ready[place][1]
            if self.now > seconds:
                return
            lease = self.line.lease(want, 0.0, bill, self.now)
            moments = [self.now + lease.delay + index * lease.gap for index in range(lease.count)]
            prices = [chance.uniform(0.5, 1.5) * self.price for _ in moments]
            self.sent += moments
            self.spent += zip(moments, prices, strict=True)
            answered = UsageReport(lease.count, round(sum(prices)), lease.count * lease.tokens)
            again = moments[-1] if moments else self.now + lease.delay
            ready[place] = (again + 0.001, answered)


def _rate(moments: list[float], start: float, end: float) -> float:
    return sum(start <= moment < end for moment in moments) / (end - start)


@pytest.mark.parametrize("holders", [1, 2, 10, 100])
@pytest.mark.parametrize("rpm", [60, 3_000, 15_000])
def test_any_number_of_holders_use_the_whole_limit_and_no_more(holders, rpm):
    work = Holders(Allowance(rpm, None, 0.0))

    work.work(20.0, holders, 8, random.Random(1))

    assert pytest.approx(rpm / 60, rel=0.06, abs=0.15) == _rate(work.sent, 3.0, 18.0)


@pytest.mark.parametrize("rpm", [600, 15_000])
def test_no_second_holds_more_than_a_second_of_the_limit(rpm):
    work = Holders(Allowance(rpm, None, 0.0))
    work.work(10.0, 10, 8, random.Random(1))

    fullest = max(sum(start <= other < start + 1 for other in work.sent) for start in work.sent)

    assert fullest <= rpm / 60 + 1


def test_tokens_bind_where_they_are_the_tighter_limit():
    work = Holders(Allowance(15_000, 1_200_000, 0.0), price=1_000)

    work.work(60.0, 10, 8, random.Random(1))

    spent = sum(price for moment, price in work.spent if 10 <= moment < 55) / 45
    assert pytest.approx(1_200_000 / 60, rel=0.05) == spent


def test_the_first_guess_holds_tokens_back_before_any_bill():
    line = Allowance(None, 60_000, 0.0)

    lease = line.lease(8, 1_000, UsageReport(), HOLD)

    assert Lease(1, 0.0, 1.0, 1_000) == lease


def test_a_bill_higher_than_what_was_set_aside_delays_what_follows():
    line = Allowance(None, 60_000, 0.0)
    first = line.lease(1, 500, UsageReport(), HOLD)

    late = line.lease(1, 500, UsageReport(1, 900, first.tokens), HOLD)

    assert pytest.approx(0.9) == late.delay


def test_a_holder_that_dies_takes_half_a_second_of_the_line_at_most():
    line = Allowance(600, None, 0.0)
    line.lease(1_000, 0.0, UsageReport(), HOLD)

    after = line.lease(1, 0.0, UsageReport(), HOLD)

    assert pytest.approx(0.5) == after.delay


def test_nothing_is_given_far_ahead():
    line = Allowance(600, None, 0.0)
    leases = [line.lease(8, 0.0, UsageReport(), HOLD) for _ in range(10)]

    assert [0] * 7 == [lease.count for lease in leases[3:]]
    assert all(lease.delay > 0 for lease in leases[3:])


def test_an_allowance_made_anew_waits_for_the_leases_of_the_one_before():
    assert pytest.approx(HOLD) == Allowance(600, None, 7.0).lease(1, 0.0, UsageReport(), 7.0).delay + 1.0


def test_a_pause_saves_nothing_up():
    line = Allowance(60, None, 0.0)
    line.lease(1, 0.0, UsageReport(), HOLD)

    leases = [line.lease(1, 0.0, UsageReport(), 1_000.0) for _ in range(2)]

    assert [0.0, 1.0] == [lease.delay for lease in leases]
