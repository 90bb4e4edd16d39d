"""`MultiModalNodeEmbedder`: gives each node one vector of its text, image and video."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from multiprocessing import parent_process
from typing import Annotated, Any, ClassVar, Self
from uuid import uuid4

from llama_index.core.schema import BaseNode, TransformComponent
from llama_index.core.storage.docstore import BaseDocumentStore
from pydantic import BeforeValidator, PrivateAttr

from llama_index_ext.averaging import Fuse
from llama_index_ext.embeddings import (
    ArkMultiModalEmbedding,
    ClientEmbedding,
    DashScopeMultiModalEmbedding,
    require_embed_model,
)
from llama_index_ext.fingerprints import force_changed_hash
from llama_index_ext.node_batch import NodeBatch, SkipOrRaise, aembed_nodes, embed_nodes
from llama_index_ext.pickling import Portable
from volc_dashscope import ConfigError, EmbeddingError

_log = logging.getLogger("llama_index_ext")
# Not the hash of any node: a docstore that holds it sees the document as changed.
_NOT_EMBEDDED = "not embedded"
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

    The nodes passed in are not changed; copies are returned, with the vector in `embedding`. A node with only an image
    gets the digest of its media as metadata, because core drops nodes without content.

    Args:
        embed_model: `ArkMultiModalEmbedding` or `DashScopeMultiModalEmbedding`.
        fuse: How several parts become one vector. "auto": the model fuses them if it can; else each part gets a vector,
            and the normalised mean of the normalised vectors is used, which `metadata["embedding_is"]` then states.
            "always" needs a model that can fuse. "never" always uses the mean.
        on_error: "raise", or "skip": a failed node is left out of the result (core would embed it as text), listed in
            `skipped`, logged as a warning, and embedded by the next run of a pipeline with a docstore. A pipeline with
            `num_workers=` needs "raise".

    Raises:
        ConfigError: `fuse="always"` for a model that cannot fuse.
    """

    connecting: ClassVar[frozenset[str]] = frozenset({"fuse", "embed_model"})

    embed_model: Annotated[ClientEmbedding, BeforeValidator(require_embed_model)]
    fuse: Fuse = "auto"
    on_error: SkipOrRaise = "raise"

    _skipped: dict[str, EmbeddingError] = PrivateAttr(default_factory=dict)
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)
    _unpickled: bool = PrivateAttr(default=False)

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class in serialised settings."""
        return "MultiModalNodeEmbedder"

    @property
    def skipped(self) -> Mapping[str, EmbeddingError]:
        """The error of each node without a vector, by node id, until a later call embeds it. This process only."""
        return dict(self._skipped)

    def forget_skipped(self, docstore: BaseDocumentStore) -> None:
        """
        Make the next run of a pipeline embed the documents of skipped nodes again.

        Needed only if an earlier transform splits documents into nodes: the docstore has stored the document's hash,
        which a chunk cannot change. Nodes that are passed to the pipeline are embedded by the next run anyway.

        Args:
            docstore: The pipeline's docstore.
        """
        for name in self._skipped_sources():
            docstore.set_document_hash(name, _NOT_EMBEDDED)

    async def aforget_skipped(self, docstore: BaseDocumentStore) -> None:
        """As `forget_skipped`, awaited."""
        for name in self._skipped_sources():
            await docstore.aset_document_hash(name, _NOT_EMBEDDED)

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """
        Return the nodes with their vectors.

        Args:
            nodes: Any nodes; text, image and video of each are embedded.
            kwargs: Ignored; pipelines pass their own options.

        Raises:
            ConfigError: `on_error="skip"` in a worker process of a pipeline. Nothing was sent.
            InputError: A node holds nothing that can be embedded. Nothing was sent.
            EmbeddingError: The only node failed; the message has its id, the service's code and request id.
            BulkError: Some of many nodes failed, by their position; a retry does not pay again for the others.
        """
        self._refuse_skip_in_worker()
        return self._record_skipped(
            embed_nodes(self.embed_model, nodes, fuse=self.fuse, on_error=self.on_error)
        )

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """As `__call__`, awaited."""
        self._refuse_skip_in_worker()
        batch = await aembed_nodes(self.embed_model, nodes, fuse=self.fuse, on_error=self.on_error)
        return self._record_skipped(batch)

    def __copy__(self) -> Self:
        copied: Self = super().__copy__()
        copied._skipped, copied._sources = {}, {}
        return copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._unpickled = True

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """
        Return the settings and a nonce.

        Core's pipeline cache hashes them together with the nodes' texts before the transform runs: without the nonce,
        two pictures would share one entry.

        Args:
            kwargs: Passed to `to_dict` of `embed_model`.
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
        """
        Return an object with the settings of `to_dict`.

        Args:
            data: What `to_dict` returned.
            kwargs: Settings that replace those of `data`; `embed_model=` passes a model with its own key. Otherwise the
                key comes from the environment.
        """
        settings = {
            name: value for name, value in {**data, **kwargs}.items() if name not in ("class_name", "nonce")
        }
        model = settings["embed_model"]
        if isinstance(model, Mapping):
            settings["embed_model"] = _KINDS[model["class_name"]].from_dict(dict(model))
        return cls(**settings)

    def _connect(self) -> None:
        if self.fuse == "always" and not self.embed_model.fuses:
            raise ConfigError(
                f'{self.embed_model.model_name} cannot fuse several parts into one vector; use fuse="auto"'
            )

    def _refuse_skip_in_worker(self) -> None:
        """
        Refuse to skip nodes in a worker process of a pipeline.

        The pipeline's docstore records the nodes of the parent process, not the copies that it sent here: a node
        skipped here would be recorded as embedded, and no later run would embed it. An embedder made in this process
        works on the recorded nodes themselves, and may skip.
        """
        if self.on_error == "skip" and self._unpickled and parent_process() is not None:
            raise ConfigError(
                'on_error="skip" in a worker process: a docstore would record the skipped nodes as embedded; '
                'use on_error="raise", or run the pipeline without num_workers='
            )

    def _record_skipped(self, batch: NodeBatch) -> list[BaseNode]:
        """Record which nodes were skipped, and return the others."""
        for position, node in enumerate(batch.nodes):
            self._skipped.pop(node.node_id, None)
            self._sources.pop(node.node_id, None)
            if position in batch.errors:
                self._skip(node, batch.errors[position])
        return batch.embedded

    def _skip(self, node: BaseNode, error: EmbeddingError) -> None:
        force_changed_hash(node)
        self._skipped[node.node_id] = error
        self._sources[node.node_id] = node.ref_doc_id or node.node_id
        _log.warning("not embedded, left out: %s", error)

    def _skipped_sources(self) -> list[str]:
        return list(dict.fromkeys(self._sources.values()))
