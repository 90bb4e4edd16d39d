"""
Alibaba DashScope: native and OpenAI-compatible text embedding, and the two formats of its errors.

Pages under help.aliyun.com/zh/model-studio: text-embedding-synchronous-api, error-code. Messages in the
`_LIVE` constants are those of the service, misprints included, as published by others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volc_dashscope.emulator import tokens
from volc_dashscope.emulator.encoding import embedded_all, encoded
from volc_dashscope.emulator.exchange import Refusal, Request, Response, reply
from volc_dashscope.emulator.vectors import TextPart, sparse
from volc_dashscope.models import ModelInfo, get_model_info

_LIVE = "<400> InternalError.Algo.InvalidParameter: "
_LIVE_BATCH = _LIVE + "Value error, batch size is invalid, it should not be larger than {}.: input.contents"
_LIVE_CONTENTS = _LIVE + "Value error, contents is neither str nor list of str.: input.contents"
_LIVE_LENGTH = _LIVE + "Range of input length should be [1, {}]"
# Unsourced A44: the message about dimensions of text-embedding-v4 is also that of v3 and qwen3.7. Settled by
# one call.
_LIVE_DIMENSION = (
    "InternalError.Algo.InvalidParameter: Value error, dimension for embedding v3 is invalid, "
    "its value shold be in {}"
)
# v3 and v4 reply with this list, although they support other dimensions (contradiction C15).
_LIVE_DIMENSIONS = [64, 128, 256, 512, 768, 1024, 1536, 2048, 3072]
_URL_ERROR = (
    "url error, please check url！ For details, see: "
    "https://help.aliyun.com/zh/model-studio/error-code#error-url"
)
_COMPATIBLE = {
    "InvalidApiKey": "invalid_api_key",
    "ModelNotFound": "model_not_found",
    "Throttling.RateQuota": "limit_requests",
    "Throttling.AllocationQuota": "insufficient_quota",
    "DataInspectionFailed": "data_inspection_failed",
    "InternalError": "internal_error",
}


def invalid(message: str) -> Refusal:
    """Return an error of the model behind the gateway."""
    return Refusal(400, "InvalidParameter", message)


class DashScope:
    """Answers text requests of one service, and formats its errors. `aliases` maps further names to models."""

    name = "dashscope"

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self._aliases = aliases

    def authorize(self, request: Request) -> None:
        """Refuse a request without a usable key."""
        if request.key and "invalid" not in request.key:
            return
        if _compatible(request):
            raise Refusal(401, "InvalidApiKey", "Incorrect API key provided. ", kind="invalid_request_error")
        message = "Invalid API-key provided." if request.key else "No API-key provided."
        raise Refusal(401, "InvalidApiKey", message)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Return the error reply in the format of the route."""
        if not _compatible(request):
            plain = {"code": refusal.code, "message": refusal.message, "request_id": request.id}
            return reply(plain, status=refusal.status)
        code = refusal.compatible or _COMPATIBLE.get(refusal.code, refusal.code)
        error = {"message": refusal.message, "type": refusal.kind or code, "param": None, "code": code}
        payload: dict[str, Any] = {"error": error}
        if refusal.status != 401:
            payload |= {"id": request.id, "request_id": request.id}
        return reply(payload, status=refusal.status)

    def throttled(self, request: Request, unit: str = "rpm") -> Refusal:
        """Return the error for too many requests or tokens per minute."""
        if unit == "rpm":
            return Refusal(429, "Throttling.RateQuota", "Requests rate limit exceeded, try again later.")
        message = "Allocated quota exceeded, please increase your quota limit."
        return Refusal(429, "Throttling.AllocationQuota", message)

    def failed(self, request: Request, status: int = 500) -> Refusal:
        """Return the error of an internal failure."""
        if status == 503:
            return Refusal(503, "ModelUnavailable", "Model is unavailable, please try again later.")
        return Refusal(
            status,
            "InternalError",
            "An internal error has occured, please try again later or contact service support.",
        )

    def texts(self, request: Request) -> Response:
        """Answer the native `POST …/text-embedding/text-embedding`."""
        body = body_of(request)
        row = self.row(body, "text")
        content, options = _input(body), parameters(body)
        texts = _texts(row, content.get("texts"))
        size = _dimension(row, options.get("dimension"))
        form = options.get("output_type") or "dense"
        _check_text_options(row, options, form)
        role = options.get("text_type") or "document"
        task = (options.get("instruct") or "") if row.instruct and role == "query" else ""
        parts = [[TextPart(text)] for text in texts]
        dense = embedded_all(parts, row, size, role=role, instruction=task) if form != "sparse" else ()
        entries = []
        for index, text in enumerate(texts):
            entry: dict[str, Any] = {"text_index": index}
            if form != "sparse":
                entry["embedding"] = dense[index]
            if form != "dense":
                entry["sparse_embedding"] = [
                    {"index": at, "value": value, "token": token} for at, value, token in sparse(text)
                ]
            entries.append(entry)
        total = sum(map(tokens.text, texts))
        payload = {
            "output": {"embeddings": entries},
            "usage": {"total_tokens": total},
            "request_id": request.id,
        }
        return reply(payload, tokens=total)

    def compatible(self, request: Request) -> Response:
        """Answer `POST /compatible-mode/v1/embeddings`; the wrong name `dimension` is ignored."""
        body = body_of(request)
        row = self._compatible_row(body)
        texts = _texts(row, body.get("input"))
        size = _dimension(row, body.get("dimensions"))
        form = body.get("encoding_format")
        if form not in (None, "float", "base64"):
            raise invalid(_LIVE + "Value error, encoding_format should be float or base64.: parameters")
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": encoded(vector, form),
            }
            for index, vector in enumerate(
                embedded_all([[TextPart(text)] for text in texts], row, size, role="document")
            )
        ]
        total = sum(map(tokens.text, texts))
        payload = {
            "object": "list",
            "model": body["model"],
            "data": data,
            "usage": {"prompt_tokens": total, "total_tokens": total},
            "id": request.id,
        }
        return reply(payload, tokens=total)

    def row(self, body: Mapping[str, Any], endpoint: str) -> ModelInfo:
        """Return the row of the model requested on a native route, or refuse it."""
        row = self.lookup(body)
        if row.endpoint == endpoint:
            return row
        if row.endpoint == "async" and endpoint == "text":
            raise Refusal(403, "AccessDenied", "current user api does not support synchronous calls.")
        raise invalid(_URL_ERROR)

    def lookup(self, body: Mapping[str, Any]) -> ModelInfo:
        """Return the row of the requested model, of any endpoint."""
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise Refusal(
                400,
                "BadRequest.EmptyModel",
                'Required parameter "model" missing from request.',
            )
        target = self._aliases.get(name, name)
        row = get_model_info(target)
        if row is None or row.name != target or row.provider != "dashscope" or row.default_dimension is None:
            message = f"The model {name} does not exist or you do not have access to it."
            raise Refusal(404, "ModelNotFound", message, kind="invalid_request_error")
        return row

    def _compatible_row(self, body: Mapping[str, Any]) -> ModelInfo:
        row = self.lookup(body)
        if row.endpoint == "text":
            return row
        message = f"Unsupported model {body['model']} for OpenAI compatibility mode."
        raise Refusal(404, "model_not_supported", message, kind="invalid_request_error")


