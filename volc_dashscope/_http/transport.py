"""
Sends one request and reads its reply: over the library's own connections, or by the user's client.

Our own are httpx's transports without its client, which costs as much again per request. Each has one connection:
a pool of many looks at all of them for every request it sends; here the transport that was free last is taken, and
one that has been free for long is closed.
"""

from __future__ import annotations

import inspect
import os
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import httpx

from volc_dashscope._http.body import Response, aread, read, reply_of
from volc_dashscope._http.faults import Late, Progress, fault_of, is_known, refused_by_proxy
from volc_dashscope._http.proxies import OtherProxies, as_httpx, shown
from volc_dashscope._http.request_builder import RequestBuilder, ssl_context
from volc_dashscope._types import Fault, Reply, Request, Secret
from volc_dashscope.errors import ConfigError

A = TypeVar("A", httpx.HTTPTransport, httpx.AsyncHTTPTransport)

# Seconds a connection is kept for the next request; load balancers close idle ones after a minute or so.
_KEPT = 30.0
_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEPT)


@runtime_checkable
class HttpClient(Protocol):
    """The methods that are used of a user's client; `httpx.Client` and `httpx2.Client` have them."""

    @property
    def is_closed(self) -> bool: ...

    # The request is the library's own, made by one method and sent by the other.
    def build_request(self, method: str, url: str, *, headers: dict[str, str], content: bytes) -> Any: ...

    def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Response: ...


@runtime_checkable
class AsyncHttpClient(Protocol):
    """As `HttpClient`, of `httpx.AsyncClient` (with any transport) and of `httpx2.AsyncClient`."""

    @property
    def is_closed(self) -> bool: ...

    def build_request(self, method: str, url: str, *, headers: dict[str, str], content: bytes) -> Any: ...

    async def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Response: ...


def check_clients(sync: object, asynchronous: object) -> None:
    """
    Raises:
        ConfigError: The object is no HTTP client, or one of the other kind.
    """
    for name, given, kind, awaited in (
        ("http_client", sync, HttpClient, False),
        ("http_async_client", asynchronous, AsyncHttpClient, True),
    ):
        if given is None:
            continue
        example = "httpx.AsyncClient" if awaited else "httpx.Client"
        if isinstance(given, type) or not isinstance(given, kind):
            raise ConfigError(f"{name} must be a client like {example}, got {type(given).__name__}")
        if inspect.iscoroutinefunction(type(given).send) is not awaited:
            seen = "a synchronous" if awaited else "an asynchronous"
            raise ConfigError(f"{name} must be a client like {example}, got {seen} {type(given).__name__}")


class TransportPool(Generic[A]):
    """
    Transports of one connection each. Appending to and popping from a deque need no lock.

    Args:
        make: Makes a transport; it connects when it is used.
        kept: Seconds a transport may be free before it is given back to be closed.
    """

    def __init__(self, make: Callable[[], A], kept: float = _KEPT) -> None:
        self._kept = kept
        self._make: Callable[[], A] = make
        self._free: deque[tuple[float, A]] = deque()
        self._all: set[A] = set()
        self.closed = False

    def acquire(self) -> A:
        """Return a transport that nobody uses."""
        try:
            return self._free.pop()[1]
        except IndexError:
            transport = self._make()
            self._all.add(transport)
            return transport

    def release(self, transport: A) -> A | None:
        """Put a transport back; returns one that is to be closed, if any."""
        if self.closed:
            return transport
        now = time.monotonic()
        self._free.append((now, transport))
        try:
            if now - self._free[0][0] <= self._kept:
                return None
            _, old = self._free.popleft()
        except IndexError:  # other threads took them all meanwhile
            return None
        self._all.discard(old)
        return old

    def forget(self, transport: A) -> None:
        """Leave a transport that is in use to its user, who closes it."""
        self._all.discard(transport)

    def drain(self, *, used: bool = True) -> list[A]:
        """
        Return all transports, to be closed.

        Args:
            used: Those in use too. Threads close what they use themselves: a socket that is closed under a
                thread that reads may be another's before that thread notices.
        """
        self.closed = True
        free = [transport for _, transport in list(self._free)]
        transports = list(self._all) if used else free
        self._all.clear()
        self._free.clear()
        return transports


class OwnTransport:
    """Our own connections, for threads."""

    def __init__(self, proxy: Secret | None, builder: RequestBuilder) -> None:
        self._build, self._proxy = builder, shown(proxy)
        self._others = OtherProxies(proxy, lambda other: OwnTransport(other, builder))
        self._pool = TransportPool(_maker(httpx.HTTPTransport, proxy))
        # The first one shows whether the environment's proxy and certificates can be used.
        self._pool.release(self._pool.acquire())
        # A client that is dropped and not closed leaves no socket open.
        weakref.finalize(self, _close_here, self._pool, os.getpid()).atexit = False

    def send(self, request: Request, until: float) -> Reply | Fault:
        if self._pool.closed:
            return Fault("closed")
        if request.keyless and (other := self._others.find(request)) is not None:
            return other.send(request, until)
        built, progress = self._build(request, until, proxied=self._proxy is not None)
        transport = self._pool.acquire()
        try:
            response = transport.handle_request(built)
            progress.answered = True
            if time.monotonic() > until:
                response.close()
                raise Late
            reply = read(request, response, until)
        except Exception as error:
            self._discard(transport)
            if not is_known(error):
                raise
            return _timely(fault_of(error, progress, self._proxy), until)
        except BaseException:
            self._discard(transport)
            raise
        old = self._pool.release(transport)
        if old is not None:
            old.close()
        return refused_by_proxy(reply, self._proxy) or reply

    def _discard(self, transport: httpx.HTTPTransport) -> None:
        # After TLS failed in a proxy's tunnel, a transport keeps its one connection busy for ever: the next request
        # would wait for it in vain.
        self._pool.forget(transport)
        transport.close()

    def close(self) -> None:
        _close(self._pool)
        for other in self._others.drain():
            other.close()


