"""
One connection of HTTP/1.1, by h11, in the place where httpx's transports have a pool of httpcore's.

httpcore's connection does the same in three times the work, most of it for what is not needed here: sharing,
tracing, HTTP/2. Here a request leaves in as few packets as it fits in, and bytes that come behind the end of a
reply close the connection, so that they never pass for the next one.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, cast

import h11
import httpcore
import httpx

from volc_dashscope._http._sockets import Stream, connect
from volc_dashscope._http.body import MOST_EARLY
from volc_dashscope._http.request_builder import ssl_context

_PIECE = 64 * 1024
_LARGEST_HEAD = 100 * 1024
# A body up to this size goes with the head, as one write.
_TOGETHER = 16 * 1024
# Seconds for which a server that did not say it would hang up is taken at its word.
_FRESH = 0.005


class Direct(httpx.HTTPTransport):
    """
    httpx's, but for the connection, for which it has no parameter.

    Args:
        kept: Seconds for which a connection may be idle and used again.
    """

    def __init__(self, kept: float) -> None:
        super().__init__(verify=ssl_context())
        self._pool = cast(httpcore.ConnectionPool, Connection(kept))


class AsyncDirect(httpx.AsyncHTTPTransport):
    """As `Direct`."""

    def __init__(self, kept: float) -> None:
        super().__init__(verify=ssl_context())
        self._pool = cast(httpcore.AsyncConnectionPool, AsyncConnection(kept))


class Answer(NamedTuple):
    """What httpx reads of a response of httpcore's."""

    status: int
    headers: list[tuple[bytes, bytes]]
    stream: object
    extensions: dict[str, Any]


class _Talk:
    """What is said on one connection: bytes to write, and what the bytes that were read mean. No I/O."""

    def __init__(self, origin: httpcore.Origin) -> None:
        self.origin = origin
        self.idle_since = math.inf
        self._early = 0
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)

    def say(self, request: httpcore.Request) -> Iterator[bytes]:
        """Yield what to write."""
        self._early = 0
        try:
            held = self._state.send(
                h11.Request(method=request.method, target=request.url.target, headers=request.headers)
            )
            for piece in cast(Iterable[bytes], request.stream):
                self._state.send(h11.Data(data=piece))
                if len(held) + len(piece) <= _TOGETHER:
                    held += piece
                else:
                    yield held
                    held = piece
            yield held
            self._state.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise httpcore.LocalProtocolError(str(error)) from error

    def hear(self, data: bytes) -> None:
        """Take in what was read; nothing means that the server hung up."""
        self._state.receive_data(data)

    def head(self) -> h11.Response | None:
        """Return the head of the reply, or None while more bytes are needed."""
        while (event := self._next()) is not h11.NEED_DATA:
            if isinstance(event, h11.Response):
                return event
            self._early += 1
            if self._early > MOST_EARLY:
                raise httpcore.RemoteProtocolError("announcements and no reply")
        return None

    def part(self) -> bytes | None:
        """Return the next part of the body, an empty one at its end, or None while more bytes are needed."""
        event = self._next()
        if event is h11.NEED_DATA:
            return None
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    def again(self) -> bool:
        """Whether the connection can carry another request; called when one is over."""
        state = self._state
        if state.our_state is not h11.DONE or state.their_state is not h11.DONE or state.trailing_data[0]:
            return False
        state.start_next_cycle()
        self.idle_since = time.monotonic()
        return True

    def _next(self) -> object:
        try:
            return self._state.next_event()
        except h11.RemoteProtocolError as error:
            raise httpcore.RemoteProtocolError(str(error)) from error


class Connection:
    """For threads: opened when there is something to send, and again when it cannot be used any more."""

    def __init__(self, kept: float) -> None:
        self._kept = kept
        self._open: tuple[httpcore.NetworkStream, _Talk] | None = None

    def handle_request(self, request: httpcore.Request) -> Answer:
        """Send a request and return the head of its answer, with the body still to be read."""
        limits = request.extensions["timeout"]
        try:
            stream, talk = self._ready(request.url.origin, limits["connect"])
            _write(stream, talk, request, limits["write"])
            while (head := talk.head()) is None:
                talk.hear(stream.read(_PIECE, limits["read"]))
        except BaseException:
            self.close()
            raise
        return _answer(head, _Rest(self, stream, talk, limits["read"]))

    def _ready(self, origin: httpcore.Origin, timeout: float) -> tuple[httpcore.NetworkStream, _Talk]:
        if self._open is not None and _stale(*self._open, origin, self._kept):
            self.close()
        if self._open is None:
            host = origin.host.decode("ascii")
            stream = httpcore.SyncBackend().connect_tcp(host, origin.port, timeout)
            if origin.scheme == b"https":
                stream = stream.start_tls(ssl_context(), host, timeout)
            self._open = stream, _Talk(origin)
        return self._open

    def close(self) -> None:
        """Close it. Closing twice is allowed."""
        opened, self._open = self._open, None
        if opened is not None:
            opened[0].close()


