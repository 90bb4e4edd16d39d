"""A cache is a help: whatever comes out of it, the rows that were paid for are returned and the bill is booked."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

import langchain_volc_dashscope
import llama_index_ext
from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding
from volc_dashscope import AsyncReranker, ConfigError, Reranker
from volc_dashscope.bulk import embed_file
from volc_dashscope.cache import SQLiteCache

TEXT, D = "text-embedding-v4", 64
TEXTS = [f"text {number}" for number in range(25)]
ROOT = Path(__file__).resolve().parents[2]


class Broken(MutableMapping[str, bytes]):
    """A user's mapping that raises whatever it is told to."""

    def __init__(self, read: Exception | None, write: Exception | None) -> None:
        self.read, self.write = read, write
        self.calls = 0

    def __getitem__(self, key: str) -> bytes:
        self._count(self.read)
        raise KeyError(key)

    def __setitem__(self, key: str, value: bytes) -> None:
        self._count(self.write)

    def _count(self, error: Exception | None) -> None:
        self.calls += 1
        if error is not None:
            raise error

    def __delitem__(self, key: str) -> None:
        raise NotImplementedError

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


class BrokenMany:
    """As `Broken`, but asked for many at once."""

    def __init__(self, error: Exception | None = None, answer: Any = None) -> None:
        self.error, self.answer = error, answer

    def get_many(self, keys: Sequence[str]) -> Any:
        if self.error is not None:
            raise self.error
        return self.answer

    def set_many(self, entries: dict[str, bytes]) -> None:
        if self.error is not None:
            raise self.error


def _damaged(folder: Path) -> SQLiteCache:
    """Return a cache whose first page is whole and whose other pages are not."""
    path = folder / "damaged.sqlite"
    with SQLiteCache(path) as cache:
        cache.set_many({f"key {number}": bytes(500) for number in range(500)})
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))
    return SQLiteCache(path)


def _cut_off(folder: Path) -> SQLiteCache:
    """Return a cache whose file loses its end between two uses."""
    path = folder / "cut.sqlite"
    with SQLiteCache(path) as cache:
        cache.set_many({f"key {number}": bytes(500) for number in range(500)})
    with path.open("r+b") as file:
        file.truncate(8192)
    return cache


def _replaced(folder: Path) -> SQLiteCache:
    """Return a cache whose file was good once, and is something else when it is opened again."""
    path = folder / "replaced.sqlite"
    cache = SQLiteCache(path)
    cache.close()
    path.write_bytes(b"no database" * 999)
    return cache


def _full(folder: Path) -> SQLiteCache:
    """Return a cache whose file may not grow by a page, as on a disk that is full."""
    cache = SQLiteCache(folder / "full.sqlite")
    with cache._connected() as db:
        db.execute("PRAGMA max_page_count = 1")
    return cache


CACHES: dict[str, Callable[[Path], Any]] = {
    "cannot be written: no space": lambda folder: Broken(None, OSError(28, "No space left on device")),
    "cannot be written: its own error": lambda folder: Broken(None, RuntimeError("redis://:password@host")),
    "cannot be read": lambda folder: Broken(ConnectionError("reset"), None),
    "neither": lambda folder: Broken(ValueError("a"), ValueError("b")),
    "many at once": lambda folder: BrokenMany(TimeoutError()),
    "many at once, answers nothing": lambda folder: BrokenMany(answer=None),
    "many at once, answers a list": lambda folder: BrokenMany(answer=[b""]),
    "a full database": _full,
    "a damaged file": _damaged,
    "a file cut off": _cut_off,
    "a file replaced": _replaced,
}
every_cache = pytest.mark.parametrize("make", CACHES.values(), ids=CACHES)


