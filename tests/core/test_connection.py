"""HTTP/1.1 as we speak it: what leaves, what is read, and when a connection carries another request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import httpcore
import httpx
import numpy as np
import pytest

from volc_dashscope import AsyncClient, Client, Image, RequestError, TransportError
from volc_dashscope._http._connection import AsyncDirect, Direct, _Talk

MODEL = "doubao-embedding-vision-251215"
ORIGIN = httpcore.Origin(b"http", b"127.0.0.1", 80)
KINDS = pytest.mark.parametrize("kind", ["sync", "async"])
WAYS = pytest.mark.parametrize("way", ["sync", "async", "aiohttp"])


def _reply(number: str = "0.5", more: bytes = b"") -> bytes:
    row = ",".join([number] * 2048)
    body = b'{"data":{"embedding":[%b]},"usage":{"total_tokens":1}}' % row.encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
    return head % (more, len(body)) + body


class Server(ThreadingTCPServer):
    """
    Answers each request of a connection with the next of some replies, after a pause.

    Attributes:
        connections: How many came.
    """

    daemon_threads = True
    connections = 0
    pause = 0.0
    replies: Callable[[], Iterator[bytes]]


class _Answers(StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.server.connections += 1
        for reply in self.server.replies():
            head = b""
            while line := self.rfile.readline():
                head += line.lower()
                if line == b"\r\n":
                    break
            else:
                return
            self.rfile.read(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            time.sleep(self.server.pause)
            self.wfile.write(reply)


@contextmanager
def _serving(*replies: bytes, handler: type[BaseRequestHandler] = _Answers) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), handler) as server:
        server.replies = lambda: iter(replies)
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _rows(way: str, server: Server, *calls: object) -> np.ndarray:
    """Embed each item in a call of its own, with one client; return the rows."""
    url = f"http://127.0.0.1:{server.server_address[1]}/api/v3"
    settings = {"api_key": "k", "base_url": url, "max_retries": 0, "normalize": False, "timeout": 10.0}

    async def apart() -> list[np.ndarray]:
        async with AsyncClient(
            MODEL, **settings, driver="aiohttp" if way == "aiohttp" else "httpx"
        ) as client:
            return [(await client.embed([item])).vectors for item in calls]

    if way != "sync":
        return np.concatenate(asyncio.run(apart()))
    with Client(MODEL, **settings) as client:
        return np.concatenate([client.embed([item]).vectors for item in calls])


def _request(body: bytes) -> httpcore.Request:
    headers = [(b"Host", b"127.0.0.1"), (b"Content-Length", b"%d" % len(body))]
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    return httpcore.Request("POST", "http://127.0.0.1/x", headers=headers, content=iter(pieces))


@pytest.mark.parametrize(("size", "packets"), [(0, 1), (5000, 1), (40_000, 3)])
def test_head_and_body_leave_in_as_few_packets_as_they_fit_in(size, packets):
    body = bytes(range(250)) * (size // 250)

    said = list(_Talk(ORIGIN).say(_request(body)))

    assert packets == len(said)
    head, _, rest = b"".join(said).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x HTTP/1.1\r\n")
    assert body == rest


def test_a_header_that_would_begin_another_is_refused():
    request = httpcore.Request("POST", "http://127.0.0.1/x", headers=[(b"Host", b"a"), (b"X", b"a\r\nY: b")])

    with pytest.raises(httpcore.LocalProtocolError):
        list(_Talk(ORIGIN).say(request))


@WAYS
def test_one_connection_carries_one_request_after_the_other(way):
    with _serving(_reply("0.5"), _reply("0.25"), _reply("0.125")) as server:
        rows = _rows(way, server, "one", "two", "three")

        assert [0.5, 0.25, 0.125] == rows[:, 0].tolist()
        assert 1 == server.connections


@WAYS
def test_bytes_behind_the_end_of_a_reply_are_not_the_next_one(way):
    with _serving(_reply("0.5") + _reply("-0.5"), _reply("0.5")) as server:
        rows = _rows(way, server, "mine", "another's")

        assert [0.5, 0.5] == rows[:, 0].tolist()
        assert 2 == server.connections


@WAYS
@pytest.mark.parametrize("line", [b"connection: close\r\n", b"connection: Close, x\r\n"])
def test_a_server_that_closes_after_its_reply_is_believed(way, line):
    with _serving(_reply("0.5", line), _reply("-0.5")) as server:
        rows = _rows(way, server, "one", "two")

        assert [0.5, 0.5] == rows[:, 0].tolist()
        assert 2 == server.connections


@WAYS
def test_replies_that_announce_a_reply_are_passed_over(way):
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    with _serving(early + _reply(), _reply("0.25")) as server:
        assert [0.5, 0.25] == _rows(way, server, "one", "two")[:, 0].tolist()


@WAYS
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + _reply(),
    ],
    ids=["another protocol", "an endless head", "two lengths", "not HTTP", "announcements without end"],
)
def test_what_is_no_reply_is_a_transport_error(way, reply):
    with _serving(reply) as server, pytest.raises(TransportError):
        _rows(way, server, "text")


class _Refuses(BaseRequestHandler):
    """Says no at the first bytes, and listens no more."""

    def handle(self) -> None:
        self.request.recv(1000)
        body = b'{"error":{"code":"InvalidParameter","message":"enough"}}'
        head = (
            b"HTTP/1.1 413 Content Too Large\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        )
        self.request.sendall(head % len(body) + body)
        time.sleep(0.3)


@WAYS
def test_a_refusal_while_the_body_is_still_leaving_is_heard(way):
    picture = Image.from_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(7_000_000), mime="image/png")
    with _serving(handler=_Refuses) as server, pytest.raises(RequestError, match="413"):
        _rows(way, server, picture)


def _spec_for(server: Server, limit: float = 5) -> httpx.Request:
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    limits = {"connect": 5, "write": 5, "read": limit, "pool": 5}
    return httpx.Request("POST", url, content=b"{}", extensions={"timeout": limits})


class _Way:
    """A transport of either kind, asked in the same words."""

    def __init__(self, kind: str, kept: float = 30.0) -> None:
        self._transport = Direct(kept) if kind == "sync" else AsyncDirect(kept)
        self._loop = asyncio.new_event_loop()

    def ask(self, request: httpx.Request) -> bytes:
        if isinstance(self._transport, Direct):
            return self._transport.handle_request(request).read()
        return self._loop.run_until_complete(self._aask(self._transport, request))

    async def _aask(self, transport: AsyncDirect, request: httpx.Request) -> bytes:
        return await (await transport.handle_async_request(request)).aread()

    def close(self) -> None:
        if isinstance(self._transport, Direct):
            self._transport.close()
        else:
            self._loop.run_until_complete(self._transport.aclose())
        self._loop.close()


@KINDS
@pytest.mark.parametrize("later", [0.0, 0.3])
def test_a_reply_that_comes_after_its_time_is_not_the_next_ones(kind, later):
    with _serving(_reply("0.5"), _reply("-0.5")) as server:
        server.pause = 0.2
        with closing(_Way(kind)) as way:
            with pytest.raises(httpx.ReadTimeout):
                way.ask(_spec_for(server, 0.05))
            time.sleep(later)
            assert b"[0.5," in way.ask(_spec_for(server))

        assert 2 == server.connections


@KINDS
def test_a_connection_to_one_place_carries_nothing_to_another(kind):
    with _serving(*[_reply("0.5")] * 2) as one, _serving(_reply("-0.5")) as other, closing(_Way(kind)) as way:
        answer = [way.ask(_spec_for(place)) for place in (one, other, one)]

        assert [True, False, True] == [b"[0.5," in reply for reply in answer]
        assert (2, 1) == (one.connections, other.connections)


@KINDS
def test_a_connection_idle_for_too_long_is_not_used_again(kind):
    with _serving(*[_reply()] * 3) as server, closing(_Way(kind, kept=0.1)) as way:
        for pause in (0.0, 0.0, 0.2):
            time.sleep(pause)
            way.ask(_spec_for(server))

        assert 2 == server.connections