class _Rest:
    """The body of an answer, as httpx reads one of httpcore's."""

    def __init__(
        self, connection: Connection, stream: httpcore.NetworkStream, talk: _Talk, timeout: float
    ) -> None:
        self._connection, self._stream, self._talk, self._timeout = connection, stream, talk, timeout
        self._over = False

    def __iter__(self) -> Iterator[bytes]:
        while (part := self._talk.part()) != b"":
            if part is None:
                self._talk.hear(self._stream.read(_PIECE, self._timeout))
            else:
                yield part
        self._over = self._talk.again()

    def close(self) -> None:
        """Give the connection free, or close it where the body was not read to its end."""
        if not self._over:
            self._connection.close()


class AsyncConnection:
    """As `Connection`, for tasks of asyncio's own event loops."""

    def __init__(self, kept: float) -> None:
        self._kept = kept
        self._open: tuple[Stream, _Talk] | None = None

    async def handle_async_request(self, request: httpcore.Request) -> Answer:
        """As `Connection.handle_request`."""
        limits = request.extensions["timeout"]
        try:
            stream, talk = await self._ready(request.url.origin, limits["connect"])
            await _awrite(stream, talk, request, limits["write"])
            while (head := talk.head()) is None:
                talk.hear(await stream.read(_PIECE, limits["read"]))
        except BaseException:
            self.close()
            raise
        return _answer(head, _AsyncRest(self, stream, talk, limits["read"]))

    async def _ready(self, origin: httpcore.Origin, timeout: float) -> tuple[Stream, _Talk]:
        if self._open is not None and _stale(*self._open, origin, self._kept):
            self.close()
        if self._open is None:
            stream = await connect(origin.host.decode("ascii"), origin.port, timeout)
            self._open = stream, _Talk(origin)
            if origin.scheme == b"https":
                await stream.start_tls(ssl_context(), origin.host.decode("ascii"), timeout)
        return self._open

    def close(self) -> None:
        """Let it be closed by the event loop."""
        opened, self._open = self._open, None
        if opened is not None:
            opened[0].abort()

    async def aclose(self) -> None:
        """Close it. Closing twice is allowed."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened[0].aclose()


class _AsyncRest:
    """As `_Rest`."""

    def __init__(self, connection: AsyncConnection, stream: Stream, talk: _Talk, timeout: float) -> None:
        self._connection, self._stream, self._talk, self._timeout = connection, stream, talk, timeout
        self._over = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := self._talk.part()) != b"":
            if part is None:
                self._talk.hear(await self._stream.read(_PIECE, self._timeout))
            else:
                yield part
        self._over = self._talk.again()

    async def aclose(self) -> None:
        """As `_Rest.close`."""
        if not self._over:
            self._connection.close()


# Writing is apart from reading, so that no variable holds what was sent while the reply is awaited: reports of
# crashes show variables. A server that does not listen any more may have said why.
def _write(stream: httpcore.NetworkStream, talk: _Talk, request: httpcore.Request, timeout: float) -> None:
    with suppress(httpcore.WriteError):
        for piece in talk.say(request):
            stream.write(piece, timeout)


async def _awrite(stream: Stream, talk: _Talk, request: httpcore.Request, timeout: float) -> None:
    with suppress(httpcore.WriteError):
        for piece in talk.say(request):
            await stream.write(piece, timeout)


def _answer(head: h11.Response, body: object) -> Answer:
    about = {"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason}
    return Answer(head.status_code, head.headers.raw_items(), body, about)


def _stale(
    stream: httpcore.NetworkStream | Stream, talk: _Talk, origin: httpcore.Origin, kept: float
) -> bool:
    """Whether an idle connection is for elsewhere, was idle too long, or has bytes or its end to read."""
    idle = time.monotonic() - talk.idle_since
    return (
        talk.origin != origin or idle > kept or (idle > _FRESH and bool(stream.get_extra_info("is_readable")))
    )
