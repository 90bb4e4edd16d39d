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
        self._known: dict[tuple[object, ...], tuple[httpx.URL, httpx.Headers]] = {}

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

    def __call__(self, request: Request) -> httpx.Request:
        """Return the request as httpx's."""
        identity = (request.url, request.keyless, *request.headers.items())
        known = self._known.get(identity)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            url = httpx.URL(request.url)
            host = {"Host": url.netloc.decode("ascii")}
            known = self._known[identity] = url, httpx.Headers({**host, **self.named(request)})
        url, headers = known
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
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
