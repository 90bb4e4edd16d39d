"""
Sends one request and reads its reply: over the library's own connections, or by the user's client.

Our own connections are httpx's transports without its client, which would double the cost per request. Each transport
has one connection, because a pool of many checks all of them for every request. The transport that was released last
is used next, and one that has been idle for long is closed.
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
from volc_dashscope._http.faults import DeadlineExceeded, Progress, fault_of, is_known, refused_by_proxy
from volc_dashscope._http.proxies import OtherProxies, as_httpx, without_password
from volc_dashscope._http.request_builder import RequestBuilder, ssl_context
from volc_dashscope._types import Fault, Reply, Request, Secret
from volc_dashscope.errors import ConfigError

A = TypeVar("A", httpx.HTTPTransport, httpx.AsyncHTTPTransport)

# Seconds an idle connection is kept; load balancers close idle ones after a minute or so.
_KEEPALIVE_SECONDS = 30.0
_SINGLE_CONNECTION = httpx.Limits(
    max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEPALIVE_SECONDS
)


@runtime_checkable
class HttpClient(Protocol):
    """The methods we use of a user's client, as `httpx.Client` and `httpx2.Client` have them."""

    @property
    def is_closed(self) -> bool: ...

    # The request is of the library's own type: `build_request` returns it and `send` takes it.
    def build_request(self, method: str, url: str, *, headers: dict[str, str], content: bytes) -> Any: ...

    def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Response: ...


@runtime_checkable
class AsyncHttpClient(Protocol):
    """As `HttpClient`, for `httpx.AsyncClient` (with any transport) and `httpx2.AsyncClient`."""

    @property
    def is_closed(self) -> bool: ...

    def build_request(self, method: str, url: str, *, headers: dict[str, str], content: bytes) -> Any: ...

    async def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Response: ...


def check_clients(sync: object, asynchronous: object) -> None:
    """
    Raises:
        ConfigError: The object is not an HTTP client, or is async where a sync one is needed, or the reverse.
    """
    for name, client, protocol, is_async in (
        ("http_client", sync, HttpClient, False),
        ("http_async_client", asynchronous, AsyncHttpClient, True),
    ):
        if client is None:
            continue
        example = "httpx.AsyncClient" if is_async else "httpx.Client"
        if isinstance(client, type) or not isinstance(client, protocol):
            raise ConfigError(f"{name} must be a client like {example}, got {type(client).__name__}")
        if inspect.iscoroutinefunction(type(client).send) is not is_async:
            actual = "a synchronous" if is_async else "an asynchronous"
            raise ConfigError(f"{name} must be a client like {example}, got {actual} {type(client).__name__}")


