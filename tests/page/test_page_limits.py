"""How much one client of the page can hold, beside what tests/promises/test_page_is_bounded.py proves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn

from volc_dashscope.search.page import create_app, server_config

UPLOAD = b"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nsome"
HALF = b"GET / HTTP/1.1\r\nHost: 127.0"


@pytest.fixture
def address(gallery) -> Iterator[tuple[str, int]]:
    """The page on a socket, with patience for tests."""
    _, album, client = gallery
    server = uvicorn.Server(server_config(create_app(album, client, upload_seconds=1.0), header_seconds=0.5))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def dial(address) -> Iterator:
    """A maker of connections that have sent something."""
    with ExitStack() as stack:

        def make(sent: bytes) -> socket.socket:
            made = stack.enter_context(socket.create_connection(address, timeout=5))
            made.sendall(sent)
            return made

        yield make


def status(connection: socket.socket) -> bytes:
    return connection.recv(4096)[9:12]


def test_bytes_that_drip_in_do_not_buy_time(dial):
    connection = dial(HALF)
    begun = time.monotonic()

    with pytest.raises(OSError, match=r"reset|pipe|Broken"):
        drip(connection, begun + 5)

    assert time.monotonic() - begun < 3


def drip(connection: socket.socket, end: float) -> None:
    while time.monotonic() < end:
        connection.sendall(b"1")
        time.sleep(0.1)


def test_uploads_are_bounded_in_number_and_a_text_still_works(dial):
    held = [dial(UPLOAD) for _ in range(4)]
    time.sleep(0.2)

    assert b"503" == status(dial(UPLOAD))
    assert b"200" == status(
        dial(b"POST /api/search?text=red HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
    )
    assert [b"408"] * 4 == [status(connection) for connection in held]


def test_an_upload_that_ended_makes_room(dial):
    for _ in range(2):
        held = [dial(UPLOAD) for _ in range(4)]
        assert [b"408"] * 4 == [status(connection) for connection in held]
