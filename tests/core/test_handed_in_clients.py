"""Clients of httpx's API that a user hands in, and vcrpy around the client's own connections."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import numpy as np
import pytest
import trustme
import vcr
from at_once import AtOnce
from httpx_aiohttp import AiohttpTransport
from langchain_core.documents import Document
from llama_index.core.schema import TextNode
from mounts import Mount
from tcp_server import tcp_server

import langchain_volc_dashscope
from langchain_volc_dashscope import ArkEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, ArkSparseEmbedding, MultiModalNodeEmbedder
from volc_dashscope import AsyncClient, AsyncReranker, AuthError, Client, ConfigError, TransportError
from volc_dashscope.emulator import Emulator
from volc_dashscope.jobs import AsyncFileJobs

ARK = "doubao-embedding-vision-251215"
PICTURE = "https://example.com/a.png"
TEXTS = [f"text number {number}" for number in range(12)]

SYNC: dict[str, Any] = {"httpx": httpx.Client, "httpx2": httpx2.Client}
ASYNC: dict[str, Any] = {
    "httpx": httpx.AsyncClient,
    "httpx-aiohttp": lambda **settings: httpx.AsyncClient(transport=AiohttpTransport(), **settings),
    "httpx2": httpx2.AsyncClient,
}
WAYS = [*(("sync", name) for name in SYNC), *(("async", name) for name in ASYNC)]
each_client = pytest.mark.parametrize(("kind", "name"), WAYS, ids=lambda value: value)


def _embed(mount: Any, kind: str, name: str, items: list[str] = TEXTS, **settings: Any) -> Any:
    timeout, hooks = settings.pop("silence", 30.0), {"response": settings.pop("hooks", [])}

    async def awaited() -> Any:
        async with ASYNC[name](timeout=timeout, event_hooks=hooks) as own:
            client = mount.async_client(ARK, http_async_client=own, **settings)
            return await client.embed(items)

    if kind == "async":
        return asyncio.run(awaited())
    with SYNC[name](timeout=timeout, event_hooks=hooks) as own:
        return mount.client(ARK, http_client=own, **settings).embed(items)


@each_client
def test_the_service_sees_the_same_request_and_the_caller_the_same_rows(emulate, kind, name) -> None:
    ours, theirs = emulate(socket=True), emulate(socket=True)
    with ours.client(ARK, max_concurrency=1) as client:
        rows = client.embed(TEXTS).vectors

    found = _embed(theirs, kind, name, max_concurrency=1).vectors

    assert np.array_equal(rows, found)
    assert [entry.body for entry in ours.emulator.ledger] == [entry.body for entry in theirs.emulator.ledger]
    assert {entry.headers["authorization"] for entry in ours.emulator.ledger} == {
        entry.headers["authorization"] for entry in theirs.emulator.ledger
    }


def _rows_despite_faults(kind: str, name: str) -> Any:
    with Emulator() as emulator:
        emulator.fail("429", "500", "reset", "truncated", "502", "reset_body", "503", "429")
        return _embed(Mount(emulator, socket=True), kind, name).vectors


rows_despite_faults = AtOnce(_rows_despite_faults, WAYS)


@each_client
def test_faults_of_the_service_and_of_the_line_cost_no_item(kind, name) -> None:
    rows = rows_despite_faults(kind, name)

    assert len(TEXTS) == len(rows)
    assert np.isfinite(rows).all()


@each_client
def test_its_errors_are_understood(emulate, kind, name) -> None:
    slow = emulate(socket=True, latency=3)

    with pytest.raises(TransportError, match="timed out"):
        _embed(slow, kind, name, TEXTS[:1], silence=0.3, max_retries=0)
    with pytest.raises(TransportError, match=r"cannot connect to 127\.0\.0\.1:9"):
        _embed(slow, kind, name, TEXTS[:1], base_url="http://127.0.0.1:9", max_retries=0)


@contextmanager
def _answering(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield the place of a server that says one thing, over TLS if there is a context."""

    def serve(connection: socket.socket, _: threading.Event) -> None:
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        connection.recv(65536)
        connection.sendall(answer)

    with tcp_server(serve) as port:
        yield f"127.0.0.1:{port}"


