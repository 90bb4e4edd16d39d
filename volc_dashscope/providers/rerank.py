"""
DashScope's rerank requests and replies, in the native and the flat form.

Source: help.aliyun.com/zh/model-studio/text-rerank-api, as of 2026-11-29. The native path takes every model; the
flat form under `/compatible-api/v1/reranks` takes texts only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from volc_dashscope._media import json_value
from volc_dashscope._types import Batch, Reply, Request, RequestSpec, counted
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import Frames, Item, Video, parts
from volc_dashscope.models.rerank import RerankModelInfo
from volc_dashscope.providers import dashscope, parsing
from volc_dashscope.results import Usage

_NATIVE_PATH = "/services/rerank/text-rerank/text-rerank"
_OPENAI_PATH = "/reranks"
# No page says how `usage` tells pictures from texts (unsourced U5); every key is optional.
# Unsourced U6: the hidden template of a rerank request is billed and its length unknown; estimates leave it
# out. Settled by the usage of two requests.
_TEXT_KEYS = ("input_tokens_details.text_tokens", "prompt_tokens", "input_tokens", "total_tokens")
_IMAGE_KEYS = ("input_tokens_details.image_tokens", "image_tokens")


@dataclass(frozen=True, slots=True)
class RerankInput:
    """One request: the query, the documents, and the number of results to return."""

    query: Item
    documents: tuple[Item, ...]
    top_n: int | None

    @property
    def expected_results(self) -> int:
        """The number of results that the reply must have."""
        return len(self.documents) if self.top_n is None else min(self.top_n, len(self.documents))

    @property
    def batch(self) -> Batch:
        """All that was sent, so that no message repeats it."""
        return Batch(tuple(range(1 + len(self.documents))), (self.query, *self.documents))


@dataclass(frozen=True, slots=True)
class Scores:
    """The checked content of a reply: (position, score), best first."""

    ranking: tuple[tuple[int, float], ...]
    usage: Usage
    request_id: str | None
    model: str | None


def build(rerank_input: RerankInput, row: RerankModelInfo, spec: RequestSpec) -> Request:
    """Write the request; files are read here, just before they are sent."""
    parameters: dict[str, object] = {}
    if rerank_input.top_n is not None:
        parameters["top_n"] = rerank_input.top_n
    if spec.instruct is not None:
        parameters["instruct"] = spec.instruct
    query = _value(rerank_input.query, row, is_query=True)
    documents = [_value(document, row, is_query=False) for document in rerank_input.documents]
    if spec.route == "openai":
        flat = {"model": spec.model, "query": query, "documents": documents, **parameters}
        return dashscope.request(_OPENAI_PATH, flat, spec)
    fps = {
        part.fps
        for item in (rerank_input.query, *rerank_input.documents)
        for part in parts(item)
        if isinstance(part, Video) and part.fps is not None
    }
    if fps:
        parameters["fps"] = next(iter(fps))
    parameters["return_documents"] = False
    body: dict[str, object] = {
        "model": spec.model,
        "input": {"query": query, "documents": documents},
        "parameters": parameters,
    }
    return dashscope.request(_NATIVE_PATH, body, spec)


def read(reply: Reply, rerank_input: RerankInput, spec: RequestSpec) -> Scores | EmbeddingError:
    """Return the checked ranking, or the error that the reply reports."""
    subject = f"a rerank of {counted(len(rerank_input.documents), 'documents')}"
    body = dashscope.answer(reply, spec, subject, batch=rerank_input.batch)
    if isinstance(body, EmbeddingError):
        return body
    request_id = dashscope.request_id_of(body, reply)
    output = body if spec.route == "openai" else body.get("output")
    try:
        return Scores(
            ranking=_ranking(output.get("results") if isinstance(output, dict) else None, rerank_input),
            usage=parsing.usage(body.get("usage"), text=_TEXT_KEYS, image=_IMAGE_KEYS),
            request_id=request_id,
            model=dashscope.model_of(body),
        )
    except parsing.Malformed as reason:
        return parsing.bad_reply(dashscope.NAME, str(reason), rerank_input.batch, reply, request_id, subject)


def _value(item: Item, row: RerankModelInfo, *, is_query: bool) -> object:
    """Return the JSON of an item: strings for a text model; for a multimodal one, objects for the query and media."""
    (part,) = parts(item)
    if isinstance(part, str):
        return {"text": part} if is_query and row.multimodal else part
    if isinstance(part, Frames):
        raise AssertionError("validation refuses frames")
    return {part.kind: json_value(part)}


def _ranking(results: Any, rerank_input: RerankInput) -> tuple[tuple[int, float], ...]:
    if not isinstance(results, list):
        raise parsing.Malformed("the list of results is missing")
    if len(results) != rerank_input.expected_results:
        raise parsing.Malformed(
            f"{counted(len(results), 'results')} instead of {rerank_input.expected_results}"
        )
    count = len(rerank_input.documents)
    ranking: list[tuple[int, float]] = []
    positions: set[int] = set()
    for entry in parsing.objects(results):
        index, score = entry.get("index"), entry.get("relevance_score")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
            raise parsing.Malformed(f"an index is not a position from 0 to {count - 1}")
        if index in positions:
            raise parsing.Malformed(f"index {index} appears twice")
        if not isinstance(score, int | float) or isinstance(score, bool) or not math.isfinite(score):
            raise parsing.Malformed(f"the score of document {index} is not a finite number")
        positions.add(index)
        ranking.append((index, float(score)))
    return best_first(ranking)


# Unsourced U9: equal scores come in any order, so they are put in input order. Settled by two equal documents.
def best_first(ranking: Iterable[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Return (position, score) by score; equal scores in input order."""
    return tuple(sorted(ranking, key=lambda pair: (-pair[1], pair[0])))
