"""The nodes of one call: the parts of each, the items sent for it, and its vector or error."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.schema import BaseNode

from llama_index_ext.averaging import Fuse, Vector, VectorPlan, spans
from llama_index_ext.events import InstrumentedModel, event_label, instrumented
from llama_index_ext.fingerprints import annotated, marked, restore_class, with_hash
from llama_index_ext.media import left_out, node_name, nodes_of, parts_of
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

SkipOrRaise: TypeAlias = Literal["raise", "skip"]

_log = logging.getLogger("llama_index_ext")


class NodeModel(InstrumentedModel, Protocol):
    """What embeds the items of nodes: one of the embedding classes."""

    @property
    def media_root(self) -> str | Path | None: ...

    @property
    def fuses(self) -> bool: ...

    def embed_without_events(self, items: Sequence[Item], *, on_error: SkipOrRaise) -> EmbeddingResult: ...

    async def aembed_without_events(
        self, items: Sequence[Item], *, on_error: SkipOrRaise
    ) -> EmbeddingResult: ...


class NodeBatch:
    """
    The nodes of one call, the items to embed for them, and their vectors or errors.

    Attributes:
        nodes: The nodes that were passed in.
        outcome: The outcome of the items that `pending_items` yielded last; the caller sets it.
        errors: The error of each node without a vector, by its position.
        embedded: Copies of the other nodes with their vectors, in order; empty until `finish`.

    Raises:
        InputError: A node has nothing to embed, and failures are not skipped.
    """

    def __init__(
        self, nodes: Sequence[BaseNode], model: NodeModel, *, fuse: Fuse, on_error: SkipOrRaise
    ) -> None:
        self.nodes = nodes_of(nodes)
        self.outcome: EmbeddingResult | EmbeddingError
        self.errors: dict[int, EmbeddingError] = {}
        self.embedded: list[BaseNode] = []
        self._rows: dict[int, Vector] = {}
        self._skips = on_error == "skip"
        self._parts: dict[int, list[Part]] = {}
        self._plans: dict[int, VectorPlan] = {}
        for position, node in enumerate(self.nodes):
            try:
                parts = parts_of(node, root=model.media_root)
            except InputError as error:
                self._refuse(position, error)
                continue
            self._parts[position] = parts
            self._plans[position] = VectorPlan(parts, fuse=fuse, fuses=model.fuses)

    @property
    def labels(self) -> list[str]:
        """The name of each node in events: its text, or the label of its media."""
        return [" + ".join(map(event_label, parts)) for parts in self._parts.values()]

    def pending_items(self) -> Iterator[Sequence[Item]]:
        """Yield the items to embed; an item that does not fit the model fails only its own node."""
        rest = list(self._plans)
        while rest:
            yield self._items(rest)
            outcome = self.outcome
            if isinstance(outcome, ConfigError):
                raise outcome
            if isinstance(outcome, InputError) and outcome.index is not None:
                wrong = self._owner(rest, outcome.index)
                self._refuse(rest[wrong], outcome)
                fit, rest = rest[:wrong], rest[wrong + 1 :]
                if fit:
                    yield self._items(fit)
                    self._store_outcome(fit)
            else:
                self._store_outcome(rest)
                rest = []

    def finish(self) -> Iterator[Embedding]:
        """
        Make the copies with their vectors, and return the vectors.

        Raises:
            EmbeddingError: The only node's error.
            BulkError: Some of many nodes failed, and failures are not skipped.
        """
        if self.errors and not self._skips:
            raise self._error()
        for node in self.nodes:
            restore_class(node)
        self.embedded = [self._with_vector(position) for position in sorted(self._rows)]
        return (node.embedding for node in self.embedded if node.embedding is not None)

    def _with_vector(self, position: int) -> BaseNode:
        """Return a node's copy with its vector; it keeps the node's hash, so that a docstore sees the same node."""
        original = node = self.nodes[position]
        averaged, missed = self._plans[position].averaged, left_out(node)
        if averaged is not None:
            node = annotated(node, embedding_is=averaged)
        if missed:
            node = annotated(node, not_embedded=", ".join(missed))
            _log.warning("%s: %s not embedded", node_name(original), " and ".join(missed))
        node = marked(node, self._parts[position])
        node = node.model_copy(update={"embedding": self._rows[position].tolist()})
        return node if node.hash == original.hash else with_hash(node, original.hash)

    def _items(self, positions: Sequence[int]) -> list[Item]:
        return [item for position in positions for item in self._plans[position].items]

    def _owner(self, positions: Sequence[int], index: int) -> int:
        owners = [number for number, position in enumerate(positions) for _ in self._plans[position].items]
        return owners[index]

    def _refuse(self, position: int, error: InputError) -> None:
        named = _named(self.nodes[position], error)
        if not self._skips:
            raise named from error
        self.errors[position] = named

    def _store_outcome(self, positions: Sequence[int]) -> None:
        plans = [self._plans[position] for position in positions]
        failures = _failures(self.outcome, sum(len(plan.items) for plan in plans))
        for position, plan, span in zip(positions, plans, spans(plans), strict=True):
            failed = [failures[index] for index in range(span.start, span.stop) if index in failures]
            if failed:
                self.errors[position] = _named(self.nodes[position], failed[0])
            else:
                self._rows[position] = plan.vector(_vectors(self.outcome)[span])

    def _error(self) -> EmbeddingError:
        """Return the error to raise: the only node's own, or a `BulkError` that holds the vectors of the others."""
        first = self.errors[min(self.errors)]
        if len(self.nodes) == 1:
            return first
        width = len(next(iter(self._rows.values()))) if self._rows else 0
        vectors = np.full((len(self.nodes), width), np.nan, dtype=np.float32)
        for position, row in self._rows.items():
            vectors[position] = row
        result = EmbeddingResult(
            vectors=vectors, usage=Usage(), request_ids=(), model="", errors=dict(self.errors)
        )
        error = BulkError(
            f"{len(self.errors)} of {len(self.nodes)} nodes failed; the first: {first}",
            result=result,
            failures=self.errors,
        )
        error.__cause__ = first
        return error


