"""
A client's connections: made on first use, remade after a fork, one set per event loop.

An event loop's connections are closed with the loop: `asyncio.run` closes open async generators, and `LoopCleanup`
holds one. If a client is garbage-collected before that, its connections are closed at once, or with the loop if that is
just ending.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from volc_dashscope._http.request_builder import RequestBuilder
from volc_dashscope._http.transport import (
    AsyncHttpClient,
    AsyncOwnTransport,
    AsyncUserTransport,
    HttpClient,
    OwnTransport,
    UserTransport,
    check_clients,
)
from volc_dashscope._types import Fault, Reply, Request, Secret
from volc_dashscope.errors import ConfigError

if TYPE_CHECKING:
    # Importing asyncio would slow every import of `Client`; the functions that use it import it themselves.
    import asyncio

C = TypeVar("C")
V = TypeVar("V")


class Limiter(Protocol):
    """A user's own limiter, called before each request is sent."""

    def acquire(self) -> object: ...

    async def aacquire(self) -> object: ...


def check_limiter(limiter: object) -> None:
    """
    Raises:
        ConfigError: The object is no limiter.
    """
    missing = [name for name in ("acquire", "aacquire") if not callable(getattr(limiter, name, None))]
    if limiter is not None and missing:
        raise ConfigError(f"limiter must have acquire() and aacquire(), and {missing[0]}() is missing")


class Channel(Protocol):
    """Sends one request and returns its complete reply or a fault; `until` is the deadline on the monotonic clock."""

    def send(self, request: Request, until: float) -> Reply | Fault: ...

    def close(self) -> None: ...


class AsyncChannel(Protocol):
    """As `Channel`, for the tasks of one event loop."""

    async def send(self, request: Request, until: float) -> Reply | Fault: ...

    async def close(self) -> None: ...


class ThreadCall(Protocol):
    """A call under way in a thread. Closing it ends the wait of its caller."""

    def close(self) -> None: ...


class OpenCalls(Generic[C]):
    """
    The calls under way, which end when their client is closed.

    Args:
        end: Ends one of them.

    Attributes:
        closed: Whether they were ended.
    """

    def __init__(self, end: Callable[[C], object]) -> None:
        self._end = end
        self._calls: set[C] = set()
        self.closed = False

    @contextmanager
    def entered(self, call: C) -> Iterator[None]:
        """Register a running call; one that starts after `close` is ended at once."""
        self._calls.add(call)
        if self.closed:
            self._end(call)
        try:
            yield
        finally:
            self._calls.discard(call)

    def close(self) -> None:
        """End the calls under way and all later ones."""
        self.closed = True
        with suppress(KeyError):  # `pop` and not a loop: other threads come and go
            while True:
                self._end(self._calls.pop())


class Transport(NamedTuple):
    """
    What sends the requests of a call.

    Attributes:
        channel: The connections.
        semaphore: Bounds the requests in flight.
        limiter: The user's own.
        calls: The calls under way.
    """

    channel: Channel
    semaphore: threading.BoundedSemaphore
    limiter: Limiter | None
    calls: OpenCalls[ThreadCall]


class AsyncTransport(NamedTuple):
    """As `Transport`, for the tasks of one event loop."""

    channel: AsyncChannel
    semaphore: asyncio.Semaphore
    limiter: Limiter | None
    calls: OpenCalls[asyncio.Timeout]


_cleanups: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopCleanup] = weakref.WeakKeyDictionary()


class LoopCleanup:
    """Keeps an event loop's connections and closes them with the loop."""

    def __init__(self) -> None:
        self._open: set[AsyncChannel] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._closes_with_loop = self._close_with_loop()

    async def _close_with_loop(self) -> AsyncGenerator[None, None]:
        import asyncio

        try:
            yield
        finally:
            for channel in [*self._open]:
                await self.close(channel)
            await asyncio.gather(*self._closing, return_exceptions=True)

    async def begin(self) -> None:
        """Start the generator, so that the event loop closes it at its end."""
        await self._closes_with_loop.__anext__()

    def keep(self, channel: AsyncChannel) -> None:
        """Close this connection with the loop, unless it is closed before."""
        self._open.add(channel)

    async def close(self, channel: AsyncChannel) -> None:
        """Close this connection now."""
        await channel.close()
        self._open.discard(channel)

    def close_soon(self, channel: AsyncChannel) -> None:
        """As `close`, without waiting; called in the loop's thread."""
        import asyncio

        task = asyncio.get_running_loop().create_task(self.close(channel))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def loop_cleanup() -> LoopCleanup:
    """Return the running event loop's `LoopCleanup`."""
    import asyncio

    loop = asyncio.get_running_loop()
    cleanup = _cleanups.get(loop)
    if cleanup is None:
        forget_closed(_cleanups)
        cleanup = _cleanups[loop] = LoopCleanup()
        await cleanup.begin()
    return cleanup


def forget_closed(kept: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, V]) -> None:
    """Drop closed loops: the values refer to their loop, so weak keys alone would never free either."""
    for ref in kept.keyrefs():  # a copy, since other threads have loops of their own
        loop = ref()
        if loop is not None and loop.is_closed():
            kept.pop(loop, None)


