"""Which job starts next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope.errors import EmbeddingError


def _counted(jobs: int, read: list[int]) -> Iterator[int]:
    for job in range(jobs):
        read.append(job)
        yield job


def test_no_more_jobs_run_than_the_width() -> None:
    feed = Scheduler(range(10), width=3)

    assert [(0, 0), (1, 1), (2, 2)] == list(feed.next_jobs())
    assert [] == list(feed.next_jobs())


def test_a_finished_job_makes_room_for_the_next() -> None:
    feed = Scheduler(range(10), width=3)
    list(feed.next_jobs())

    feed.finish(1)

    assert [(3, 3)] == list(feed.next_jobs())


def test_jobs_are_read_one_at_a_time() -> None:
    read: list[int] = []
    feed = Scheduler(_counted(10, read), width=3)

    list(feed.next_jobs())

    assert [0, 1, 2] == read


def test_no_job_starts_a_window_ahead_of_the_oldest_unfinished_one() -> None:
    feed = Scheduler(range(100), width=2, window=5)
    started = [number for number, _ in feed.next_jobs()]

    # All but the oldest job end, and make room for more as long as the window lets them start.
    for number in (1, 2, 3, 4):
        feed.finish(number)
        started += [number for number, _ in feed.next_jobs()]

    assert [0, 1, 2, 3, 4] == started


def test_the_window_moves_on_when_the_oldest_job_ends() -> None:
    feed = Scheduler(range(100), width=9, window=4)
    list(feed.next_jobs())
    for number in (1, 2, 3):
        feed.finish(number)
    stuck = list(feed.next_jobs())

    feed.finish(0)

    assert ([], [4, 5, 6, 7]) == (stuck, [number for number, _ in feed.next_jobs()])


def test_parts_of_a_split_job_come_first_and_keep_its_number() -> None:
    feed = Scheduler("abc", width=1)
    list(feed.next_jobs())

    feed.finish(0, requeue=("left", "right"))

    first = list(feed.next_jobs())
    feed.finish(0)
    second = list(feed.next_jobs())
    feed.finish(0)

    assert [(0, "left")] == first
    assert [(0, "right")] == second
    assert [(1, "b")] == list(feed.next_jobs())


def test_a_split_job_holds_the_window_until_its_last_part_ends() -> None:
    feed = Scheduler("abcdef", width=9, window=1)
    list(feed.next_jobs())
    feed.finish(0, requeue=("left", "right"))
    list(feed.next_jobs())

    feed.finish(0)
    half_done = list(feed.next_jobs())
    feed.finish(0)

    assert ([], [(1, "b")]) == (half_done, list(feed.next_jobs()))


@pytest.mark.parametrize("split", [False, True], ids=["new jobs", "parts of a split job"])
def test_nothing_starts_after_a_halt(split: bool) -> None:
    feed = Scheduler(range(10), width=2)
    list(feed.next_jobs())

    feed.halt(EmbeddingError("no"))
    feed.finish(0, requeue=(7,) if split else ())

    assert [] == list(feed.next_jobs())


def test_the_first_cause_of_a_halt_is_kept() -> None:
    feed, first = Scheduler(range(10), width=2), EmbeddingError("first")
    assert feed.cause() is None

    feed.halt(first)
    feed.halt(EmbeddingError("second"))

    assert first is feed.cause()


def test_an_empty_feed_is_never_ready() -> None:
    assert [] == list(Scheduler([], width=4).next_jobs())


@given(
    st.integers(0, 40),
    st.integers(1, 8),
    st.one_of(st.none(), st.integers(1, 20)),
    st.randoms(use_true_random=False),
)
def test_every_job_starts_once_whatever_order_they_end_in(jobs, width, window, random) -> None:
    feed = Scheduler(range(jobs), width=width, window=window)
    running: list[int] = []
    started: list[int] = []
    while True:
        for number, job in feed.next_jobs():
            running.append(number)
            started.append(job)
            oldest = min(running)
            assert len(running) <= width
            assert window is None or number - oldest < window
        if not running:
            break
        feed.finish(running.pop(random.randrange(len(running))))

    assert list(range(jobs)) == started
