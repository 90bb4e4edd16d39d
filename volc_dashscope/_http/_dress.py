"""A request as it goes on the wire: its headers, and the key among them unless it is for another host."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache

import httpx

from volc_dashscope._wire import Request, Secret

_REMEMBERED = 64
_PIECE = 128 * 1024


class Dress:
    """
    Makes httpx's requests of ours. URLs and headers are the same for thousands of requests and kept, a few.

    Args:
        key: For requests to the service.
        timeout: Seconds for each step of a request.
    """

    def __init__(self, key: Secret, timeout: float) -> None:
        self._key = key
        # A day stands for "no end": sockets do not take infinity.
        self.timeout = httpx.Timeout(min(timeout, 86_400.0), connect=min(timeout, 10.0))
        self._extensions = {"timeout": self.timeout.as_dict()}
        self._urls: dict[str, httpx.URL] = {}
        self._headers: dict[tuple[object, ...], httpx.Headers] = {}

    def named(self, request: Request) -> dict[str, str]:
        """Return a request's headers, but for its host and length."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            **request.headers,
        }
        if not request.keyless:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return headers

    def headers(self, request: Request) -> httpx.Headers:
        """Return `named` as httpx's."""
        identity = (request.keyless, *request.headers.items())
        known = self._headers.get(identity)
        if known is None:
            if len(self._headers) >= _REMEMBERED:
                self._headers.clear()
            known = self._headers[identity] = httpx.Headers(self.named(request))
        return known

    def __call__(self, request: Request) -> httpx.Request:
        """Return the request as httpx's."""
        url = self._urls.get(request.url)
        if url is None:
            if len(self._urls) >= _REMEMBERED:
                self._urls.clear()
            url = self._urls[request.url] = httpx.URL(request.url)
        headers = [(b"Host", url.netloc), *self.headers(request).raw]
        if request.body or request.method != "GET":
            headers.append((b"Content-Length", b"%d" % len(request.body)))
        return httpx.Request(
            request.method, url, headers=headers, stream=_Pieces(request.body), extensions=self._extensions
        )


class _Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces that a socket takes at once: of what it leaves over, httpcore copies the rest each time."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        if len(self._body) <= _PIECE:
            yield self._body
        else:
            for start in range(0, len(self._body), _PIECE):
                yield self._body[start : start + _PIECE]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


@cache
def trusted() -> ssl.SSLContext:
    """Return whom to trust, as httpx decides it. Reading the certificates takes 20 ms, so once a process."""
    return httpx.create_ssl_context()
