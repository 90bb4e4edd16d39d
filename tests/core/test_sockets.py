"""The event loop's sockets under httpcore: bounded in time and memory, not fooled by a server that hung up."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.abc import MetaPathFinder
from socketserver import BaseRequestHandler, ThreadingTCPServer

import httpcore
import pytest

from volc_dashscope import AsyncClient, Client, RequestError
from volc_dashscope._http._sockets import AsyncSockets

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


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_head_and_a_short_body_leave_in_one_packet(serve, kind):
    server = serve(b"content-length: 2\r\n", b"{}", status=b"400 Bad Request")
    settings = {"api_key": "k", "base_url": server.url}
    client = Client("text-embedding-v4", **settings)

    def call() -> object:
        return client.embed(["text"]) if kind == "sync" else asyncio.run(client.aio.embed(["text"]))

    with pytest.raises(RequestError):
        call()
    client.close()

    (head, body) = server.heard[0].split(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head.lower()
    assert {"texts": ["text"]} == json.loads(body)["input"]


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
        stream = await AsyncSockets().connect_tcp("127.0.0.1", port, timeout=5)
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
        stream = await AsyncSockets().connect_tcp("127.0.0.1", port, timeout=5)
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
        stream = await AsyncSockets().connect_tcp("127.0.0.1", port, timeout=5)
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
        stream = await AsyncSockets().connect_tcp("127.0.0.1", port, timeout=5)
        connection = stream.get_extra_info("socket")
        assert connection.fileno() >= 0
        await stream.aclose()
        assert connection.fileno() < 0

    _beside(silent, client)


def test_a_port_that_nobody_listens_at_is_an_error_of_httpcore():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with pytest.raises(httpcore.ConnectError):
            asyncio.run(AsyncSockets().connect_tcp(*unheard.getsockname(), timeout=5))


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
        reach = {"api_key": "k", "base_url": f"http://127.0.0.1:{port}/api/v3", "max_attempts": 1}
        async with AsyncClient("doubao-embedding-vision-251215", **reach) as client:
            for _ in range(3):
                answered.append(len(await client.embed(["text"])))
                time.sleep(0.05)

    with ThreadingTCPServer(("127.0.0.1", 0), _Rude) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asyncio.run(calls(server.server_address[1]))
        server.shutdown()

    assert [1, 1, 1] == answered
