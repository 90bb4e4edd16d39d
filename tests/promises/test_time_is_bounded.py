"""`deadline` bounds a call on every path, and what cannot be reached fails within seconds, with host and cause."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
from promise import ARK, TEXT, Breakage, texts

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
        "_GRACE = 0.1",
        "_GRACE = 1e6",
        "test_a_name_that_does_not_resolve_in_time_is_given_up",
    ),
    Breakage(
        "volc_dashscope/_request/workers.py",
        "if worker.watch.due <= time.monotonic() and (ended",
        "if worker.watch.due <= 0.0 and (ended",
        "test_the_deadline_ends_a_call_whatever_the_server_does",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "async with asyncio.timeout(None if step.within == math.inf else step.within) as scope:",
        "async with asyncio.timeout(None) as scope:",
        "test_the_deadline_ends_a_call_whatever_the_server_does",
    ),
    Breakage(
        "volc_dashscope/_http/request_builder.py",
        "extensions = _timeouts(min(self._longest, max(left, 0.001)), min(read, max(left, 0.001)))",
        "extensions = _timeouts(self._longest, read)",
        "test_no_thread_is_left_behind_by_a_black_hole",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        "Send(request, max(0.0, terms.retry.deadline - elapsed))",
        "Send(request, 1e6)",
        "test_the_deadline_bounds_a_connection_that_is_never_made",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "hopeless = attempt >= _FIRST_CONNECTS or elapsed >= _FIRST_SECONDS",
        "hopeless = False",
        "test_a_black_hole_is_named_without_a_deadline_of_ones_own",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        "max(0.0, terms.retry.deadline - elapsed)",
        "terms.retry.deadline + 1e6",
        "test_the_deadline_bounds_an_upload_that_nobody_reads",
    ),
    Breakage(
        "volc_dashscope/_http/request_builder.py",
        "httpx.Timeout(seconds, connect=min(seconds, _LONGEST_CONNECT), read=read)",
        "httpx.Timeout(None, connect=min(seconds, _LONGEST_CONNECT), read=read)",
        "test_an_upload_that_nobody_reads_is_silence",
    ),
    Breakage(
        "volc_dashscope/_request/workers.py",
        "        self._workers.remove(worker)\n        self._hire(0.0)",
        "        self._workers.remove(worker)",
        "test_the_others_of_a_call_are_embedded_beside_one_that_hangs",
    ),
    Breakage(
        "volc_dashscope/_http/request_builder.py",
        "read = self._longest + min(len(request.body), _SYSTEM_BUFFER) // PIECE / _SLOW_LINE",
        "read = self._longest",
        "test_a_slow_line_is_not_cut_by_the_timeout",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "hopeless = attempt >= _FIRST_CONNECTS or elapsed >= _FIRST_SECONDS",
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
        "            watch.due = -math.inf",
        "            watch.due = math.inf",
        "test_closing_a_client_ends_the_call_of_another_thread",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        '    if fault.kind == "upload" and attempt >= _MOST_UPLOADS:',
        "    if False:",
        "test_a_large_body_that_is_refused_is_not_sent_again_and_again",
    ),
]
both_kinds = pytest.mark.parametrize("kind", ["sync", "async"])
VECTOR = b'{"output": {"embeddings": [{"text_index": 0, "embedding": [%s]}]}, "usage": {"total_tokens": 1}}'
GOOD = VECTOR % b", ".join([b"1.0"] * 64)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(GOOD), GOOD)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def _drip(connection: socket.socket, first: bytes, piece: bytes, over: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(first)
    while not over.wait(0.2):
        connection.sendall(piece)


HANGS: dict[str, Callable[[socket.socket, threading.Event], None]] = {
    "a head, byte by byte": lambda it, over: _drip(it, HEAD + b"x-long: ", b"a", over),
    "a body, byte by byte": lambda it, over: _drip(it, HEAD + b"content-length: 9999\r\n\r\n", b" ", over),
    "announcements only": lambda it, over: _drip(it, b"", b"HTTP/1.1 102 Processing\r\n\r\n", over),
    "silence": lambda it, over: over.wait(30) and None,
}


@contextmanager
def _server(
    serve: Callable[[socket.socket, threading.Event], object], *, room: int | None = None
) -> Iterator[str]:
    """Answer each connection in a thread of its own, until the test is over; `room` is the receive buffer."""
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection, over)

    def listen() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        if room is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)  # its connections inherit it
        threading.Thread(target=listen, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()


def _embed(kind: str, items: list[object], *, model: str = TEXT, **settings: object) -> object:
    settings = {"api_key": "k", **settings}
    if kind == "sync":
        with Client(model, **settings) as client:
            return client.embed(items)

    async def awaited() -> object:
        async with AsyncClient(model, **settings) as client:
            return await client.embed(items)

    return asyncio.run(awaited())


@both_kinds
@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
@pytest.mark.parametrize("number", [1, 15], ids=["one item", "two requests"])
def test_the_deadline_ends_a_call_whatever_the_server_does(measured, kind, hang, number) -> None:
    began = time.monotonic()
    with (
        _server(hang) as url,
        pytest.raises((TransportError, BulkError), match=r"no complete reply from 127.0.0.1:\d+"),
    ):
        _embed(kind, texts(number), base_url=url, timeout=0.5, deadline=1.0)
    took = time.monotonic() - began

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


@contextmanager
def _black_hole() -> Iterator[str]:
    """A port whose queue of connections is full: the system drops whoever else knocks, as a firewall does."""
    with closing(socket.socket()) as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            knock = waiting.enter_context(closing(socket.socket()))
            knock.setblocking(False)
            knock.connect_ex(listener.getsockname())
        time.sleep(0.05)  # until the system has answered those it has room for
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@both_kinds
@pytest.mark.parametrize("number", [1, 15], ids=["one item", "two requests"])
@pytest.mark.parametrize("timeout", [0.4, 60.0], ids=["short timeout", "long timeout"])
def test_the_deadline_bounds_a_connection_that_is_never_made(measured, kind, number, timeout) -> None:
    began = time.monotonic()
    with _black_hole() as url, pytest.raises((TransportError, BulkError), match=r"127.0.0.1:\d+"):
        _embed(kind, texts(number), base_url=url, timeout=timeout, deadline=1.0)
    took = time.monotonic() - began

    measured(f"{took:.1f} s")
    assert took < 2.5


@both_kinds
def test_a_black_hole_is_named_without_a_deadline_of_ones_own(measured, kind) -> None:
    began = time.monotonic()
    words = r"cannot connect to 127.0.0.1:\d+ \(timed out\); run volc-dashscope doctor"
    with _black_hole() as url, pytest.raises(BulkError, match=words) as caught:
        _embed(kind, texts(100), base_url=url, timeout=2.0)
    took = time.monotonic() - began

    measured(f"{took:.1f} s")
    assert took < 12.0
    assert caught.value.__cause__.__cause__ is not None


@both_kinds
def test_the_deadline_bounds_an_upload_that_nobody_reads(measured, kind) -> None:
    """Eight megabytes are more than the system buffers, so the sending itself waits."""
    picture = Image.from_bytes(_noise(6_000_000))
    began = time.monotonic()
    words = r"no complete reply from 127.0.0.1:\d+ within the deadline of 1 s"
    with _server(HANGS["silence"], room=4096) as url, pytest.raises(TransportError, match=words):
        _embed(kind, [picture], model=ARK, base_url=url, deadline=1.0)
    took = time.monotonic() - began

    measured(f"{took:.1f} s")
    assert took < 2.5


@both_kinds
def test_an_upload_that_nobody_reads_is_silence(measured, kind) -> None:
    picture = Image.from_bytes(_noise(6_000_000))
    began = time.monotonic()
    with _server(HANGS["silence"], room=4096) as url, pytest.raises(TransportError, match="timed out"):
        _embed(kind, [picture], model=ARK, base_url=url, timeout=0.5, max_retries=0)
    took = time.monotonic() - began

    measured(f"{took:.1f} s")
    assert took < 2.5


@pytest.mark.parametrize("where", ["connecting", "sending"])
def test_no_thread_is_left_behind_by_a_black_hole(where) -> None:
    """The worker that was given up ends at the deadline too, and not with its timeout a minute later."""
    server = _black_hole() if where == "connecting" else _server(HANGS["silence"], room=4096)
    with server as url:
        with pytest.raises(TransportError):
            _embed("sync", [Image.from_bytes(_noise(6_000_000))], model=ARK, base_url=url, deadline=0.5)
        until = time.monotonic() + 3
        while _workers() and time.monotonic() < until:
            time.sleep(0.02)

        assert [] == _workers()


def _workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "volc-dashscope"]


@both_kinds
def test_the_others_of_a_call_are_embedded_beside_one_that_hangs(kind) -> None:
    first = threading.Lock()

    def serve(connection: socket.socket, over: threading.Event) -> None:
        if first.acquire(blocking=False):
            return _drip(connection, HEAD, b"x", over)
        while connection.recv(65536):
            body = b", ".join(
                b'{"text_index": %d, "embedding": [%b]}' % (at, b", ".join([b"1.0"] * 64)) for at in range(10)
            )
            whole = b'{"output": {"embeddings": [%b]}, "usage": {"total_tokens": 1}}' % body
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(whole), whole))
        return None

    with _server(serve) as url, pytest.raises(BulkError) as caught:
        _embed(kind, texts(50), base_url=url, dimensions=64, deadline=1.0, timeout=5.0, max_concurrency=1)

    assert (10, 50) == (len(caught.value.failures), len(caught.value.result.vectors))


@both_kinds
def test_a_slow_line_is_not_cut_by_the_timeout(kind) -> None:
    """It takes two seconds to leave, and is never silent for as long as the timeout."""
    picture = Image.from_bytes(_noise(2_000_000))

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        read = connection.recv(65536)
        size = int(read.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        left = size - len(read.partition(b"\r\n\r\n")[2])
        while left > 0:
            time.sleep(0.02)
            left -= len(connection.recv(32768))
        body = (
            b'{"object": "list", "data": {"object": "embedding", "embedding": [%b]}, "usage": {}, "id": "i"}'
            % (b", ".join([b"1.0"] * 2048))
        )
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    with _server(serve) as url:
        result = _embed(kind, [picture], model=ARK, base_url=url, timeout=0.4, deadline=30.0, max_retries=0)

    assert (1, 2048) == result.vectors.shape


@both_kinds
@pytest.mark.parametrize("number", [1, 16, 1000])
def test_nobody_there_is_said_within_seconds(measured, kind, number) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    words = rf"cannot connect to 127.0.0.1:{port} \(connection refused\); run volc-dashscope doctor"
    with pytest.raises(EmbeddingError, match=words) as caught:
        _embed(kind, texts(number), base_url=f"http://127.0.0.1:{port}")
    took = time.monotonic() - began

    measured(f"{number} items: {took:.1f} s")
    assert took < 10.0
    assert caught.value.__cause__ is not None


def test_closing_a_client_ends_the_call_of_another_thread(measured) -> None:
    with _server(HANGS["a head, byte by byte"]) as url:
        client = Client(TEXT, api_key="k", base_url=url)
        threading.Timer(0.5, client.close).start()
        began = time.monotonic()
        with pytest.raises(ConfigError, match="closed"):
            client.embed(["a"])
        took = time.monotonic() - began

    measured(f"{took:.1f} s")
    assert took < 2.0


@both_kinds
def test_a_large_body_that_is_refused_is_not_sent_again_and_again(kind) -> None:
    seen: list[int] = []

    def serve(connection: socket.socket, over: threading.Event) -> None:
        seen.append(len(connection.recv(65536)))

    picture = Image.from_bytes(_noise(6_000_000))
    words = r"closed while 8.\d MB were being sent to 127.0.0.1:\d+.*a gateway in between may limit bodies"
    with _server(serve) as url, pytest.raises(TransportError, match=words):
        _embed(kind, [picture], model=ARK, base_url=url)

    assert len(seen) <= 3


def _noise(size: int) -> bytes:
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x04\x00\x00\x00\x03\x00\x08\x02\x00\x00\x00"
    return head + bytes(size)