@each_client
def test_what_keeps_it_from_a_service_is_named_as_for_our_own(inside, kind, name) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with _answering(b"", context) as place, pytest.raises(TransportError, match="is not trusted") as caught:
        _embed(inside, kind, name, TEXTS[:1], base_url=f"https://{place}")
    with (
        _answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as plain,
        pytest.raises(TransportError, match="TLS handshake"),
    ):
        _embed(inside, kind, name, TEXTS[:1], base_url=f"https://{plain}")
    with pytest.raises(TransportError, match=r"embeddings\.invalid \((name or service|temporary failure)"):
        _embed(inside, kind, name, TEXTS[:1], base_url="https://embeddings.invalid", max_retries=0)
    with _answering(b"SSH-2.0-x\r\n\r\n") as other, pytest.raises(TransportError, match="check the scheme"):
        _embed(inside, kind, name, TEXTS[:1], base_url=f"http://{other}", max_retries=0)

    assert caught.value.account


def _refuses(kind: str, *, reads: bool) -> Callable[[Any], Any]:
    """Return a common hook: `raise_for_status`, with or without the body."""

    def hook(response: Any) -> None:
        if reads and response.is_error:
            response.read()
        response.raise_for_status()

    async def awaited(response: Any) -> None:
        if reads and response.is_error:
            await response.aread()
        response.raise_for_status()

    return awaited if kind == "async" else hook


def _rows_and_requests_despite_hook(reads: bool, kind: str, name: str) -> tuple[Any, int]:
    hooks = [_refuses(kind, reads=reads)]
    with Emulator() as emulator:
        mount = Mount(emulator, socket=True)
        emulator.fail("401")
        with pytest.raises(AuthError, match="401"):
            _embed(mount, kind, name, TEXTS[:1], hooks=hooks)
        emulator.fail("429", "503")
        return _embed(mount, kind, name, hooks=hooks).vectors, len(emulator.ledger)


rows_and_requests_despite_hook = AtOnce(
    _rows_and_requests_despite_hook, [(reads, *way) for reads in (True, False) for way in WAYS]
)


@pytest.mark.parametrize("reads", [True, False], ids=["with the body", "without it"])
@each_client
def test_a_hook_that_raises_for_a_status_does_not_hide_it(kind, name, reads) -> None:
    rows, requests = rows_and_requests_despite_hook(reads, kind, name)

    assert np.isfinite(rows).all()
    assert 3 + len(TEXTS) == requests


@each_client
def test_the_deadline_bounds_it_too(emulate, kind, name) -> None:
    slow = emulate(socket=True, latency=3)

    with pytest.raises(TransportError, match=r"within the deadline of 0\.5 s"):
        _embed(slow, kind, name, TEXTS[:1], deadline=0.5)


