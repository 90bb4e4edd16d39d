"""A request as it goes on the wire: its headers, and the key among them unless it is for another host."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from typing import Generic, TypeVar

import httpx

from volc_dashscope._types import Request, Secret

T = TypeVar("T")

REMEMBERED = 64
PIECE = 128 * 1024


class HeaderCache(Generic[T]):
    """What is the same for thousands of requests, which differ in their bodies: made once, and a few are kept."""

    def __init__(self, make: Callable[[Request], T]) -> None:
        self._make = make
        self._known: dict[tuple[object, ...], T] = {}

    def __call__(self, request: Request) -> T:
        identity = (request.method, request.url, request.keyless, *request.headers.items())
        known = self._known.get(identity)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[identity] = self._make(request)
        return known

    def __len__(self) -> int:
        return len(self._known)


class RequestBuilder:
    """
    Makes httpx's requests of ours.

    Args:
        key: For requests to the service; None for a server that wants none.
        timeout: Seconds for each step of a request.
    """

    def __init__(self, key: Secret | None, timeout: float) -> None:
        self._key = key
        # A day stands for "no end": sockets do not take infinity.
        self.timeout = httpx.Timeout(min(timeout, 86_400.0), connect=min(timeout, 10.0))
        self._extensions = {"timeout": self.timeout.as_dict()}
        self.heads = HeaderCache(self._head)

    def named(self, request: Request) -> dict[str, str]:
        """Return a request's headers, but for its host and length."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            **request.headers,
        }
        if self._key is not None and not request.keyless:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return headers

    def _head(self, request: Request) -> tuple[httpx.URL, httpx.Headers]:
        url = httpx.URL(request.url)
        return url, httpx.Headers({"Host": url.netloc.decode("ascii"), **self.named(request)})

    def __call__(self, request: Request) -> httpx.Request:
        """Return the request as httpx's."""
        url, headers = self.heads(request)
        built = httpx.Request(
            request.method, url, headers=headers, stream=_Pieces(request.body), extensions=self._extensions
        )
        if request.body or request.method != "GET":
            built.headers["Content-Length"] = str(len(request.body))
        return built


class _Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces that a socket takes at once: of what it leaves over, httpcore copies the rest each time."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        if len(self._body) <= PIECE:
            yield self._body
        else:
            for start in range(0, len(self._body), PIECE):
                yield self._body[start : start + PIECE]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


@cache
def ssl_context() -> ssl.SSLContext:
    """Return whom to trust, as httpx decides it. Reading the certificates takes 20 ms, so once a process."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
