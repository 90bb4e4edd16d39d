"""The emulator on a real socket, on 127.0.0.1 only: HTTP/1.1 with keep-alive and one thread per connection."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import unquote

from volc_dashscope.emulator.app import App
from volc_dashscope.emulator.exchange import Response

HOST = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ark-dashscope-emulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        with suppress(OSError):  # the client is gone, or we reset the connection on purpose
            super().finish()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing; the ledger has every request."""

    def _serve(self) -> None:
        try:
            body = self._body()
        except ValueError:
            # The end of this request is unknown, so no other can follow on its connection.
            self.send_error(400, "the length of the body is not readable")
            self.close_connection = True
            return
        app = self.server.app
        path, _, query = self.path.partition("?")
        with app.ledger.flight():
            response = app.handle(
                self.command,
                unquote(path),
                query,
                dict(self.headers.items()),
                body,
                origin=self.server.url,
            )
            if response.delay:
                self.server.stopping.wait(response.delay)
        self._send(response)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(_length(self.headers.get("content-length") or "0", 10))
        chunks = []
        while size := _length(self.rfile.readline().split(b";")[0].decode("ascii").strip(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, response: Response) -> None:
        if response.breakage == "reset":
            self._reset()
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.sent)
        self.wfile.flush()
        if response.breakage == "reset_body":
            # Let the client read what was sent: a reset discards the data still in its buffer.
            time.sleep(0.02)
            self._reset()
        elif response.breakage:
            self.close_connection = True

    def _reset(self) -> None:
        """Close with a RST, as a proxy or a restarting server does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.server.abandoned(self.connection)


def _length(text: str, base: int) -> int:
    """
    Return a number of bytes.

    Raises:
        ValueError: Not a number; `int` would also accept signs and underscores.
    """
    if not text.isalnum():
        raise ValueError(text)
    return int(text, base)


class Server(ThreadingHTTPServer):
    """One listening socket. `stop` also closes idle connections, so that no thread is left."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, app: App, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.app = app
        self.stopping = Event()
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._reset: set[socket.socket] = set()
        self._workers: list[Thread] = []
        self._acceptor = Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="emulator", daemon=True
        )

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://{HOST}:{self.server_port}"

    def start(self) -> None:
        """Serve from a thread."""
        self._acceptor.start()

    def stop(self) -> None:
        """Stop serving, close every connection and wait for the threads."""
        self.stopping.set()  # replies that are being delayed
        self.shutdown()
        self.server_close()
        self._acceptor.join(5)
        with self._lock:
            left, workers = list(self._open), list(self._workers)
        for connection in left:
            with suppress(OSError):  # already closed by its own thread
                connection.shutdown(socket.SHUT_RDWR)
        for worker in workers:
            worker.join(5)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in a thread that `stop` waits for."""
        worker = Thread(
            target=self.process_request_thread, args=(request, client_address), name="emulator", daemon=True
        )
        with self._lock:
            self._workers = [thread for thread in self._workers if thread.is_alive()]
            self._workers.append(worker)
            worker.start()

    def shutdown_request(self, request: Any) -> None:
        """Close one connection; an abandoned one without the orderly shutdown that would precede its reset."""
        with self._lock:
            abandoned = request in self._reset
            self._reset.discard(request)
        if abandoned:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def abandoned(self, connection: socket.socket) -> None:
        """Mark a connection to be closed with a reset."""
        with self._lock:
            self._reset.add(connection)
