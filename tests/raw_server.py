"""A server that says whatever a test gives it, byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable


class RawServer:
    """
    Answers every request, one connection after the other, with the same bytes.

    Args:
        head: Status and headers, each with its line's end.
        pieces: Makes the body, which is sent until the client hangs up.

    Attributes:
        url: Where it listens.
        heard: What came first on each connection.
        sent: Bytes of bodies that went out.
        hung_up: Set when a client has closed its connection before it had everything.
    """

    def __init__(self, head: bytes, pieces: Callable[[], Iterable[bytes]]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.heard: list[bytes] = []
        self.sent = 0
        self.hung_up = threading.Event()
        self._head, self._pieces = head, pieces
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    self.heard.append(connection.recv(65536))
                    connection.sendall(self._head + b"\r\n")
                    for piece in self._pieces():
                        connection.sendall(piece)
                        self.sent += len(piece)
                except OSError:
                    self.hung_up.set()

    def close(self) -> None:
        """Take no more connections, and let go of the port."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
