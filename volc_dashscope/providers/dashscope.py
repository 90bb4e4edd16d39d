"""
Alibaba DashScope: native text, native multimodal, and the OpenAI-compatible text route.

Sources: help.aliyun.com/zh/model-studio text-embedding-synchronous-api and multimodal-embedding-api-reference,
error-code page of alibabacloud.com. As of 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from volc_dashscope._media import json_value
from volc_dashscope._types import Batch, Reply, Request, RequestSpec, Rows
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import Frames, Image, Part, Video, flat_parts, parts
from volc_dashscope.providers import parsing
from volc_dashscope.providers.error_table import (
    BAD_CONTENT,
    BAD_KEY,
    BAD_MEDIA,
    BAD_REQUEST,
    FEWER_REQUESTS,
    FEWER_TOKENS,
    NO_SUCH_MODEL,
    NOT_ALLOWED,
    OUT_OF_QUOTA,
    SLOW_DOWN,
    TRY_LATER,
    Refusal,
    Rule,
    judge,
    sanitize_id,
)

NAME = "dashscope"
_TEXT_PATH = "/services/embeddings/text-embedding/text-embedding"
_MEDIA_PATH = "/services/embeddings/multimodal-embedding/multimodal-embedding"
_OPENAI_PATH = "/embeddings"
_RESOLVE = {"X-DashScope-OssResourceResolve": "enable"}
NO_ITEMS = Batch((), ())

# Error-code page; native and compatible spellings. `insufficient_quota` on 429 means tokens per minute here.
RULES = (
    Rule(400, "Arrearage", OUT_OF_QUOTA),
    Rule(400, "DataInspectionFailed", BAD_CONTENT),
    Rule(400, "data_inspection_failed", BAD_CONTENT),
    Rule(400, "InvalidParameter.DataInspection", TRY_LATER),
    Rule(400, "InvalidURL.Timeout", TRY_LATER),
    Rule(400, "InvalidURL", BAD_MEDIA),
    Rule(400, "BadRequest.InputDownloadFailed", BAD_MEDIA),
    Rule(400, "InvalidParameter", BAD_CONTENT, message_contains="Range of input length"),
    Rule(400, "InvalidParameter", BAD_MEDIA, message_contains="multimodal content"),
    Rule(400, "InvalidParameter", BAD_MEDIA, message_contains="multimodal url"),
    Rule(400, "InvalidParameter", BAD_MEDIA, message_contains="data-uri item"),
    Rule(400, "", BAD_REQUEST),
    Rule(401, "NOT AUTHORIZED", NOT_ALLOWED),
    Rule(401, "", BAD_KEY),
    Rule(403, "AllocationQuota.FreeTierOnly", OUT_OF_QUOTA),
    Rule(403, "", NOT_ALLOWED),
    Rule(404, "", NO_SUCH_MODEL),
    Rule(429, "CommodityNotPurchased", OUT_OF_QUOTA),
    Rule(429, "PrepaidBillOverdue", OUT_OF_QUOTA),
    Rule(429, "PostpaidBillOverdue", OUT_OF_QUOTA),
    Rule(429, "", OUT_OF_QUOTA, message_contains="Free allocated quota exceeded"),
    # Page rate-limit: the message says which limit; the codes of both spellings do too.
    Rule(429, "Throttling.AllocationQuota", FEWER_TOKENS),
    Rule(429, "insufficient_quota", FEWER_TOKENS),
    Rule(429, "", FEWER_TOKENS, message_contains="Allocated quota exceeded"),
    Rule(429, "", FEWER_TOKENS, message_contains="You exceeded your current quota"),
    Rule(429, "Throttling.RateQuota", FEWER_REQUESTS),
    Rule(429, "LimitRequests", FEWER_REQUESTS),
    Rule(429, "limit_requests", FEWER_REQUESTS),
    Rule(429, "", SLOW_DOWN),
)
# HTTP 200 with a code in the body is an error too (the vendor's SDK 2.x treats it so).
# Unsourced A46: a reply under status 200 with a code is an error, as for the vendor's SDK 2.
_IN_BODY = (
    Rule(None, "Arrearage", OUT_OF_QUOTA),
    Rule(None, "InvalidApiKey", BAD_KEY),
    Rule(None, "Throttling.AllocationQuota", FEWER_TOKENS),
    Rule(None, "Throttling.RateQuota", FEWER_REQUESTS),
    Rule(None, "Throttling", SLOW_DOWN),
    Rule(None, "InternalError", TRY_LATER),
    Rule(None, "SystemError", TRY_LATER),
    Rule(None, "ModelServiceFailed", TRY_LATER),
    Rule(None, "ModelServingError", TRY_LATER),
    Rule(None, "ModelUnavailable", TRY_LATER),
    Rule(None, "RequestTimeOut", TRY_LATER),
    Rule(None, "DataInspectionFailed", BAD_CONTENT),
    Rule(None, "", BAD_REQUEST),
)
_TEXT_KEYS = ("input_tokens_details.text_tokens", "input_tokens", "prompt_tokens", "total_tokens")
_IMAGE_KEYS = ("input_tokens_details.image_tokens", "image_tokens")


def build(batch: Batch, spec: RequestSpec) -> Request:
    """Write the request for a batch."""
    if spec.route == "openai":
        return request(_path(spec), _openai_body(batch, spec), spec)
    if spec.model_info.endpoint == "text":
        return request(_path(spec), _text_body(batch, spec), spec)
    return request(_path(spec), _media_body(batch, spec), spec, _resolves(batch))


def _path(spec: RequestSpec) -> str:
    if spec.route == "openai":
        return _OPENAI_PATH
    return _TEXT_PATH if spec.model_info.endpoint == "text" else _MEDIA_PATH


def read(reply: Reply, batch: Batch, spec: RequestSpec) -> Rows | EmbeddingError:
    """Return the batch's rows, or the error that the reply reports."""
    body = answer(reply, spec, batch=batch)
    if isinstance(body, EmbeddingError):
        return body
    request_id = request_id_of(body, reply)
    try:
        return _rows(body, request_id, batch, spec)
    except parsing.Malformed as reason:
        return parsing.bad_reply(NAME, str(reason), batch, reply, request_id)


