"""
Both services as one pure function from request to response.

It has no socket, clock or sleep: `transport` and `server` add those. Only the path selects a route. Hosts are
ignored, so one app serves every region and workspace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from itertools import count
from typing import Any

from volc_dashscope.emulator.ark import Ark
from volc_dashscope.emulator.batches import Batches
from volc_dashscope.emulator.dashscope import DashScope
from volc_dashscope.emulator.dashscope_media import Multimodal
from volc_dashscope.emulator.exchange import Handler, Refusal, Request, Response, fields, parsed, reply
from volc_dashscope.emulator.faults import Faults, apply_fault
from volc_dashscope.emulator.jobs import Jobs
from volc_dashscope.emulator.ledger import Entry, Ledger
from volc_dashscope.emulator.rate import RateLimits
from volc_dashscope.emulator.rerank import Rerank
from volc_dashscope.emulator.uploads import Uploads

Hook = Callable[[Request, Response], Any]
NOWHERE = "https://emulator.invalid"

_ARK = r"/api(?:/plan|/coding)?/v3(?:/batch)?/embeddings"
_NATIVE = r"/api/v1/services/embeddings"


@dataclass(frozen=True, slots=True)
class Route:
    """
    One route of the services.

    Attributes:
        metered: Counts against the limits of the requested model.
        keyed: Needs an API key; links in replies need none.
    """

    method: str
    path: re.Pattern[str]
    service: Ark | DashScope
    handler: Handler
    metered: bool = False
    keyed: bool = True


class App:
    """The emulator's state and its routes."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        faults: Faults,
        latency: float,
        rpm: float | None,
        tpm: float | None,
        seed: int,
        aliases: Mapping[str, str] | None,
        job_seconds: float,
        batch_errors_in_output: bool,
        ledger_bytes: int,
    ) -> None:
        self.ledger = Ledger(ledger_bytes)
        self.faults = faults
        self.hook: Hook | None = None
        self.uploads = Uploads()
        self._clock = clock
        self._latency = latency
        self._rate_limits = RateLimits(rpm, tpm)
        self._seed = seed
        self._count = count(1)
        self._aliases = aliases or {}
        self._ark = Ark(self._aliases)
        self._dashscope = DashScope(self._aliases)
        self.jobs = Jobs(self._dashscope, self.uploads, job_seconds)
        self.batches = Batches(self._dashscope, job_seconds, batch_errors_in_output)
        self._routes = self._table()

    def handle(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        origin: str = NOWHERE,
    ) -> Response:
        """Answer one request and record it in the ledger."""
        lowered = {name.lower(): value for name, value in headers.items()}
        request = Request(
            method=method,
            path=path,
            query=fields(query),
            headers=lowered,
            body=body,
            id="",
            now=self._clock(),
            origin=origin,
            json=parsed(body, lowered),
        )
        response, service = self._respond(request)
        response = self._finished(request, response, service)
        self.ledger.add(
            Entry(
                method=method,
                path=path,
                query=request.query,
                headers=lowered,
                body=request.json,
                size=len(body),
                digest=sha256(body).hexdigest(),
                status=0 if response.breakage == "reset" else response.status,
                tokens=response.tokens,
            )
        )
        return response

    def _respond(self, request: Request) -> tuple[Response, str]:
        matches = [route for route in self._routes if route.path.fullmatch(request.path)]
        route = next((route for route in matches if route.method == request.method), None)
        service = self._ark if "/v3" in request.path else self._dashscope
        request = replace(request, id=self._request_id(service.name, request.now))
        if route is None:
            status, code = (405, "MethodNotAllowed") if matches else (404, "NotFound")
            refusal = Refusal(status, code, "The requested resource does not exist.")
            response = service.refuse(request, refusal)
        else:
            fault = self.faults.next(request)
            answer: Handler = lambda seen: self._answer(route, seen)  # noqa: E731
            response = apply_fault(fault, request, service, answer) if fault else answer(request)
        if self.hook is not None:
            response = _chosen(self.hook(request, response), response)
        return response.with_headers({"x-request-id": request.id}), service.name

    def _answer(self, route: Route, request: Request) -> Response:
        """Return the reply of the service, without faults."""
        model = request.json.get("model") if isinstance(request.json, dict) else None
        name = f"{route.service.name}:{model}"
        try:
            if route.keyed:
                route.service.authorize(request)
            if route.metered and (unit := self._rate_limits.admit(name, request.now)) is not None:
                raise route.service.throttled(request, unit)
            response = route.handler(request)
        except Refusal as refusal:
            return route.service.refuse(request, refusal)
        if route.metered:
            self._rate_limits.charge(name, response.tokens)
        return response

    def _finished(self, request: Request, response: Response, service: str) -> Response:
        # Unsourced A48: Ark replies with X-Request-Id and the client's own X-Client-Request-Id. Settled by any
        # reply.
        echo = request.headers.get("x-client-request-id")
        extra = {"x-client-request-id": echo} if service == "ark" and echo else {}
        return replace(response.with_headers(extra), delay=response.delay + self._latency)

    def _request_id(self, service: str, now: float) -> str:
        """Return a request id in the format of the service; it depends on seed, time and request number only."""
        digest = blake2b(f"{self._seed}:{now}:{next(self._count)}".encode(), digest_size=19).hexdigest()
        if service == "ark":
            return f"02{int(now * 1000):013d}{digest}"
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))

    def _text(self, request: Request) -> Response:
        """Answer the native text path: a file job when the header asks for one."""
        if request.headers.get("x-dashscope-async") == "enable":
            return self.jobs.submit(request)
        return self._dashscope.texts(request)

    def _table(self) -> list[Route]:
        ark, dash = self._ark, self._dashscope
        media = Multimodal(dash, self.uploads)
        rerank = Rerank(dash, media, self._aliases)
        tasks, files, batches = "/api/v1/tasks", "/compatible-mode/v1/files", "/compatible-mode/v1/batches"
        at = re.compile
        return [
            Route("POST", at(_ARK + "/multimodal"), ark, ark.multimodal, metered=True),
            Route("POST", at(_ARK), ark, ark.texts, metered=True),
            Route("POST", at(_NATIVE + "/text-embedding/text-embedding"), dash, self._text, metered=True),
            Route(
                "POST",
                at(_NATIVE + "/multimodal-embedding/multimodal-embedding"),
                dash,
                media.embed,
                metered=True,
            ),
            Route("POST", at("/compatible-mode/v1/embeddings"), dash, dash.compatible, metered=True),
            Route(
                "POST",
                at("/api/v1/services/rerank/text-rerank/text-rerank"),
                dash,
                rerank.native,
                metered=True,
            ),
            Route("POST", at("/compatible-api/v1/reranks"), dash, rerank.compatible, metered=True),
            Route("GET", at(tasks), dash, self.jobs.list),
            Route("GET", at(tasks + "/[^/]+"), dash, self.jobs.poll),
            Route("POST", at(tasks + "/[^/]+/cancel"), dash, self.jobs.cancel),
            Route("GET", at("/results/[^/]+"), dash, self.jobs.download, keyed=False),
            Route("GET", at("/api/v1/uploads"), dash, self.uploads.policy),
            Route("POST", at("/upload"), dash, self.uploads.receive, keyed=False),
            Route("POST", at(files), dash, self.batches.upload),
            Route("GET", at(files + "/[^/]+"), dash, self.batches.file),
            Route("GET", at(files + "/[^/]+/content"), dash, self.batches.content),
            Route("POST", at(batches), dash, self.batches.create),
            Route("GET", at(batches), dash, self.batches.list),
            Route("GET", at(batches + "/[^/]+"), dash, self.batches.get),
            Route("POST", at(batches + "/[^/]+/cancel"), dash, self.batches.cancel),
        ]


def _chosen(value: Any, usual: Response) -> Response:
    """Return the response that a `reply_with` hook chose: a response, bytes, any JSON, or None for the usual one."""
    if value is None:
        return usual
    if isinstance(value, Response):
        return value
    return replace(usual, body=value) if isinstance(value, bytes) else reply(value)
