"""
OpenAI-compatible servers of other vendors: texts only, by `POST {base_url}/embeddings`.

What differs between vLLM, TEI, Ollama, Xinference, LM Studio and the gateways was read from their sources on
2026-11-29: requests have the one form that all of them take, and all their forms of replies and errors are read.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from volc_dashscope._types import Batch, Reply, Request, RequestSpec, Rows
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import parts
from volc_dashscope.providers import parsing
from volc_dashscope.providers.error_table import (
    BAD_CONTENT,
    BAD_REQUEST,
    TRY_LATER,
    Refusal,
    Rule,
    judge,
    sanitize_id,
)

_PATH = "/embeddings"
_TAGS = re.compile(r"(?s)<(script|style|head)\b.*?</\1>|<[^>]*>")
_LARGEST_BATCH = re.compile(r"maximum allowed batch size (\d+)")
_MAX_MESSAGE_LENGTH = 2_000

# One text is too long: the others are sent again without it. A batch that is too large is no single item's fault.
RULES = (
    Rule(400, "", BAD_CONTENT, message_contains="context length"),
    Rule(400, "", BAD_CONTENT, message_contains="maximum context"),
    Rule(422, "", BAD_REQUEST, message_contains="batch size"),
    Rule(422, "", BAD_CONTENT, message_contains="must have less than"),
    Rule(422, "Tokenizer", BAD_CONTENT),
    Rule(413, "", BAD_REQUEST),
    Rule(424, "", TRY_LATER),  # TEI: its backend failed.
)


def build(batch: Batch, spec: RequestSpec) -> Request:
    """Write the request for a few texts. It always has `encoding_format`: some servers refuse its absence or `null`."""
    body: dict[str, object] = {
        "model": spec.model,
        "input": [part for item in batch.items for part in parts(item)],
        "encoding_format": "float",
    }
    if spec.dimension is not None and spec.model_info.reduces in ("server", "either"):
        body["dimensions"] = spec.dimension
    body.update(spec.extra_body or {})
    return Request("POST", spec.base_url + _PATH, spec.headers, orjson.dumps(body))


def read(reply: Reply, batch: Batch, spec: RequestSpec) -> Rows | EmbeddingError:
    """Return the batch's rows, or the error that the reply reports."""
    request_id = sanitize_id(reply.headers.get("x-request-id"))
    try:
        body = parsing.load(reply)
    except parsing.Malformed as reason:
        if reply.status != 200:
            return _refusal(*_plain(reply), request_id, reply, batch, spec)
        return parsing.bad_reply(spec.service, str(reason), batch, reply, request_id)
    if reply.status != 200 or body.get("error") or body.get("object") == "error":
        return _refusal(*_code_and_message(body), request_id, reply, batch, spec)
    try:
        entries = _in_order(body.get("data"), len(batch))
        vectors = [_vector(entry.get("embedding"), spec) for entry in entries]
        return Rows(
            vectors=parsing.stack(vectors, spec),
            usage=parsing.usage(body.get("usage"), text=("prompt_tokens", "total_tokens"), image=()),
            request_id=request_id or sanitize_id(body.get("id")),
            model=sanitize_id(body.get("model")),
        )
    except parsing.Malformed as reason:
        return parsing.bad_reply(spec.service, str(reason), batch, reply, request_id)


def _in_order(entries: Any, count: int) -> list[dict[str, Any]]:
    """Return the entries sorted by `index`, or as they are if none has an index."""
    if not isinstance(entries, list) or len(entries) != count:
        raise parsing.Malformed(parsing.count_fault(entries, count))
    rows = parsing.objects(entries)
    places = [entry.get("index") for entry in rows]
    if all(place is None for place in places):
        return rows
    if any(not isinstance(place, int) or isinstance(place, bool) for place in places):
        raise parsing.Malformed("index is not an integer in every row")
    if len(set(places)) != count:
        raise parsing.Malformed("several rows have the same index, so their order is unknown")
    return sorted(rows, key=lambda entry: int(entry["index"]))


def _vector(value: Any, spec: RequestSpec) -> Any:
    """Cut a vector that has the full length although a shorter one was requested."""
    requested, full = spec.dimension, spec.model_info.default_dimension
    if requested is None:
        return value
    if isinstance(value, str):
        row = parsing.from_base64(value, ())
        if parsing.is_other_layout(row):  # of the whole row: a part of it may not show it
            raise parsing.Malformed("a base64 vector is not little-endian float32")
        value = row.tolist()
    if isinstance(value, list) and len(value) > requested and full in (None, len(value)):
        # The first components of a longer vector are a valid shorter one if the user asks for it.
        return value[:requested]
    return value


def _code_and_message(body: dict[str, Any]) -> tuple[str | None, str]:
    """Return code and message from any JSON form of an error that these servers use."""
    error = body.get("error")
    reported: dict[str, Any] = error if isinstance(error, dict) else body
    message: object = error if isinstance(error, str) else reported.get("message")
    code = next((value for key in ("code", "type") if isinstance(value := reported.get(key), str)), None)
    if message is None and (detail := body.get("detail")) is not None:
        message = detail
        if isinstance(detail, list):  # FastAPI's validation: one entry for each fault
            message = "; ".join(str(value.get("msg", "")) for value in detail if isinstance(value, dict))
        elif isinstance(detail, dict):
            message = detail.get("message") or detail.get("msg")
    return code, message if isinstance(message, str) else ""


def _plain(reply: Reply) -> tuple[None, str]:
    """Return the text of a body that is not a JSON object: plain text, or HTML without its tags."""
    text = reply.body[: 16 * _MAX_MESSAGE_LENGTH].decode("utf-8", "replace")
    return None, " ".join(_TAGS.sub(" ", text).split())[:_MAX_MESSAGE_LENGTH]


def _refusal(
    code: str | None, message: str, request_id: str | None, reply: Reply, batch: Batch, spec: RequestSpec
) -> EmbeddingError:
    largest = _LARGEST_BATCH.search(message)
    return judge(
        RULES,
        Refusal(
            provider=spec.service,
            reply=reply,
            code=code,
            message=message,
            request_id=request_id,
            batch=batch,
            spec=spec,
            path=_PATH,
            hint=f"; the server accepts {largest[1]} texts per request: pass a model_info with batch={largest[1]}"
            if largest
            else "",
        ),
    )
