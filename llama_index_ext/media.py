"""Turns images and videos in every form core passes them, and the content of nodes and queries, into items."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Self, TypeVar

from llama_index.core.schema import BaseNode, ImageNode, MediaResource, MetadataMode, Node, TextNode

from volc_dashscope import Image, InputError, Part, Video
from volc_dashscope.inputs import as_iterable, is_url

M = TypeVar("M", Image, Video)


def medium(value: object, kind: type[M], *, root: str | Path | None) -> M:
    """
    Return the `Image` or `Video` for a path, URL, data URI, stream, bytes, Pillow image or such a value itself.

    Args:
        value: A `str` is a URL if it has the scheme of one, else a path or a `file:` URI.
        kind: `Image` or `Video`.
        root: Refuse a path outside this folder.

    Raises:
        InputError: Anything else, and bytes that are no image or video, such as the HTML page of a 404.
    """
    if isinstance(value, kind):
        return value
    if is_url(value):
        return kind.from_url(value)
    if isinstance(value, str | Path):
        return kind.from_path(value, root=root)
    if isinstance(value, BytesIO):
        return kind.from_bytes(value.getvalue())
    if isinstance(value, bytes | bytearray):
        return kind.from_bytes(bytes(value))
    if kind is Image and callable(getattr(value, "save", None)):
        return kind.from_pil(value)  # type: ignore[attr-defined, arg-type, no-any-return]
    name = "an image" if kind is Image else "a video"
    raise InputError(
        f"expected {name} as a path, URL, bytes, BytesIO or {kind.__name__}, got {type(value).__name__}"
    )


def parts_of(node: BaseNode, *, root: str | Path | None) -> list[Part]:
    """
    Return the parts of a node to embed: its text with the metadata core embeds, its image, its video.

    Metadata alone is no text: a picture with a file name in its metadata is embedded as a picture only.

    Raises:
        InputError: Nothing to embed, or a medium that cannot be read.
    """
    found: list[Part] = [*_text(node), *_image(node, root), *_video(node, root)]
    if not found:
        missed = left_out(node)
        hint = (
            f"; {' and '.join(missed)} cannot be embedded"
            if missed
            else "; a node parser keeps only text, so pass images and videos to the embedder without one"
        )
        raise InputError(f"the node has no text, image or video{hint}")
    return found


def node_name(node: BaseNode) -> str:
    """Return a node's id for a message or log; often it is a file name, which may hold what a terminal obeys."""
    return f"node {node.node_id if node.node_id.isprintable() else repr(node.node_id)}"


def own_text(node: BaseNode) -> str:
    """Return a node's own text, without metadata; blank is none."""
    text = ""
    if isinstance(node, TextNode):
        text = node.text
    elif isinstance(node, Node) and node.text_resource is not None:
        text = node.text_resource.text or ""
    return text if text.strip() else ""


def nodes_of(nodes: Iterable[BaseNode]) -> list[BaseNode]:
    """
    Return the members of a list of nodes.

    Raises:
        InputError: One thing where a list belongs, or a member that is no node.
    """
    result = list(as_iterable(nodes, name="nodes"))
    for index, node in enumerate(result):
        if not isinstance(node, BaseNode):
            raise InputError(f"item {index}: expected a node, got {type(node).__name__}", index=index)
    return result


def has_media(node: BaseNode) -> bool:
    """Return whether a node holds a picture or a video, or is of the class for pictures."""
    return isinstance(node, ImageNode) or (
        isinstance(node, Node) and (node.image_resource is not None or node.video_resource is not None)
    )


def is_plain(node: BaseNode) -> bool:
    """
    Return whether core's way with a node is right: to embed its text with the metadata.

    It is not where the node has a picture or video, or no text of its own: metadata is then all that core embeds.
    """
    known = isinstance(node, TextNode | Node)
    return not (has_media(node) or left_out(node) or (known and not own_text(node)))


def left_out(node: BaseNode) -> list[str]:
    """Return what a node holds, in words, that `parts_of` cannot embed."""
    if not isinstance(node, Node):
        return []
    missed = ["audio"] if node.audio_resource is not None else []
    text = node.text_resource
    if text is not None and not (text.text or "").strip() and (text.data or text.path or text.url):
        missed.append("text that was not loaded")
    for name, resource in (("image", node.image_resource), ("video", node.video_resource)):
        if resource is not None and (resource.text or "").strip():
            missed.append(f"the text of its {name} resource")
    return missed


def _text(node: BaseNode) -> list[str]:
    return [node.get_content(metadata_mode=MetadataMode.EMBED)] if own_text(node) else []


def _image(node: BaseNode, root: str | Path | None) -> list[Image]:
    if isinstance(node, Node):
        return _resource(node.image_resource, Image, root)
    if not isinstance(node, ImageNode):
        return []
    if node.image:
        data = node.image if is_url(node.image) else _decoded(node.image, "image")
        return [medium(data, Image, root=root)]
    location = node.image_path or node.image_url
    return [medium(str(location), Image, root=root)] if location else []


def _video(node: BaseNode, root: str | Path | None) -> list[Video]:
    return _resource(node.video_resource, Video, root) if isinstance(node, Node) else []


def _resource(resource: MediaResource | None, kind: type[M], root: str | Path | None) -> list[M]:
    if resource is None:
        return []
    if resource.data is not None:
        return [medium(_decoded(resource.data, kind.kind), kind, root=root)]
    if resource.path is not None:
        return [medium(resource.path, kind, root=root)]
    if resource.url is not None:
        return [medium(str(resource.url), kind, root=root)]
    raise InputError(
        f"its {kind.__name__.lower()} resource has no data, path or URL; "
        "LlamaIndex drops `data` when it stores a node, so use a path or URL"
    )


def _decoded(data: str | bytes, kind: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"its {kind} is not valid base64; use the standard alphabet with padding") from error


class QueryText(str):
    """
    The text of a query for an LLM, and in `embedded` the text that was embedded.

    Core puts `query_str` into prompts: of routers, of fusion over several queries, of query engines. A picture has
    no text, and an LLM given an empty question invents one; so formatting an empty one is an error.

    Raises:
        InputError: It is formatted into a prompt and is empty.
    """

    embedded: str

    def __new__(cls, read: str, *, embedded: str = "") -> Self:
        query = super().__new__(cls, read)
        query.embedded = embedded
        return query

    def __str__(self) -> str:
        return str.__str__(self) if self else _refuse_empty()

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if self else _refuse_empty()

    # Equal to its text, but with another hash: core's fusion keeps the hits of each query in a dictionary by its
    # text, and an LLM that repeats the question would replace the picture's hits by those of the text.
    def __hash__(self) -> int:
        return hash((str.__hash__(self), QueryText, self.embedded))


def embedded_text(query: str) -> str:
    """
    Return the text of a query that is embedded.

    Raises:
        InputError: It has none; a question is for LLMs and is not embedded.
    """
    if not isinstance(query, QueryText):
        return query
    if not query.embedded:
        raise InputError(
            "this query is an image or video without text, but a component embeds query text (an embedding "
            "selector, a query transform, a retriever that embeds again); pass the text to embed: "
            'query_bundle(text="...", image=...)'
        )
    return query.embedded


def _refuse_empty() -> str:
    raise InputError(
        "this query is an image or video without text, but a component reads query text (a query engine, a router, "
        'a fusion retriever); pass the text to read: query_bundle(image=..., question="...")'
    )
