"""What passed over a socket: requests and replies, taken while a call runs, and how two of them are compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from typing import Any

import orjson

from volc_dashscope.emulator import Emulator
from volc_dashscope.emulator.exchange import Request, Response

# Headers that say how bytes travel or who sends them; no page lets them change what a service does.
UNCOMPARED = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "date",
        "host",
        "user-agent",
        "x-client-request-id",  # Ark's SDK draws a new one for every attempt
        "x-dashscope-sdk-client",
        "x-dashscope-sdk-session-id",
    }
)
ABSENT = "absent"
# What a reply handed out moments before, new each time.
_ISSUED = re.compile(r"dashscope-instant/emulator/[0-9a-f-]{36}|emulated-policy-\d+")


@dataclass(frozen=True)
class Exchange:
    """One request as it arrived at the socket, and what was answered."""

    request: Request
    response: Response


class Socket:
    """An emulator on 127.0.0.1 that keeps every exchange until it is taken."""

    def __init__(self, **settings: Any) -> None:
        self.emulator = Emulator(**settings)
        self._seen: list[Exchange] = []
        self._requests_only = False
        self.emulator.reply_with(self._keep)

    def _keep(self, request: Request, response: Response) -> Response | None:
        self._seen.append(Exchange(request, response))
        return _shortened(response) if self._requests_only else None

    def during(self, call: Callable[[], Any], *, requests_only: bool = False) -> tuple[Any, list[Exchange]]:
        """
        Return the result of a call and what it put on the wire, in order.

        Args:
            requests_only: The result does not matter. Vectors then arrive with one number each: the SDKs make an
                object of every number, which takes longer than all the rest of a call.
        """
        with self._capture(requests_only):
            result = call()
        return result, list(self._seen)

    async def during_async(
        self, call: Callable[[], Any], *, requests_only: bool = False
    ) -> tuple[Any, list[Exchange]]:
        """As `during`, awaited."""
        with self._capture(requests_only):
            result = await call()
        return result, list(self._seen)

    @contextmanager
    def _capture(self, requests_only: bool) -> Iterator[None]:
        self._seen.clear()
        self._requests_only = requests_only
        try:
            yield
        finally:
            self._requests_only = False


def written(request: Request) -> dict[str, str]:
    """
    Return a request as one line of JSON per field, so that two of them differ field by field.

    A null member is an absent one, the order of keys does not count and numbers are JSON's (1 is 1.0).
    """
    lines = {"method": request.method, "path": request.path}
    lines.update({f"query.{name}": value for name, value in request.query.items()})
    for name, value in request.headers.items():
        if name == "content-type":
            # Without a body there is nothing it could be the type of.
            lines.update({"header.content-type": value.partition(";")[0]} if request.body else {})
        elif name not in UNCOMPARED:
            lines[f"header.{name}"] = value
    if lines.get("header.content-type") == "multipart/form-data":
        lines.update(_form(request))
    elif request.body:
        lines.update(_leaves("body", orjson.loads(request.body)))
    return {name: _ISSUED.sub("(issued)", value) for name, value in lines.items()}


def differing(sdk: Request, ours: Request) -> dict[str, tuple[str, str]]:
    """Return the fields in which two requests differ, with what the SDK wrote and what we wrote."""
    theirs, mine = written(sdk), written(ours)
    return {
        name: (theirs.get(name, ABSENT), mine.get(name, ABSENT))
        for name in sorted(theirs.keys() | mine.keys())
        if theirs.get(name) != mine.get(name)
    }


def shape(value: Any, at: str = "") -> set[str]:
    """Return the key paths of a JSON value with the type at each; the members of a list share one path."""
    if isinstance(value, dict):
        return {f"{at}: object"}.union(*(shape(member, f"{at}.{key}") for key, member in value.items()))
    if isinstance(value, list):
        return {f"{at}: array"}.union(*(shape(member, f"{at}[]") for member in value))
    return {f"{at}: {_kind(value)}"}


def _shortened(response: Response) -> Response | None:
    """Return a response with one number for each vector that is written as numbers."""
    if not response.body.startswith(b"{"):
        return None
    return replace(response, body=orjson.dumps(_one_number_each(response.json)))


def _one_number_each(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: member[:1] if key == "embedding" and isinstance(member, list) else _one_number_each(member)
            for key, member in value.items()
        }
    return [_one_number_each(member) for member in value] if isinstance(value, list) else value


def _leaves(at: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield at, "object"
        for key, member in value.items():
            if member is not None:
                yield from _leaves(f"{at}.{key}", member)
    elif isinstance(value, list):
        yield at, "array"
        for index, member in enumerate(value):
            yield from _leaves(f"{at}[{index}]", member)
    else:
        whole = isinstance(value, float) and value.is_integer()
        yield at, orjson.dumps(int(value) if whole else value).decode()


def _form(request: Request) -> Iterator[tuple[str, str]]:
    """Yield the fields of a form in their order, which counts; a boundary is anybody's own."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    for index, part in enumerate(message_from_bytes(head + request.body).get_payload()):
        at = f"form[{index}]"
        yield f"{at}.name", str(part.get_param("name", header="content-disposition"))
        yield f"{at}.filename", str(part.get_filename(ABSENT))
        yield f"{at}.type", part.get("content-type", ABSENT)
        yield f"{at}.value", repr(part.get_payload(decode=True))


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    return "string" if isinstance(value, str) else "number"
