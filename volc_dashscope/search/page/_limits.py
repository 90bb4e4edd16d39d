"""
Bounds on what one client of the page can hold: connections, seconds, uploads.

uvicorn's settings bound the pause between two requests (`timeout_keep_alive`) and the number of requests that are
answered at once (`limit_concurrency`), but it waits for ever for the rest of a request that has started. A tab or a
script that leaves hundreds of those open would keep them, and their memory, until the command ends.

So a connection has a timer, which runs while none of its requests is being answered. `_Connection` wraps uvicorn's
protocol and uses asyncio's interface alone; `_Answering` is ASGI middleware that stops the timer of the request's
connection. They are matched by the client's address.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

# A browser opens six connections to a host; a hundred are sixteen tabs.
MAX_CONNECTIONS = 100
HEADER_SECONDS = 10.0
_SHUTDOWN_SECONDS = 2


def server_config(app: ASGIApp, *, header_seconds: float = HEADER_SECONDS) -> uvicorn.Config:
    """
    Return the uvicorn configuration for the page, with limits on connections and time.

    Args:
        app: What `create_app` returned.
        header_seconds: Time limit for receiving the request line and headers, in seconds.
    """
    opened: _Opened = {}

    class Connection(_Connection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(H11Protocol(**arguments), opened, header_seconds)

    return uvicorn.Config(
        _Answering(app, opened),
        http=Connection,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # they would replace the client's address
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


class _Connection(asyncio.Protocol):
    """
    A connection that is closed if a request is not complete in time, or if there are too many connections.

    Args:
        protocol: Reads the requests and writes the replies.
        opened: The connections of the server; this one is added while it is open.
        seconds: How long it may stay open while no request is being answered.
    """

    def __init__(self, protocol: asyncio.Protocol, opened: _Opened, seconds: float) -> None:
        self._protocol, self._opened, self._seconds = protocol, opened, seconds
        self._transport: asyncio.BaseTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client: _Client = None
        self._refused = False
        self._answering = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer, or refuse the connection."""
        self._transport = transport
        self._client = _address(transport.get_extra_info("peername"))
        self._refused = len(self._opened) >= MAX_CONNECTIONS or self._client in self._opened
        if self._refused:
            transport.close()
            return
        self._opened[self._client] = self
        self._protocol.connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on. They do not reset the timer, so that a slow sender cannot keep the connection open."""
        if not self._refused:
            self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that the client sends no more."""
        return None if self._refused else self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop()
        self._transport = None
        if not self._refused:
            del self._opened[self._client]
            self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on that the client reads too slowly."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        self._protocol.resume_writing()

    def request_started(self) -> None:
        """Record that a request is complete and is being answered."""
        self._answering += 1
        self._stop()

    def answered(self) -> None:
        """Record that a request was answered."""
        self._answering -= 1
        if not self._answering and self._transport is not None:
            self._start()

    def _start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        if self._transport is not None:
            self._transport.close()


_Client = tuple[str, int] | None
_Opened = dict[_Client, _Connection]


class _Answering:
    """Middleware that tells a connection when one of its requests is being answered."""

    def __init__(self, app: ASGIApp, opened: _Opened) -> None:
        self._app, self._opened = app, opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        connection = self._opened.get(_address(scope["client"])) if scope["type"] == "http" else None
        if connection is None:
            await self._app(scope, receive, send)
            return
        connection.request_started()
        try:
            await self._app(scope, receive, send)
        finally:
            connection.answered()


def _address(client: Any) -> _Client:
    return (str(client[0]), int(client[1])) if client else None
