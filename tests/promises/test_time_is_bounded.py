"""`deadline` bounds a call on every path, and what cannot be reached fails within seconds, with host and cause."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time

import pytest
from at_once import AtOnce
from bounded import alarm
from hanging import HANGS, HEAD, PHASES, Place, drip, held, noise, server
from promise import ARK, TEXT, Breakage, texts

from benchmarks.times_to_error import black_hole, free_port
from volc_dashscope import (
    AsyncClient,
    BulkError,
    Client,
    ConfigError,
    EmbeddingError,
    Image,
    TransportError,
)

BREAKAGES = [
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "_GRACE_SECONDS = 0.1",
        "_GRACE_SECONDS = 1e6",
        "test_a_name_that_does_not_resolve_in_time_is_given_up",
    ),
    Breakage(
        "volc_dashscope/_request/workers.py",
        "if worker.step.due <= time.monotonic() and (ended",
        "if worker.step.due <= 0.0 and (ended",
        "test_the_deadline_ends_a_call_whatever_the_server_does",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "_end_at(scope, transport, step.within)",
        "_end_at(scope, transport, math.inf)",
        "test_the_deadline_ends_a_call_whatever_the_server_does",
    ),
    Breakage(
        "volc_dashscope/_http/request_builder.py",
        "extensions = _timeouts(min(self._timeout, max(left, 0.001)), min(read, max(left, 0.001)))",
        "extensions = _timeouts(self._timeout, read)",
        "test_no_thread_is_left_behind_by_a_black_hole",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        "Send(request, max(0.0, context.retry.deadline - elapsed), halted)",
        "Send(request, 1e6, halted)",
        "test_the_deadline_bounds_a_connection_that_is_never_made",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "hopeless = attempt >= most or elapsed >= _FIRST_SECONDS",
        "hopeless = False",
        "test_a_black_hole_is_named_without_a_deadline_of_ones_own",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        "max(0.0, context.retry.deadline - elapsed)",
        "context.retry.deadline + 1e6",
        "test_the_deadline_bounds_an_upload_that_nobody_reads",
    ),
    Breakage(
        "volc_dashscope/_http/request_builder.py",
        "httpx.Timeout(seconds, connect=min(seconds, _MAX_CONNECT_SECONDS), read=read)",
        "httpx.Timeout(None, connect=min(seconds, _MAX_CONNECT_SECONDS), read=read)",
        "test_an_upload_that_nobody_reads_is_silence",
    ),
    Breakage(
        "volc_dashscope/_request/workers.py",
        "        self._workers.remove(worker)\n        self._add_worker(0.0)",
        "        self._workers.remove(worker)",
        "test_the_others_of_a_call_are_embedded_beside_one_that_hangs",
    ),
    Breakage(
        "volc_dashscope/_http/request_builder.py",
        "read = self._timeout + min(len(request.body), _SEND_BUFFER_BYTES) // CHUNK_BYTES / _SECONDS_PER_CHUNK",
        "read = self._timeout",
        "test_a_slow_line_is_not_cut_by_the_timeout",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "hopeless = attempt >= most or elapsed >= _FIRST_SECONDS",
        "hopeless = False",
        "test_nobody_there_is_said_within_seconds",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        "                error.account = True",
        "                error.account = False",
        "test_nobody_there_is_said_within_seconds",
    ),
    Breakage(
        "volc_dashscope/_http/pool.py",
        "        self._calls.close()\n",
        "",
        "test_closing_a_client_ends_its_calls",
    ),
    Breakage(
        "volc_dashscope/_http/pool.py",
        "            transport.calls.close()\n",
        "",
        "test_closing_a_client_ends_its_calls",
    ),
    Breakage(
        "volc_dashscope/_http/pool.py",
        "self._end(self._calls.pop())",
        "self._calls.pop()",
        "test_closing_a_client_ends_a_call_that_waits_for_a_limiter",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        '    if isinstance(reply, Fault) and reply.kind == "upload" and attempt >= _MAX_UPLOADS:',
        "    if False:",
        "test_a_large_body_that_is_refused_is_not_sent_again_and_again",
    ),
    Breakage(
        "volc_dashscope/_http/transport.py",
        "        self._pool.forget(transport)\n        transport.close()",
        "        self._pool.release(transport)",
        "test_an_attempt_does_not_wait_for_a_connection_whose_tunnel_failed",
    ),
    Breakage(
        "volc_dashscope/_http/transport.py",
        "        self._pool.forget(transport)\n        await transport.aclose()",
        "        self._pool.release(transport)",
        "test_an_attempt_does_not_wait_for_a_connection_whose_tunnel_failed",
    ),
]
KINDS = ("sync", "async")
both_kinds = pytest.mark.parametrize("kind", KINDS)


def _embed(kind: str, items: list[object], *, model: str = TEXT, **settings: object) -> object:
    settings = {"api_key": "k", **settings}
    if kind == "sync":
        with Client(model, **settings) as client:
            return client.embed(items)

    async def awaited() -> object:
        async with AsyncClient(model, **settings) as client:
            return await client.embed(items)

    return asyncio.run(awaited())


def _ended_by_deadline(kind: str, hang: str, number: int) -> float:
    began = time.monotonic()
    with (
        server(HANGS[hang]) as url,
        pytest.raises((TransportError, BulkError), match=r"no complete reply from 127.0.0.1:\d+"),
    ):
        _embed(kind, texts(number), base_url=url, timeout=0.5, deadline=1.0)
    return time.monotonic() - began


ended_by_deadline = AtOnce(_ended_by_deadline, itertools.product(KINDS, HANGS, (1, 15)))


@both_kinds
@pytest.mark.parametrize("hang", HANGS)
@pytest.mark.parametrize("number", [1, 15], ids=["one item", "two requests"])
def test_the_deadline_ends_a_call_whatever_the_server_does(measured, kind, hang, number) -> None:
    took = ended_by_deadline(kind, hang, number)

    measured(f"{took:.1f} s")
    assert took < 2.5


@both_kinds
def test_a_name_that_does_not_resolve_in_time_is_given_up(kind, monkeypatch) -> None:
    """The resolver of the system is at the edge: nothing of ours is replaced."""
    over = threading.Event()

    def stalled(*arguments: object, **options: object) -> list[object]:
        over.wait(3)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", stalled)
    took = []

    async def awaited() -> None:
        client = AsyncClient(TEXT, api_key="k", base_url="https://example.invalid", deadline=0.6)
        began = time.monotonic()
        try:
            await client.embed(["a"])
        finally:
            took.append(time.monotonic() - began)
            over.set()  # `asyncio.run` itself waits for the resolver's thread

    def waited() -> None:
        client = Client(TEXT, api_key="k", base_url="https://example.invalid", deadline=0.6)
        began = time.monotonic()
        try:
            client.embed(["a"])
        finally:
            took.append(time.monotonic() - began)
            over.set()

    with pytest.raises(TransportError, match=r"example\.invalid"):
        waited() if kind == "sync" else asyncio.run(awaited())

    assert took[0] < 2.0


def _never_connected(kind: str, number: int, timeout: float) -> float:
    began = time.monotonic()
    with black_hole() as url, pytest.raises((TransportError, BulkError), match=r"127.0.0.1:\d+"):
        _embed(kind, texts(number), base_url=url, timeout=timeout, deadline=1.0)
    return time.monotonic() - began


never_connected = AtOnce(_never_connected, itertools.product(KINDS, (1, 15), (0.4, 60.0)))


@both_kinds
@pytest.mark.parametrize("number", [1, 15], ids=["one item", "two requests"])
@pytest.mark.parametrize("timeout", [0.4, 60.0], ids=["short timeout", "long timeout"])
def test_the_deadline_bounds_a_connection_that_is_never_made(measured, kind, number, timeout) -> None:
    took = never_connected(kind, number, timeout)

    measured(f"{took:.1f} s")
    assert took < 2.5


def _named_black_hole(kind: str) -> float:
    began = time.monotonic()
    words = r"cannot connect to 127.0.0.1:\d+ \(timed out\); run volc-dashscope doctor"
    with black_hole() as url, pytest.raises(BulkError, match=words) as caught:
        _embed(kind, texts(100), base_url=url, timeout=2.0)
    assert caught.value.__cause__.__cause__ is not None
    return time.monotonic() - began


named_black_hole = AtOnce(_named_black_hole, [(kind,) for kind in KINDS])


@both_kinds
def test_a_black_hole_is_named_without_a_deadline_of_ones_own(measured, kind) -> None:
    took = named_black_hole(kind)

    measured(f"{took:.1f} s")
    assert took < 12.0


@both_kinds
def test_the_deadline_bounds_an_upload_that_nobody_reads(measured, kind) -> None:
    """Eight megabytes are more than the system buffers, so the sending itself waits."""
    picture = Image.from_bytes(noise(6_000_000))
    began = time.monotonic()
    words = r"no complete reply from 127.0.0.1:\d+ within the deadline of 1 s"
    with server(HANGS["silence"], buffer=4096) as url, pytest.raises(TransportError, match=words):
        _embed(kind, [picture], model=ARK, base_url=url, deadline=1.0)
    took = time.monotonic() - began

    measured(f"{took:.1f} s")
    assert took < 2.5


@both_kinds
def test_an_upload_that_nobody_reads_is_silence(measured, kind) -> None:
    picture = Image.from_bytes(noise(6_000_000))
    began = time.monotonic()
    with server(HANGS["silence"], buffer=4096) as url, pytest.raises(TransportError, match="timed out"):
        _embed(kind, [picture], model=ARK, base_url=url, timeout=0.5, max_retries=0)
    took = time.monotonic() - began

    measured(f"{took:.1f} s")
    assert took < 2.5


@pytest.mark.parametrize("where", ["connecting", "sending"])
def test_no_thread_is_left_behind_by_a_black_hole(workers, where) -> None:
    """The worker that was given up ends at the deadline too, and not with its timeout a minute later."""
    place = black_hole() if where == "connecting" else server(HANGS["silence"], buffer=4096)
    with place as url:
        with pytest.raises(TransportError):
            _embed("sync", [Image.from_bytes(noise(6_000_000))], model=ARK, base_url=url, deadline=0.5)
        until = time.monotonic() + 3
        while workers() and time.monotonic() < until:
            time.sleep(0.02)

        assert [] == workers()


@both_kinds
@pytest.mark.parametrize("cached", [False, True], ids=["no cache", "a cache"])
def test_the_others_of_a_call_are_embedded_beside_one_that_hangs(kind, cached) -> None:
    first = threading.Lock()

    def serve(connection: socket.socket, over: threading.Event) -> None:
        if first.acquire(blocking=False):
            return drip(connection, HEAD, b"x", over)
        while connection.recv(65536):
            body = b", ".join(
                b'{"text_index": %d, "embedding": [%b]}' % (at, b", ".join([b"1.0"] * 64)) for at in range(10)
            )
            whole = b'{"output": {"embeddings": [%b]}, "usage": {"total_tokens": 1}}' % body
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(whole), whole))
        return None

    settings: dict[str, object] = {"cache": {}} if cached else {}
    # With a cache, the second request is in the queue while the first one hangs, and nobody asks for a third.
    with alarm(20), server(serve) as url, pytest.raises(BulkError) as caught:
        _embed(
            kind,
            texts(20),
            base_url=url,
            dimensions=64,
            deadline=1.0,
            timeout=5.0,
            max_concurrency=1,
            **settings,
        )

    assert (10, 20) == (len(caught.value.failures), len(caught.value.result.vectors))


@both_kinds
def test_a_slow_line_is_not_cut_by_the_timeout(kind) -> None:
    """It takes two seconds to leave, and is never silent for as long as the timeout."""
    picture = Image.from_bytes(noise(2_000_000))

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        read = connection.recv(65536)
        size = int(read.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        left = size - len(read.partition(b"\r\n\r\n")[2])
        while left > 0 and (piece := connection.recv(32768)):
            left -= len(piece)
            time.sleep(0.02)
        body = (
            b'{"object": "list", "data": {"object": "embedding", "embedding": [%b]}, "usage": {}, "id": "i"}'
            % (b", ".join([b"1.0"] * 2048))
        )
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    with server(serve) as url:
        result = _embed(kind, [picture], model=ARK, base_url=url, timeout=0.4, deadline=30.0, max_retries=0)

    assert (1, 2048) == result.vectors.shape


def _said_by_nobody(kind: str, number: int) -> float:
    port = free_port()
    began = time.monotonic()
    words = rf"cannot connect to 127.0.0.1:{port} \(connection refused\); run volc-dashscope doctor"
    with pytest.raises(EmbeddingError, match=words) as caught:
        _embed(kind, texts(number), base_url=f"http://127.0.0.1:{port}")
    took = time.monotonic() - began

    assert caught.value.__cause__ is not None
    if isinstance(caught.value, BulkError):
        unsent = [error for error in caught.value.failures.values() if "was not sent because" in str(error)]
        assert number - 10 * 8 <= len(unsent)  # eight requests of ten texts are tried at once
    return took


said_by_nobody = AtOnce(_said_by_nobody, itertools.product(KINDS, (1, 16, 1000)))


@both_kinds
@pytest.mark.parametrize("number", [1, 16, 1000])
def test_nobody_there_is_said_within_seconds(measured, kind, number) -> None:
    took = said_by_nobody(kind, number)

    measured(f"{number} items: {took:.1f} s")
    assert took < 10.0


@both_kinds
def test_an_attempt_does_not_wait_for_a_connection_whose_tunnel_failed(kind, monkeypatch) -> None:
    """TLS fails behind a proxy's answer; the next attempt asks the proxy anew."""
    asked: list[bytes] = []

    def serve(connection: socket.socket, over: threading.Event) -> None:
        asked.append(connection.recv(65536).split(b"\r\n")[0])
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.recv(65536)

    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with server(serve) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        words = rf"cannot connect to the proxy {url.removeprefix('http://')} \(closed by the server\)"
        with pytest.raises(TransportError, match=words):
            _embed(kind, ["a"], base_url="https://example.test", timeout=3.0)

    assert [b"CONNECT example.test:443 HTTP/1.1"] * 3 == asked


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", ["sync", "sync stream", "async", "async stream", "async, from a thread"])
def test_closing_a_client_ends_its_calls(measured, kind, phase) -> None:
    """In every part of an exchange, from another thread or task."""
    ended: list[float] = []
    with held(phase) as place:
        items = eval(place.items, {"picture": Image.from_bytes(noise(6_000_000))})
        with pytest.raises(ConfigError, match="closed"):
            if kind.startswith("sync"):
                _closed_meanwhile(place, items, ended, streamed="stream" in kind)
            else:
                asyncio.run(_closed_by_a_task(place, items, ended, kind))
    took = time.monotonic() - ended[0]

    measured(f"{took:.2f} s")
    assert took < 2.0


