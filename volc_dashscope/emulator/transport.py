"""The emulator without a socket: httpx transports, and clients that use them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import TypeAlias

import httpx

from volc_dashscope.emulator.app import App
from volc_dashscope.emulator.exchange import Response

SyncClient: TypeAlias = httpx.Client
AsyncClient: TypeAlias = httpx.AsyncClient

RESET = "[Errno 104] Connection reset by peer"
SHORT = "peer closed connection without sending complete message body"


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that may end in the middle."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield self._response.sent
        self._break()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._response.sent
        self._break()

    def _break(self) -> None:
        if self._response.breakage == "reset_body":
            raise httpx.ReadError(RESET)
        if self._response.breakage == "short":
            raise httpx.RemoteProtocolError(SHORT)


class EmulatorTransport(httpx.BaseTransport):
    """Answers a sync client in its own thread. A delay longer than the read timeout is a `ReadTimeout`."""

    def __init__(self, app: App) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        with self._app.ledger.flight():
            response = _answer(self._app, request, request.read())
            wait, late = _wait(request, response)
            if wait:
                time.sleep(wait)
        return _reply(request, response, late)


class AsyncEmulatorTransport(httpx.AsyncBaseTransport):
    """Answers an async client on its own loop."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        with self._app.ledger.flight():
            response = _answer(self._app, request, await request.aread())
            wait, late = _wait(request, response)
            await asyncio.sleep(wait)
        return _reply(request, response, late)


def client(app: App) -> SyncClient:
    """Return a sync client that sends every request to the emulator."""
    return httpx.Client(transport=EmulatorTransport(app), trust_env=False)


def async_client(app: App) -> AsyncClient:
    """Return an async client that sends every request to the emulator."""
    return httpx.AsyncClient(transport=AsyncEmulatorTransport(app), trust_env=False)


def _answer(app: App, request: httpx.Request, body: bytes) -> Response:
    return app.handle(
        request.method, request.url.path, request.url.query.decode("ascii"), dict(request.headers), body
    )


def _wait(request: httpx.Request, response: Response) -> tuple[float, bool]:
    """Return the seconds to wait, and whether the client times out first."""
    patience = request.extensions.get("timeout", {}).get("read")
    late = patience is not None and response.delay > patience
    return (patience if late else response.delay), late


def _reply(request: httpx.Request, response: Response, late: bool) -> httpx.Response:
    if late:
        raise httpx.ReadTimeout("The read operation timed out", request=request)
    if response.breakage == "reset":
        raise httpx.ReadError(RESET, request=request)
    headers = {**response.headers, "content-length": str(len(response.body))}
    return httpx.Response(response.status, headers=headers, stream=_Body(response), request=request)
