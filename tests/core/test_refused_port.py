"""Where nobody listens, every way in says so within seconds, with host and cause, and after three attempts."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from at_once import AtOnce

from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding
from volc_dashscope import AsyncClient, Client, Image, TransportError
from volc_dashscope.bulk import embed_file
from volc_dashscope.jobs import BatchJobs
from volc_dashscope.ray import Embedder
from volc_dashscope.rerank import AsyncReranker, Reranker

TEXT, RERANK = "text-embedding-v4", "qwen3-rerank"
TEXTS = [f"text {number}" for number in range(40)]
LONGEST = 9.0  # three attempts, and half a second and a second between them; eight would take 30


@contextmanager
def _refused() -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Yield settings for a port on which nobody listens, and the attempts to connect to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        seen = _KNOCKS[
            port
        ] = []  # bound and not listening, so that no other test is given the port meanwhile
        yield {"api_key": "k", "base_url": f"http://127.0.0.1:{port}"}, seen
        del _KNOCKS[port]


@pytest.fixture
def knocks() -> Iterator[tuple[dict[str, Any], list[int]]]:
    with _refused() as port:
        yield port


_KNOCKS: dict[int, list[int]] = {}


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _KNOCKS and isinstance(arguments[1], tuple):
        port = arguments[1][1]
        if port in _KNOCKS:
            _KNOCKS[port].append(port)


sys.addaudithook(_hook)


async def _drained(client: AsyncClient) -> list[Any]:
    return [row async for row in client.stream(iter(TEXTS))]


def _file(reach: dict[str, Any], folder: Path) -> object:
    source = folder / "texts.txt"
    source.write_text("\n".join(TEXTS))
    return embed_file(source, folder / "out.parquet", model=Client(TEXT, **reach))


def _job(reach: dict[str, Any], folder: Path) -> object:
    jobs = BatchJobs(TEXT, **reach)
    jobs.write(TEXTS, folder / "job.jsonl")
    return jobs.submit(folder / "job.jsonl")


def _ray(reach: dict[str, Any], folder: Path) -> object:
    column = np.array(TEXTS, dtype=object)
    return Embedder(TEXT, **reach, text_column="text", stop_on_account_error=True)({"text": column})


CALLS: dict[str, Callable[[dict[str, Any], Path], object]] = {
    "Client.embed": lambda reach, _: Client(TEXT, **reach).embed(TEXTS),
    "Client.stream": lambda reach, _: list(Client(TEXT, **reach).stream(iter(TEXTS))),
    "Client, a picture": lambda reach, _: Client("qwen3-vl-embedding", **reach).embed(
        [Image.from_url("https://example.test/a.png")]
    ),
    "AsyncClient.embed": lambda reach, _: asyncio.run(AsyncClient(TEXT, **reach).embed(TEXTS)),
    "AsyncClient.stream": lambda reach, _: asyncio.run(_drained(AsyncClient(TEXT, **reach))),
    "LangChain documents": lambda reach, _: DashScopeEmbeddings(model=TEXT, **reach).embed_documents(TEXTS),
    "LangChain query": lambda reach, _: DashScopeEmbeddings(model=TEXT, **reach).embed_query("a"),
    "LangChain, awaited": lambda reach, _: asyncio.run(
        DashScopeEmbeddings(model=TEXT, **reach).aembed_documents(TEXTS)
    ),
    "LlamaIndex texts": lambda reach, _: DashScopeMultiModalEmbedding(
        model=TEXT, **reach
    ).get_text_embedding_batch(TEXTS),
    "LlamaIndex, awaited": lambda reach, _: asyncio.run(
        DashScopeMultiModalEmbedding(model=TEXT, **reach).aget_text_embedding_batch(TEXTS)
    ),
    "embed_file": _file,
    "jobs": _job,
    "Ray": _ray,
    "rerank": lambda reach, _: Reranker(RERANK, **reach).rerank("a", TEXTS),
    "rerank, awaited": lambda reach, _: asyncio.run(AsyncReranker(RERANK, **reach).rerank("a", TEXTS)),
}


def _refusal(call: str) -> tuple[BaseException, float, int]:
    """Return what a call raises, after how many seconds, and how often it tried to connect."""
    with _refused() as (reach, seen), TemporaryDirectory() as folder:
        began = time.monotonic()
        with pytest.raises(
            Exception, match=r"cannot connect to 127\.0\.0\.1:\d+ \(connection refused\)"
        ) as caught:
            CALLS[call](reach, Path(folder))
        return caught.value, time.monotonic() - began, len(seen)


refusal = AtOnce(_refusal, [(call,) for call in CALLS])


@pytest.mark.parametrize("call", CALLS)
def test_every_call_says_who_cannot_be_reached(call) -> None:
    error, took, attempts = refusal(call)

    assert type(error).__module__.startswith("volc_dashscope")
    assert error.__cause__ is not None
    assert took < LONGEST
    # Of the four or more requests of a call, those in flight try three times each, and nothing more is started.
    assert 3 <= attempts <= 3 * 8


@pytest.mark.parametrize("stops", [True, False], ids=["stopping", "going on"])
def test_batches_of_ray_do_not_wait_out_all_attempts_each(knocks, stops) -> None:
    reach, seen = knocks
    embedder = Embedder(TEXT, **reach, text_column="text", stop_on_account_error=stops, max_concurrency=1)
    counts = []
    for number in range(3):
        seen.clear()
        batch = {"text": np.array([f"text {number}"], dtype=object)}
        if stops:
            with pytest.raises(TransportError, match="cannot connect"):
                embedder(batch)
        else:
            assert "cannot connect to 127.0.0.1" in embedder(batch)["error"][0].as_py()
        counts.append(len(seen))

    assert [3, 1, 1] == counts


def test_an_explicit_number_of_retries_wins(knocks) -> None:
    reach, seen = knocks
    with pytest.raises(TransportError, match="cannot connect"):
        Client(TEXT, **reach, max_retries=1).embed(["a"])

    assert 2 == len(seen)


def test_a_name_that_does_not_exist_is_said_within_seconds(monkeypatch) -> None:
    def unknown(*arguments: object, **options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    began = time.monotonic()
    with pytest.raises(
        TransportError, match=r"cannot connect to embeddings\.invalid \(name or service not known\)"
    ):
        Client(TEXT, api_key="k", base_url="https://embeddings.invalid").embed(["a"])

    assert time.monotonic() - began < LONGEST


def test_after_a_first_success_consecutive_failures_end_the_call(emulate) -> None:
    """All retries are used, by the requests in flight; what has not begun is not sent."""
    mount = emulate(socket=True)
    with mount.client(TEXT, max_concurrency=2, max_retries=1) as client:
        client.embed(["a"])
        mount.emulator.stop()
        threading.Event().wait(0.1)
        with pytest.raises(Exception, match=r"cannot connect to 127\.0\.0\.1:\d+") as caught:
            client.embed([f"text {number}" for number in range(500)])

    assert 500 == len(caught.value.failures)
    assert any("was not sent because" in str(error) for error in caught.value.failures.values())
