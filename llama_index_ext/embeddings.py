"""`ArkMultiModalEmbedding` and `DashScopeMultiModalEmbedding`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self
from uuid import uuid4

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.rate_limiter import BaseRateLimiter
from llama_index.core.schema import BaseNode
from pydantic import AliasChoices, Field, PrivateAttr

from llama_index_ext.batches import list_model, note_batch, renumbered_errors
from llama_index_ext.events import event_label, instrumented
from llama_index_ext.fingerprints import query_text, refuse_marks
from llama_index_ext.media import is_plain, medium, nodes_of
from llama_index_ext.media_calls import MediaCalls, rows_of
from llama_index_ext.node_batch import NodeBatch, aembed_nodes, embed_nodes
from llama_index_ext.rate_limit import RateLimiterAdapter
from llama_index_ext.settings import EmbeddingFields
from volc_dashscope import (
    ConfigError,
    EmbeddingResult,
    Image,
    Item,
    OnError,
    TextType,
    Video,
)
from volc_dashscope.inputs import parts
from volc_dashscope.integrations.construction import OPAQUE, hide_key
from volc_dashscope.integrations.hybrid import SubCall, apartial_results, dense_calls, joined, partial_results
from volc_dashscope.integrations.settings import convert_each
from volc_dashscope.models import Provider


class ClientEmbedding(EmbeddingFields, MediaCalls):
    """The base of both classes, which differ in the service and the default model."""

    rate_limiter: Annotated[BaseRateLimiter | None, OPAQUE] = Field(
        default=None, exclude=True, description="A rate limiter of core's, called once for every request."
    )

    _rate_limit: RateLimiterAdapter = PrivateAttr()

    if not TYPE_CHECKING:

        def __init__(self, **data):
            hide_key(data)
            _refuse_cache(data.get("embeddings_cache"))
            super().__init__(**data)

        def __setattr__(self, name, value):
            if name == "embeddings_cache":
                _refuse_cache(value)
            super().__setattr__(name, value)

    @property
    def fuses(self) -> bool:
        """Whether the model makes one vector of several parts."""
        return self._client.model_info.fusion is not None

    def enable_hybrid(self) -> bool:
        """Request dense and sparse vectors together from now on; return False if the model has no sparse ones."""
        self._hybrid = self._client.model_info.sparse
        return self._hybrid

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """
        Embed nodes as a transform of a pipeline: their text, or as `MultiModalNodeEmbedder` does if they have media.

        Core itself would embed the text or metadata of a node with a picture instead of the picture, and the metadata
        of a node without text.
        """
        nodes = nodes_of(nodes)
        if all(is_plain(node) for node in nodes):
            return super().__call__(nodes, **kwargs)
        return _with_vectors(embed_nodes(self, nodes))

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """As calling it, awaited."""
        nodes = nodes_of(nodes)
        if all(is_plain(node) for node in nodes):
            return await super().acall(nodes, **kwargs)
        return _with_vectors(await aembed_nodes(self, nodes))

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """
        Return the settings without the key as JSON values, with a nonce if the model accepts media.

        Core's pipeline cache hashes them together with the nodes' texts before the transform runs: without the nonce,
        two pictures would share one entry. The pipeline cache works with text models; for others use `cache=`. For a
        text model the fingerprint is added, because the server's address may come from the environment.
        """
        settings: dict[str, Any] = super().to_dict(**{"mode": "json", **kwargs})
        if self._client.model_info.multimodal:
            return {**settings, "nonce": uuid4().hex}
        return {**settings, "fingerprint": self.fingerprint}

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """Return an object with the settings of `to_dict`; the key comes from the environment or `api_key=`."""
        settings = {name: value for name, value in data.items() if name not in ("nonce", "fingerprint")}
        return super().from_dict(settings, **kwargs)

    def embed_items(
        self, items: Sequence[Item], *, text_type: TextType | None = "document", on_error: OnError = "raise"
    ) -> EmbeddingResult:
        """
        Embed what core has no method for: videos, and several parts fused into one vector.

        Args:
            items: `str` (text), `Image`, `Video`, `Frames`, `Fused`.
            text_type: The role: "query", "document", or None if all items have the same role.
            on_error: As for `volc_dashscope.Client.embed`.

        Raises:
            InputError, EmbeddingError, BulkError: As `volc_dashscope.Client.embed`.
        """
        items = convert_each(items, _checked_item, name="items")
        labels = [event_label(item) for item in items]
        with instrumented(self, labels) as vectors:
            result = self.embed_without_events(items, text_type=text_type, on_error=on_error)
            _fill_event(result, labels, vectors)
        return result

    async def aembed_items(
        self, items: Sequence[Item], *, text_type: TextType | None = "document", on_error: OnError = "raise"
    ) -> EmbeddingResult:
        """As `embed_items`, awaited."""
        items = convert_each(items, _checked_item, name="items")
        labels = [event_label(item) for item in items]
        with instrumented(self, labels) as vectors:
            result = await self.aembed_without_events(items, text_type=text_type, on_error=on_error)
            _fill_event(result, labels, vectors)
        return result

    def embed_without_events(
        self, items: Sequence[Item], *, text_type: TextType | None = "document", on_error: OnError = "raise"
    ) -> EmbeddingResult:
        """As `embed_items` for a caller that raises core's events itself."""
        calls = dense_calls(items, list_model(self._client), hybrid=self._requests_sparse)
        if len(calls) == 1:
            return calls[0].run(self._client, text_type, on_error=on_error)
        results = partial_results(calls, self._client, text_type, on_error=on_error)
        return joined(calls, results, on_error=on_error)

    async def aembed_without_events(
        self, items: Sequence[Item], *, text_type: TextType | None = "document", on_error: OnError = "raise"
    ) -> EmbeddingResult:
        """As `embed_without_events`, awaited."""
        calls = dense_calls(items, list_model(self._client), hybrid=self._requests_sparse)
        if len(calls) == 1:
            return await calls[0].arun(self._client.aio, text_type, on_error=on_error)
        results = await apartial_results(calls, self._client.aio, text_type, on_error=on_error)
        return joined(calls, results, on_error=on_error)

    def _limiter(self) -> RateLimiterAdapter:
        self._rate_limit = RateLimiterAdapter(self.rate_limiter, self.limiter)
        return self._rate_limit

    def _get_query_embedding(self, query: str) -> Embedding:
        text = query_text(query)
        with self._rate_limit.prepaid():
            return rows_of(self.embed_without_events([text], text_type="query"))[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        text = query_text(query)
        with self._rate_limit.prepaid():
            return rows_of(await self.aembed_without_events([text], text_type="query"))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        refuse_marks(texts)
        with self._rate_limit.prepaid(), renumbered_errors(texts):
            return note_batch(texts, self.embed_without_events(texts), with_sparse=self._requests_sparse)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        refuse_marks(texts)
        with self._rate_limit.prepaid(), renumbered_errors(texts):
            return note_batch(
                texts, await self.aembed_without_events(texts), with_sparse=self._requests_sparse
            )

    def embed_call(self, call: SubCall, role: TextType | None) -> EmbeddingResult:
        """Run one call of the client, for the sparse functions."""
        return call.run(self._client, role)

    async def aembed_call(self, call: SubCall, role: TextType | None) -> EmbeddingResult:
        """As `embed_call`, awaited."""
        return await call.arun(self._client.aio, role)

    def _image(self, image: object) -> Image:
        return medium(image, Image, root=self.media_root)

    def _video(self, video: object) -> Video:
        return medium(video, Video, root=self.media_root)


class ArkMultiModalEmbedding(ClientEmbedding):
    """
    Doubao embeddings of Volcengine Ark.

    ```python
    embed_model = ArkMultiModalEmbedding(model_name="doubao-embedding-vision-251215")
    print(len(embed_model.get_query_embedding("a red shoe")))
    ```
    ```text
    2048
    ```

    Args:
        model_name: Model id, or an endpoint id `ep-…` together with `base_model=`. `model` is the same.
        api_key: Default: the environment variable `ARK_API_KEY`.
        embed_batch_size: Items that core passes at once; 0 for 4 x batch size of the model x max_concurrency.

    Raises:
        ConfigError: No key, or a setting the model does not have.
    """

    provider_name: ClassVar[Provider] = "ark"

    model_name: str = Field(
        default="doubao-embedding-vision-251215", validation_alias=AliasChoices("model_name", "model")
    )

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class in serialised settings."""
        return "ArkMultiModalEmbedding"


class DashScopeMultiModalEmbedding(ClientEmbedding):
    """
    Qwen and Tongyi embeddings of Alibaba DashScope.

    ```python
    embed_model = DashScopeMultiModalEmbedding(model_name="qwen3-vl-embedding")
    print(len(embed_model.get_text_embedding("a red shoe")))
    print(len(embed_model.get_image_embedding("pictures/banana.png")))
    ```
    ```text
    2560
    2560
    ```

    Args:
        model_name: "text-embedding-v4", "qwen3-vl-embedding", ... `model` is the same.
        api_key: Default: the environment variable `DASHSCOPE_API_KEY`.
        embed_batch_size: Items that core passes at once; 0 for 4 x batch size of the model x max_concurrency.

    Raises:
        ConfigError: No key, or a setting the model does not have.
    """

    provider_name: ClassVar[Provider] = "dashscope"

    model_name: str = Field(
        default="qwen3-vl-embedding", validation_alias=AliasChoices("model_name", "model")
    )

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class in serialised settings."""
        return "DashScopeMultiModalEmbedding"


def require_embed_model(value: object) -> ClientEmbedding:
    """
    Return an embedding of this package.

    Raises:
        ConfigError: Anything else.
    """
    if not isinstance(value, ClientEmbedding):
        raise ConfigError(
            "embed_model must be ArkMultiModalEmbedding or DashScopeMultiModalEmbedding, "
            f"got {type(value).__name__}"
        )
    return value


def _refuse_cache(cache: object) -> None:
    if cache is not None:
        raise ConfigError(
            "embeddings_cache is keyed by the text alone: a query would get a document's vector, and one model "
            "another's; use cache=, which is keyed by model, dimension, role, instruction and content"
        )


def _checked_item(item: Item) -> Item:
    parts(item)  # raises for what is no item
    return item


def _fill_event(result: EmbeddingResult, labels: list[str], vectors: list[Embedding]) -> None:
    """Fill an event with what was embedded; items that failed are left out."""
    done = [index for index in range(len(labels)) if index not in result.errors]
    labels[:] = [labels[index] for index in done]
    vectors.extend(result.vectors[done].tolist() if done else [])


def _with_vectors(batch: NodeBatch) -> list[BaseNode]:
    """Set the vectors on the nodes that were passed in, as core does, and return the copies."""
    for node, embedded in zip(batch.nodes, batch.embedded, strict=True):
        node.embedding = embedded.embedding
    return batch.embedded
