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
from hashlib import sha256
from pathlib import Path

from volc_dashscope.cache import SQLiteCache

BATCH = 1_000
SHAPE = sha256(b"model, dimension, role").hexdigest()[:32]


def key(number: int) -> str:
    """Return a key as a client makes it: settings, then content."""
    return f"{SHAPE}:{sha256(str(number).encode()).hexdigest()}"


def _looked_up(cache: SQLiteCache, numbers: list[int]) -> list[float]:
    """Return microseconds an entry of each batch."""
    seen = []
    for start in range(0, len(numbers), BATCH):
        keys = [key(number) for number in numbers[start : start + BATCH]]
        began = time.perf_counter()
        cache.get_many(keys)
        seen.append(1e6 * (time.perf_counter() - began) / len(keys))
    return seen


def _line(what: str, seen: list[float]) -> None:
    worst = sorted(seen)[int(0.99 * (len(seen) - 1))]
    print(f"{what:28} median {statistics.median(seen):6.2f} us   p99 {worst:6.2f} us   an entry")


def measure(path: Path, entries: int, dimension: int) -> None:
    """Fill a cache and ask it for everything, then for what it does not have."""
    draw = random.Random(0)
    value = bytes(4 * dimension)
    with SQLiteCache(path) as cache:
        written = []
        for start in range(0, entries, BATCH):
            some = {key(number): value for number in range(start, min(entries, start + BATCH))}
            began = time.perf_counter()
            cache.set_many(some)
            written.append(1e6 * (time.perf_counter() - began) / len(some))
    print(f"{entries:,} entries of {dimension} floats, {BATCH} at a time; SQLite {sqlite3.sqlite_version}")
    _line("written", written)
    numbers = list(range(entries))
    with SQLiteCache(path) as cache:
        _line("found, in order of writing", _looked_up(cache, numbers))
        draw.shuffle(numbers)
        _line("found, in random order", _looked_up(cache, numbers))
        _line("not found", _looked_up(cache, [-number - 1 for number in numbers[: entries // 4]]))
        stats = cache.stats()
    print(f"{stats.value_bytes / 1e6:,.0f} MB of vectors in a file of {stats.file_bytes / 1e6:,.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "cache.sqlite", given.entries, given.dimension)