def embed_nodes(
    model: NodeModel, nodes: Sequence[BaseNode], *, fuse: Fuse = "auto", on_error: SkipOrRaise = "raise"
) -> NodeBatch:
    """
    Embed nodes as one call that core's events announce.

    Raises:
        InputError: A node holds nothing that can be embedded. Nothing was sent.
        EmbeddingError: The only node failed.
        BulkError: Some of many nodes failed, by their position.
    """
    batch = NodeBatch(nodes, model, fuse=fuse, on_error=on_error)
    with instrumented(model, batch.labels) as vectors:
        for items in batch.pending_items():
            try:
                batch.outcome = model.embed_without_events(items, on_error=on_error)
            except EmbeddingError as error:
                batch.outcome = error
        vectors.extend(batch.finish())
    return batch


async def aembed_nodes(
    model: NodeModel, nodes: Sequence[BaseNode], *, fuse: Fuse = "auto", on_error: SkipOrRaise = "raise"
) -> NodeBatch:
    """As `embed_nodes`, awaited."""
    batch = NodeBatch(nodes, model, fuse=fuse, on_error=on_error)
    with instrumented(model, batch.labels) as vectors:
        for items in batch.pending_items():
            try:
                batch.outcome = await model.aembed_without_events(items, on_error=on_error)
            except EmbeddingError as error:
                batch.outcome = error
        vectors.extend(batch.finish())
    return batch


def _failures(outcome: EmbeddingResult | EmbeddingError, count: int) -> Mapping[int, EmbeddingError]:
    if isinstance(outcome, EmbeddingResult):
        return outcome.errors
    if isinstance(outcome, BulkError):
        return outcome.failures
    return dict.fromkeys(range(count), outcome)


def _vectors(outcome: EmbeddingResult | EmbeddingError) -> Vector:
    result = outcome.result if isinstance(outcome, BulkError) else outcome
    return result.vectors if isinstance(result, EmbeddingResult) else np.zeros((0, 0), dtype=np.float32)


def _named(node: BaseNode, error: EmbeddingError) -> EmbeddingError:
    """Return the same error with the node's id, the service's code and its request id in the message."""
    # Its index counts the parts of all nodes of a request, which the caller has not numbered.
    text = str(error).removeprefix(f"item {error.index}: ")
    # An error of the account is not about this node.
    text = text if error.account else f"{node_name(node)}: {text}"
    if error.code and error.code not in text:
        text += f" (code {error.code})"
    if error.request_id and error.request_id not in text:
        text += f" [request id {error.request_id}]"
    renamed = copy(error)
    renamed.args = (text,)
    renamed.__cause__ = error
    return renamed
