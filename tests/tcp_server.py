"""A server of the tests' own making, for what no HTTP server would do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

_LONGEST = 120.0  # longer than any test waits
# Serves one connection; the event is set when the test is over.
Serve = Callable[[socket.socket, threading.Event], object]


@contextmanager
def tcp_server(serve: Serve, *, buffer: int | None = None) -> Iterator[int]:
    """
    Yield the port of a server that answers each connection in a thread of its own, until the test is over.

    Args:
        buffer: Size of the buffer for receiving; None leaves it to the system.
    """
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(_LONGEST)
            serve(connection, over)

    def listen() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        if buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)  # its connections inherit it
        threading.Thread(target=listen, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
