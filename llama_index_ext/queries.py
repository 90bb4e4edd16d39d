"""Queries of text, image and video for any of core's retrievers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llama_index.core import Settings
from llama_index.core.schema import QueryBundle

from llama_index_ext.averaging import VectorPlan
from llama_index_ext.embeddings import ClientEmbedding, require_embed_model
from llama_index_ext.events import event_label, instrumented
from llama_index_ext.media import QueryText, medium
from volc_dashscope import Image, InputError, Part, Video


@dataclass
class MediaQueryBundle(QueryBundle):
    """
    A query with its vector and the parts it was made of.

    Attributes:
        parts: The text, image and video of the query; `DashScopeRerank` ranks by them.
    """

    parts: tuple[Part, ...] = ()

    def to_dict(self, encode_json: bool = False) -> dict[str, Any]:
        """Return the fields of core's query without the parts, because tracers record them; `to_json` does the same."""
        plain = QueryBundle(self.query_str, self.image_path, self.custom_embedding_strs, self.embedding)
        fields: dict[str, Any] = plain.to_dict(encode_json)
        return fields


def query_bundle(
    text: str | None = None,
    *,
    image: object = None,
    video: object = None,
    question: str | None = None,
    embed_model: ClientEmbedding | None = None,
) -> MediaQueryBundle:
    """
    Return a query with its vector, for `retriever.retrieve(...)` of a plain `VectorStoreIndex`.

    Args:
        text, image, video: One of them, or several that are fused if the model can, else averaged.
            Images and videos as path, URL, data URI, stream, bytes, or `volc_dashscope.Image` and `Video`.
        question: What an LLM reads instead of `text`: in a query engine, a router, a fusion of several queries.
            It is not embedded. Without it and without text, putting the query into a prompt raises an
            `InputError`.
        embed_model: Default: `Settings.embed_model`.

    Raises:
        InputError: An empty query, or a part the model cannot embed.
    """
    model = _model(embed_model)
    plan = _plan(model, text, image, video)
    with instrumented(model, [_event_label(plan)]) as vectors:
        rows = model.embed_without_events(plan.items, text_type="query").vectors
        vectors.append(plan.vector(rows).tolist())
    return MediaQueryBundle(
        query_str=_query_text(text, question), embedding=vectors[0], parts=tuple(plan.parts)
    )


async def aquery_bundle(
    text: str | None = None,
    *,
    image: object = None,
    video: object = None,
    question: str | None = None,
    embed_model: ClientEmbedding | None = None,
) -> MediaQueryBundle:
    """As `query_bundle`, awaited."""
    model = _model(embed_model)
    plan = _plan(model, text, image, video)
    with instrumented(model, [_event_label(plan)]) as vectors:
        rows = (await model.aembed_without_events(plan.items, text_type="query")).vectors
        vectors.append(plan.vector(rows).tolist())
    return MediaQueryBundle(
        query_str=_query_text(text, question), embedding=vectors[0], parts=tuple(plan.parts)
    )


def _model(value: object) -> ClientEmbedding:
    return require_embed_model(value if value is not None else Settings.embed_model)


def _query_text(text: str | None, question: str | None) -> str:
    return text if text and not question else QueryText(question or "", embedded=text or "")


def _event_label(plan: VectorPlan) -> str:
    return " + ".join(map(event_label, plan.items))


def _plan(model: ClientEmbedding, text: str | None, image: object, video: object) -> VectorPlan:
    parts: list[Part] = [text] if text else []
    if image is not None:
        parts.append(medium(image, Image, root=model.media_root))
    if video is not None:
        parts.append(medium(video, Video, root=model.media_root))
    if not parts:
        raise InputError("a query needs text, image or video")
    return VectorPlan(parts, fuse="auto", fuses=model.fuses)
