"""Servers that hang, each in another part of an exchange, and ports that do not answer at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tcp_server import Serve, tcp_server

from benchmarks.times_to_error import black_hole
from volc_dashscope.emulator import Emulator
from volc_dashscope.emulator.faults import Fault

VECTOR = b'{"output": {"embeddings": [{"text_index": 0, "embedding": [%s]}]}, "usage": {"total_tokens": 1}}'
GOOD = VECTOR % b", ".join([b"1.0"] * 64)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(GOOD), GOOD)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

_LONGEST = 120.0  # longer than any test waits


def drip(connection: socket.socket, first: bytes, piece: bytes, over: threading.Event) -> None:
    """Send a piece every now and then, and never all of a reply."""
    connection.recv(65536)
    connection.sendall(first)
    until = time.monotonic() + _LONGEST
    while not over.wait(0.2) and time.monotonic() < until:
        connection.sendall(piece)


HANGS: dict[str, Serve] = {
    "a head, byte by byte": lambda it, over: drip(it, HEAD + b"x-long: ", b"a", over),
    "a body, byte by byte": lambda it, over: drip(it, HEAD + b"content-length: 9999\r\n\r\n", b" ", over),
    "announcements only": lambda it, over: drip(it, b"", b"HTTP/1.1 102 Processing\r\n\r\n", over),
    "silence": lambda it, over: over.wait(_LONGEST),
}


@contextmanager
def server(serve: Serve, *, buffer: int | None = None) -> Iterator[str]:
    """Yield the URL of a `tcp_server`."""
    with tcp_server(serve, buffer=buffer) as port:
        yield f"http://127.0.0.1:{port}"


def answers_once(status: bytes, *, others: int) -> Serve:
    """Answer one request with a row, or a refusal, as soon as so many others wait, and no other."""
    first, waiting = threading.Lock(), threading.Semaphore(0)
    row = b", ".join([b"1.0"] * 2048)
    body = (
        b'{"object": "list", "data": {"object": "embedding", "embedding": [%b]}, "usage": {}, "id": "i"}'
        % row
    )
    body = body if status.startswith(b"200") else b"{}"

    def serve(connection: socket.socket, over: threading.Event) -> None:
        while _whole_request(connection):
            if not first.acquire(blocking=False):
                waiting.release()
                over.wait(_LONGEST)
                return
            for _ in range(others):
                waiting.acquire(timeout=10)
            connection.sendall(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))

    return serve


def _whole_request(connection: socket.socket) -> bool:
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65536)
        if not piece:
            return False
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) - len(body)
    while left > 0 and (piece := connection.recv(65536)):
        left -= len(piece)
    return left <= 0


def noise(size: int) -> bytes:
    """Return a picture of that many bytes, as far as its header tells."""
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x04\x00\x00\x00\x03\x00\x08\x02\x00\x00\x00"
    return head + bytes(size)


@dataclass
class Place:
    """
    A service that holds a call in one part of its exchange.

    Attributes:
        settings: What a client needs to get there, as keywords.
        items: Python for what is embedded; `picture` is one of 6 MB.
        reached: Returns whether the call has come that far; always for a port that does not answer.
    """

    settings: dict[str, object]
    items: str = "['one']"
    reached: Callable[[], bool] = lambda: True

    def await_call(self) -> None:
        """Return once a call is held, or after ten seconds."""
        until = time.monotonic() + 10
        while not self.reached() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.15)


@contextmanager
def held(phase: str) -> Iterator[Place]:
    """Yield a service that holds every call in one of `PHASES`, for longer than any test waits."""
    with ExitStack() as ends:
        text = {"model": "text-embedding-v4", "api_key": "k"}
        if phase == "connecting":
            yield Place({**text, "base_url": ends.enter_context(black_hole())})
        elif phase in ("waiting for a retry", "waiting for the rate limit", "reading replies"):
            emulator = ends.enter_context(closing_emulator())
            settings, many = (
                {**text, "base_url": emulator.dashscope_url},
                "[str(number) for number in range(%d)]",
            )
            if phase == "waiting for a retry":
                emulator.fail(*[Fault("503", retry_after=60)] * 9)
                yield Place(settings, reached=lambda: len(emulator.ledger) > 0)
            elif phase == "waiting for the rate limit":
                rate = {"requests_per_minute": 1, "max_concurrency": 1}
                yield Place({**settings, **rate}, many % 30, lambda: len(emulator.ledger) > 0)
            else:
                yield Place(settings, many % 200_000, lambda: len(emulator.ledger) > 20)
        else:
            seen = threading.Event()

            def serve(connection: socket.socket, over: threading.Event) -> None:
                connection.recv(1000)
                seen.set()
                HANGS[_SERVED.get(phase, "silence")](connection, over)

            url = ends.enter_context(server(serve, buffer=4096))
            picture = {"model": "doubao-embedding-vision-251215"} if phase == "sending" else {}
            items = "[picture]" if picture else "['one']"
            yield Place({**text, "base_url": url, **picture}, items, seen.is_set)


_SERVED = {"reading a head": "a head, byte by byte", "reading a body": "a body, byte by byte"}
PHASES = (
    "connecting",
    "sending",
    "waiting for a reply",
    "reading a head",
    "reading a body",
    "waiting for a retry",
    "waiting for the rate limit",
    "reading replies",
)


@contextmanager
def closing_emulator() -> Iterator[Emulator]:
    """Yield an emulator on a socket."""
    emulator = Emulator().start()
    try:
        yield emulator
    finally:
        emulator.stop()
