"""
The drivers: the only place of the client that sends bytes, sleeps, or imports httpx.

`run` and `arun` carry out the steps of one flow and decide nothing: that is `_flow`, `_retry` and `_pace`.
`Home` keeps the connections. One module, over 300 lines, because it is all that knows httpx.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Protocol, TypeVar, cast

import httpx

from volc_dashscope._flow import Flow, Send, Wait
from volc_dashscope._wire import Fault, Reply, Request, Secret
from volc_dashscope.errors import ConfigError

T = TypeVar("T")
A = TypeVar("A", httpx.HTTPTransport, httpx.AsyncHTTPTransport)

_log = logging.getLogger("volc_dashscope")
_LONG_WAIT = 10.0
_REMEMBERED = 64
_SHARD = 8
# The largest honest reply is a batch of 25 vectors of 4096 floats in text, under 3 MB. What may be larger says so.
_LARGEST_REPLY = 32 * 1024 * 1024
_PIECE = 1024 * 1024
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 47}


class Limiter(Protocol):
    """A user's own brake, asked before each request is sent."""

    def acquire(self) -> object: ...

    async def aacquire(self) -> object: ...


class Interrupted(Exception):
    """A worker was told to stop while it waited. Never leaves this module."""


class Home:
    """
    Where a client's connections live: made on first use, remade after a fork, one set per event loop.

    A client handed in by the user is used as it is, and never remade or closed.
    """

    def __init__(
        self,
        *,
        key: Secret,
        timeout: float,
        width: int,
        limiter: Limiter | None,
        given: httpx.Client | None,
        given_async: httpx.AsyncClient | None,
        proxy: str | None = None,
    ) -> None:
        self._key = key
        # A day stands for "no end": sockets do not take infinity.
        self._timeout = httpx.Timeout(min(timeout, 86_400.0), connect=min(timeout, 10.0)).as_dict()
        self._proxy = proxy
        self.width = width
        self.limiter = limiter
        self._given, self._given_async = given, given_async
        self._settle()

    def _settle(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._own: _Own | None = None
        self._gate = threading.BoundedSemaphore(self.width)
        self._leases: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Lease] = (
            weakref.WeakKeyDictionary()
        )
        self._urls: dict[str, httpx.URL] = {}
        self._headers: dict[tuple[object, ...], httpx.Headers] = {}

    def channel(self) -> tuple[_Channel, threading.BoundedSemaphore]:
        """Return this process's connections and the gate that bounds its requests in flight."""
        self._check(self._given, self._given_async, "http_client")
        with self._lock:
            if self._given is not None:
                return _Given(self._given), self._gate
            if self._own is None:
                self._own = _Own(_transport(httpx.HTTPTransport, self._proxy, self.width))
            return self._own, self._gate

    async def achannel(self) -> tuple[_AsyncChannel, asyncio.Semaphore]:
        """Return this event loop's connections and gate."""
        self._check(self._given_async, self._given, "http_async_client")
        loop = asyncio.get_running_loop()
        lease = self._leases.get(loop)
        if lease is None:
            given = self._given_async
            channel = _AsyncGiven(given) if given is not None else _AsyncOwn(self._proxy)
            lease = _Lease(channel, asyncio.Semaphore(self.width))
            # A lease knows its loop, so that the weak reference alone would keep both for ever.
            for closed in [other for other in self._leases if other.is_closed()]:
                del self._leases[closed]
            self._leases[loop] = lease
            await lease.open()
        return lease.channel, lease.gate

    def _check(self, wanted: object, other: object, name: str) -> None:
        if wanted is None and other is not None:
            raise ConfigError(f"only the other kind of HTTP client was handed in; pass {name} for this call")
        if self._pid != os.getpid():
            if wanted is not None:
                raise ConfigError(
                    f"{name} was handed in before a fork and cannot be shared; make a new one here"
                )
            self._settle()

    def headers(self, request: Request) -> httpx.Headers:
        """Return a request's headers, the key among them unless the request is for another host."""
        identity = (request.keyless, *request.headers.items())
        known = self._headers.get(identity)
        if known is None:
            if len(self._headers) >= _REMEMBERED:
                self._headers.clear()
            headers = {
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                **request.headers,
            }
            if not request.keyless:
                headers["Authorization"] = f"Bearer {self._key.reveal()}"
            known = self._headers[identity] = httpx.Headers(headers)
        return known

    def made(self, request: Request) -> httpx.Request:
        """Return the request as httpx's, for connections of our own."""
        url = self._urls.get(request.url)
        if url is None:
            if len(self._urls) >= _REMEMBERED:
                self._urls.clear()
            url = self._urls[request.url] = httpx.URL(request.url)
        return httpx.Request(
            request.method,
            url,
            headers=self.headers(request),
            content=request.body,
            extensions={"timeout": self._timeout},
        )

    def close(self) -> None:
        """Close what was made here. Closing twice is allowed; the next call opens new connections."""
        own, self._own = self._own, None
        if own is not None and self._pid == os.getpid():
            own.close()

    async def aclose(self) -> None:
        """Close this event loop's connections."""
        lease = self._leases.pop(asyncio.get_running_loop(), None)
        if lease is not None:
            await lease.close()


