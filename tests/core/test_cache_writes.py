"""How often a call reads and writes the user's cache, and what a process that is killed loses of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paintings import painted

from volc_dashscope import BulkError, Client, Image
from volc_dashscope._request.row_cache import RowCache
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.emulator import Emulator, Request, Response
from volc_dashscope.inputs import Item

TEXT, VL, D = "text-embedding-v4", "qwen3-vl-embedding", 64
TEXTS = [f"text {number}" for number in range(600)]
ROOT = Path(__file__).resolve().parents[2]
CALLER = """
import sys
from volc_dashscope import Client
from volc_dashscope.cache import SQLiteCache
url, path = sys.argv[1:]
client = Client("text-embedding-v4", api_key="k", base_url=url, dimensions=64, max_concurrency=4,
                cache=SQLiteCache(path))
client.embed([f"text {number}" for number in range(100)])
"""


class Counting:
    """A cache of many keys at once that notes how it is used."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.read: list[int] = []
        self.written: list[int] = []

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.read.append(len(keys))
        return {key: self.entries[key] for key in keys if key in self.entries}

    def set_many(self, entries: Mapping[str, bytes]) -> None:
        self.written.append(len(entries))
        self.entries.update(entries)


def _embed(client: Client, items: Sequence[str], *, aio: bool) -> object:
    return asyncio.run(client.aio.embed(items)) if aio else client.embed(items)


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_one_read_a_call_and_few_writes(inside, aio):
    cache = Counting()
    client = inside.client(TEXT, dimensions=D, cache=cache)

    _embed(client, TEXTS, aio=aio)

    assert [600] == cache.read
    assert 600 == sum(cache.written)
    # 256 rows or most of a second: on a slow machine a write may hold fewer.
    assert len(cache.written) < 30


def _stream(client: Client, items: Sequence[str], *, aio: bool, most: int | None = None) -> list[Any]:
    """Return what a stream yields, or the first of it, and then leave the stream."""

    async def awaited() -> list[Any]:
        found: list[Any] = []
        async with aclosing(client.aio.stream(items)) as stream:
            async for one in stream:
                found.append(one)
                if len(found) == most:
                    break
        return found

    if aio:
        return asyncio.run(awaited())
    with closing(client.stream(items)) as stream:
        return list(islice(stream, most))


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_a_stream_reads_blocks_and_writes_seldom(inside, aio):
    cache = Counting()
    client = inside.client(TEXT, dimensions=D, cache=cache)

    found = _stream(client, TEXTS, aio=aio)

    assert list(range(600)) == [index for index, _ in found]
    assert [320, 280] == cache.read
    assert 600 == sum(cache.written) == len(cache.entries)
    # 60 replies. The first is written at once, because nobody knows yet how long the caller keeps control.
    assert len(cache.written) < 30


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_what_was_paid_is_written_when_a_stream_is_left(inside, aio):
    cache = Counting()
    client = inside.client(TEXT, dimensions=D, cache=cache, max_concurrency=1)

    _stream(client, TEXTS, aio=aio, most=25)

    assert (30, 30) == (len(inside.emulator.ledger.texts), len(cache.entries))


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_a_stream_never_pays_for_a_row_that_waits_to_be_written(inside, aio):
    client = inside.client(TEXT, dimensions=D, cache=Counting(), max_concurrency=1)

    found = _stream(client, [*TEXTS[:320], *TEXTS[:20]], aio=aio)

    assert 320 == len(inside.emulator.ledger.texts)
    assert np.array_equal(found[3][1], found[323][1])


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_what_was_paid_is_written_before_the_call_raises(inside, aio):
    cache = Counting()
    client = inside.client(TEXT, dimensions=D, cache=cache, max_concurrency=1, max_retries=0)
    inside.emulator.fail(None, None, "401")

    with pytest.raises(BulkError) as caught:
        _embed(client, TEXTS[:40], aio=aio)

    assert 40 - len(caught.value.failures) == len(cache.entries)
    assert caught.value.failures


def test_rows_wait_for_others_but_not_for_a_second():
    now, cache = 10.0, Counting()
    rows = RowCache(cache, 0, clock=lambda: now, warn=pytest.fail)
    buffer, vector = rows.buffer(), [np.ones(D, np.float32)]

    buffer.add(["a"], vector)
    now += 0.5
    buffer.add(["b"], vector)
    buffer.flush_old()
    assert [] == cache.written

    now += 0.25
    buffer.flush_old()
    assert [2] == cache.written

    buffer.add([str(number) for number in range(256)], vector * 256)
    assert [2, 256] == cache.written

    buffer.flush()
    assert [2, 256] == cache.written


def test_rows_are_written_before_a_slow_caller_gets_control():
    now, cache = 10.0, Counting()
    rows = RowCache(cache, 0, clock=lambda: now, warn=pytest.fail)
    buffer, vector = rows.buffer(), [np.ones(D, np.float32)]

    buffer.add(["a"], vector)
    with buffer.yielding():
        first = [*cache.written]
    buffer.add(["b"], vector)
    with buffer.yielding():
        quick = [*cache.written]
        now += 0.6
    buffer.add(["c"], vector)
    now += 0.05
    with buffer.yielding():
        waiting = [*cache.written]
        now += 0.1

    assert ([1], [1], [1, 2]) == (first, quick, waiting)


def test_one_statement_finds_thousands(tmp_path):
    with SQLiteCache(tmp_path / "vectors.sqlite") as cache:
        cache.set_many({f"{number}": b"1234" for number in range(5000)})
        statements: list[str] = []
        with cache._connected() as db:
            db.set_trace_callback(statements.append)

        found = cache.get_many([f"{number}" for number in range(5000)])

    assert 5000 == len(found)
    assert 1 == sum("SELECT key" in statement for statement in statements)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX")
def test_a_killed_call_has_written_what_it_received_a_second_before(tmp_path):
    """Half of the replies arrive and the others do not: the rows of the first are in the file while it waits."""
    held, answered = threading.Event(), threading.Semaphore(5)

    def hold(request: Request, response: Response) -> Response:
        if not answered.acquire(blocking=False):
            held.wait(60)
        return response

    path = tmp_path / "vectors.sqlite"
    with Emulator() as emulator:
        emulator.reply_with(hold)
        process = subprocess.Popen(
            [sys.executable, "-c", CALLER, emulator.dashscope_url, str(path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            written = _wait_for(path, 50)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            held.set()

    assert 50 == written
    with SQLiteCache(path) as cache:
        assert 50 == len(cache)


def _wait_for(path: Path, rows: int) -> int:
    """Return how many rows the file has once it has so many, or after half a minute."""
    pause, seen = threading.Event(), 0
    for _ in range(300):
        if path.exists():
            with SQLiteCache(path) as cache:
                seen = len(cache)
        if seen >= rows:
            break
        pause.wait(0.1)
    return seen


def test_a_stopped_call_keeps_no_rows_for_which_it_would_have_to_read_for_long(tmp_path):
    """Keys of files are made of their bytes, and Ctrl-C must not wait for thousands of them."""
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    now, spec = 0.0, Client(VL, api_key="k")._spec
    rows = RowCache(None, 2**20, clock=lambda: now, warn=pytest.fail)
    vectors = [(np.ones(spec.expected, dtype=np.float32), None, None)] * 3

    def items() -> Iterator[Item]:
        nonlocal now
        yield "first"
        yield Image.from_path(path)
        now += 1
        yield "third"

    rows.keep(items(), spec, vectors, until=rows.keep_deadline())
    found = rows.find_rows(rows.keys(["first", Image.from_path(path), "third"], spec), spec)

    assert [0, 1] == sorted(found)