def close_dropped(transports: Mapping[asyncio.AbstractEventLoop, AsyncTransport], process: int) -> None:
    """Close the connections of a garbage-collected client; may run in any thread at any time."""
    if os.getpid() != process:
        return  # a forked child has neither the loops nor the connections
    for loop, transport in list(transports.items()):
        cleanup = _cleanups.get(loop)
        if cleanup is not None:
            with suppress(RuntimeError):  # the loop is closed, and its cleanup ran before
                loop.call_soon_threadsafe(cleanup.close_soon, transport.channel)


_LoopTransports: TypeAlias = "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncTransport]"


class ConnectionPool:
    """
    A client's connections and the semaphores that bound its requests in flight.

    An HTTP client passed in by the user is used as it is, and never replaced or closed.
    """

    def __init__(
        self,
        *,
        key: Secret | None,
        timeout: float,
        width: int,
        limiter: Limiter | None,
        http_client: HttpClient | None,
        http_async_client: AsyncHttpClient | None,
        proxy: str | None = None,
    ) -> None:
        self._key, self._timeout = key, timeout
        check_clients(http_client, http_async_client)
        self._proxy = None if proxy is None else Secret(proxy)
        self.width = width
        check_limiter(limiter)
        self.limiter = limiter
        self._http_client, self._http_async_client = http_client, http_async_client
        self._closed = False
        self._closed_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._begin()

    def _begin(self) -> None:
        self._pid = process_id()
        self._lock = threading.Lock()
        self._builder = RequestBuilder(self._key, self._timeout)
        self._channel: Channel | None = None
        self._semaphore = threading.BoundedSemaphore(self.width)
        self._async_transports: _LoopTransports = weakref.WeakKeyDictionary()
        self._calls: OpenCalls[ThreadCall] = OpenCalls(lambda call: call.close())
        weakref.finalize(self, close_dropped, self._async_transports, self._pid).atexit = False

    def sync_transport(self) -> Transport:
        """Return this process's connections and semaphore."""
        self._check(self._http_client, self._http_async_client, "http_client", closed=self._closed)
        with self._lock:
            if self._closed:  # meanwhile, by another thread
                raise ConfigError("this client is closed; create a new one")
            if self._channel is None:
                http_client = self._http_client
                self._channel = (
                    OwnTransport(self._proxy, self._builder)
                    if http_client is None
                    else UserTransport(http_client, self._builder)
                )
            return Transport(self._channel, self._semaphore, self.limiter, self._calls)

    async def async_transport(self) -> AsyncTransport:
        """Return this event loop's connections and semaphore."""
        import asyncio

        loop = running_loop()
        closed = self._closed or loop in self._closed_loops
        self._check(self._http_async_client, self._http_client, "http_async_client", closed=closed)
        transport = self._async_transports.get(loop)
        if transport is None:
            transport = AsyncTransport(
                self._new_async_channel(), asyncio.Semaphore(self.width), self.limiter, OpenCalls(_end_call)
            )
            forget_closed(self._async_transports)
            self._async_transports[loop] = transport
            (await loop_cleanup()).keep(transport.channel)
        return transport

    def _new_async_channel(self) -> AsyncChannel:
        if self._http_async_client is not None:
            return AsyncUserTransport(self._http_async_client, self._builder)
        return AsyncOwnTransport(self._proxy, self._builder)

    def _check(self, needed: object, other: object, name: str, *, closed: bool) -> None:
        if closed:
            raise ConfigError("this client is closed; create a new one")
        if needed is None and other is not None:
            passed = "http_async_client" if name == "http_client" else "http_client"
            raise ConfigError(f"this call needs {name}, but only {passed} was passed; pass both, or neither")
        if self._pid != _CurrentPid.process:
            if needed is not None:
                raise ConfigError(
                    f"{name} was passed before a fork and cannot be shared with this process; create a new client here"
                )
            self._begin()

    def close(self) -> None:
        """
        Close the connections. Closing twice is allowed.

        Calls of other threads that are under way end with a `ConfigError`, and so does every later call.
        """
        if self._pid != process_id():
            self._channel = None
            return
        with self._lock:
            own, self._channel, self._closed = self._channel, None, True
        self._calls.close()
        if own is not None:
            own.close()
        for ref in self._async_transports.keyrefs():
            loop = ref()
            transport = None if loop is None else self._async_transports.get(loop)
            if loop is not None and transport is not None:
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(transport.calls.close)

    async def aclose(self) -> None:
        """As `close`, for the connections of this event loop."""
        self._closed_loops.add(running_loop())
        transport = self._async_transports.pop(running_loop(), None)
        if transport is not None:
            transport.calls.close()
            await (await loop_cleanup()).close(transport.channel)


def _end_call(call: asyncio.Timeout) -> None:
    if not call.expired():  # its deadline may come first
        call.reschedule(running_loop().time())


def running_loop() -> asyncio.AbstractEventLoop:
    """
    Return the event loop this runs in.

    Raises:
        ConfigError: There is none, or it is not asyncio's.
    """
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigError(
            "AsyncClient needs an asyncio event loop (uvloop included); under trio, use Client in a thread"
        ) from error


def process_id() -> int:
    """Return the id of this process, for objects that must not be shared with a forked child."""
    return _CurrentPid.process


class _CurrentPid:
    """The process id, cached because every request reads it and a system call each time would be slow."""

    process = os.getpid()

    @classmethod
    def refresh(cls) -> None:
        cls.process = os.getpid()


if hasattr(os, "register_at_fork"):  # Windows has none, and no fork
    os.register_at_fork(after_in_child=_CurrentPid.refresh)