def _close(pool: TransportPool[httpx.HTTPTransport]) -> None:
    for transport in pool.drain(used=False):
        transport.close()


def _close_here(pool: TransportPool[httpx.HTTPTransport], process: int) -> None:
    # A forked child must not wait for a lock that a thread of its parent held.
    if os.getpid() == process:
        _close(pool)


class AsyncOwnTransport:
    """As `OwnTransport`, for the tasks of one event loop."""

    def __init__(self, proxy: Secret | None, builder: RequestBuilder) -> None:
        self._build, self._proxy = builder, shown(proxy)
        self._others = OtherProxies(proxy, lambda other: AsyncOwnTransport(other, builder))
        self._pool = TransportPool(_maker(httpx.AsyncHTTPTransport, proxy))
        self._pool.release(self._pool.acquire())

    async def send(self, request: Request, until: float) -> Reply | Fault:
        if self._pool.closed:
            return Fault("closed")
        if request.keyless and (other := self._others.find(request)) is not None:
            return await other.send(request, until)
        built, progress = self._build(request, until, proxied=self._proxy is not None)
        transport = self._pool.acquire()
        try:
            happened = await self._sent(request, built, transport, progress)
        except BaseException:
            # Cancelled while it closed a reply, a transport keeps its one connection busy for ever.
            await self._discard(transport)
            raise
        if isinstance(happened, Reply):
            old = self._pool.release(transport)
            if old is not None:
                await old.aclose()
            return refused_by_proxy(happened, self._proxy) or happened
        await self._discard(transport)
        if self._pool.closed:
            return Fault("closed", cause=happened)
        return _timely(fault_of(happened, progress, self._proxy), until)

    async def _discard(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._pool.forget(transport)
        await transport.aclose()

    async def _sent(
        self,
        request: Request,
        built: httpx.Request,
        transport: httpx.AsyncHTTPTransport,
        progress: Progress,
    ) -> Reply | Exception:
        try:
            response = await transport.handle_async_request(built)
            progress.answered = True
            return await aread(request, response)
        except Exception as error:
            if not self._pool.closed and not is_known(error):
                raise
            return error

    async def close(self) -> None:
        for transport in self._pool.drain():
            await transport.aclose()
        for other in self._others.drain():
            await other.close()


def _timely(fault: Fault, until: float) -> Fault:
    """Return a timeout or failed connection at the deadline as "late"."""
    late = fault.kind in ("timeout", "connect") and time.monotonic() >= until
    return Fault("late", fault.reason, cause=fault.cause, place=fault.place) if late else fault


def _maker(kind: type[A], proxy: Secret | None) -> Callable[[], A]:
    def make() -> A:
        context = ssl_context()
        try:
            return kind(verify=context, limits=_ONE, proxy=as_httpx(proxy, context))
        except (ImportError, ValueError, httpx.InvalidURL):
            # The cause would quote the URL, which may hold a password.
            raise ConfigError(
                "the proxy set in the environment (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) cannot be used: it "
                "must be http://host:port, https://host:port, or socks5://host:port with httpx[socks]"
            ) from None

    return make


class UserTransport:
    """The user's own client, for threads; used as it is, with its timeouts and hooks, but without redirects."""

    def __init__(self, client: HttpClient, builder: RequestBuilder) -> None:
        self._client, self._builder = client, builder

    def send(self, request: Request, until: float) -> Reply | Fault:
        answered = False
        try:
            built = _built(request, self._client, self._builder)
            response = self._client.send(built, **_options(request))
            answered = True
            return read(request, response, until)
        except Exception as error:
            return _reply_or_fault(error, self._client, until, answered=answered)

    def close(self) -> None:
        """Leave it open: it is not ours."""


class AsyncUserTransport:
    """As `UserTransport`, for tasks."""

    def __init__(self, client: AsyncHttpClient, builder: RequestBuilder) -> None:
        self._client, self._builder = client, builder

    async def send(self, request: Request, until: float) -> Reply | Fault:
        answered = False
        try:
            built = _built(request, self._client, self._builder)
            response = await self._client.send(built, **_options(request))
            answered = True
            return await aread(request, response, shielded=True)
        except Exception as error:
            return _reply_or_fault(error, self._client, until, answered=answered)

    async def close(self) -> None:
        """Leave it open: it is not ours."""


def _reply_or_fault(
    error: Exception, client: HttpClient | AsyncHttpClient, until: float, *, answered: bool
) -> Reply | Fault:
    if client.is_closed:
        raise ConfigError(
            "the HTTP client that was passed in is closed; create a new client with an open one"
        ) from error
    refused = reply_of(error)
    if refused is not None:
        return refused
    if not is_known(error):
        raise error
    return _timely(fault_of(error, answered=answered), until)


def _built(request: Request, client: HttpClient | AsyncHttpClient, builder: RequestBuilder) -> Any:
    headers = builder.user_heads(request)
    # A copy: what a client does to its headers must not reach the next request.
    built = client.build_request(request.method, request.url, headers={**headers}, content=request.body)
    if request.keyless:
        # The client's own headers and cookies are for the service, not for a host named in a reply.
        known = {"host", "content-length", *(name.lower() for name in headers)}
        for name in [name for name in built.headers if name.lower() not in known]:
            del built.headers[name]
    return built


def _options(request: Request) -> dict[str, Any]:
    # A redirected POST would carry what is embedded to another host.
    options: dict[str, Any] = {"stream": True, "follow_redirects": False}
    if request.keyless:
        options["auth"] = None
    return options
