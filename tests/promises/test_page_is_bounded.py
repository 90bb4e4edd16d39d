"""One client of the search page holds a bounded number of connections and uploads, and Ctrl-C still ends the page."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from paintings import fill
from promise import ARK, ROOT, Breakage
from starlette.responses import PlainTextResponse

from volc_dashscope import Client
from volc_dashscope.emulator import Emulator
from volc_dashscope.search import open_album
from volc_dashscope.search.page import create_app, server_config

BREAKAGES = [
    Breakage(
        "volc_dashscope/search/page/_limits.py",
        "call_later(self._seconds, self._expire)",
        "call_later(100 * self._seconds, self._expire)",
        "test_half_sent_requests_are_closed",
    ),
    Breakage(
        "volc_dashscope/search/page/_limits.py",
        "len(self._opened) >= MAX_CONNECTIONS or self",
        "self",
        "test_no_more_connections_than_said_are_held",
    ),
    Breakage(
        "volc_dashscope/search/page/_limits.py",
        "        if not self._answering and self._transport is not None:",
        "        if False:",
        "test_a_half_sent_request_after_a_whole_one_is_closed",
    ),
    Breakage(
        "volc_dashscope/search/page/_limits.py",
        "        self._answering += 1\n        self._stop()",
        "        self._answering += 1",
        "test_an_answer_that_takes_longer_is_not_cut",
    ),
    Breakage(
        "volc_dashscope/search/page/_search.py",
        "async with asyncio.timeout(seconds):",
        "async with asyncio.timeout(100 * seconds):",
        "test_a_held_upload_is_refused_in_the_end",
    ),
    Breakage(
        "volc_dashscope/search/page/_search.py",
        "if self._running >= _MAX_UPLOADS:",
        "if False:",
        "test_few_uploads_are_held_and_ctrl_c_ends_the_page",
    ),
    Breakage(
        "volc_dashscope/search/page/_limits.py",
        "timeout_graceful_shutdown=_SHUTDOWN_SECONDS,",
        "",
        "test_few_uploads_are_held_and_ctrl_c_ends_the_page",
    ),
]
HALF = b"GET / HTTP/1.1\r\nHost: 127.0"
WHOLE = b"GET /static/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
MIB = 1024 * 1024
UPLOAD = b"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (9 * MIB)
CONNECTIONS, UPLOADS = 100, 4  # what docs/en/command-line.md says
HEADER_SECONDS, UPLOAD_SECONDS = 2.0, 1.0
# A page that would wait for its uploads ends after 30 s; this one after the 2 s it gives them.
LONGEST_END = 15.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("limits") / "photos")


@pytest.fixture
def address(folder, tmp_path) -> Iterator[tuple[str, int]]:
    """The page on a socket, with less patience than a user's."""
    emulator = Emulator()
    with Client(ARK, api_key="k", http_client=emulator.http_client()) as client:
        album = open_album(folder, client, tmp_path)
        with _serving(create_app(album, client, upload_seconds=UPLOAD_SECONDS)) as found:
            yield found


@contextmanager
def _serving(app: Any, header_seconds: float = HEADER_SECONDS) -> Iterator[tuple[str, int]]:
    server = uvicorn.Server(server_config(app, header_seconds=header_seconds))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def dial() -> Iterator:
    """A maker of connections that have sent something."""
    with ExitStack() as stack:

        def make(to: tuple[str, int], *sent: bytes) -> socket.socket:
            made = stack.enter_context(socket.create_connection(to, timeout=30))
            with suppress(OSError):  # a connection that was turned away takes nothing
                for piece in sent:
                    made.sendall(piece)
            return made

        yield make


def closed(connection: socket.socket) -> bool:
    """Wait for the end of a connection."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def status(connection: socket.socket) -> str:
    return connection.recv(4096)[9:12].decode()


def test_half_sent_requests_are_closed(address, dial) -> None:
    held = [dial(address, HALF) for _ in range(300)]

    assert all(closed(connection) for connection in held)
    assert "200" == status(dial(address, WHOLE))


def test_no_more_connections_than_said_are_held(dial) -> None:
    """The clock stands still, for a busy machine must not end those that are held."""

    async def unasked(scope: Any, receive: Any, send: Any) -> None:
        """No request comes whole."""

    with _serving(unasked, header_seconds=600.0) as address:
        held = [dial(address, HALF) for _ in range(300)]
        refused = all(closed(connection) for connection in held[CONNECTIONS:])
        kept = [connection for connection in held[:CONNECTIONS] if _is_open(connection)]

    assert refused
    assert CONNECTIONS == len(kept)


def _is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    return not closed(connection)


def test_a_half_sent_request_after_a_whole_one_is_closed(address, dial) -> None:
    connection = dial(address, WHOLE)
    answered = status(connection)
    connection.sendall(HALF)

    assert "200" == answered
    assert closed(connection)


def test_an_answer_that_takes_longer_is_not_cut(dial) -> None:
    """The clock runs while a request comes, not while it is answered."""

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(2 * HEADER_SECONDS)
            await PlainTextResponse("late")(scope, receive, send)

    with _serving(slow) as address:
        answered = status(dial(address, WHOLE))

    assert "200" == answered


def test_a_held_upload_is_refused_in_the_end(address, dial) -> None:
    assert "408" == status(dial(address, UPLOAD, b"some"))


def test_few_uploads_are_held_and_ctrl_c_ends_the_page(folder, dial, measured) -> None:
    """Forty tabs send nine megabytes each and never the last byte."""
    code = "from volc_dashscope.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "serve", str(folder), "--emulator", "--port", "0", "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            port = int(re.search(r":(\d+)/", json.loads(process.stdout.readline())["url"])[1])
            before = _resident(process.pid)
            held = [dial(("127.0.0.1", port), UPLOAD, *[bytes(MIB)] * 8) for _ in range(40)]
            refused = [status(connection) for connection in held[UPLOADS:]]
            grown = _resident(process.pid) - before
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.wait(60)
            took = time.monotonic() - began
        finally:
            process.kill()
    measured(f"{grown / MIB:.0f} MiB for 40 uploads of 9 MiB; Ctrl-C took {took:.1f} s")

    assert ["503"] * (40 - UPLOADS) == refused
    assert grown < 150 * MIB
    assert took < LONGEST_END


def _resident(pid: int) -> int:
    """Return the bytes of memory a process holds; 0 where the system does not say."""
    try:
        words = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", words)[1])
