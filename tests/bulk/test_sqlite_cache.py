"""`SQLiteCache`: a mapping, also between threads and processes; and what a client does with it."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bulk_runs import ROOT, TEXT, D, texts

from volc_dashscope import ConfigError, EmbeddingError, InputError
from volc_dashscope.cache import SQLiteCache

WRITER = """
import sys
from volc_dashscope.cache import SQLiteCache
path, name = sys.argv[1:]
print("ready", flush=True)
sys.stdin.read(1)
cache = SQLiteCache(path)
for start in range(0, 600, 100):
    own = {f"{name}:{number}": f"{name}:{number}".encode() for number in range(start, start + 100)}
    cache.set_many(own)
    cache.set_many({f"shared:{number}": b"same" for number in range(start, start + 100)})
    found = cache.get_many([*own, *(f"shared:{number}" for number in range(start + 100))])
    assert all(found[key] == value for key, value in own.items())
    assert len(found) == 200 + start
cache.close()
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SQLiteCache]:
    with SQLiteCache(tmp_path / "vectors.sqlite") as opened:
        yield opened


def _age(cache: SQLiteCache, key: str, seconds: float) -> None:
    """Make an entry as old as if it was not used for so long."""
    with sqlite3.connect(cache.path) as db:
        db.execute("UPDATE vectors SET used = ? WHERE key = ?", (time.time() - seconds, key))
    db.close()


def test_it_is_a_mapping(cache):
    cache["a"] = b"1"
    cache.update({"b": b"2", "c": b"3"})
    cache["b"] = b"22"
    del cache["a"]

    assert {"b": b"22", "c": b"3"} == dict(cache)
    assert (2, True, False, None) == (len(cache), "b" in cache, "a" in cache, cache.get("a"))


def test_what_is_not_there_is_a_key_error(cache):
    with pytest.raises(KeyError):
        cache["a"]
    with pytest.raises(KeyError):
        del cache["a"]


def test_thousands_are_written_and_found_at_once(cache):
    entries = {f"key {number}": bytes([number % 256]) for number in range(12_345)}

    cache.set_many(entries)

    assert entries == cache.get_many(["unknown", *entries])
    assert set(entries) == set(cache)


def test_it_is_still_there_in_another_life(cache):
    cache["a"] = b"1"
    cache.close()

    with SQLiteCache(cache.path) as again:
        assert b"1" == again["a"]


def test_a_closed_one_opens_itself_again(cache):
    cache["a"] = b"1"
    cache.close()
    cache.close()

    assert b"1" == cache["a"]


def test_four_processes_write_and_read_at_the_same_time(tmp_path):
    path = tmp_path / "vectors.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen([*command, name], env=environment, stdin=-1, stdout=-1, stderr=-1, text=True)
        for name in "wxyz"
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()

    assert [""] * 4 == [process.communicate(timeout=60)[1] for process in processes]
    assert [0] * 4 == [process.returncode for process in processes]
    with SQLiteCache(path) as cache:
        assert 4 * 600 + 600 == len(cache)
        assert b"x:7" == cache["x:7"]


def test_eight_threads_share_one(cache):
    def work(name: int) -> None:
        for number in range(50):
            cache.set_many({f"{name}:{number}": b"v", "shared": b"same"})
            assert b"v" == cache[f"{name}:{number}"]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert 401 == len(cache)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # a fork beside threads of other tests
def test_a_forked_child_writes_through_a_connection_of_its_own(cache):
    cache["parent"] = b"1"
    child = os.fork()
    if not child:
        cache["child"] = b"2"
        os._exit(0 if cache["parent"] == b"1" else 1)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert {"parent": b"1", "child": b"2"} == dict(cache)


