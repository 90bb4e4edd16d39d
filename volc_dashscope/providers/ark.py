"""
Volcengine Ark: one request is one vector on the multimodal endpoint, a list of texts on the text endpoint.

Sources: API page docs/82379/1523520, guide docs/82379/1409291 and its appendix on `instructions`,
error table of the documentation mirror of 2025-12-19. As of 2026-11-21.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from volc_dashscope._wire import Ask, Batch, Reply, Request, Rows
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import Frames, Item, Part, Video, modalities, parts
from volc_dashscope.providers import _reply
from volc_dashscope.providers._multi import request_fields, token_vectors
from volc_dashscope.providers._source import source
from volc_dashscope.providers._verdict import (
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
    Rule,
    judge,
    shown,
)

NAME = "ark"
# Token vectors of the longest text: 128k tokens of 2048 numbers, compressed and in base64.
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


def build(batch: Batch, ask: Ask) -> Request:
    """Write the request for one item (multimodal) or a few texts (text endpoint)."""
    text_only = ask.model_info.endpoint == "text"
    fields: dict[str, object] = {"model": ask.model}
    if text_only:
        fields["input"] = [_prefixed(part, ask) for item in batch.items for part in parts(item)]
    else:
        item = batch.items[0]
        fields["input"] = [_part(part, ask) for part in parts(item)]
        fields.update(_instructions(item, ask))
    if ask.model_info.known:
        # A third of the bytes of a list of numbers; a model outside the table is asked for nothing optional.
        fields["encoding_format"] = "base64"
    if ask.dimension is not None and ask.model_info.reduces == "server":
        fields["dimensions"] = ask.dimension
    if ask.sparse:
        fields["sparse_embedding"] = {"type": "enabled"}
    if ask.output_type == "multi":
        fields["multi_embedding"] = request_fields()
    fields.update(ask.extra_body or {})
    path = "/embeddings" if text_only else "/embeddings/multimodal"
    largest = _LARGEST_MULTI if ask.output_type == "multi" else None
    return Request("POST", ask.base_url + path, ask.headers, orjson.dumps(fields), largest=largest)


def read(reply: Reply, batch: Batch, ask: Ask) -> Rows | EmbeddingError:
    """Return the batch's rows, or the error the reply stands for."""
    request_id = shown(reply.headers.get("x-request-id") or reply.headers.get("x-client-request-id"))
    try:
        body = _reply.load(reply)
        error = body.get("error")
        if reply.status != 200 or isinstance(error, dict):
            return _refusal(error if isinstance(error, dict) else {}, request_id, reply, batch, ask)
        return _rows(body, request_id, batch, ask)
    except _reply.Malformed as reason:
        if reply.status != 200:
            return _refusal({}, request_id, reply, batch, ask)
        return _reply.bad_reply(NAME, str(reason), batch, reply, request_id)


def _rows(body: dict[str, Any], request_id: str | None, batch: Batch, ask: Ask) -> Rows:
    data = body.get("data")
    if ask.model_info.endpoint == "text":
        entries = _reply.in_order(data, len(batch), "index")
    else:
        # Contradiction C1: an object everywhere, a list of one in the guide's preview.
        entries = _reply.objects(data if isinstance(data, list) else [data])
        if len(entries) != 1:
            raise _reply.Malformed("data is neither an object nor a list of one")
    return Rows(
        vectors=_reply.stack([entry.get("embedding") for entry in entries], ask) if ask.dense else None,
        usage=_reply.usage(
            body.get("usage"),
            text=("prompt_tokens_details.text_tokens", "prompt_tokens"),
            image=("prompt_tokens_details.image_tokens",),
        ),
        sparse=tuple(_reply.sparse(entry.get("sparse_embedding")) for entry in entries)
        if ask.sparse
        else None,
        multi=tuple(token_vectors(entry.get("multi_embedding"), ask) for entry in entries)
        if ask.output_type == "multi"
        else None,
        request_id=request_id or shown(body.get("id")),
        model=shown(body.get("model")),
    )


def _refusal(
    error: dict[str, Any], request_id: str | None, reply: Reply, batch: Batch, ask: Ask
) -> EmbeddingError:
    code, message = error.get("code"), error.get("message")
    if request_id is None and isinstance(message, str) and (named := _NAMED_ID.search(message)):
        request_id = named[1]
    return judge(
        RULES,
        provider=NAME,
        reply=reply,
        code=code if isinstance(code, str) else None,
        message=message if isinstance(message, str) else "",
        request_id=request_id,
        batch=batch,
        ask=ask,
    )


def _part(part: Part, ask: Ask) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, Frames):
        raise AssertionError("checked: Ark has no frames")
    medium: dict[str, object] = {"url": source(part, ask)}
    if isinstance(part, Video):
        for knob in ("fps", "max_video_tokens", "min_frame_tokens", "max_frame_tokens", "min_frames"):
            value = getattr(part, knob)
            if value is not None:
                medium[knob] = value
    kind = "video_url" if isinstance(part, Video) else "image_url"
    return {"type": kind, kind: medium}


def _prefixed(text: Part, ask: Ask) -> Part:
    if ask.text_type == "query" and ask.instruct is not None:
        return f"Instruct: {ask.instruct}\nQuery: {text}"
    return text


def _instructions(item: Item, ask: Ask) -> dict[str, object]:
    """
    The `instructions` field, by role (BytePlus guide, section on instructions; only the braces may change).

    A document says what it is; a query, or an item among equals, says what is searched and what for.
    """
    asked = (ask.instruct, ask.target_modality, ask.query_instructions, ask.document_instructions)
    if not ask.model_info.instruct or (not ask.model_info.known and not any(asked)):
        return {}
    compress = f"Compress the {_modality(item)} into one word."
    if ask.text_type == "document":
        return {"instructions": ask.document_instructions or f"Instruction:{compress}\nQuery:"}
    target = ask.target_modality or _ANY_TARGET
    default = f"Target_modality: {target}.\nInstruction:{ask.instruct or compress}\nQuery:"
    return {"instructions": ask.query_instructions or default}


def _modality(item: Item) -> str:
    if isinstance(item, str):
        return "text"
    present = modalities(item)
    return " and ".join(kind for kind in ("text", "image", "video") if kind in present)