def answer(
    reply: Reply, spec: RequestSpec, subject: str = "", *, batch: Batch = NO_ITEMS
) -> dict[str, Any] | EmbeddingError:
    """
    Return the JSON object of a reply, or the error it stands for.

    Args:
        subject: What was requested, if not a batch of items: a job, a file, a policy.
    """
    try:
        body = parsing.load(reply)
    except parsing.Malformed as reason:
        request_id = reply.headers.get("x-request-id")
        if not reply.ok:
            return refusal({}, request_id, reply, spec, subject, batch=batch)
        return parsing.bad_reply(NAME, str(reason), batch, reply, request_id, subject)
    if not reply.ok or body.get("code") or isinstance(body.get("error"), dict):
        return refusal(body, request_id_of(body, reply), reply, spec, subject, batch=batch)
    return body


def request_id_of(body: Mapping[str, Any], reply: Reply) -> str | None:
    """Return the id to quote to support."""
    reported = body.get("request_id") or body.get("id")
    return sanitize_id(reported if isinstance(reported, str) else reply.headers.get("x-request-id"))


def model_of(body: Mapping[str, Any]) -> str | None:
    """Return the model's name in the reply."""
    return sanitize_id(body.get("model"))


# Unsourced A12: the type of an embedding (vl, fusion, fused) carries no meaning for a client.
def _rows(body: dict[str, Any], request_id: str | None, batch: Batch, spec: RequestSpec) -> Rows:
    if spec.route == "openai":
        entries = parsing.in_order(body.get("data"), len(batch.items), "index")
    else:
        output = body.get("output")
        found = output.get("embeddings") if isinstance(output, dict) else None
        entries = parsing.in_order(
            found, len(batch.items), "text_index" if spec.model_info.endpoint == "text" else "index"
        )
    return Rows(
        # Unsourced A6: a reply to output_type sparse has no embedding, or an empty one. Settled by one call.
        vectors=parsing.stack([entry.get("embedding") for entry in entries], spec) if spec.dense else None,
        usage=parsing.usage(body.get("usage"), text=_TEXT_KEYS, image=_IMAGE_KEYS),
        sparse=tuple(parsing.sparse(entry.get("sparse_embedding")) for entry in entries)
        if spec.sparse
        else None,
        request_id=request_id,
        model=model_of(body),
    )


def refusal(
    body: Mapping[str, Any],
    request_id: str | None,
    reply: Reply,
    spec: RequestSpec,
    subject: str = "",
    *,
    batch: Batch = NO_ITEMS,
) -> EmbeddingError:
    """Return the error for a body's `code` and `message`, or those of its `error`."""
    nested = body.get("error")
    reported = nested if isinstance(nested, dict) else body
    code, message = reported.get("code"), reported.get("message")
    return judge(
        _IN_BODY if reply.ok else RULES,
        Refusal(
            provider=NAME,
            reply=reply,
            code=code if isinstance(code, str) else None,
            message=message if isinstance(message, str) else "",
            request_id=request_id,
            batch=batch,
            spec=spec,
            subject=subject,
            path="" if subject else _path(spec),
        ),
    )


