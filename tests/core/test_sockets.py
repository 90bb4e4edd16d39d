"""The event loop's sockets under httpcore: bounded in time and memory, not fooled by a server that hung up."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from importlib.abc import MetaPathFinder
from socketserver import BaseRequestHandler, ThreadingTCPServer

import httpcore
import pytest

from volc_dashscope import AsyncClient
from volc_dashscope._http._sockets import _in_turn, connect

MB = 1024 * 1024


def _beside(server: Callable[..., Awaitable[None]], client: Callable[[int], Awaitable[None]]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await server(reader, writer)
        writer.close()
        ended.set()

    async def both() -> None:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with listening:
            await client(listening.sockets[0].getsockname()[1])
            await ended.wait()

    ended = asyncio.Event()

    asyncio.run(asyncio.wait_for(both(), timeout=30))


class _Searches(MetaPathFinder):
    """Notes which modules are looked for."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        self.names.append(fullname)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_request_looks_for_a_module(emulate, kind):
    """One that is missing costs a search of the whole path each time; httpcore asks for sniffio at every step."""
    mount = emulate(socket=True)

    async def calls() -> None:
        async with mount.async_client("text-embedding-v4") as client:
            await client.embed(["first"])
            sys.meta_path.insert(0, searches)
            await client.embed(["second"])

    searches = _Searches()
    try:
        if kind == "async":
            asyncio.run(calls())
        else:
            with mount.client("text-embedding-v4") as client:
                client.embed(["first"])
                sys.meta_path.insert(0, searches)
                client.embed(["second"])
    finally:
        sys.meta_path.remove(searches)

    assert [] == searches.names


def test_a_server_that_is_silent_or_does_not_read_is_waited_for_so_long():
    over = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()

    async def client(port: int) -> None:
        stream = await connect("127.0.0.1", port, timeout=5)
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1024, timeout=0.05)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(bytes(64 * MB), timeout=0.05)
        await stream.aclose()
        over.set()

    _beside(deaf, client)


def test_what_a_server_sends_unasked_is_not_taken_in():
    sent = 0

    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while sent < 256 * MB:
            writer.write(bytes(MB))
            await writer.drain()
            sent += MB

    async def client(port: int) -> None:
        stream = await connect("127.0.0.1", port, timeout=5)
        while True:
            before = sent
            await asyncio.sleep(0.2)
            if sent == before:
                break
        assert sent < 64 * MB  # most of it is in the system's own buffers
        taken = 0
        while taken < 256 * MB:
            taken += len(piece := await stream.read(65536, timeout=5))
            assert 0 < len(piece) <= 65536
        await stream.aclose()

    _beside(chatter, client)


def test_the_end_comes_after_what_was_sent_before_it():
    async def brief(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"the last words")

    async def client(port: int) -> None:
        stream = await connect("127.0.0.1", port, timeout=5)
        await asyncio.sleep(0.1)
        assert [b"the last", b" words", b""] == [await stream.read(8, timeout=5) for _ in range(3)]
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"too late", timeout=5)
        await stream.aclose()

    _beside(brief, client)


def test_what_is_closed_is_closed_at_once():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def client(port: int) -> None:
        stream = await connect("127.0.0.1", port, timeout=5)
        connection = stream.get_extra_info("socket")
        assert connection.fileno() >= 0
        await stream.aclose()
        assert connection.fileno() < 0

    _beside(silent, client)


@pytest.fixture
def unheard() -> Iterator[tuple[str, int]]:
    """An address that refuses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()


def test_a_port_that_nobody_listens_at_is_an_error_of_httpcore(unheard):
    with pytest.raises(httpcore.ConnectError):
        asyncio.run(connect(*unheard, timeout=5))


@pytest.fixture
def resolve(monkeypatch):
    """Let a name have these addresses."""

    def to(*addresses: tuple[str, int]) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

    return to


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address that answers no more: its queue is full, and the system drops what comes."""
    with ExitStack() as closing:
        listening = closing.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(2):
            waiting = closing.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()


async def _greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"here")


def test_of_several_addresses_the_one_that_answers_is_taken(resolve, silent, unheard):
    async def client(port: int) -> None:
        resolve(unheard, silent, unheard, ("127.0.0.1", port))
        stream = await connect("many.example", 443, timeout=10)
        assert b"here" == await stream.read(8, timeout=5)
        await stream.aclose()

    _beside(_greets, client)


def test_the_first_address_is_taken_if_it_answers(resolve):
    async def client(port: int) -> None:
        resolve(("127.0.0.1", port), ("127.0.0.1", port))
        stream = await connect("many.example", 443, timeout=10)
        assert b"here" == await stream.read(8, timeout=5)
        await stream.aclose()

    _beside(_greets, client)


def test_a_name_none_of_whose_addresses_answers_is_an_error_of_httpcore(resolve, silent, unheard):
    resolve(unheard, unheard)
    with pytest.raises(httpcore.ConnectError):
        asyncio.run(connect("many.example", 443, timeout=5))

    resolve(unheard, silent)
    with pytest.raises(httpcore.ConnectTimeout):
        asyncio.run(connect("many.example", 443, timeout=0.5))


def test_families_take_turns():
    six, four = socket.AF_INET6, socket.AF_INET
    named = [
        ("::1", 1, six),
        ("::2", 1, six),
        ("::3", 1, six),
        ("127.0.0.1", 1, four),
        ("127.0.0.2", 1, four),
    ]

    assert ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"] == [host for host, _, _ in _in_turn(named)]


@pytest.mark.parametrize("name", ["127.0.0.1", "many.example"])
def test_a_call_cancelled_as_it_connects_leaves_no_socket(resolve, name):
    """Whatever the moment: every connection the server has seen ends, with no help of the collector."""
    seen = ended = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen, ended
        seen += 1
        await reader.read()
        ended += 1
        writer.close()

    async def all_of_them() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            resolve(*[("127.0.0.1", port)] * 3)
            for turns in list(range(12)) * 5:
                task = asyncio.create_task(connect(name, port, timeout=5))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if task.cancel():
                    await asyncio.wait([task])
                if not task.cancelled():
                    await task.result().aclose()
            until = time.monotonic() + 10
            while ended < seen and time.monotonic() < until:
                await asyncio.sleep(0.01)

    gc.disable()
    try:
        asyncio.run(asyncio.wait_for(all_of_them(), timeout=30))
    finally:
        gc.enable()

    assert 0 < seen == ended


class _Rude(BaseRequestHandler):
    """Answers one request and hangs up, without saying that it would."""

    def handle(self) -> None:
        got = b""
        while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < _length(got):
            got += self.request.recv(65536)
        body = b'{"data":{"embedding":[' + b",".join([b"0.5"] * 2048) + b']},"usage":{"total_tokens":1}}'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.request.sendall(head + body)
        time.sleep(0.02)


def _length(got: bytes) -> int:
    return int(got.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


def test_a_connection_the_server_closed_meanwhile_is_not_used_again():
    """The event loop is busy elsewhere when it is closed, and has not heard of it."""

    answered = []

    async def calls(port: int) -> None:
        reach = {"api_key": "k", "base_url": f"http://127.0.0.1:{port}/api/v3", "max_retries": 0}
        async with AsyncClient("doubao-embedding-vision-251215", **reach) as client:
            for _ in range(3):
                answered.append(len(await client.embed(["text"])))
                time.sleep(0.05)

    with ThreadingTCPServer(("127.0.0.1", 0), _Rude) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asyncio.run(calls(server.server_address[1]))
        server.shutdown()

    assert [1, 1, 1] == answered