def _aio(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda client: asyncio.run(call(client.aio))


async def _astream(client: Any) -> list[Any]:
    return [row async for _, row in client.stream(TEXTS)]


CALLS: dict[str, Callable[[Any], Any]] = {
    "embed": lambda client: client.embed(TEXTS).vectors,
    "stream": lambda client: [row for _, row in client.stream(TEXTS)],
    "async embed": _aio(lambda client: client.embed(TEXTS)),
    "async stream": _aio(_astream),
}


@every_cache
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_cache_that_fails_costs_no_row_and_no_bill(inside, tmp_path, caplog, make, call) -> None:
    expected = inside.client(TEXT, dimensions=D).embed(TEXTS)
    requests = len(inside.emulator.ledger)
    client = inside.client(TEXT, dimensions=D, cache=make(tmp_path))

    with caplog.at_level(logging.WARNING, logger="volc_dashscope"):
        results = [call(client), call(client)]

    for result in results:
        assert np.array_equal(expected.vectors, getattr(result, "vectors", result))
    # What could not be written was asked for twice, and that is on the bill too.
    assert len(inside.emulator.ledger) - requests == client.usage.requests
    assert client.usage.total_tokens >= expected.usage.total_tokens
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "the cache cannot be" in warning
    assert "password" not in warning


INTEGRATIONS = {
    "langchain": (DashScopeEmbeddings, lambda model: model.embed_documents(TEXTS)),
    "langchain async": (DashScopeEmbeddings, lambda model: asyncio.run(model.aembed_documents(TEXTS))),
    "llama index": (DashScopeMultiModalEmbedding, lambda model: model.get_text_embedding_batch(TEXTS)),
    "llama index async": (
        DashScopeMultiModalEmbedding,
        lambda model: asyncio.run(model.aget_text_embedding_batch(TEXTS)),
    ),
}


@every_cache
@pytest.mark.parametrize(("kind", "call"), INTEGRATIONS.values(), ids=INTEGRATIONS)
def test_both_frameworks_return_their_vectors(inside, tmp_path, make, kind, call) -> None:
    expected = inside.client(TEXT, dimensions=D).embed(TEXTS).vectors
    model = kind(
        **{"model": TEXT} if kind is DashScopeEmbeddings else {"model_name": TEXT},
        dimensions=D,
        cache=make(tmp_path),
        **inside.settings("dashscope"),
    )

    vectors = call(model)

    assert np.array_equal(expected, np.array(vectors, dtype=np.float32))


@every_cache
def test_a_bulk_run_goes_through(inside, tmp_path, make) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("\n".join(TEXTS), "utf-8")
    client = inside.client(TEXT, dimensions=D, cache=make(tmp_path))

    report = embed_file(source, tmp_path / "out.parquet", model=client)

    assert (25, 0) == (report.rows, report.failed)


DOCUMENTS = ["a green forest", "a blue sea view", "red shoes", *TEXTS]


def _ranked(found: Any) -> list[tuple[str, float]]:
    """Return texts and scores, whatever the class that gave them."""
    texts = [
        getattr(one, "document", None) or getattr(one, "page_content", None) or one.text for one in found
    ]
    scores = [one.score if hasattr(one, "score") else one.metadata["relevance_score"] for one in found]
    return list(zip(texts, scores, strict=True))


def _rerank(settings: dict[str, Any], cache: Any) -> Any:
    with Reranker("qwen3-rerank", cache=cache, **settings) as reranker:
        return reranker.rerank("a blue sea", DOCUMENTS)


def _arerank(settings: dict[str, Any], cache: Any) -> Any:
    return asyncio.run(AsyncReranker("qwen3-rerank", cache=cache, **settings).rerank("a blue sea", DOCUMENTS))


def _compress(settings: dict[str, Any], cache: Any) -> Any:
    reranker = langchain_volc_dashscope.DashScopeRerank(model="qwen3-rerank", cache=cache, **settings)
    return reranker.compress_documents([Document(text) for text in DOCUMENTS], "a blue sea")


def _postprocess(settings: dict[str, Any], cache: Any) -> Any:
    reranker = llama_index_ext.DashScopeRerank(model="qwen3-rerank", cache=cache, **settings)
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in DOCUMENTS]
    return reranker.postprocess_nodes(nodes, query_str="a blue sea")


