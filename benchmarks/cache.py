"""
python -m benchmarks.cache [--entries 1000000] [--dimension 64]

`SQLiteCache` full size: time to write and to look up, amortised over batches, hits and misses, in random order.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from volc_dashscope.cache import SQLiteCache

BATCH = 1_000
SHAPE = sha256(b"model, dimension, role").hexdigest()[:32]


def key(number: int) -> str:
    """Return a key as a client makes it: settings, then content."""
    return f"{SHAPE}:{sha256(str(number).encode()).hexdigest()}"


class Watch:
    """Microseconds an entry of each batch, by the clock and of this process's CPU."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.clock: list[float] = []
        self.cpu: list[float] = []

    def time(self, work: Callable[[], object], entries: int) -> None:
        """Do something with so many entries and note how long it took."""
        clock, cpu = time.perf_counter(), time.process_time()
        work()
        self.clock.append(1e6 * (time.perf_counter() - clock) / entries)
        self.cpu.append(1e6 * (time.process_time() - cpu) / entries)

    def tell(self) -> None:
        """Print the medians; the clock also counts what else the machine does."""
        clock, cpu = statistics.median(self.clock), statistics.fmean(self.cpu)
        print(f"{self.what:28} {clock:7.2f} us an entry (median), {cpu:6.2f} us of CPU (mean)")


def _look_up(what: str, cache: SQLiteCache, numbers: list[int]) -> None:
    watch = Watch(what)
    for start in range(0, len(numbers), BATCH):
        keys = [key(number) for number in numbers[start : start + BATCH]]
        watch.time(lambda keys=keys: cache.get_many(keys), len(keys))  # type: ignore[misc]
    watch.tell()


def measure(path: Path, entries: int, dimension: int) -> None:
    """Fill a cache and ask it for everything, then for what it does not have."""
    value = bytes(4 * dimension)
    print(f"{entries:,} entries of {dimension} floats, {BATCH} at a time; SQLite {sqlite3.sqlite_version}")
    with SQLiteCache(path) as cache:
        watch = Watch("written")
        for start in range(0, entries, BATCH):
            some = {key(number): value for number in range(start, min(entries, start + BATCH))}
            watch.time(lambda some=some: cache.set_many(some), len(some))  # type: ignore[misc]
        watch.tell()
    numbers = list(range(entries))
    with SQLiteCache(path) as cache:
        _look_up("found, in order of writing", cache, numbers)
        random.Random(0).shuffle(numbers)
        _look_up("found, in random order", cache, numbers)
        _look_up("not found", cache, [-number - 1 for number in numbers[: entries // 4]])
        stats = cache.stats()
    print(f"{stats.value_bytes / 1e6:,.0f} MB of vectors in a file of {stats.file_bytes / 1e6:,.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "cache.sqlite", given.entries, given.dimension)