class TransportPool(Generic[A]):
    """
    Transports of one connection each. Appending to and popping from a deque need no lock.

    Args:
        make: Makes a transport; it connects when it is used.
        keepalive: Seconds a transport may be idle before `release` returns it to be closed.
    """

    def __init__(self, make: Callable[[], A], keepalive: float = _KEEPALIVE_SECONDS) -> None:
        self._keepalive = keepalive
        self._make: Callable[[], A] = make
        self._free: deque[tuple[float, A]] = deque()
        self._all: set[A] = set()
        self.closed = False

    def acquire(self) -> A:
        """Return a transport that is not in use."""
        try:
            return self._free.pop()[1]
        except IndexError:
            transport = self._make()
            self._all.add(transport)
            return transport

    def release(self, transport: A) -> A | None:
        """Put a transport back; returns a transport that the caller must close, if any."""
        if self.closed:
            return transport
        now = time.monotonic()
        self._free.append((now, transport))
        try:
            if now - self._free[0][0] <= self._keepalive:
                return None
            _, old = self._free.popleft()
        except IndexError:  # other threads have acquired all of them meanwhile
            return None
        self._all.discard(old)
        return old

    def forget(self, transport: A) -> None:
        """Remove a transport that is in use; the caller closes it."""
        self._all.discard(transport)

    def drain(self, *, used: bool = True) -> list[A]:
        """
        Return all transports, for the caller to close.

        Args:
            used: Include those in use. Threads close the transports they use themselves: if a socket is closed while
                a thread reads from it, its number may belong to another socket before the thread notices.
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
        self._build, self._proxy = builder, without_password(proxy)
        self._other_transports = OtherProxies(proxy, lambda other: OwnTransport(other, builder))
        self._pool = TransportPool(_transport_factory(httpx.HTTPTransport, proxy))
        # Making the first transport checks the environment's proxy and certificates.
        self._pool.release(self._pool.acquire())
        # A client that is dropped without being closed leaves no socket open.
        weakref.finalize(self, _close_in_process, self._pool, os.getpid()).atexit = False

    def send(self, request: Request, until: float) -> Reply | Fault:
        if self._pool.closed:
            return Fault("closed")
        if request.keyless and (other := self._other_transports.find(request)) is not None:
            return other.send(request, until)
        http_request, progress = self._build(request, until, proxied=self._proxy is not None)
        transport = self._pool.acquire()
        try:
            response = transport.handle_request(http_request)
            progress.answered = True
            if time.monotonic() > until:
                response.close()
                raise DeadlineExceeded
            reply = read(request, response, until)
        except Exception as error:
            self._discard(transport)
            if not is_known(error):
                raise
            return _late_if_expired(fault_of(error, progress, self._proxy), until)
        except BaseException:
            self._discard(transport)
            raise
        old = self._pool.release(transport)
        if old is not None:
            old.close()
        return refused_by_proxy(reply, self._proxy) or reply

    def _discard(self, transport: httpx.HTTPTransport) -> None:
        # If TLS fails in a proxy's tunnel, a transport never frees its only connection, and the next request would
        # wait for it until it times out.
        self._pool.forget(transport)
        transport.close()

    def close(self) -> None:
        _close(self._pool)
        for other in self._other_transports.drain():
            other.close()


def _close(pool: TransportPool[httpx.HTTPTransport]) -> None:
    for transport in pool.drain(used=False):
        transport.close()


def _close_in_process(pool: TransportPool[httpx.HTTPTransport], process: int) -> None:
    # A forked child must not wait for a lock that a thread of its parent held.
    if os.getpid() == process:
        _close(pool)


class AsyncOwnTransport:
    """As `OwnTransport`, for the tasks of one event loop."""

    def __init__(self, proxy: Secret | None, builder: RequestBuilder) -> None:
        self._build, self._proxy = builder, without_password(proxy)
        self._other_transports = OtherProxies(proxy, lambda other: AsyncOwnTransport(other, builder))
        self._pool = TransportPool(_transport_factory(httpx.AsyncHTTPTransport, proxy))
        self._pool.release(self._pool.acquire())

    async def send(self, request: Request, until: float) -> Reply | Fault:
        if self._pool.closed:
            return Fault("closed")
        if request.keyless and (other := self._other_transports.find(request)) is not None:
            return await other.send(request, until)
        http_request, progress = self._build(request, until, proxied=self._proxy is not None)
        transport = self._pool.acquire()
        try:
            outcome = await self._exchange(request, http_request, transport, progress)
        except BaseException:
            # A transport that is cancelled while it closes a reply never frees its only connection.
            await self._discard(transport)
            raise
        if isinstance(outcome, Reply):
            old = self._pool.release(transport)
            if old is not None:
                await old.aclose()
            return refused_by_proxy(outcome, self._proxy) or outcome
        await self._discard(transport)
        if self._pool.closed:
            return Fault("closed", cause=outcome)
        return _late_if_expired(fault_of(outcome, progress, self._proxy), until)

    async def _discard(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._pool.forget(transport)
        await transport.aclose()

    async def _exchange(
        self,
        request: Request,
        http_request: httpx.Request,
        transport: httpx.AsyncHTTPTransport,
        progress: Progress,
    ) -> Reply | Exception:
        try:
            response = await transport.handle_async_request(http_request)
            progress.answered = True
            return await aread(request, response)
        except Exception as error:
            if not self._pool.closed and not is_known(error):
                raise
            return error

    async def close(self) -> None:
        for transport in self._pool.drain():
            await transport.aclose()
        for other in self._other_transports.drain():
            await other.close()


def _late_if_expired(fault: Fault, until: float) -> Fault:
    """Return the fault as "late" if it is a timeout or failed connection at the deadline."""
    late = fault.kind in ("timeout", "connect") and time.monotonic() >= until
    return Fault("late", fault.reason, cause=fault.cause, place=fault.place) if late else fault


def _transport_factory(kind: type[A], proxy: Secret | None) -> Callable[[], A]:
    def make() -> A:
        context = ssl_context()
        try:
            return kind(verify=context, limits=_SINGLE_CONNECTION, proxy=as_httpx(proxy, context))
        except (ImportError, ValueError, httpx.InvalidURL):
            # The cause would quote the URL, which may hold a password.
            raise ConfigError(
                "the proxy set in the environment (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) cannot be used: it "
                "must be http://host:port, https://host:port, or socks5://host:port with httpx[socks]"
            ) from None

    return make


class UserTransport:
    """The user's own client, for threads; its timeouts and hooks apply, but redirects are not followed."""

    def __init__(self, client: HttpClient, builder: RequestBuilder) -> None:
        self._client, self._builder = client, builder

    def send(self, request: Request, until: float) -> Reply | Fault:
        answered = False
        try:
            http_request = _build_user_request(request, self._client, self._builder)
            response = self._client.send(http_request, **_options(request))
            answered = True
            return read(request, response, until)
        except Exception as error:
            return _reply_or_fault(error, self._client, until, answered=answered)

    def close(self) -> None:
        """Leave the client open; the user closes it."""


class AsyncUserTransport:
    """As `UserTransport`, for tasks."""

    def __init__(self, client: AsyncHttpClient, builder: RequestBuilder) -> None:
        self._client, self._builder = client, builder

    async def send(self, request: Request, until: float) -> Reply | Fault:
        answered = False
        try:
            http_request = _build_user_request(request, self._client, self._builder)
            response = await self._client.send(http_request, **_options(request))
            answered = True
            return await aread(request, response, shielded=True)
        except Exception as error:
            return _reply_or_fault(error, self._client, until, answered=answered)

    async def close(self) -> None:
        """Leave the client open; the user closes it."""


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
    return _late_if_expired(fault_of(error, answered=answered), until)


def _build_user_request(
    request: Request, client: HttpClient | AsyncHttpClient, builder: RequestBuilder
) -> Any:
    headers = builder.user_headers(request)
    # A copy: what a client does to its headers must not reach the next request.
    http_request = client.build_request(
        request.method, request.url, headers={**headers}, content=request.body
    )
    if request.keyless:
        # The client's own headers and cookies are for the service, not for a host named in a reply.
        known = {"host", "content-length", *(name.lower() for name in headers)}
        for name in [name for name in http_request.headers if name.lower() not in known]:
            del http_request.headers[name]
    return http_request


def _options(request: Request) -> dict[str, Any]:
    # A redirected POST would carry what is embedded to another host.
    options: dict[str, Any] = {"stream": True, "follow_redirects": False}
    if request.keyless:
        options["auth"] = None
    return options
