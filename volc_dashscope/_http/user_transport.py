"""An HTTP client handed in by the user: used as it is, timeouts, hooks and all, but for redirects."""

from __future__ import annotations

from typing import Any

import httpx

from volc_dashscope._http.request_builder import RequestBuilder
from volc_dashscope._http.response import FAULTS, aread, fault_of, read
from volc_dashscope._types import Fault, Reply, Request


class UserTransport:
    """A sync one."""

    def __init__(self, client: httpx.Client, dress: RequestBuilder) -> None:
        self._client, self._dress = client, dress

    def send(self, request: Request) -> Reply | Fault:
        built = _built(request, self._client, self._dress)
        try:
            return read(request, self._client.send(built, **_manners(request)))
        except FAULTS as error:
            return fault_of(error)

    def close(self) -> None:
        """Leave it open: it is not ours."""


class AsyncUserTransport:
    """As `UserTransport`."""

    def __init__(self, client: httpx.AsyncClient, dress: RequestBuilder) -> None:
        self._client, self._dress = client, dress

    async def send(self, request: Request) -> Reply | Fault:
        built = _built(request, self._client, self._dress)
        try:
            return await aread(request, await self._client.send(built, **_manners(request)))
        except FAULTS as error:
            return fault_of(error)

    async def close(self) -> None:
        """Leave it open: it is not ours."""


def _built(
    request: Request, client: httpx.Client | httpx.AsyncClient, dress: RequestBuilder
) -> httpx.Request:
    if request.keyless:
        # Not built by the client: its headers and cookies are for the service, not for a host named in a reply.
        return dress(request)
    headers = dress.named(request)
    return client.build_request(request.method, request.url, headers=headers, content=request.body)


def _manners(request: Request) -> dict[str, Any]:
    # A redirected POST would carry what is embedded to another host.
    manners: dict[str, Any] = {"stream": True, "follow_redirects": False}
    if request.keyless:
        manners["auth"] = None
    return manners