def _closed_meanwhile(place: Place, items: list[object], ended: list[float], *, streamed: bool) -> None:
    client = Client(**place.settings)

    def close() -> None:
        place.await_call()
        ended.append(time.monotonic())
        client.close()

    threading.Thread(target=close, daemon=True).start()
    if streamed:
        list(client.stream(iter(items)))
    else:
        client.embed(items)


async def _closed_by_a_task(place: Place, items: list[object], ended: list[float], kind: str) -> None:
    outer = Client(**place.settings) if "thread" in kind else None
    client = AsyncClient(**place.settings) if outer is None else outer.aio

    async def close() -> None:
        await asyncio.to_thread(place.await_call)
        ended.append(time.monotonic())
        await (client.close() if outer is None else asyncio.to_thread(outer.close))

    closing = asyncio.create_task(close())
    try:
        async with asyncio.timeout(15):
            if "stream" in kind:
                [row async for row in client.stream(iter(items))]
            else:
                await client.embed(items)
    finally:
        await closing
        await client.close()


def test_closing_a_client_ends_a_call_that_waits_for_a_limiter() -> None:
    """A limiter of the user's own, whose thread nobody can wake."""

    class Slow:
        def acquire(self) -> None:
            waits.set()
            over.wait(10)

        async def aacquire(self) -> None:
            raise NotImplementedError

    waits, over = threading.Event(), threading.Event()
    client = Client(TEXT, api_key="k", base_url="http://127.0.0.1:9", limiter=Slow())
    threading.Thread(target=lambda: waits.wait(5) and client.close(), daemon=True).start()
    began = time.monotonic()
    try:
        with pytest.raises(ConfigError, match="closed"):
            client.embed(["a"])
        took = time.monotonic() - began
    finally:
        over.set()

    assert took < 5.0


@both_kinds
def test_a_large_body_that_is_refused_is_not_sent_again_and_again(kind) -> None:
    seen: list[int] = []

    def serve(connection: socket.socket, over: threading.Event) -> None:
        seen.append(len(connection.recv(65536)))

    picture = Image.from_bytes(noise(6_000_000))
    words = r"127.0.0.1:\d+ closed the connection while 8.\d MB were being sent.*a gateway may limit the size of requests"
    with server(serve) as url, pytest.raises(TransportError, match=words):
        _embed(kind, [picture], model=ARK, base_url=url)

    assert len(seen) <= 3