RERANKERS = {"sync": _rerank, "async": _arerank, "langchain": _compress, "llama index": _postprocess}
every_reranker = pytest.mark.parametrize("rerank", RERANKERS.values(), ids=RERANKERS)


@every_cache
@every_reranker
def test_rerankers_return_the_scores_that_were_paid_for(inside, tmp_path, caplog, make, rerank) -> None:
    settings = inside.settings("dashscope")
    expected = _ranked(rerank(settings, None))

    with caplog.at_level(logging.WARNING, logger="volc_dashscope"):
        found = _ranked(rerank(settings, make(tmp_path)))

    assert expected == found
    assert "the cache cannot be" in caplog.text
    assert "password" not in caplog.text


NO_SCORES: dict[str, Any] = {
    "nothing": b"",
    "another length": b"x" * 23,
    "not a number": struct.pack("<16sd", b"", math.nan),
    "infinite": struct.pack("<16sd", b"", math.inf),
    "text": "x" * 24,
    "a number": 5,
    "a list": [0.5],
}


@every_reranker
@pytest.mark.parametrize("bad", NO_SCORES.values(), ids=NO_SCORES)
def test_a_cached_score_that_is_none_is_asked_for_again(inside, caplog, rerank, bad) -> None:
    cache: dict[str, Any] = {}
    settings = inside.settings("dashscope")
    expected = _ranked(rerank(settings, cache))
    cache.update(dict.fromkeys(cache, bad))

    with caplog.at_level(logging.WARNING, logger="volc_dashscope"):
        found = _ranked(rerank(settings, cache))

    assert expected == found
    assert "the cache contains entries that are not valid scores" in caplog.text
    assert 2 == len(inside.emulator.ledger)


@every_reranker
def test_what_gets_and_sets_is_a_cache_of_scores_too(inside, rerank) -> None:
    shelf = Shelf()

    found = [_ranked(rerank(inside.settings("dashscope"), shelf)) for _ in range(2)]

    assert found[0] == found[1]
    assert 1 == len(inside.emulator.ledger)


@every_reranker
@pytest.mark.parametrize("cache", [object(), "scores.sqlite", [], 7])
def test_what_is_no_cache_is_refused_by_rerankers(inside, rerank, cache) -> None:
    with pytest.raises(ConfigError, match="cache must be a mapping of str to bytes"):
        rerank(inside.settings("dashscope"), cache)


def test_a_cache_that_fails_is_not_asked_again_at_once(inside) -> None:
    """One that takes a minute to fail would take a minute for each of a million rows."""
    cache = Broken(TimeoutError(), TimeoutError())
    client = inside.client(TEXT, dimensions=D, cache=cache, max_concurrency=1)

    client.embed([f"text {number}" for number in range(100)])

    assert 2 == cache.calls


def test_one_that_cannot_be_written_is_still_read(inside) -> None:
    cache: dict[str, bytes] = {}
    inside.client(TEXT, dimensions=D, cache=cache).embed(["known"])

    class Full(dict[str, bytes]):
        def update(self, *args: Any, **kwargs: Any) -> None:
            raise OSError(28, "No space left on device")

    client = inside.client(TEXT, dimensions=D, cache=Full(cache))
    for text in ("new", "known", "known"):
        client.embed([text])

    assert ["known", "new"] == inside.emulator.ledger.texts


