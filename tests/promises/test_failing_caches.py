"""A cache is a help: whatever comes out of it, rows and scores that were paid for are returned, and the usage is booked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from promise import TEXT, Breakage, sized, texts

from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding
from volc_dashscope import Reranker
from volc_dashscope.cache import SQLiteCache

BREAKAGES = [
    Breakage(
        "volc_dashscope/_request/row_cache.py",
        "            self._resume[done] = self._clock() + _PAUSE_SECONDS\n",
        "            raise\n",
        "test_a_cache_that_fails_costs_no_row",
    ),
    Breakage(
        "volc_dashscope/_request/row_cache.py",
        "for place in np.flatnonzero(are_valid_rows(table))",
        "for place in range(len(table))",
        "test_what_is_no_row_is_asked_for_again",
    ),
    Breakage(
        "volc_dashscope/_request/row_cache.py",
        "        except Exception as error:\n",
        "        except OSError as error:\n",
        "test_a_cache_that_fails_costs_no_score",
    ),
]


class Full(dict[str, bytes]):
    """A mapping on a disk that is full."""

    def update(self, *entries: Any, **more: bytes) -> None:
        raise OSError(28, "No space left on device")


class Unreachable(dict[str, bytes]):
    """A mapping behind a network that is down."""

    def get(self, key: str, default: Any = None) -> Any:
        raise RuntimeError("no route to redis://user:password@cache")

    def update(self, *entries: Any, **more: bytes) -> None:
        raise RuntimeError("no route to redis://user:password@cache")


def _damaged(folder: Any) -> SQLiteCache:
    path = folder / "vectors.sqlite"
    cache = SQLiteCache(path)
    cache.close()
    path.write_bytes(b"no database" * 999)
    return cache


def _without_table(folder: Any) -> SQLiteCache:
    cache = SQLiteCache(folder / "vectors.sqlite")
    with sqlite3.connect(folder / "vectors.sqlite") as other:
        other.execute("DROP TABLE vectors")
    other.close()
    return cache


CACHES: dict[str, Callable[[Any], Any]] = {
    "full": lambda folder: Full(),
    "unreachable": lambda folder: Unreachable(),
    "damaged": _damaged,
    "without its table": _without_table,
}
every_cache = pytest.mark.parametrize("make", CACHES.values(), ids=CACHES)


@every_cache
def test_a_cache_that_fails_costs_no_row(inside, tmp_path, measured, make) -> None:
    items = texts(sized(1_000))
    expected = inside.client(TEXT).embed(items).vectors
    before = len(inside.emulator.ledger)
    settings = inside.settings("dashscope")
    cache = make(tmp_path)

    client = inside.client(TEXT, cache=cache)
    rows = {
        "sync": client.embed(items).vectors,
        "async": asyncio.run(client.aio.embed(items)).vectors,
        "stream": np.array([row for _, row in client.stream(items)]),
    }
    booked, sent = client.usage.requests, len(inside.emulator.ledger) - before
    rows |= {
        "LangChain": DashScopeEmbeddings(model=TEXT, cache=cache, **settings).embed_documents(items),
        "LlamaIndex": DashScopeMultiModalEmbedding(
            model=TEXT, cache=cache, **settings
        ).get_text_embedding_batch(items),
    }

    measured(f"{len(items)} texts, {len(rows)} ways")
    assert {} == {
        way: "differs" for way, found in rows.items() if not np.array_equal(expected, np.float32(found))
    }
    assert sent == booked


@pytest.mark.parametrize(
    "bad", [b"", b"\0" * 4096, b"\xff" * 4096, b"x"], ids=["empty", "zeros", "NaN", "cut"]
)
def test_what_is_no_row_is_asked_for_again(inside, bad) -> None:
    cache: dict[str, bytes] = {}
    expected = inside.client(TEXT, cache=cache).embed(["a", "b"]).vectors
    cache.update(dict.fromkeys(cache, bad))

    found = inside.client(TEXT, cache=cache).embed(["a", "b"]).vectors

    assert np.array_equal(expected, found)


@every_cache
def test_a_cache_that_fails_costs_no_score(inside, tmp_path, make) -> None:
    settings = inside.settings("dashscope")
    expected = Reranker("qwen3-rerank", **settings).rerank("blue", ["a blue sea", "red shoes"])

    with Reranker("qwen3-rerank", cache=make(tmp_path), **settings) as reranker:
        found = reranker.rerank("blue", ["a blue sea", "red shoes"])

    assert (expected, 1) == (found, reranker.usage.requests)