def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request, or refuse it."""
    if not isinstance(request.json, dict):
        raise Refusal(400, "BadRequest.IllegalInput", "The input parameter requires json format.")
    return request.json


def parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return `parameters`; absent, null and `{}` are the same."""
    options = body.get("parameters") or {}
    if not isinstance(options, dict):
        raise Refusal(400, "BadRequest.IllegalInput", "The input parameter requires json format.")
    return options


def _input(body: Mapping[str, Any]) -> dict[str, Any]:
    content = body.get("input")
    if content is None:
        raise Refusal(400, "BadRequest.EmptyInput", 'Required parameter "input" missing from request.')
    if not isinstance(content, dict):
        raise Refusal(400, "BadRequest.IllegalInput", "The input parameter requires json format.")
    return content


def _texts(row: ModelInfo, value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise invalid(_LIVE_CONTENTS)
    if len(texts) > row.batch:
        raise invalid(_LIVE_BATCH.format(row.batch))
    for text in texts:
        if not text or (row.max_tokens is not None and tokens.exceeds(text, row.max_tokens)):
            raise invalid(_LIVE_LENGTH.format(row.max_tokens))
    return texts


def _dimension(row: ModelInfo, value: Any) -> int:
    """Return the dimension of the reply; models with one dimension ignore the field (live, v1 and v2)."""
    if row.default_dimension is None:
        raise invalid(_URL_ERROR)
    if value is None or row.reduces != "server":
        return row.default_dimension
    if isinstance(value, bool) or value not in row.dimensions:
        known = _LIVE_DIMENSIONS if row.name.startswith("text-embedding-") else sorted(row.dimensions)
        raise invalid(_LIVE_DIMENSION.format(known))
    return int(value)


def _check_text_options(row: ModelInfo, options: Mapping[str, Any], form: str) -> None:
    if form not in ("dense", "sparse", "dense&sparse") or (form != "dense" and not row.sparse):
        raise invalid(_LIVE + "Value error, output_type is invalid.: parameters.output_type")
    if not isinstance(options.get("instruct") or "", str):
        raise invalid(_LIVE + "Value error, instruct should be a string.: parameters.instruct")
    if options.get("text_type") not in (None, "query", "document"):
        raise invalid(_LIVE + "Value error, text_type should be query or document.: parameters.text_type")


def _compatible(request: Request) -> bool:
    return request.path.startswith("/compatible-mode/")