class _Channel(Protocol):
    def send(self, request: Request, home: Home) -> httpx.Response: ...


class _AsyncChannel(Protocol):
    async def send(self, request: Request, home: Home) -> httpx.Response: ...

    async def close(self) -> None: ...


class _Own:
    """Connections of our own: httpx's transport without its client, which costs as much again per request."""

    def __init__(self, transport: httpx.HTTPTransport) -> None:
        self._transport = transport
        # A client that is dropped and not closed leaves no socket open.
        weakref.finalize(self, _close_here, transport, os.getpid()).atexit = False

    def send(self, request: Request, home: Home) -> httpx.Response:
        return self._transport.handle_request(home.made(request))

    def close(self) -> None:
        self._transport.close()


def _close_here(transport: httpx.HTTPTransport, process: int) -> None:
    # A forked child must not wait for a lock that a thread of its parent held.
    if os.getpid() == process:
        transport.close()


class _AsyncOwn:
    """As `_Own`, in shards: a pool looks at all its connections for every request it sends."""

    def __init__(self, proxy: str | None) -> None:
        self._proxy = proxy
        self._shards: list[tuple[httpx.AsyncHTTPTransport, list[int]]] = []

    async def send(self, request: Request, home: Home) -> httpx.Response:
        shard = min(self._shards, key=lambda shard: shard[1][0], default=None)
        if shard is None or shard[1][0] >= _SHARD:
            shard = (_transport(httpx.AsyncHTTPTransport, self._proxy, _SHARD), [0])
            self._shards.append(shard)
        transport, load = shard
        load[0] += 1
        try:
            response = await transport.handle_async_request(home.made(request))
        except BaseException:
            load[0] -= 1
            raise
        response.stream = _Counted(response.stream, load)
        return response

    async def close(self) -> None:
        for transport, _ in self._shards:
            await transport.aclose()


class _Counted(httpx.AsyncByteStream):
    """A body that frees its place in a shard when it is closed."""

    def __init__(self, stream: object, load: list[int]) -> None:
        self._stream, self._load = cast(httpx.AsyncByteStream, stream), load

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        self._load[0] -= 1
        await self._stream.aclose()


class _Given:
    """A client of the user's, with its own timeouts, hooks and headers."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def send(self, request: Request, home: Home) -> httpx.Response:
        return self._client.send(_built(request, self._client, home), stream=True, **_manners(request))


class _AsyncGiven:
    """As `_Given`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, request: Request, home: Home) -> httpx.Response:
        return await self._client.send(_built(request, self._client, home), stream=True, **_manners(request))

    async def close(self) -> None:
        """Leave it open: it is not ours."""


def _built(request: Request, client: httpx.Client | httpx.AsyncClient, home: Home) -> httpx.Request:
    if request.keyless:
        # Not built by the client: its headers and cookies are for the service, not for a host named in a reply.
        return home.made(request)
    headers = home.headers(request)
    return client.build_request(request.method, request.url, headers=headers, content=request.body)


def trust() -> ssl.SSLContext:
    """Return whose certificates are trusted: certifi's, or those of SSL_CERT_FILE."""
    return httpx.create_ssl_context()


def _manners(request: Request) -> dict[str, Any]:
    return {"auth": None, "follow_redirects": False} if request.keyless else {}


def _transport(kind: type[A], proxy: str | None, keep: int) -> A:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=keep)
    try:
        return kind(limits=limits, proxy=proxy)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            "the environment's proxy cannot be used; its scheme must be http, https, or socks5 with httpx[socks]"
        ) from error


class _Lease:
    """An event loop's connections. `asyncio.run` closes open async generators, and with this one these."""

    def __init__(self, channel: _AsyncChannel, gate: asyncio.Semaphore) -> None:
        self.channel, self.gate = channel, gate
        self._closing = _close_at_end(channel)

    async def open(self) -> None:
        await self._closing.__anext__()

    async def close(self) -> None:
        await self._closing.aclose()


async def _close_at_end(channel: _AsyncChannel) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await channel.close()


def process_id() -> int:
    """Return the process this runs in, for what must not be shared with a forked child."""
    return os.getpid()


