"""Several jobs at once, by threads: what starts, and what no longer does."""

from __future__ import annotations

import threading
import time

from volc_dashscope._fan_out import fan_out
from volc_dashscope._feed import Feed


def test_nothing_in_line_starts_before_the_caller_has_seen_an_error():
    started: list[int] = []

    def work(job: int, stop: threading.Event) -> int:
        started.append(job)
        if job == 2:
            raise LookupError
        return job

    feed = Feed(range(10), width=1)
    for number, _, outcome in fan_out(feed, work):
        if isinstance(outcome, LookupError):
            time.sleep(0.05)  # enough for a worker that does not wait
            feed.halt()
        feed.finish(number)

    assert [0, 1, 2] == started


def test_an_error_that_halts_nothing_costs_no_job():
    def work(job: int, stop: threading.Event) -> int:
        if job % 3 == 0:
            raise LookupError
        return job

    feed = Feed(range(50), width=4)
    ended = []
    for number, job, outcome in fan_out(feed, work):
        ended.append((job, isinstance(outcome, LookupError)))
        feed.finish(number)

    assert [(job, job % 3 == 0) for job in range(50)] == sorted(ended)


def test_no_more_jobs_run_at_once_than_the_feed_is_wide():
    running, most, lock = 0, 0, threading.Lock()

    def work(job: int, stop: threading.Event) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1

    feed = Feed(range(30), width=3)
    for number, _, _ in fan_out(feed, work):
        feed.finish(number)

    assert 3 == most
