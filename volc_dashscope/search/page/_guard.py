"""Protects the page: checks where a request comes from, and sets the security headers of replies."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# This machine's names for itself. A foreign page whose own name resolves to 127.0.0.1 (DNS rebinding) sends that
# name.
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?", re.IGNORECASE)
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Middleware that refuses requests of other hosts and pages, and sets the security headers of every reply."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        problem = _foreign_request(Headers(scope=scope))
        if problem is not None:
            await JSONResponse({"error": problem}, status_code=403)(scope, receive, headed)
            return
        await self._app(scope, receive, headed)


def _foreign_request(headers: Headers) -> str | None:
    """Return why a request does not come from the page itself, or None."""
    # One Host header of nothing but a name and a port. Some HTTP parsers pass on several, or a user before the name
    # (`evil@127.0.0.1`), and who reads them next may pick the other part.
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return "this page answers on 127.0.0.1 and localhost only"
    origins = headers.getlist("origin")
    # A foreign page could send a search, which is billed, although it cannot read the answer.
    if origins and origins != [f"http://{hosts[0]}"]:
        return "this page accepts no requests from other sites"
    return None