def run(flow: Flow[T], home: Home, stop: threading.Event) -> T:
    """Carry out a flow in this thread. Setting `stop` ends its waits."""
    happened: Reply | Fault | None = None
    while True:
        try:
            step = flow.send(happened)
        except StopIteration as done:
            result: T = done.value
            return result
        happened = None
        if isinstance(step, Send):
            happened = _send(step.request, home)
        else:
            _note(step)
            if stop.wait(step.seconds):
                raise Interrupted


async def arun(flow: Flow[T], home: Home) -> T:
    """Carry out a flow in this task. Cancelling the task ends it."""
    happened: Reply | Fault | None = None
    while True:
        try:
            step = flow.send(happened)
        except StopIteration as done:
            result: T = done.value
            return result
        happened = None
        if isinstance(step, Send):
            happened = await _asend(step.request, home)
        else:
            _note(step)
            await asyncio.sleep(step.seconds)


def _send(request: Request, home: Home) -> Reply | Fault:
    channel, gate = home.channel()
    if home.limiter is not None:
        home.limiter.acquire()
    with gate:
        began = time.monotonic()
        try:
            response = channel.send(request, home)
            try:
                body = _Body(request, response)
                for chunk in response.iter_raw() if body.compressed else response.iter_bytes():
                    if not body.takes(chunk):
                        return _fault(Fault("too large"), request, began)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.StreamError, zlib.error) as error:
            return _fault(_kind(error), request, began)
        return _reply(response, body.kept(), request, began)


async def _asend(request: Request, home: Home) -> Reply | Fault:
    channel, gate = await home.achannel()
    if home.limiter is not None:
        await home.limiter.aacquire()
    async with gate:
        began = time.monotonic()
        try:
            response = await channel.send(request, home)
            try:
                body = _Body(request, response)
                async for chunk in response.aiter_raw() if body.compressed else response.aiter_bytes():
                    if not body.takes(chunk):
                        return _fault(Fault("too large"), request, began)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.StreamError, zlib.error) as error:
            return _fault(_kind(error), request, began)
        return _reply(response, body.kept(), request, began)


class _Body:
    """
    What a reply holds, in memory or in the file its request names, and no more than it may.

    Compressed bytes are unpacked here, piece by piece: httpx unpacks a whole chunk before anyone can count, and
    64 KB may hold 66 MB.
    """

    def __init__(self, request: Request, response: httpx.Response) -> None:
        self._room = request.largest or _LARGEST_REPLY
        self._file = request.into if response.status_code == 200 else None
        self._memory = bytearray()
        coding = response.headers.get("content-encoding", "").strip().lower()
        bits = _WINDOW_BITS.get(coding)
        read = response.is_stream_consumed
        self._unpack = None if bits is None or read else zlib.decompressobj(bits)
        if coding not in ("", "identity", *_WINDOW_BITS) and not read:
            raise httpx.DecodingError("a content coding that was not asked for")
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    @property
    def compressed(self) -> bool:
        """Whether chunks are to be given as they came over the wire."""
        return self._unpack is not None

    def takes(self, chunk: bytes) -> bool:
        """Keep a chunk; False if that is too much."""
        if self._unpack is None:
            return self._keep(chunk)
        if self._unpack.eof and chunk:
            raise httpx.DecodingError("bytes after the end of the compressed body")
        while chunk:
            if not self._keep(self._unpack.decompress(chunk, _PIECE)):
                return False
            chunk = self._unpack.unconsumed_tail
        return True

    def _keep(self, chunk: bytes) -> bool:
        self._room -= len(chunk)
        if self._room < 0:
            return False
        if self._file is not None:
            self._file.write(chunk)
        else:
            self._memory += chunk
        return True

    def kept(self) -> bytes:
        """Return what is in memory."""
        return bytes(self._memory)


def _reply(response: httpx.Response, body: bytes, request: Request, began: float) -> Reply:
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw
    }
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug(
            "%s %s -> %d in %.3f s, request id %s",
            request.method,
            httpx.URL(request.url).path,
            response.status_code,
            time.monotonic() - began,
            headers.get("x-request-id"),
        )
    return Reply(response.status_code, headers, body, time.time())


def _fault(fault: Fault, request: Request, began: float) -> Fault:
    if _log.isEnabledFor(logging.DEBUG):
        path, seconds = httpx.URL(request.url).path, time.monotonic() - began
        _log.debug("%s %s -> %s after %.3f s", request.method, path, fault.kind, seconds)
    return fault


def _kind(error: Exception) -> Fault:
    if isinstance(error, httpx.TimeoutException):
        return Fault("timeout")
    return Fault("connect" if isinstance(error, httpx.ConnectError) else "broken")


def _note(wait: Wait) -> None:
    if wait.seconds >= _LONG_WAIT and not wait.expected:
        _log.warning("waiting %.1f s before the next request", wait.seconds)