def job_request(url: str, spec: RequestSpec) -> Request:
    """Write the request for a file job: the texts are lines of the file behind a URL."""
    parameters = {"text_type": spec.text_type} if spec.text_type is not None else {}
    body: dict[str, object] = {"model": spec.model, "input": {"url": url}, "parameters": parameters}
    more = {"X-DashScope-Async": "enable", **(_RESOLVE if url.startswith("oss:") else {})}
    return request(_TEXT_PATH, body, spec, more)


# Unsourced A53: the body of a Batch line is that of the compatible route. Settled by a batch of two lines.
def line_body(text: str, spec: RequestSpec) -> dict[str, object]:
    """Return the body of one line of a Batch file: that of the compatible route for one text."""
    return {**_openai_body(Batch((0,), (text,)), spec), "input": text}


def request(
    path: str, body: dict[str, object], spec: RequestSpec, more: dict[str, str] | None = None
) -> Request:
    """Write a JSON request to a path below the base URL, with the user's `extra_body` merged in."""
    for name, value in (spec.extra_body or {}).items():
        ours = body.get(name)
        # `parameters` holds the role and the length; merging must not drop them.
        body[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, Mapping) else value
    return Request("POST", spec.base_url + path, {**spec.headers, **(more or {})}, orjson.dumps(body))


# Unsourced A16: text_type is harmless where a page calls it unnecessary (text-embedding-v3). Settled by a
# comparison of two vectors.
def _text_body(batch: Batch, spec: RequestSpec) -> dict[str, object]:
    parameters: dict[str, object] = {}
    # "document" is the default of the service, so unknown models are not sent it.
    if spec.model_info.text_type and (
        spec.text_type == "query" or (spec.text_type and spec.model_info.known)
    ):
        parameters["text_type"] = spec.text_type
    if spec.dimension is not None and spec.model_info.reduces == "server":
        parameters["dimension"] = spec.dimension
    if spec.output_type != "dense":
        parameters["output_type"] = spec.output_type
    if spec.instruct is not None and spec.text_type == "query":
        parameters["instruct"] = spec.instruct
    return {"model": spec.model, "input": {"texts": _texts(batch)}, "parameters": parameters}


def _openai_body(batch: Batch, spec: RequestSpec) -> dict[str, object]:
    body: dict[str, object] = {"model": spec.model, "input": _texts(batch), "encoding_format": "float"}
    if spec.dimension is not None and spec.model_info.reduces == "server":
        body["dimensions"] = spec.dimension
    return body


def _texts(batch: Batch) -> list[Part]:
    """Return the texts; a `Fused` of one text is one of them."""
    if {*map(type, batch.items)} == {str}:
        return [*batch.items]  # type: ignore[list-item]
    return [part for item in batch.items for part in parts(item)]


def _media_body(batch: Batch, spec: RequestSpec) -> dict[str, object]:
    model_info = spec.model_info
    parameters: dict[str, object] = {}
    contents: list[dict[str, object]] = []
    for item in batch.items:
        whole = parts(item)
        if len(whole) > 1 and model_info.fusion == "flag":
            parameters["enable_fusion"] = True
        # Models with fusion "object" fuse the keys of one object; for others each part is a separate element.
        elements = [_element(part) for part in whole]
        contents.extend([_merged(elements)] if model_info.fusion == "object" else elements)
        for part in whole:
            if isinstance(part, Video) and part.fps is not None:
                parameters["fps"] = part.fps
    # C8: sent only if the user asks for it; models that reduce "either" may ignore it.
    if spec.dimension is not None and model_info.reduces in ("server", "either"):
        parameters["dimension"] = spec.dimension
    if spec.instruct is not None and spec.text_type != "document":
        parameters["instruct"] = spec.instruct
    if spec.res_level is not None:
        parameters["res_level"] = spec.res_level
    if spec.max_video_frames is not None:
        parameters["max_video_frames"] = spec.max_video_frames
    return {"model": spec.model, "input": {"contents": contents}, "parameters": parameters}


def _element(part: Part) -> dict[str, object]:
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, Frames):
        return {"multi_images": [json_value(image) for image in part.images]}
    return {part.kind: json_value(part)}


def _merged(elements: list[dict[str, object]]) -> dict[str, object]:
    return {kind: value for element in elements for kind, value in element.items()}


def _resolves(batch: Batch) -> dict[str, str]:
    """Return the header that makes the service resolve `oss://` URLs (page get-temporary-file-url)."""
    stored = any(_is_stored(part) for item in batch.items for part in flat_parts(item))
    return _RESOLVE if stored else {}


def _is_stored(part: str | Image | Video) -> bool:
    return not isinstance(part, str) and part.url is not None and part.url.startswith("oss:")
