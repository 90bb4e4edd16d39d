"""
Connections by aiohttp, which reads HTTP in C: half the work per request. Chosen by the user only.

Only what is below aiohttp's session: its connections, their proxies and their parser. The session makes a URL,
headers, a response and a task anew for each request, which costs twice as much as sending it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from volc_dashscope._base64 import FAST_IS_MISSING
from volc_dashscope._http.body import MOST_EARLY, Body, TooLarge, Undecodable, fault
from volc_dashscope._http.request_builder import PIECE, HeaderCache, RequestBuilder, ssl_context
from volc_dashscope._types import Fault, Reply, Request
from volc_dashscope.errors import ConfigError

try:
    import aiohttp
    from aiohttp.connector import Connection
    from aiohttp.http import HttpProcessingError, StreamWriter
    from yarl import URL
except ImportError as _missing:
    raise ConfigError(FAST_IS_MISSING) from _missing

_FAULTS = (aiohttp.ClientError, HttpProcessingError, asyncio.TimeoutError, OSError, Undecodable, TooLarge)


class AsyncSession:
    """For the tasks of one event loop. As with httpx: no redirects, no cookies, nothing from the environment."""

    def __init__(self, proxy: str | None, dress: RequestBuilder) -> None:
        if proxy is not None and urlsplit(proxy).scheme not in ("http", "https"):
            raise ConfigError(
                'the environment\'s proxy cannot be used with driver="aiohttp"; its scheme must be http or https'
            )
        self._loop = asyncio.get_running_loop()
        self._proxy = None if proxy is None else URL(proxy)
        self._dress = dress
        seconds = dress.timeout
        self._limits = aiohttp.ClientTimeout(total=None, connect=seconds.connect, sock_read=seconds.read)
        self._connector = aiohttp.TCPConnector(limit=0, ssl=ssl_context(), keepalive_timeout=30.0)
        self._heads = HeaderCache(self._whom)

    async def send(self, request: Request) -> Reply | Fault:
        try:
            whom = self._heads(request)
            connection = await self._connector.connect(whom, [], self._limits)
            try:
                reply = await self._talk(request, whom, connection)
            except BaseException:
                connection.close()
                raise
            connection.release()
            return reply
        except _FAULTS as error:
            return fault(error, asyncio.TimeoutError, aiohttp.ClientConnectorError)

    def _whom(self, request: Request) -> aiohttp.ClientRequest:
        return aiohttp.ClientRequest(
            request.method,
            URL(request.url),
            headers=self._dress.named(request),
            skip_auto_headers=("User-Agent",),
            loop=self._loop,
            proxy=self._proxy,
            ssl=ssl_context(),
        )

    async def _talk(self, request: Request, whom: aiohttp.ClientRequest, connection: Connection) -> Reply:
        protocol = connection.protocol
        assert protocol is not None
        protocol.set_response_params(
            read_until_eof=True, auto_decompress=False, read_timeout=self._limits.sock_read
        )
        # A server that does not listen any more may have said why.
        with suppress(aiohttp.ClientConnectionError, ConnectionError):
            await _write(request, whom, StreamWriter(protocol, self._loop))
        protocol.start_timeout()
        for _ in range(MOST_EARLY + 1):
            message, content = await protocol.read()
            if message.code >= 200 or protocol.upgraded:
                break
        if message.code < 200:
            raise HttpProcessingError(message="announcements and no reply")
        body = Body(request, message.code, message.raw_headers)
        while chunk := await content.readany():
            body.take(chunk)
        return body.reply()

    async def close(self) -> None:
        await self._connector.close()


async def _write(request: Request, whom: aiohttp.ClientRequest, writer: StreamWriter) -> None:
    # What goes to a proxy in the open names its server.
    target = str(whom.url) if whom.proxy and not whom.is_ssl() else whom.url.raw_path_qs
    headers = whom.headers
    if request.body:
        headers = headers.copy()
        headers["Content-Length"] = str(len(request.body))
    await writer.write_headers(f"{request.method} {target} HTTP/1.1", headers)
    for start in range(0, len(request.body), PIECE):
        await writer.write(request.body[start : start + PIECE])
    await writer.write_eof()
