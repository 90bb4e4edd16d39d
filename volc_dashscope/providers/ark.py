"""
Volcengine Ark: one request is one vector on the multimodal endpoint, a list of texts on the text endpoint.

Sources: API page docs/82379/1523520, guide docs/82379/1409291 and its appendix on `instructions`,
error table of the documentation mirror of 2025-12-19. As of 2026-11-21.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from volc_dashscope._media import json_value
from volc_dashscope._types import Batch, Reply, Request, RequestSpec, Rows
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import SAMPLING_FIELDS, Frames, Item, Part, Video, modalities, parts
from volc_dashscope.providers import parsing
from volc_dashscope.providers.error_table import (
    BAD_CONTENT,
    BAD_KEY,
    BAD_MEDIA,
    BAD_REQUEST,
    FEWER_AT_ONCE,
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
from volc_dashscope.providers.token_vectors import request_fields, token_vectors

NAME = "ark"
# Token vectors of the longest text: 128k tokens of 2048 numbers, compressed, as base64.
_LARGEST_MULTI = 512 * 1024 * 1024
_ANY_TARGET = "text/image/video"
_NAMED_ID = re.compile(r"Request id: (\w{8,80})\W*\Z", re.IGNORECASE)

# Error-code page of the mirror (2025-12-19) and ark-cli's table (2026-07-01). 429 is both "slow down" and
# "a human must act": the code decides. Unknown codes fall back to their status.
RULES = (
    Rule(400, "InvalidEndpoint.ClosedEndpoint", TRY_LATER),
    Rule(400, "ContentSecurityDetectionError", TRY_LATER),
    Rule(400, "InvalidSubscription", OUT_OF_QUOTA),
    Rule(400, "SensitiveContentDetected", BAD_CONTENT),
    Rule(400, "InputTextSensitiveContentDetected", BAD_CONTENT),
    Rule(400, "InputImageSensitiveContentDetected", BAD_CONTENT),
    Rule(400, "InputVideoSensitiveContentDetected", BAD_CONTENT),
    Rule(400, "InputTextRiskDetection", BAD_CONTENT),
    Rule(400, "InputImageRiskDetection", BAD_CONTENT),
    Rule(400, "InvalidImageURL", BAD_MEDIA),
    Rule(400, "InvalidParameter.TosURLInvalid", BAD_MEDIA),
    Rule(400, "OutofContextError", BAD_CONTENT),
    Rule(400, "MissingParameter", BAD_REQUEST),
    Rule(400, "InvalidParameter", BAD_REQUEST),
    Rule(401, "AuthenticationError", BAD_KEY),
    Rule(401, "InvalidAccountStatus", OUT_OF_QUOTA),
    Rule(403, "AccountOverdueError", OUT_OF_QUOTA),
    Rule(403, "OperationDenied.ServiceOverdue", OUT_OF_QUOTA),
    Rule(403, "AccessDenied", NOT_ALLOWED),
    Rule(403, "OperationDenied", NOT_ALLOWED),
    Rule(404, "InvalidEndpointOrModel", NO_SUCH_MODEL),
    Rule(404, "ModelNotOpen", NO_SUCH_MODEL),
    Rule(404, "UnsupportedModel", NO_SUCH_MODEL),
    Rule(404, "NotFound", NO_SUCH_MODEL),
    Rule(429, "QuotaExceeded", OUT_OF_QUOTA),
    Rule(429, "SetLimitExceeded", OUT_OF_QUOTA),
    Rule(429, "ModelAccountTpmRateLimitExceeded", FEWER_TOKENS),
    Rule(429, "RateLimitExceeded.EndpointTPMExceeded", FEWER_TOKENS),
    Rule(429, "ModelAccountRpmRateLimitExceeded", FEWER_REQUESTS),
    Rule(429, "APIAccountRpmRateLimitExceeded", FEWER_REQUESTS),
    Rule(429, "RateLimitExceeded.EndpointRPMExceeded", FEWER_REQUESTS),
    Rule(429, "ServerOverloaded", FEWER_AT_ONCE),
    Rule(429, "InflightBatchsizeExceeded", FEWER_AT_ONCE),
    Rule(429, "", SLOW_DOWN),
    Rule(500, "InternalServiceError", TRY_LATER),
)


def build(batch: Batch, spec: RequestSpec) -> Request:
    """Write the request for one item (multimodal) or a few texts (text endpoint)."""
    text_only = spec.model_info.endpoint == "text"
    fields: dict[str, object] = {"model": spec.model}
    if text_only:
        fields["input"] = [_prefixed(part, spec) for item in batch.items for part in parts(item)]
    else:
        item = batch.items[0]
        fields["input"] = [_part(part) for part in parts(item)]
        fields.update(_instructions(item, spec))
    if spec.model_info.known:
        # Base64 needs a third of the bytes of a list of numbers. Unknown models are sent no optional field.
        fields["encoding_format"] = "base64"
    if spec.dimension is not None and spec.model_info.reduces == "server":
        fields["dimensions"] = spec.dimension
    if spec.sparse:
        fields["sparse_embedding"] = {"type": "enabled"}
    if spec.output_type == "multi":
        fields["multi_embedding"] = request_fields(spec)
    fields.update(spec.extra_body or {})
    largest = _LARGEST_MULTI if spec.output_type == "multi" else None
    return Request("POST", spec.base_url + _path(spec), spec.headers, orjson.dumps(fields), largest=largest)


def read(reply: Reply, batch: Batch, spec: RequestSpec) -> Rows | EmbeddingError:
    """Return the batch's rows, or the error that the reply reports."""
    request_id = sanitize_id(reply.headers.get("x-request-id") or reply.headers.get("x-client-request-id"))
    try:
        body = parsing.load(reply)
        error = body.get("error")
        if not reply.ok or isinstance(error, dict):
            return _refusal(error if isinstance(error, dict) else {}, request_id, reply, batch, spec)
        return _rows(body, request_id, batch, spec)
    except parsing.Malformed as reason:
        if not reply.ok:
            return _refusal({}, request_id, reply, batch, spec)
        return parsing.bad_reply(NAME, str(reason), batch, reply, request_id)


