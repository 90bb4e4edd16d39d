"""The emulator's request, response and error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson

Breakage = Literal["", "reset", "reset_body", "short"]
_MOST = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    One request as a service sees it.

    ```python
    def look(request: Request, response: Response) -> None:
        print(request.method, request.path)


    emulator.reply_with(look)
    client.embed(["a red shoe"])
    ```
    ```text
    POST /api/v1/services/embeddings/text-embedding/text-embedding
    ```

    Attributes:
        method: HTTP method, in upper case.
        path: Path of the URL.
        query: Parameters of the URL; of a repeated one, the last value.
        headers: Names are in lower case.
        body: The body as received.
        json: The parsed body; None if there is none or it is not JSON.
        id: The request id that this emulator assigned; its form differs by service.
        now: Unix time of arrival.
        origin: Scheme, host and port under which this emulator was reached, for URLs inside replies.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    id: str
    now: float
    origin: str
    json: Any = None

    def whole(self, name: str, usual: int) -> int:
        """
        Return a parameter of the URL as a whole number from 1 to 2**31.

        Args:
            name: Name of the parameter.
            usual: Value if the parameter is missing.

        Raises:
            Refusal: The parameter is not such a number.
        """
        text = self.query.get(name) or str(usual)
        # Unsourced A61: no page states the reply to a page or limit that is not a number. Settled by one request.
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= _MOST):
            raise Refusal(400, "InvalidParameter", f"The parameter {name} must be from 1 to {_MOST}.")
        return int(text)

    @property
    def key(self) -> str:
        """The bearer token, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """
    One reply, and how the network disturbs it.

    ```python
    emulator.reply_with(lambda request, response: Response(status=503))
    try:
        client.embed(["a red shoe"])
    except EmbeddingError as error:
        print(error.status)
    ```
    ```text
    503
    ```

    Attributes:
        status: HTTP status.
        headers: Headers to send.
        body: The whole body.
        tokens: Tokens billed for it.
        delay: Seconds to wait before it is sent.
        breakage: "reset" resets the connection before the first byte, "reset_body" inside the body;
            "short" closes it normally after half of the announced body.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    tokens: int = 0
    delay: float = 0.0
    breakage: Breakage = ""

    def with_headers(self, extra: Mapping[str, str]) -> Response:
        """
        Return the same response with more headers.

        Args:
            extra: Headers to add; those that the response already has are kept.
        """
        return replace(self, headers={**extra, **self.headers})

    @property
    def json(self) -> Any:
        """The parsed body."""
        return orjson.loads(self.body)

    @property
    def sent(self) -> bytes:
        """The part of the body that is sent."""
        return self.body if not self.breakage else self.body[: len(self.body) // 2]


Handler = Callable[[Request], Response]


@dataclass(eq=False)
class Refusal(Exception):
    """
    An error reply of a service, which each service formats in its own way.

    Attributes:
        status: HTTP status.
        code: The service's error code.
        message: The service's error message.
        param: The invalid field (Ark only).
        compatible: Code on the OpenAI-compatible route if it differs (DashScope only).
        kind: `error.type` on that route.
    """

    status: int
    code: str
    message: str
    param: str = ""
    compatible: str = ""
    kind: str = ""


def reply(payload: Any, *, status: int = 200, tokens: int = 0) -> Response:
    """Return `payload` as a JSON response; float32 arrays are written with their shortest digits."""
    body = orjson.dumps(payload, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(
        status=status, headers={"content-type": "application/json; charset=utf-8"}, body=body, tokens=tokens
    )


def parsed(body: bytes, headers: Mapping[str, str]) -> Any:
    """Return the JSON of a body, or None."""
    if not body or headers.get("content-type", "").startswith("multipart/"):
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def fields(query: str) -> dict[str, str]:
    """Return a query string as a mapping; the last value of a repeated name wins."""
    return dict(parse_qsl(query, keep_blank_values=True))
