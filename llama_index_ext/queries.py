"""Queries that are not text alone, for any retriever of core."""

from __future__ import annotations

from llama_index.core import Settings
from llama_index.core.schema import QueryBundle

from llama_index_ext.averaging import Mix
from llama_index_ext.embeddings import ClientEmbedding
from llama_index_ext.media import medium
from volc_dashscope import ConfigError, Image, InputError, Part, Video


def query_bundle(
    text: str | None = None,
    *,
    image: object = None,
    video: object = None,
    embed_model: ClientEmbedding | None = None,
) -> QueryBundle:
    """
    Return a query with its vector inside, for `retriever.retrieve(...)` of a plain `VectorStoreIndex`.

    Args:
        text, image, video: One of them, or several that are fused (where the model can; else averaged).
            Images and videos as path, URL, data URI, stream, bytes, or `Image` and `Video` of ours.
        embed_model: Else `Settings.embed_model`.

    Raises:
        InputError: Nothing to ask, or something the model cannot embed.
    """
    model = _model(embed_model)
    mix = _mix(model, text, image, video)
    rows = model.embed_items(mix.items, text_type="query").vectors
    return QueryBundle(query_str=text or "", embedding=mix.vector(rows).tolist())


async def aquery_bundle(
    text: str | None = None,
    *,
    image: object = None,
    video: object = None,
    embed_model: ClientEmbedding | None = None,
) -> QueryBundle:
    """As `query_bundle`, awaited."""
    model = _model(embed_model)
    mix = _mix(model, text, image, video)
    rows = (await model.aembed_items(mix.items, text_type="query")).vectors
    return QueryBundle(query_str=text or "", embedding=mix.vector(rows).tolist())


def _model(given: object) -> ClientEmbedding:
    model = given if given is not None else Settings.embed_model
    if not isinstance(model, ClientEmbedding):
        raise ConfigError(
            "embed_model must be ArkMultiModalEmbedding or DashScopeMultiModalEmbedding, "
            f"got {type(model).__name__}"
        )
    return model


def _mix(model: ClientEmbedding, text: str | None, image: object, video: object) -> Mix:
    parts: list[Part] = [text] if text else []
    if image is not None:
        parts.append(medium(image, Image, root=model.media_root))
    if video is not None:
        parts.append(medium(video, Video, root=model.media_root))
    if not parts:
        raise InputError("a query needs text, image or video")
    return Mix(parts, fuse="auto", fuses=model.fuses)
