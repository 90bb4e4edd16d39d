"""Connections by aiohttp, which speaks HTTP in C: half the work per request. Chosen by the user only."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from volc_dashscope._base64 import FAST_IS_MISSING
from volc_dashscope._http._body import Body, TooLarge, Undecodable, fault
from volc_dashscope._http._dress import Dress, trusted
from volc_dashscope._wire import Fault, Reply, Request
from volc_dashscope.errors import ConfigError

try:
    import aiohttp
    from aiohttp.abc import AbstractStreamWriter
except ImportError as _missing:
    raise ConfigError(FAST_IS_MISSING) from _missing


class AsyncSession:
    """For the tasks of one event loop. As with httpx: no redirects, no cookies, nothing from the environment."""

    def __init__(self, proxy: str | None, dress: Dress) -> None:
        if proxy is not None and urlsplit(proxy).scheme not in ("http", "https"):
            raise ConfigError(
                'the environment\'s proxy cannot be used with driver="aiohttp"; its scheme must be http or https'
            )
        self._proxy, self._dress = proxy, dress
        seconds = dress.timeout
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trusted(), keepalive_timeout=30.0),
            timeout=aiohttp.ClientTimeout(total=None, connect=seconds.connect, sock_read=seconds.read),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",),
            auto_decompress=False,
        )

    async def send(self, request: Request) -> Reply | Fault:
        try:
            async with self._session.request(
                request.method,
                request.url,
                data=_Bytes(request.body) if request.body else None,
                headers=self._dress.named(request),
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                body = Body(request, response.status, response.raw_headers)
                try:
                    while chunk := await response.content.readany():
                        body.take(chunk)
                except (TooLarge, Undecodable):
                    response.close()
                    raise
                return body.reply()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, Undecodable, TooLarge) as error:
            return fault(error, asyncio.TimeoutError, aiohttp.ClientConnectorError)

    async def close(self) -> None:
        await self._session.close()


class _Bytes(aiohttp.Payload):
    """A body as it is; aiohttp's own for bytes warns of large ones."""

    _autoclose = True

    def __init__(self, value: bytes) -> None:
        super().__init__(value)
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await writer.write(self._value)
