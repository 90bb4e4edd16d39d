"""
Sockets for httpcore: the head and a short body leave in one packet, and tasks use asyncio's own.

httpcore writes the head and the body apart, which are two calls of the system and two packets. For tasks it takes
anyio, which lets the event loop turn before every write and sets up a cancel scope for every read and write: a
third of what a request costs, and in a crowd of requests each waits for all the others before its bytes leave.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, TypeAlias

import anyio
import httpcore
import httpx

from volc_dashscope._http._dress import trusted

# Bytes kept for a reader that is not there; a server that sends more has to wait.
_MOST_AHEAD = 256 * 1024
# RFC 8305: so long one address has to itself before the next is tried.
_NEXT_ADDRESS = 0.25

# Bytes that wait for what follows them; whatever it is, it is followed by a read.
_HELD = 16 * 1024

_Option: TypeAlias = "tuple[int, int, int | bytes | bytearray] | tuple[int, int, None, int]"


class Direct(httpx.HTTPTransport):
    """httpx's, but for the sockets, for which it has no parameter; `pool` is for httpcore."""

    def __init__(self, **pool: Any) -> None:
        super().__init__(verify=trusted())
        self._pool = httpcore.ConnectionPool(trusted(), network_backend=Sockets(), **pool)


class AsyncDirect(httpx.AsyncHTTPTransport):
    """As `Direct`."""

    def __init__(self, **pool: Any) -> None:
        super().__init__(verify=trusted())
        self._pool = httpcore.AsyncConnectionPool(trusted(), network_backend=AsyncSockets(), **pool)


class Sockets(httpcore.SyncBackend):
    """Opens connections for threads."""

    def connect_tcp(self, *where: Any, **how: Any) -> httpcore.NetworkStream:
        return _Held(super().connect_tcp(*where, **how))


class _Held(httpcore.NetworkStream):
    """A connection whose short writes wait for the next read."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._held = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._held:
            held, self._held = self._held, b""
            # A server that does not listen any more may have said why.
            with suppress(httpcore.WriteError):
                self._stream.write(held, timeout)
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if len(self._held) + len(buffer) <= _HELD:
            self._held += buffer
            return
        held, self._held = self._held, b""
        self._stream.write(held, timeout)
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Held(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class AsyncSockets(httpcore.AsyncNetworkBackend):
    """Opens connections for tasks of asyncio's own event loops; others, as uvloop's, lack what it takes."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises `httpcore.ConnectTimeout` or `httpcore.ConnectError`."""
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(timeout):
                # A race of one would only add asyncio's flaw there: cancelled as it is won, it forgets the socket.
                delay = None if _is_address(host) else _NEXT_ADDRESS
                _, stream = await loop.create_connection(_Stream, host, port, happy_eyeballs_delay=delay)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return stream

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection. Reads and writes take turns, as in HTTP/1.1, so that there is one waiter at most."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._held = b""
        self._ahead: list[bytes] = []
        self._stopped = False
        self._full = False
        self._error: Exception | None = None
        self._ended = False
        self._lost = self._loop.create_future()
        self._waiter: asyncio.Future[None] | None = None

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._ahead.append(data)
        if self._waiter is None and sum(map(len, self._ahead)) > _MOST_AHEAD:
            self._stopped = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error = True, exc
        if not self._lost.done():
            self._lost.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    # What httpcore asks for.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._flush()
        while not self._ahead and not self._ended:
            await self._wait(timeout, httpcore.ReadTimeout)
        if not self._ahead:
            if self._error is not None:
                raise httpcore.ReadError(str(self._error)) from self._error
            return b""
        data = self._ahead[0] if len(self._ahead) == 1 else b"".join(self._ahead)
        self._ahead = [data[max_bytes:]] if len(data) > max_bytes else []
        if self._stopped and not self._ended:
            self._stopped = False
            self._transport.resume_reading()
        return data[:max_bytes]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._ended:
            raise httpcore.WriteError("the connection is closed")
        if len(self._held) + len(buffer) <= _HELD:
            self._held += buffer
            return
        self._flush()
        self._transport.write(buffer)
        while self._full and not self._ended:
            await self._wait(timeout, httpcore.WriteTimeout)

    async def aclose(self) -> None:
        self._transport.abort()
        await asyncio.wait([self._lost])

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            with anyio.fail_after(timeout):
                secured = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        assert secured is not None
        self._transport = secured
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._ahead) or self._ended or _readable(self._transport)
        return self._transport.get_extra_info(info)

    def _flush(self) -> None:
        if self._held and not self._ended:
            self._transport.write(self._held)
        self._held = b""

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, timeout: float | None, late: type[Exception]) -> None:
        self._waiter = waiter = self._loop.create_future()
        clock = None if timeout is None else self._loop.call_later(timeout, _fail, waiter, late)
        try:
            await waiter
        finally:
            self._waiter = None
            if clock is not None:
                clock.cancel()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _fail(waiter: asyncio.Future[None], error: type[Exception]) -> None:
    if not waiter.done():
        waiter.set_exception(error())


def _readable(transport: asyncio.Transport) -> bool:
    """Whether the system holds bytes, or the end, that the event loop has not come to yet."""
    number = transport.get_extra_info("socket").fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([number], [], [], 0)[0])
    look = select.poll()
    look.register(number, select.POLLIN)
    return bool(look.poll(0))
