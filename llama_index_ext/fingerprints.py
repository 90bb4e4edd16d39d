"""Nodes whose hash notices that a file was replaced, and that no store takes for empty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
)

from llama_index_ext.media import own_text, parts_of
from volc_dashscope import Fused, InputError, Part
from volc_dashscope.inputs import as_iterable, digest

MEDIA_KEY = "media_sha256"


class FingerprintedImageNode(ImageNode):
    """An `ImageNode` whose hash includes the fingerprint; core's ignores metadata. Stored as `ImageNode`."""

    @property
    def hash(self) -> str:
        """Hash of what core hashes and of the media."""
        return sha256(f"{super().hash}-{self.metadata.get(MEDIA_KEY)}".encode()).hexdigest()


def fingerprint(nodes: Iterable[BaseNode], *, media_root: str | None = None) -> list[BaseNode]:
    """
    Return copies of nodes whose `hash` depends on the bytes of their media, for a pipeline with a docstore.

    Core hashes a path, not the file: a replaced picture would be skipped as unchanged. Each copy is its own
    source document if it has none, so that stores can delete the vector it replaces. Give nodes ids of your own
    that stay the same from run to run. URLs are not fetched: of those the URL counts.

    Args:
        nodes: Any nodes; of text nodes nothing but the source changes.
        media_root: Local files must be inside this folder.

    Raises:
        InputError: A file that cannot be read, with the id of its node.
    """
    return [_fingerprinted(node, media_root) for node in as_iterable(nodes, name="nodes")]


def marked(node: BaseNode, parts: Sequence[Part]) -> BaseNode:
    """
    Return the node, or a copy that core does not drop as empty: its content is then the digest of its media.

    `VectorStoreIndex` leaves out nodes whose content is empty, also if they have a vector.
    """
    if node.get_content(metadata_mode=MetadataMode.EMBED):
        return node
    return node.model_copy(update=_marks(node, parts))


def annotated(node: BaseNode, **notes: str) -> BaseNode:
    """Return a copy with more metadata that neither a model nor an LLM reads."""
    keys = list(notes)
    return node.model_copy(
        update={
            "metadata": {**node.metadata, **notes},
            "excluded_embed_metadata_keys": _with(node.excluded_embed_metadata_keys, keys),
            "excluded_llm_metadata_keys": _with(node.excluded_llm_metadata_keys, keys),
        }
    )


def _fingerprinted(node: BaseNode, root: str | None) -> BaseNode:
    update: dict[str, Any] = {}
    if node.source_node is None:
        source = RelatedNodeInfo(node_id=node.node_id, node_type=node.get_type())
        update["relationships"] = {**node.relationships, NodeRelationship.SOURCE: source}
    try:
        parts = parts_of(node, root=root) if _has_media(node) else []
        if parts:
            update.update(_marks(node, parts))
    except InputError as error:
        raise InputError(f"node {node.node_id}: {error}") from error
    copy = node.model_copy(update=update)
    if not parts:
        return copy
    if type(copy) is ImageNode:
        return FingerprintedImageNode(**copy.__dict__)
    unmarked = {key: value for key, value in copy.metadata.items() if key != MEDIA_KEY}
    if copy.hash == copy.model_copy(update={"metadata": unmarked}).hash:
        raise InputError(
            f"node {node.node_id}: the hash of {type(node).__name__} ignores metadata; "
            "use ImageNode or Node, or let the class's hash include it"
        )
    return copy


def _has_media(node: BaseNode) -> bool:
    return isinstance(node, ImageNode) or (
        isinstance(node, Node) and (node.image_resource is not None or node.video_resource is not None)
    )


def _marks(node: BaseNode, parts: Sequence[Part]) -> dict[str, Any]:
    media = [part for part in parts if not isinstance(part, str)]
    if not media:
        return {}
    found = digest(media[0]) if len(media) == 1 else digest(Fused(*media))
    update: dict[str, Any] = {
        "metadata": {**node.metadata, MEDIA_KEY: found},
        "excluded_llm_metadata_keys": _with(node.excluded_llm_metadata_keys, [MEDIA_KEY]),
    }
    if own_text(node):
        update["excluded_embed_metadata_keys"] = _with(node.excluded_embed_metadata_keys, [MEDIA_KEY])
    elif isinstance(node, Node) and node.text_resource is None:
        # Core shows a node's metadata only beside a text, be it empty.
        update["text_resource"] = MediaResource(text="")
    return update


def _with(keys: Sequence[str], more: Sequence[str]) -> list[str]:
    return [*keys, *(key for key in more if key not in keys)]
