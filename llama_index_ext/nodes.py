"""`MultiModalNodeEmbedder`: gives each node one vector of its text, image and video."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from multiprocessing import parent_process
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import numpy as np
from llama_index.core.schema import BaseNode, TransformComponent
from llama_index.core.storage.docstore import BaseDocumentStore
from pydantic import ConfigDict, PrivateAttr

from llama_index_ext.averaging import Fuse, Mix, Vector, spans
from llama_index_ext.embeddings import (
    ArkMultiModalEmbedding,
    ClientEmbedding,
    DashScopeMultiModalEmbedding,
)
from llama_index_ext.events import announced
from llama_index_ext.fingerprints import annotated, be_itself, marked, stay_changed, with_hash
from llama_index_ext.media import left_out, nodes_of, parts_of
from llama_index_ext.pickling import Portable
from volc_dashscope import (
    BulkError,
    ConfigError,
    EmbeddingError,
    EmbeddingResult,
    InputError,
    Item,
    Part,
    Usage,
)
from volc_dashscope.inputs import label
from volc_dashscope.integrations.construction import own_names

_log = logging.getLogger("llama_index_ext")
# Not the hash of any node: a docstore that holds it sees the document as changed.
_NOT_DONE = "not embedded"
_KINDS = {kind.__name__: kind for kind in (ArkMultiModalEmbedding, DashScopeMultiModalEmbedding)}


class MultiModalNodeEmbedder(Portable, TransformComponent):
    """
    Gives each node one vector of its text, image and video, in a pipeline or on its own.

    ```python
    from llama_index.core.schema import ImageNode, TextNode

    embed = MultiModalNodeEmbedder(embed_model=DashScopeMultiModalEmbedding(model_name="qwen3-vl-embedding"))
    nodes = embed([TextNode(text="a red shoe"), ImageNode(image_path="pictures/banana.png")])
    print([len(node.embedding) for node in nodes])
    ```
    ```text
    [2560, 2560]
    ```

    Nodes passed in are not changed; copies are returned, with the vector in `embedding`. An image-only
    node gets the digest of its media as metadata, because core drops nodes without content.

    Args:
        embed_model: `ArkMultiModalEmbedding` or `DashScopeMultiModalEmbedding`.
        fuse: How several parts become one vector. "auto": the model fuses them if it can; else each part gets its
            vector, and the unit mean of the unit vectors is kept, as `metadata["embedding_is"]` then says.
            "always" needs a model that can. "never" always takes the mean.
        on_error: "raise", or "skip": a failed node is left out of the result (core would embed it as text),
            listed in `skipped`, logged as a warning, and embedded by the next run of a pipeline with a docstore.
            A pipeline with `num_workers=` needs "raise".

    Raises:
        ConfigError: `fuse="always"` for a model that cannot fuse.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    embed_model: ClientEmbedding
    fuse: Fuse = "auto"
    on_error: Literal["raise", "skip"] = "raise"

    _skipped: dict[str, EmbeddingError] = PrivateAttr(default_factory=dict)
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)
    _unpickled: bool = PrivateAttr(default=False)

    if not TYPE_CHECKING:

        def __init__(self, **data):
            super().__init__(**own_names(type(self), data))
            if self.fuse == "always" and not self.embed_model.fuses:
                raise ConfigError(f'{self.embed_model.model_name} cannot fuse; use fuse="auto"')

    @classmethod
    def class_name(cls) -> str:
        return "MultiModalNodeEmbedder"

    @property
    def skipped(self) -> Mapping[str, EmbeddingError]:
        """The error of each node without a vector, by node id, until a later call embeds it. This process only."""
        return dict(self._skipped)

    def forget_skipped(self, docstore: BaseDocumentStore) -> None:
        """
        Make the next run of a pipeline embed again the documents that skipped nodes were cut from.

        Needed only where an earlier transform cuts documents into nodes: the docstore has stored the document's
        hash, which a chunk cannot change. Nodes that are passed to the pipeline are embedded by the next run anyway.
        """
        for name in self._skipped_sources():
            docstore.set_document_hash(name, _NOT_DONE)

    async def aforget_skipped(self, docstore: BaseDocumentStore) -> None:
        """As `forget_skipped`, awaited."""
        for name in self._skipped_sources():
            await docstore.aset_document_hash(name, _NOT_DONE)

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """
        Return the nodes with their vectors.

        Raises:
            ConfigError: `on_error="skip"` in a worker process of a pipeline. Nothing was sent.
            InputError: A node holds nothing that can be embedded. Nothing was sent.
            EmbeddingError: The only node failed; the message has its id, the service's code and request id.
            BulkError: Some of many nodes failed, by their position; a retry does not pay again for the others.
        """
        self._require_that_skipping_is_seen()
        work = _Work(nodes, self)
        with announced(self.embed_model, work.labels) as vectors:
            for items in work.asking():
                try:
                    work.happened = self.embed_model.embed_unannounced(items, on_error=self.on_error)
                except EmbeddingError as error:
                    work.happened = error
            embedded = self._finish(work)
            vectors.extend(node.embedding for node in embedded if node.embedding is not None)
        return embedded

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """As calling it, awaited."""
        self._require_that_skipping_is_seen()
        work = _Work(nodes, self)
        with announced(self.embed_model, work.labels) as vectors:
            for items in work.asking():
                try:
                    work.happened = await self.embed_model.aembed_unannounced(items, on_error=self.on_error)
                except EmbeddingError as error:
                    work.happened = error
            embedded = self._finish(work)
            vectors.extend(node.embedding for node in embedded if node.embedding is not None)
        return embedded

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._unpickled = True

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """
        Return the settings and a nonce.

        Core's pipeline cache hashes this and the nodes' texts before the transform runs: without the nonce two
        pictures would share one entry.
        """
        return {
            "class_name": self.class_name(),
            "embed_model": self.embed_model.to_dict(**kwargs),
            "fuse": self.fuse,
            "on_error": self.on_error,
            "nonce": uuid4().hex,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> MultiModalNodeEmbedder:
        """Return an object with the settings of `to_dict`; the key comes from the environment or `embed_model=`."""
        settings = {
            name: value for name, value in {**data, **kwargs}.items() if name not in ("class_name", "nonce")
        }
        model = settings["embed_model"]
        if isinstance(model, Mapping):
            settings["embed_model"] = _KINDS[model["class_name"]].from_dict(dict(model))
        return cls(**settings)

    def _require_that_skipping_is_seen(self) -> None:
        """
        Refuse to skip in a process to which a pipeline sent a copy of this embedder.

        The pipeline notes in its docstore the nodes that it kept, and not those that it sent: a node skipped
        here would be noted as embedded, and no later run would embed it. An embedder that was made in this process
        works on the very nodes that are noted, and may skip.
        """
        if self.on_error == "skip" and self._unpickled and parent_process() is not None:
            raise ConfigError(
                'on_error="skip" in a worker process: a docstore would note the skipped nodes as embedded; '
                'use on_error="raise", or a pipeline without num_workers='
            )

    def _finish(self, work: _Work) -> list[BaseNode]:
        answers = work.answers
        if answers.errors and self.on_error == "raise":
            raise bulk(work.nodes, answers.rows, answers.errors)
        for position, node in enumerate(work.nodes):
            be_itself(node)
            self._skipped.pop(node.node_id, None)
            self._sources.pop(node.node_id, None)
            if position in answers.errors:
                self._skip(node, answers.errors[position])
        return [work.result(position) for position in answers.rows_in_order]

    def _skip(self, node: BaseNode, error: EmbeddingError) -> None:
        stay_changed(node)
        self._skipped[node.node_id] = error
        self._sources[node.node_id] = node.ref_doc_id or node.node_id
        _log.warning("not embedded and left out: %s", error)

    def _skipped_sources(self) -> list[str]:
        return list(dict.fromkeys(self._sources.values()))


@dataclass
class Answers:
    """The vector or the error of each node, by its position."""

    rows: dict[int, Vector]
    errors: dict[int, EmbeddingError]

    @property
    def rows_in_order(self) -> list[int]:
        """Positions of the nodes that have a vector."""
        return sorted(self.rows)


class _Work:
    """
    The nodes of one call, the items to embed for them, and their vectors or errors.

    Attributes:
        happened: The outcome of the items that `asking` yielded last; the caller sets it.
        answers: The vector or error of each node, complete when `asking` is exhausted.

    Raises:
        InputError: The first node that holds nothing to embed, unless failures are skipped.
    """

    def __init__(self, nodes: Sequence[BaseNode], embedder: MultiModalNodeEmbedder) -> None:
        self.nodes = nodes_of(nodes)
        self.happened: EmbeddingResult | EmbeddingError
        self.answers = Answers({}, {})
        self._skips = embedder.on_error == "skip"
        self._parts: dict[int, list[Part]] = {}
        self._mixes: dict[int, Mix] = {}
        model = embedder.embed_model
        for position, node in enumerate(self.nodes):
            try:
                parts = parts_of(node, root=model.media_root)
            except InputError as error:
                self._refuse(position, error)
                continue
            self._parts[position] = parts
            self._mixes[position] = Mix(parts, fuse=embedder.fuse, fuses=model.fuses)

    @property
    def labels(self) -> list[str]:
        """The name of each node in events: its text, or the label of its media."""
        return [
            " + ".join(part if isinstance(part, str) else label(part) for part in parts)
            for parts in self._parts.values()
        ]

    def asking(self) -> Iterator[Sequence[Item]]:
        """Yield the items to embed; an item that does not fit the model fails only its own node."""
        rest = list(self._mixes)
        while rest:
            yield self._items(rest)
            happened = self.happened
            if isinstance(happened, ConfigError):
                raise happened
            if isinstance(happened, InputError) and happened.index is not None:
                wrong = self._owner(rest, happened.index)
                self._refuse(rest[wrong], happened)
                fit, rest = rest[:wrong], rest[wrong + 1 :]
                if fit:
                    yield self._items(fit)
                    self._take(fit)
            else:
                self._take(rest)
                rest = []

    def result(self, position: int) -> BaseNode:
        """Return a node's copy with its vector; it keeps the node's hash, so that a docstore sees the same node."""
        given = node = self.nodes[position]
        averaged, missed = self._mixes[position].averaged, left_out(node)
        if averaged is not None:
            node = annotated(node, embedding_is=averaged)
        if missed:
            node = annotated(node, not_embedded=", ".join(missed))
            _log.warning("node %s: %s not embedded", given.node_id, " and ".join(missed))
        node = marked(node, self._parts[position])
        node = node.model_copy(update={"embedding": self.answers.rows[position].tolist()})
        return node if node.hash == given.hash else with_hash(node, given.hash)

    def _items(self, positions: Sequence[int]) -> list[Item]:
        return [item for position in positions for item in self._mixes[position].items]

    def _owner(self, positions: Sequence[int], index: int) -> int:
        owners = [number for number, position in enumerate(positions) for _ in self._mixes[position].items]
        return owners[index]

    def _refuse(self, position: int, error: InputError) -> None:
        answer = named(self.nodes[position], error)
        if not self._skips:
            raise answer from error
        self.answers.errors[position] = answer

    def _take(self, positions: Sequence[int]) -> None:
        failures = _failures(self.happened, sum(len(self._mixes[position].items) for position in positions))
        for position, span in zip(
            positions, spans([self._mixes[position] for position in positions]), strict=True
        ):
            failed = [failures[index] for index in range(span.start, span.stop) if index in failures]
            if failed:
                self.answers.errors[position] = named(self.nodes[position], failed[0])
            else:
                self.answers.rows[position] = self._mixes[position].vector(_rows(self.happened)[span])


def _failures(happened: EmbeddingResult | EmbeddingError, count: int) -> Mapping[int, EmbeddingError]:
    if isinstance(happened, EmbeddingResult):
        return happened.errors
    if isinstance(happened, BulkError):
        return happened.failures
    return dict.fromkeys(range(count), happened)


def _rows(happened: EmbeddingResult | EmbeddingError) -> Vector:
    result = happened.result if isinstance(happened, BulkError) else happened
    return result.vectors if isinstance(result, EmbeddingResult) else np.zeros((0, 0), dtype=np.float32)


def named(node: BaseNode, error: EmbeddingError) -> EmbeddingError:
    """Return the same error with the node's id, the service's code and its request id in the message."""
    # An error of the account is not about this node.
    text = str(error) if error.account else f"node {node.node_id}: {error}"
    if error.code and error.code not in text:
        text += f" (code {error.code})"
    if error.request_id and error.request_id not in text:
        text += f" [request id {error.request_id}]"
    renamed = copy(error)
    renamed.args = (text,)
    renamed.__cause__ = error
    return renamed


def bulk(
    nodes: Sequence[BaseNode], rows: Mapping[int, Vector], errors: Mapping[int, EmbeddingError]
) -> EmbeddingError:
    """Return the error to raise: the only node's own, or a `BulkError` that holds the vectors of the others."""
    first = errors[min(errors)]
    if len(nodes) == 1:
        return first
    width = len(next(iter(rows.values()))) if rows else 0
    vectors = np.full((len(nodes), width), np.nan, dtype=np.float32)
    for position, row in rows.items():
        vectors[position] = row
    result = EmbeddingResult(vectors=vectors, usage=Usage(), request_ids=(), model="", errors=dict(errors))
    error = BulkError(
        f"{len(errors)} of {len(nodes)} nodes failed; the first: {first}", result=result, failures=errors
    )
    error.__cause__ = first
    return error