@each_client
def test_a_closed_one_is_named(emulate, kind, name) -> None:
    mount = emulate(socket=True)
    if kind == "sync":
        own = SYNC[name]()
        own.close()
        client = mount.client(ARK, http_client=own)
        with pytest.raises(ConfigError, match="passed in is closed"):
            client.embed(TEXTS)
        return

    async def closed() -> None:
        own = ASYNC[name]()
        await own.aclose()
        await mount.async_client(ARK, http_async_client=own).embed(TEXTS)

    with pytest.raises(ConfigError, match="passed in is closed"):
        asyncio.run(closed())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"http_client": object()}, "http_client must be a client like httpx.Client, got object"),
        ({"http_client": httpx.AsyncClient()}, "got an asynchronous AsyncClient"),
        ({"http_async_client": httpx2.Client()}, "got a synchronous Client"),
        (
            {"http_async_client": "aiohttp"},
            "http_async_client must be a client like httpx.AsyncClient, got str",
        ),
    ],
    ids=["no client", "async for sync", "sync for async", "a name"],
)
def test_what_is_no_client_is_refused(settings, words) -> None:
    with pytest.raises(ConfigError, match=words):
        Client(ARK, api_key="k", **settings)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_vcrpy_records_and_replays_the_default_client(emulate, tmp_path: Path, kind) -> None:
    mount = emulate(socket=True)
    settings = mount.settings("ark")

    async def awaited() -> Any:
        async with AsyncClient(ARK, **settings) as client:
            return (await client.embed(TEXTS)).vectors

    def rows() -> Any:
        if kind == "async":
            return asyncio.run(awaited())
        with Client(ARK, **settings) as client:
            return client.embed(TEXTS).vectors

    tape = vcr.VCR(match_on=["method", "uri", "body"], filter_headers=["authorization"])
    with tape.use_cassette(str(tmp_path / "tape.yaml"), record_mode="once"):
        recorded = rows()
    asked = len(mount.emulator.ledger)
    with tape.use_cassette(str(tmp_path / "tape.yaml"), record_mode="none") as cassette:
        replayed = rows()

    assert np.array_equal(recorded, replayed)
    assert (asked, len(TEXTS)) == (len(mount.emulator.ledger), cassette.play_count)


async def _streamed() -> list[object]:
    return [pair async for pair in AsyncClient(ARK, api_key="k").stream(["a"])]


COROUTINES: dict[str, Callable[[], Any]] = {
    "embed": lambda: AsyncClient(ARK, api_key="k").embed(["a"]),
    "stream": _streamed,
    "close": lambda: AsyncClient(ARK, api_key="k").close(),
    "rerank": lambda: AsyncReranker("qwen3-rerank", api_key="k").rerank("a", ["b"]),
    "file jobs": lambda: AsyncFileJobs(api_key="k").submit("https://e.com/a.txt"),
    "langchain": lambda: ArkEmbeddings(api_key="k").aembed_documents(["a"]),
    "langchain query": lambda: ArkEmbeddings(api_key="k").aembed_query("a"),
    "langchain rerank": lambda: langchain_volc_dashscope.DashScopeRerank(
        model="qwen3-rerank", api_key="k"
    ).acompress_documents([Document("a")], "b"),
    "llama index": lambda: ArkMultiModalEmbedding(api_key="k").aget_text_embedding_batch(["a"]),
    "llama index query": lambda: ArkMultiModalEmbedding(api_key="k").aget_query_embedding("a"),
    "llama index queries": lambda: ArkMultiModalEmbedding(api_key="k").aget_agg_embedding_from_queries(["a"]),
    "llama index images": lambda: ArkMultiModalEmbedding(api_key="k").aget_image_embedding_batch([PICTURE]),
    "llama index sparse": lambda: ArkSparseEmbedding(api_key="k").aget_text_embedding_batch(["a"]),
    "llama index nodes": lambda: MultiModalNodeEmbedder(
        embed_model=ArkMultiModalEmbedding(api_key="k")
    ).acall([TextNode(text="a")]),
}


@pytest.mark.parametrize("make", COROUTINES.values(), ids=COROUTINES)
def test_an_event_loop_that_is_not_asyncios_is_named(make) -> None:
    """As under trio, where a coroutine of ours runs and asyncio knows of no loop."""
    coroutine = make()

    with pytest.raises(
        ConfigError, match=r"AsyncClient needs an asyncio event loop \(uvloop included\); under trio"
    ):
        coroutine.send(None)


HOSTS = [f"https://{'a' * 64}.example", "https://a..b", f"https://{'.'.join(['abcdefgh'] * 30)}"]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("url", HOSTS, ids=["a long label", "an empty label", "a long name"])
def test_a_host_that_is_not_possible_is_refused(url, kind) -> None:
    def embed() -> object:
        if kind == "sync":
            return Client(ARK, api_key="k", base_url=url).embed(["a"])
        return asyncio.run(AsyncClient(ARK, api_key="k", base_url=url).embed(["a"]))

    with pytest.raises(ConfigError, match="base_url"):
        embed()
