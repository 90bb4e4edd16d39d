"""
Connections of our own: httpx's transports without its client, which costs as much again per request.

A lane is a transport with one connection. A pool of many looks at each of them for every request it sends; here
the lane that was free last is taken, and one that has been free for long is closed.
"""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import httpx

from volc_dashscope._http.request_builder import RequestBuilder, ssl_context
from volc_dashscope._http.response import FAULTS, aread, fault_of, read
from volc_dashscope._types import Fault, Reply, Request
from volc_dashscope.errors import ConfigError

A = TypeVar("A", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


# Seconds a connection is kept for the next request; load balancers close idle ones after a minute or so.
_KEPT = 30.0
_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEPT)


class TransportPool(Generic[A]):
    """
    The lanes of one channel. Appending to and popping from a deque need no lock.

    Args:
        make: Opens a lane.
        kept: Seconds a lane may be free before it is given back to be closed.
    """

    def __init__(self, make: Callable[[], A], kept: float = _KEPT) -> None:
        self._kept = kept
        self._make: Callable[[], A] = make
        self._free: deque[tuple[float, A]] = deque()
        self._all: set[A] = set()
        self._closed = False

    def take(self) -> A:
        """Return a lane that nobody uses."""
        try:
            return self._free.pop()[1]
        except IndexError:
            lane = self._make()
            self._all.add(lane)
            return lane

    def give(self, lane: A) -> A | None:
        """Put a lane back; returns one that is to be closed, if any."""
        if self._closed:
            return lane
        now = time.monotonic()
        self._free.append((now, lane))
        try:
            if now - self._free[0][0] <= self._kept:
                return None
            _, old = self._free.popleft()
        except IndexError:  # other threads took them all meanwhile
            return None
        self._all.discard(old)
        return old

    def drain(self) -> list[A]:
        """Return all lanes, to be closed; those in use too."""
        self._closed = True
        lanes = list(self._all)
        self._all.clear()
        self._free.clear()
        return lanes


class OwnTransport:
    """For threads."""

    def __init__(self, proxy: str | None, dress: RequestBuilder) -> None:
        self._dress = dress
        self._lanes = TransportPool(_maker(httpx.HTTPTransport, proxy))
        # A client that is dropped and not closed leaves no socket open.
        weakref.finalize(self, _close_here, self._lanes, os.getpid()).atexit = False

    def send(self, request: Request) -> Reply | Fault:
        lane = self._lanes.take()
        try:
            return read(request, lane.handle_request(self._dress(request)))
        except FAULTS as error:
            return fault_of(error)
        finally:
            old = self._lanes.give(lane)
            if old is not None:
                old.close()

    def close(self) -> None:
        _close(self._lanes)


def _close(lanes: TransportPool[httpx.HTTPTransport]) -> None:
    for lane in lanes.drain():
        lane.close()


def _close_here(lanes: TransportPool[httpx.HTTPTransport], process: int) -> None:
    # A forked child must not wait for a lock that a thread of its parent held.
    if os.getpid() == process:
        _close(lanes)


class AsyncOwnTransport:
    """For the tasks of one event loop."""

    def __init__(self, proxy: str | None, dress: RequestBuilder) -> None:
        self._dress = dress
        self._lanes = TransportPool(_maker(httpx.AsyncHTTPTransport, proxy))

    async def send(self, request: Request) -> Reply | Fault:
        lane = self._lanes.take()
        try:
            return await aread(request, await lane.handle_async_request(self._dress(request)))
        except FAULTS as error:
            return fault_of(error)
        finally:
            old = self._lanes.give(lane)
            if old is not None:
                await old.aclose()

    async def close(self) -> None:
        for lane in self._lanes.drain():
            await lane.aclose()


def _maker(kind: type[A], proxy: str | None) -> Callable[[], A]:
    def make() -> A:
        try:
            return kind(verify=ssl_context(), limits=_ONE, proxy=proxy)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                "the environment's proxy cannot be used; its scheme must be http, https, or socks5 with "
                "httpx[socks]"
            ) from error

    return make
