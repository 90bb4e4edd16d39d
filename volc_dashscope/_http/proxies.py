"""Proxies from the environment: which one a request uses, and how it is written for httpx and in messages."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import httpx

from volc_dashscope import _config
from volc_dashscope._types import Request, Secret

T = TypeVar("T")


class OtherProxies(Generic[T]):
    """
    The transports for hosts other than the service's, for which the environment sets another proxy, or none.

    Args:
        proxy: The proxy of the service's own host.
        make: Makes a transport for a proxy.
    """

    def __init__(self, proxy: Secret | None, make: Callable[[Secret | None], T]) -> None:
        self._proxy, self._make = proxy, make
        self._made: dict[Secret | None, T] = {}
        self._lock = threading.Lock()

    def find(self, request: Request) -> T | None:
        """Return the transport for a request to another host, or None if it uses the service's own transport."""
        proxy = _sealed(_config.find_proxy(request.url))
        if proxy == self._proxy:
            return None
        with self._lock:
            if proxy not in self._made:
                self._made[proxy] = self._make(proxy)
            return self._made[proxy]

    def drain(self) -> list[T]:
        """Return all transports, for the caller to close."""
        with self._lock:
            made = [*self._made.values()]
            self._made.clear()
        return made


def _sealed(proxy: str | None) -> Secret | None:
    # Crash reports show local variables, and a proxy's URL may contain a password.
    return None if proxy is None else Secret(proxy)


def without_password(proxy: Secret | None) -> str | None:
    """Return host and port of a proxy, without its password."""
    return (
        None
        if proxy is None
        else f"the proxy {proxy.reveal().rpartition('@')[2].rpartition('//')[2].rstrip('/')}"
    )


def as_httpx(proxy: Secret | None, context: ssl.SSLContext) -> httpx.Proxy | None:
    """
    Return a proxy as an `httpx.Proxy`.

    Raises:
        ValueError, httpx.InvalidURL: The URL is not that of a proxy.
    """
    if proxy is None:
        return None
    check_proxy(proxy)
    url = httpx.URL(proxy.reveal())
    # The proxy's own certificate is verified like the service's; httpx accepts a context only for https.
    return httpx.Proxy(url, ssl_context=context if url.scheme == "https" else None)


def check_proxy(proxy: Secret) -> None:
    """
    Check that a proxy's URL can be used. httpx would notice only when it connects, and not in every case.

    Raises:
        ValueError: It cannot. The message does not contain the URL, which may contain a password.
    """
    parts = urlsplit(proxy.reveal())
    if not parts.hostname or parts.port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError
    parts.hostname.encode("idna")  # sockets raise no error for an invalid name
