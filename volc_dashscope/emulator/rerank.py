"""
DashScope's rerank routes: the native one, and the flat form under `/compatible-api/v1/reranks`.

Page: help.aliyun.com/zh/model-studio/text-rerank-api. It gives no message for most errors; those here
follow the pattern of the published one. Scores come from the emulator's own vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volc_dashscope.emulator import media, tokens
from volc_dashscope.emulator.dashscope import DashScope, body_of, invalid, parameters
from volc_dashscope.emulator.dashscope_media import Multimodal
from volc_dashscope.emulator.exchange import Refusal, Request, Response, reply
from volc_dashscope.emulator.vectors import ImagePart, LinkPart, Part, TextPart, vector
from volc_dashscope.models.rerank import RerankModelInfo, get_rerank_model_info

# Unsourced U8: refusals of a rerank request follow the only published one. Settled by bad calls.
_ALGO = "<400> InternalError.Algo.InvalidParameter: Value error, "
_URL_ERROR = (
    "url error, please check url！ For details, see: "
    "https://help.aliyun.com/zh/model-studio/error-code#error-url"
)
_DIMENSION = 512
_KEYS = ("text", "image", "video")
_KIND = {TextPart: "text", ImagePart: "image"}


class Rerank:
    """Answers rerank requests of one DashScope service."""

    def __init__(self, service: DashScope, multimodal: Multimodal, aliases: Mapping[str, str]) -> None:
        self._service, self._multimodal, self._aliases = service, multimodal, aliases

    def native(self, request: Request) -> Response:
        """Answer `POST /api/v1/services/rerank/text-rerank/text-rerank`."""
        body = body_of(request)
        row = self._row(body, "native")
        content, options = body.get("input"), parameters(body)
        if not isinstance(content, dict):
            raise Refusal(400, "BadRequest.EmptyInput", 'Required parameter "input" missing from request.')
        results, total = self._ranked(request, row, content, options)
        usage = {"total_tokens": total}
        if row.name == "qwen3.7-text-rerank":
            usage = {"prompt_tokens": total, **usage}
        payload = {"output": {"results": results}, "usage": usage, "request_id": request.id}
        return reply(payload, tokens=total)

    def compatible(self, request: Request) -> Response:
        """Answer `POST /compatible-api/v1/reranks`, for the models that have it."""
        body = body_of(request)
        row = self._row(body, "openai")
        results, total = self._ranked(request, row, body, body)
        payload = {
            "object": "list",
            "results": results,
            "model": body["model"],
            "id": request.id,
            "usage": {"total_tokens": total},
        }
        return reply(payload, tokens=total)

    def _row(self, body: Mapping[str, Any], route: str) -> RerankModelInfo:
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise Refusal(400, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.')
        target = self._aliases.get(name, name)
        row = get_rerank_model_info(target)
        if row is None or row.name != target:
            self._service.lookup(body)  # refuses a name that no model has
            raise invalid(_URL_ERROR)
        if row.successor:
            message = f"The model {name} does not exist or you do not have access to it."
            raise Refusal(404, "ModelNotFound", message)
        if route not in row.routes:
            raise invalid(_URL_ERROR)
        return row

    def _ranked(
        self, request: Request, row: RerankModelInfo, content: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], int]:
        """Return the results, best first, and the tokens billed."""
        query = self._part(request, row, content.get("query"), "query")
        given = content.get("documents")
        if not isinstance(given, list) or not given:
            raise invalid(_ALGO + "documents should be a non-empty list.: input.documents")
        documents = [self._part(request, row, one, "documents", at) for at, one in enumerate(given)]
        _check_counts(row, documents)
        task = _task(row, options)
        most = _top(options.get("top_n"), len(documents))
        total = _price(query) * len(documents) + sum(_price(part) for part in documents)
        if total > row.max_request_tokens:
            raise invalid(
                _ALGO + f"total tokens should not be larger than {row.max_request_tokens}.: input.documents"
            )
        scores = _scores(row, query, documents, task)
        best = sorted(range(len(documents)), key=lambda at: (-scores[at], at))[:most]
        shown = options.get("return_documents") is True
        return [
            {"index": at, "relevance_score": scores[at]} | ({"document": _shown(given[at])} if shown else {})
            for at in best
        ], total

    def _part(self, request: Request, row: RerankModelInfo, item: Any, where: str, at: int = 0) -> Part:
        """Read a query or document: a string, or an object with one modality key."""
        members = {"text": item} if isinstance(item, str) else item
        if not isinstance(members, dict) or len(members) != 1 or next(iter(members)) not in _KEYS:
            raise invalid(_ALGO + f"{where} index:{at} is invalid.: input.{where}")
        ((kind, value),) = members.items()
        if kind not in row.modalities or (not row.multimodal and not isinstance(item, str)):
            raise invalid(_ALGO + f"{kind} is not supported by this model.: input.{where}")
        if kind == "image":
            return self._multimodal.image(request, row, value)
        if kind == "video":
            return self._multimodal.video(request, row, value)
        if not isinstance(value, str) or not value:
            raise invalid(_ALGO + f"{where} index:{at} is invalid, it should not be empty.: input.{where}")
        if row.max_item_characters is not None and len(value) > row.max_item_characters:
            most = row.max_item_characters
            label = "document" if where == "documents" else where
            raise invalid(
                _ALGO + f"{label} index:{at} is invalid, it should not be larger than {most}: input.{where}"
            )
        # The service silently cuts longer texts.
        return TextPart(tokens.cut(value, row.max_item_tokens) if row.max_item_tokens else value)


def _check_counts(row: RerankModelInfo, documents: list[Part]) -> None:
    most = row.max_documents
    if most is not None and len(documents) > most:
        message = f"documents size is invalid, it should not be larger than {most}.: input.documents"
        raise invalid(_ALGO + message)
    kinds = [part.kind if isinstance(part, LinkPart) else _KIND[type(part)] for part in documents]
    for kind, cap in (("text", row.max_texts), ("image", row.max_images), ("video", row.max_videos)):
        if cap is not None and kinds.count(kind) > cap:
            raise invalid(_ALGO + f"the number of {kind} should not be larger than {cap}.: input.documents")


def _task(row: RerankModelInfo, options: Mapping[str, Any]) -> str:
    task = options.get("instruct") or ""
    if not isinstance(task, str):
        raise invalid(_ALGO + "instruct should be a string.: parameters.instruct")
    return task if row.instruct else ""  # gte-rerank-v2 ignores it (contradiction R11)


def _top(value: Any, count: int) -> int:
    if value is None:
        return count
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise invalid(_ALGO + "top_n should be a positive integer.: parameters.top_n")
    return min(value, count)


def _price(part: Part) -> int:
    if isinstance(part, TextPart):
        return tokens.text(part.text)
    # Unsourced U5: a picture in a rerank request counts by Ark's formula in the emulator. Settled by one call.
    if isinstance(part, ImagePart):
        return media.picture_tokens(part.data)
    return tokens.image(*tokens.LINK_SIZE)


def _scores(row: RerankModelInfo, query: Part, documents: list[Part], task: str) -> list[float]:
    """Return the cosine of the emulator's vectors, mapped to 0 to 1."""
    try:
        query_row = vector([query], model=row.name, dimension=_DIMENSION, instruction=task)
        document_rows = [vector([part], model=row.name, dimension=_DIMENSION) for part in documents]
    except ValueError as error:
        raise invalid(_ALGO + "the image cannot be decoded.: input.documents") from error
    length = float(query_row @ query_row) ** 0.5
    cosines = (float(query_row @ each) / (length * float(each @ each) ** 0.5) for each in document_rows)
    return [round((1 + cosine) / 2, 16) for cosine in cosines]


def _shown(item: Any) -> dict[str, Any]:
    return {"text": item} if isinstance(item, str) else dict(item)