class _Held(list[str]):
    """Keys that keep whoever looks them up waiting."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(keys)
        self.asked, self.go_on = threading.Event(), threading.Event()

    def __getitem__(self, place: Any) -> Any:
        self.asked.set()
        self.go_on.wait()
        return super().__getitem__(place)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_a_thread_is_at_it_does_not_lock_the_child_out(cache):
    cache["a"] = b"1"
    keys = _Held(["a"])
    thread = threading.Thread(target=cache.get_many, args=(keys,))
    thread.start()
    keys.asked.wait()
    child = os.fork()
    if not child:
        signal.alarm(5)
        os._exit(0 if cache["a"] == b"1" else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    keys.go_on.set()
    thread.join()

    assert 0 == code


def test_a_pickled_one_is_the_same_file(cache):
    cache["a"] = b"1"

    with pickle.loads(pickle.dumps(cache)) as copy:
        assert b"1" == copy["a"]


def test_stats_count_entries_and_bytes(cache):
    cache.set_many({"a": bytes(100), "b": bytes(50)})
    _age(cache, "a", 10 * 86_400)

    stats = cache.stats()

    assert (2, 150) == (stats.entries, stats.value_bytes)
    assert stats.oldest is not None
    assert 0 <= time.time() - 10 * 86_400 - stats.oldest < 60
    assert stats.file_bytes >= cache.path.stat().st_size


def test_prune_by_age_drops_what_was_not_used_for_longer(cache):
    cache.set_many({"old": b"1", "read": b"2", "new": b"3"})
    for key in ("old", "read"):
        _age(cache, key, 10 * 86_400)
    cache.get_many(["read"])

    assert 1 == cache.prune(max_age=5 * 86_400)
    assert {"read", "new"} == set(cache)


def test_prune_by_size_drops_what_was_not_used_for_longest(cache):
    for age, key in enumerate("dcba"):
        cache[key] = bytes(1000)
        _age(cache, key, age * 86_400)

    assert 2 == cache.prune(max_bytes=2500)
    assert {"d", "c"} == set(cache)


def test_prune_gives_room_back_to_the_disk(cache):
    cache.set_many({f"{number}": bytes(4096) for number in range(500)})
    before = cache.stats().file_bytes

    cache.prune(max_bytes=0)

    assert cache.stats().file_bytes < before / 10


@pytest.mark.parametrize(
    "limits", [{}, {"max_age": -1}, {"max_bytes": -1}, {"max_age": float("nan")}, {"max_age": "1d"}]
)
def test_prune_needs_to_know_what(cache, limits):
    with pytest.raises(InputError):
        cache.prune(**limits)


def test_a_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()

    with pytest.raises(ConfigError, match="another program"):
        SQLiteCache(path)


@pytest.mark.parametrize(
    "make", [lambda path: path.write_bytes(b"no database" * 99), lambda path: path.mkdir()]
)
def test_a_path_that_is_no_database_is_refused(tmp_path, make):
    make(tmp_path / "vectors.sqlite")

    with pytest.raises(ConfigError, match=r"vectors\.sqlite"):
        SQLiteCache(tmp_path / "vectors.sqlite")


def test_a_client_asks_once_for_what_the_cache_keeps(inside, cache):
    with inside.client(TEXT, dimensions=D, cache=cache) as client:
        first = client.embed([*texts(30), *texts(30)])
    with inside.client(TEXT, dimensions=D, cache=cache) as client:
        again = client.embed(texts(30))

    assert 30 == len(inside.emulator.ledger.texts)
    assert np.array_equal(first.vectors[:30], again.vectors)
    assert {4 * D} == {len(value) for value in cache.values()}


def test_another_role_or_dimension_is_another_entry(inside, cache):
    with inside.client(TEXT, dimensions=D, cache=cache) as client:
        client.embed(["a"])
        client.embed(["a"], text_type="query")
    with inside.client(TEXT, dimensions=128, cache=cache) as client:
        client.embed(["a"])

    assert 3 == len(cache) == len(inside.emulator.ledger)


@pytest.mark.parametrize("ordered", [True, False], ids=["in order", "as finished"])
def test_a_stream_looks_into_the_cache_and_adds_to_it(inside, cache, ordered):
    with inside.client(TEXT, dimensions=D, cache=cache) as client:
        client.embed(texts(25))
        found = dict(client.stream(iter(texts(50)), ordered=ordered))
        again = dict(client.stream(iter(texts(50)), ordered=ordered))

    assert sorted(texts(50)) == sorted(inside.emulator.ledger.texts)
    assert list(range(50)) == sorted(found)
    assert all(np.array_equal(found[index], again[index]) for index in range(50))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_stream_asks_once_for_what_it_has_twice(inside, cache, ordered):
    given = [text for text in texts(25) for _ in range(3)] + texts(25)

    with inside.client(TEXT, dimensions=D, cache=cache) as client:
        found = dict(client.stream(iter(given), ordered=ordered))

    assert sorted(texts(25)) == sorted(inside.emulator.ledger.texts)
    assert list(range(100)) == sorted(found)
    assert all(np.array_equal(found[75 + index // 3], found[index]) for index in range(75))


def test_what_a_stream_has_twice_fails_twice(inside, cache):
    inside.emulator.fail("400")

    with inside.client(TEXT, dimensions=D, cache=cache) as client:
        found = dict(client.stream(["one", "two", "one"]))
        again = client.embed(["one"])

    assert [0, 1, 2] == sorted(found)
    assert all(isinstance(outcome, EmbeddingError) for outcome in found.values())
    assert (1, D) == again.vectors.shape


def test_a_stream_of_known_items_hands_them_on_as_it_reads(inside, cache):
    """A million hits in a row must not pile up before the first is yielded."""
    read: list[str] = []

    def items() -> Iterator[str]:
        for text in texts(2000):
            read.append(text)
            yield text

    with inside.client(TEXT, dimensions=D, cache=cache) as client:
        client.embed(texts(2000))
    with inside.client(TEXT, dimensions=D, cache=cache, max_concurrency=1) as client:
        stream = client.stream(items())
        next(stream)
        so_far = len(read)
        list(stream)

    assert so_far <= 320
    assert 2000 == len(read)
