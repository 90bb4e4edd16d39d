"""
Sockets for tasks of asyncio's own event loops.

httpcore takes anyio's, which let the event loop turn before every write and set up a cancel scope for every read
and write: a third of what a request costs, and in a crowd of requests each waits for all the others before its
bytes leave.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections import Counter
from ipaddress import ip_address
from typing import Any, TypeAlias

import anyio
import httpcore

# Bytes kept for a reader that is not there; a server that sends more has to wait.
_MOST_AHEAD = 256 * 1024
# RFC 8305: so long one address has to itself before the next is tried.
_NEXT_ADDRESS = 0.25

_Address: TypeAlias = "tuple[str, int, int]"  # host, port, family


async def connect(host: str, port: int, timeout: float | None) -> Stream:
    """
    Open a connection; the addresses of a name are tried one after another, and soon beside each other.

    Raises:
        httpcore.ConnectTimeout: `timeout` seconds are over.
        httpcore.ConnectError: None of the addresses answers.
    """
    try:
        with anyio.fail_after(timeout):
            if _is_address(host):
                return await _connect(host, port, 0)
            return await _first(_in_turn(await _addresses(host, port)))
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error


class Stream(asyncio.Protocol):
    """One connection. Reads and writes take turns, as in HTTP/1.1, so that there is one waiter at most."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
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

    # What is asked of it.

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Return what came, or nothing at the end. Raises `httpcore.ReadTimeout` or `httpcore.ReadError`."""
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

    async def write(self, buffer: bytes, timeout: float | None) -> None:
        """Write it. Raises `httpcore.WriteTimeout` or `httpcore.WriteError`."""
        if self._ended:
            raise httpcore.WriteError("the connection is closed")
        self._transport.write(buffer)
        while self._full and not self._ended:
            await self._wait(timeout, httpcore.WriteTimeout)

    def abort(self) -> None:
        """Close it with the next turn of the event loop."""
        self._transport.abort()

    async def aclose(self) -> None:
        """Close it now."""
        self.abort()
        await asyncio.wait([self._lost])

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str, timeout: float | None
    ) -> None:
        """Secure it. Raises as `connect`."""
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

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._ahead) or self._ended or _readable(self._transport)
        return self._transport.get_extra_info(info)

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


async def _connect(host: str, port: int, family: int) -> Stream:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(Stream, host, port, family=family))[1]


async def _addresses(host: str, port: int) -> list[_Address]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(*address[:2], family) for family, _, _, _, address in found]


def _in_turn(addresses: list[_Address]) -> list[_Address]:
    """Take the families by turns: all addresses of one may lead nowhere (RFC 8305, 4)."""
    seen: Counter[int] = Counter()

    def turn(address: _Address) -> int:
        seen[address[2]] += 1
        return seen[address[2]]

    return sorted(addresses, key=turn)


async def _first(addresses: list[_Address]) -> Stream:
    """
    Return the connection that is there first.

    asyncio has this too, and forgets the socket of one that is there in the moment it is cancelled.
    """
    todo, tried = iter(addresses), []
    first: asyncio.Task[Stream] | None = None
    try:
        while first is None:
            if (address := next(todo, None)) is not None:
                tried.append(asyncio.create_task(_connect(*address)))
            if waiting := [task for task in tried if not task.done()]:
                timeout = None if address is None else _NEXT_ADDRESS
                await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            elif address is None:
                return await tried[0]  # which raises why it is none
            first = next((task for task in tried if task.done() and task.exception() is None), None)
        return first.result()
    finally:
        for task in tried:
            if task is not first:
                task.cancel()
                task.add_done_callback(_abort)


def _abort(task: asyncio.Task[Stream]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().abort()


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
