"""Nodes whose hash changes with the bytes of their media, and that core does not drop as empty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
)
from pydantic import PrivateAttr

from llama_index_ext.media import embedded_text, has_media, node_name, nodes_of, own_text, parts_of
from volc_dashscope import Fused, InputError, Part
from volc_dashscope.inputs import digest

MEDIA_KEY = "media_sha256"
_MARK = re.compile(rf"{MEDIA_KEY}\W{{0,5}}[0-9a-f]{{64}}")


class FingerprintedImageNode(ImageNode):
    """An `ImageNode` whose hash includes the fingerprint; core's ignores metadata. Stored as `ImageNode`."""

    @property
    def hash(self) -> str:
        """Hash of what core hashes and of the media."""
        return sha256(f"{super().hash}-{self.metadata.get(MEDIA_KEY)}".encode()).hexdigest()


def fingerprint(nodes: Iterable[BaseNode], *, media_root: str | Path | None = None) -> list[BaseNode]:
    """
    Return copies of nodes whose `hash` depends on the bytes of their media, for a pipeline with a docstore.

    Core hashes a path, not the file: a replaced picture would be skipped as unchanged. Each copy becomes its
    own source document: core looks an upsert's hash up by the source's id, so a node of another source is new to
    it on every run, and stores could not delete the vector it replaces. The source it had becomes its parent,
    unless it has one. Give nodes ids of your own that stay the same from run to run. URLs are not fetched: the
    hash depends on the URL itself.

    Args:
        nodes: Any nodes; in text nodes only the source changes.
        media_root: Local files must be inside this folder.

    Raises:
        InputError: A file that cannot be read, with the id of its node.
    """
    return [_fingerprinted(node, media_root) for node in nodes_of(nodes)]


def marked(node: BaseNode, parts: Sequence[Part]) -> BaseNode:
    """
    Return the node, or a copy that core does not drop as empty: its content is then the digest of its media.

    `VectorStoreIndex` leaves out nodes whose content is empty, also if they have a vector.
    """
    if node.get_content(metadata_mode=MetadataMode.EMBED):
        return node
    return node.model_copy(update=_marks(node, parts))


def annotated(node: BaseNode, **notes: str) -> BaseNode:
    """Return a copy with more metadata that neither the embedding model nor an LLM reads."""
    keys = list(notes)
    return node.model_copy(
        update={
            "metadata": {**node.metadata, **notes},
            "excluded_embed_metadata_keys": _with(node.excluded_embed_metadata_keys, keys),
            "excluded_llm_metadata_keys": _with(node.excluded_llm_metadata_keys, keys),
        }
    )


def is_marked(text: object) -> bool:
    """Return whether a text is the digest that `fingerprint` gave a picture or video instead of content."""
    return isinstance(text, str) and MEDIA_KEY in text and _MARK.search(text) is not None


def refuse_marks(texts: Sequence[str]) -> None:
    """
    Refuse texts that are the digest that `fingerprint` gave a picture or video instead of content.

    Raises:
        InputError: With the index of the first.
    """
    for index, text in enumerate(texts):
        if is_marked(text):
            raise InputError(
                f"item {index}: text {MEDIA_KEY}: ... stands for an image or video that would not be embedded; "
                "pass the nodes through MultiModalNodeEmbedder first, then to the index",
                index=index,
            )


def query_text(query: str) -> str:
    """
    Return the text of a query that is embedded.

    Raises:
        InputError: It has none, or is the digest of a picture or video.
    """
    text = embedded_text(query)
    if is_marked(text):
        raise InputError(
            f"the query {MEDIA_KEY}: ... stands for the image or video of a node and is not its content; "
            "query by the image: query_bundle(image=...)"
        )
    return text


def with_hash(node: BaseNode, kept: str) -> BaseNode:
    """Return a copy whose `hash` is `kept`, so that a docstore sees the node it was made from."""
    copy = node.model_copy()
    _give_hash(copy, kept)
    return copy


def force_changed_hash(node: BaseNode) -> None:
    """
    Make every docstore see this node as changed, whatever hash it has stored.

    Core stores the hash of each node of a run, also of one the embedder left out. The class of the node itself is
    changed because core reads the hash of this same object after the run; no field is changed.
    """
    _give_hash(node, None)


def restore_class(node: BaseNode) -> None:
    """Undo `force_changed_hash`."""
    if (node.__pydantic_private__ or {}).get("_own_hash") is None:
        object.__setattr__(node, "__class__", _plain_class(node))


def _plain_class(node: BaseNode) -> type[BaseNode]:
    kind: type[BaseNode] = getattr(type(node), "plain_class", type(node))
    return kind


def _give_hash(node: BaseNode, kept: str | None) -> None:
    object.__setattr__(node, "__class__", _hashed(_plain_class(node)))
    private = {**(node.__pydantic_private__ or {}), "_own_hash": kept}
    object.__setattr__(node, "__pydantic_private__", private)


@cache
def _hashed(kind: type[BaseNode]) -> type[BaseNode]:
    """Return a subclass whose hash is set from outside. It is stored, and loaded again, under the name of `kind`."""

    class Hashed(kind):  # type: ignore[misc, valid-type]
        plain_class: ClassVar[type[BaseNode]] = kind
        _own_hash: str | None = PrivateAttr(default=None)

        if not TYPE_CHECKING:

            @property
            def hash(self):
                return self._own_hash or uuid4().hex

            def __reduce__(self):
                # The class is made at run time: another process could not import it by name.
                return _unpickled, (kind, self._own_hash, self.__getstate__())

    Hashed.__name__, Hashed.__qualname__ = kind.__name__, kind.__qualname__
    return Hashed


def _unpickled(kind: type[BaseNode], kept: str | None, state: dict[str, Any]) -> BaseNode:
    node = kind.__new__(kind)
    node.__setstate__(state)
    _give_hash(node, kept)
    return node


def _fingerprinted(node: BaseNode, root: str | Path | None) -> BaseNode:
    update: dict[str, Any] = {"relationships": _self_sourced(node)}
    try:
        parts = parts_of(node, root=root) if has_media(node) else []
        if parts:
            update.update(_marks(node, parts))
    except InputError as error:
        raise InputError(f"{node_name(node)}: {error}") from error
    copy = node.model_copy(update=update)
    object.__setattr__(copy, "__class__", _plain_class(copy))
    if not parts:
        return copy
    if type(copy) is ImageNode:
        return FingerprintedImageNode(**copy.__dict__)
    unmarked = {key: value for key, value in copy.metadata.items() if key != MEDIA_KEY}
    if copy.hash == copy.model_copy(update={"metadata": unmarked}).hash:
        raise InputError(
            f"{node_name(node)}: the hash of {type(node).__name__} ignores metadata; "
            "use ImageNode or Node, or include the metadata in the hash of the class"
        )
    return copy


def _self_sourced(node: BaseNode) -> dict[NodeRelationship, Any]:
    related = dict(node.relationships)
    source = node.source_node
    if source is None or source.node_id != node.node_id:
        related[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=node.node_id, node_type=node.get_type())
        if source is not None:
            related.setdefault(NodeRelationship.PARENT, source)
    return related


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
        # Core returns a node's metadata only where there is a text, even an empty one.
        update["text_resource"] = MediaResource(text="")
    return update


def _with(keys: Sequence[str], more: Sequence[str]) -> list[str]:
    return [*keys, *(key for key in more if key not in keys)]