BAD_ROWS: dict[str, Any] = {
    "another length": np.ones(D - 1, "<f4").tobytes(),
    "half a number": np.ones(D, "<f4").tobytes()[:-2],
    "nothing": b"",
    "zeros": bytes(4 * D),
    "not a number": np.full(D, np.nan, "<f4").tobytes(),
    "infinite": np.full(D, np.inf, "<f4").tobytes(),
    "a signalling NaN": np.full(D, 0x7F800001, "<u4").tobytes(),
    "text": "x" * 4 * D,
    "a list": [0.5] * D,
}


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_cached_row_that_no_reply_could_hold_is_asked_for_again(inside, caplog, bad, call) -> None:
    cache: dict[str, Any] = {}
    expected = inside.client(TEXT, dimensions=D, cache=cache).embed(TEXTS).vectors
    spoilt = sorted(cache)[:2]
    cache.update(dict.fromkeys(spoilt, bad))
    client = inside.client(TEXT, dimensions=D, cache=cache)

    with caplog.at_level(logging.WARNING, logger="volc_dashscope"):
        result = call(client)

    assert np.array_equal(expected, getattr(result, "vectors", result))
    assert 27 == len(inside.emulator.ledger.texts)
    assert {4 * D} == {len(value) for value in cache.values()}
    assert ["the cache contains entries that are not valid rows of this model"] == [
        record.getMessage().partition(";")[0] for record in caplog.records
    ]


class Shelf:
    """No `MutableMapping`, but as good as one; diskcache's is such."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.held.get(key)

    def __setitem__(self, key: str, value: bytes) -> None:
        self.held[key] = value


def test_what_gets_and_sets_is_a_cache(inside) -> None:
    client = inside.client(TEXT, dimensions=D, cache=Shelf())

    for _ in range(2):
        client.embed(["once"])

    assert ["once"] == inside.emulator.ledger.texts


@pytest.mark.parametrize("cache", [object(), "vectors.sqlite", [], 7, lambda key: None])
def test_what_is_no_cache_is_refused_before_anything_is_sent(inside, cache) -> None:
    with pytest.raises(ConfigError, match="cache must be a mapping of str to bytes"):
        inside.client(TEXT, cache=cache)


FULL_DISK = """
import resource, sys
from volc_dashscope import Client
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.emulator import Emulator
cache = SQLiteCache(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
client = Client("text-embedding-v4", api_key="k", cache=cache, http_client=Emulator().http_client())
result = client.embed([f"text {number}" for number in range(200)])
assert result.vectors.shape == (200, 1024), result.vectors.shape
assert client.usage.requests == 20, client.usage
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files here")
def test_a_file_that_may_not_grow_costs_no_row(tmp_path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "vectors.sqlite")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (0, 1) == (done.returncode, done.stderr.count("the cache cannot be written")), done.stderr


def test_a_pickled_cache_whose_file_is_damaged_fails_where_it_is_used(tmp_path) -> None:
    """As it comes to another process: Ray's actors, spawned workers."""
    packed = pickle.dumps(SQLiteCache(tmp_path / "vectors.sqlite"))
    for file in tmp_path.iterdir():
        file.write_bytes(b"no database" * 999)

    cache = pickle.loads(packed)

    with pytest.raises(ConfigError, match=r"vectors\.sqlite"):
        cache.get("key")


@pytest.mark.parametrize("make", [_damaged, _full], ids=["damaged", "full"])
def test_a_failing_file_is_named_in_an_error_of_ours(tmp_path, make) -> None:
    cache = make(tmp_path)

    with pytest.raises(ConfigError, match=r"\.sqlite'"):
        cache.set_many({f"key {number}": bytes(4000) for number in range(500)})


class Awaited(dict[str, bytes]):
    """A cache of an asynchronous library."""

    async def get(self, key: str, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        return default


class AwaitedMany:
    """The same of one that takes many keys at once."""

    async def get_many(self, keys: list[str]) -> dict[str, bytes]:
        return {}

    async def set_many(self, entries: dict[str, bytes]) -> None:
        pass


@pytest.mark.parametrize("cache", [Awaited(), AwaitedMany()], ids=["mapping", "many"])
def test_an_asynchronous_cache_is_refused_before_anything_is_sent(inside, cache) -> None:
    with pytest.raises(ConfigError, match=r"must be synchronous, but \w+\.get"):
        inside.client(TEXT, cache=cache)
    with pytest.raises(ConfigError, match=r"must be synchronous, but \w+\.get"):
        Reranker("qwen3-rerank", **inside.settings("dashscope"), cache=cache)
