"""The edge: what leaves the client is kept as bytes, and what comes back is the emulator's or a given reply."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
from canary import KEY

from volc_dashscope import Client
from volc_dashscope.emulator import Emulator
from volc_dashscope.results import EmbeddingResult


@dataclass
class Edge:
    """A service that keeps every request; without a reply of its own it answers as the emulator does."""

    reply: tuple[int, bytes] | None = None
    requests: list[httpx.Request] = field(default_factory=list)
    emulator: Emulator = field(default_factory=Emulator)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if self.reply is not None:
            status, body = self.reply
            return httpx.Response(status, headers={"content-type": "application/json"}, content=body)
        answer = self.emulator.app.handle(
            request.method, request.url.path, "", dict(request.headers), request.content
        )
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)

    def client(self, model: str, **settings: Any) -> Client:
        """Return a client that reaches nothing but this, under the services' own URLs."""
        http = httpx.Client(transport=httpx.MockTransport(self))
        return Client(model, api_key=KEY, http_client=http, **{"max_retries": 0, **settings})

    def embed(
        self, model: str, *items: Any, call: dict[str, Any] | None = None, **settings: Any
    ) -> EmbeddingResult:
        """Embed items and return the result."""
        return self.client(model, **settings).embed(list(items), **(call or {}))

    @property
    def bodies(self) -> list[Any]:
        """Every request's body, parsed."""
        return [json.loads(request.content) for request in self.requests]

    @property
    def body(self) -> Any:
        """The body of the only request."""
        (body,) = self.bodies
        return body

    @property
    def headers(self) -> httpx.Headers:
        """The headers of the only request."""
        (request,) = self.requests
        return request.headers
