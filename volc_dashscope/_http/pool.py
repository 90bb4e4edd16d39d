"""Where a client's connections live: made on first use, remade after a fork, one set per event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from typing import NamedTuple, Protocol, TypeAlias

import httpx

from volc_dashscope._http.loop_cleanup import close_dropped, forget_closed, keeper
from volc_dashscope._http.request_builder import RequestBuilder
from volc_dashscope._http.transport import AsyncOwnTransport, OwnTransport
from volc_dashscope._http.user_transport import AsyncUserTransport, UserTransport
from volc_dashscope._types import Fault, Reply, Request, Secret
from volc_dashscope.errors import ConfigError


class Limiter(Protocol):
    """A user's own brake, asked before each request is sent."""

    def acquire(self) -> object: ...

    async def aacquire(self) -> object: ...


class Channel(Protocol):
    """Sends one request and returns its whole reply, or what stood in its way. Never raises for either."""

    def send(self, request: Request) -> Reply | Fault: ...

    def close(self) -> None: ...


class AsyncChannel(Protocol):
    """As `Channel`, for the tasks of one event loop."""

    async def send(self, request: Request) -> Reply | Fault: ...

    async def close(self) -> None: ...


class Transport(NamedTuple):
    """How the requests of a call leave: connections, the gate that bounds them, and the user's own brake."""

    channel: Channel
    gate: threading.BoundedSemaphore
    limiter: Limiter | None


class AsyncTransport(NamedTuple):
    """As `Transport`, for the tasks of one event loop."""

    channel: AsyncChannel
    gate: asyncio.Semaphore
    limiter: Limiter | None


_Places: TypeAlias = "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncTransport]"


class ConnectionPool:
    """
    A client's connections and the gates that bound its requests in flight.

    A client handed in by the user is used as it is, and never remade or closed.
    """

    def __init__(
        self,
        *,
        key: Secret | None,
        timeout: float,
        width: int,
        limiter: Limiter | None,
        given: httpx.Client | None,
        given_async: httpx.AsyncClient | None,
        proxy: str | None = None,
    ) -> None:
        self._key, self._timeout = key, timeout
        self._proxy = proxy
        self.width = width
        self.limiter = limiter
        self._given, self._given_async = given, given_async
        self._settle()

    def _settle(self) -> None:
        self._pid = process_id()
        self._lock = threading.Lock()
        self._dress = RequestBuilder(self._key, self._timeout)
        self._own: Channel | None = None
        self._gate = threading.BoundedSemaphore(self.width)
        self._places: _Places = weakref.WeakKeyDictionary()
        weakref.finalize(self, close_dropped, self._places, self._pid).atexit = False

    def sync_transport(self) -> Transport:
        """Return this process's connections and gate."""
        self._check(self._given, self._given_async, "http_client")
        with self._lock:
            if self._own is None:
                given = self._given
                self._own = (
                    OwnTransport(self._proxy, self._dress)
                    if given is None
                    else UserTransport(given, self._dress)
                )
            return Transport(self._own, self._gate, self.limiter)

    async def async_transport(self) -> AsyncTransport:
        """Return this event loop's connections and gate."""
        self._check(self._given_async, self._given, "http_async_client")
        loop = asyncio.get_running_loop()
        place = self._places.get(loop)
        if place is None:
            place = AsyncTransport(self._new_async(), asyncio.Semaphore(self.width), self.limiter)
            forget_closed(self._places)
            self._places[loop] = place
            (await keeper()).keep(place.channel)
        return place

    def _new_async(self) -> AsyncChannel:
        if self._given_async is not None:
            return AsyncUserTransport(self._given_async, self._dress)
        return AsyncOwnTransport(self._proxy, self._dress)

    def _check(self, wanted: object, other: object, name: str) -> None:
        if wanted is None and other is not None:
            raise ConfigError(f"only the other kind of HTTP client was handed in; pass {name} for this call")
        if self._pid != process_id() and wanted is not None:
            raise ConfigError(f"{name} was handed in before a fork and cannot be shared; make a new one here")
        if self._pid != process_id():
            self._settle()

    def close(self) -> None:
        """Close what was made here. Closing twice is allowed; the next call opens new connections."""
        own, self._own = self._own, None
        if self._pid != process_id():
            return
        if own is not None:
            own.close()

    async def aclose(self) -> None:
        """Close this event loop's connections."""
        place = self._places.pop(asyncio.get_running_loop(), None)
        if place is not None:
            await (await keeper()).close(place.channel)


def process_id() -> int:
    """Return the process this runs in, for what must not be shared with a forked child."""
    return _CurrentPid.process


class _CurrentPid:
    """Asked for at every request, where a call of the system each time would be felt."""

    process = os.getpid()

    @classmethod
    def refresh(cls) -> None:
        cls.process = os.getpid()


if hasattr(os, "register_at_fork"):  # Windows has none, and no fork
    os.register_at_fork(after_in_child=_CurrentPid.refresh)