def _path(spec: RequestSpec) -> str:
    return "/embeddings" if spec.model_info.endpoint == "text" else "/embeddings/multimodal"


def _rows(body: dict[str, Any], request_id: str | None, batch: Batch, spec: RequestSpec) -> Rows:
    data = body.get("data")
    if spec.model_info.endpoint == "text":
        entries = parsing.in_order(data, len(batch), "index")
    else:
        # Contradiction C1: an object everywhere, a list of one in the guide's preview.
        entries = parsing.objects(data if isinstance(data, list) else [data])
        if len(entries) != 1:
            raise parsing.Malformed("data is neither an object nor a list with one object")
    return Rows(
        vectors=parsing.stack([entry.get("embedding") for entry in entries], spec) if spec.dense else None,
        usage=parsing.usage(
            body.get("usage"),
            text=("prompt_tokens_details.text_tokens", "prompt_tokens"),
            image=("prompt_tokens_details.image_tokens",),
        ),
        sparse=tuple(parsing.sparse(entry.get("sparse_embedding")) for entry in entries)
        if spec.sparse
        else None,
        multi=tuple(token_vectors(entry.get("multi_embedding"), spec) for entry in entries)
        if spec.output_type == "multi"
        else None,
        request_id=request_id or sanitize_id(body.get("id")),
        model=sanitize_id(body.get("model")),
    )


def _refusal(
    error: dict[str, Any], request_id: str | None, reply: Reply, batch: Batch, spec: RequestSpec
) -> EmbeddingError:
    code, message = error.get("code"), error.get("message")
    if request_id is None and isinstance(message, str) and (named := _NAMED_ID.search(message)):
        request_id = named[1]
    return judge(
        RULES,
        Refusal(
            provider=NAME,
            reply=reply,
            code=code if isinstance(code, str) else None,
            message=message if isinstance(message, str) else "",
            request_id=request_id,
            batch=batch,
            spec=spec,
            path=_path(spec),
        ),
    )


def _part(part: Part) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, Frames):
        raise AssertionError("checked: Ark has no frames")
    medium: dict[str, object] = {"url": json_value(part)}
    if isinstance(part, Video):
        for name in SAMPLING_FIELDS:
            value = getattr(part, name)
            if value is not None:
                medium[name] = value
    kind = "video_url" if isinstance(part, Video) else "image_url"
    return {"type": kind, kind: medium}


# Unsourced A19: of Ark's text models only large-text-250515 takes the Instruct prefix.
def _prefixed(text: Part, spec: RequestSpec) -> Part:
    if spec.text_type == "query" and spec.instruct is not None:
        return f"Instruct: {spec.instruct}\nQuery: {text}"
    return text


# Unsourced A15: symmetric use (clustering, classification) takes the query form for all items.
def _instructions(item: Item, spec: RequestSpec) -> dict[str, object]:
    """
    The `instructions` field, by role (BytePlus guide, section on instructions; only the braces may change).

    For a document it names the content; for a query, and in symmetric use, the target and the purpose.
    """
    instructions = (spec.instruct, spec.target_modality, spec.query_instructions, spec.document_instructions)
    if not spec.model_info.instruct or (not spec.model_info.known and not any(instructions)):
        return {}
    # Unsourced A14: this sentence is the query instruction where the user gives none. Settled by a retrieval
    # test.
    compress = f"Compress the {_modality(item)} into one word."
    if spec.text_type == "document":
        return {"instructions": spec.document_instructions or f"Instruction:{compress}\nQuery:"}
    target = spec.target_modality or _ANY_TARGET
    # Unsourced A13: text/image/video is a fair default target for a store that holds all three. Settled by a
    # retrieval test.
    default = f"Target_modality: {target}.\nInstruction:{spec.instruct or compress}\nQuery:"
    return {"instructions": spec.query_instructions or default}


def _modality(item: Item) -> str:
    if isinstance(item, str):
        return "text"
    present = modalities(item)
    return " and ".join(kind for kind in ("text", "image", "video") if kind in present)
