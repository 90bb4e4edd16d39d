"""Sparse vectors: on their own, and beside dense ones for hybrid stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from llama_index.core import Settings
from llama_index.core.base.embeddings.base_sparse import BaseSparseEmbedding, SparseEmbedding
from pydantic import AliasChoices, Field

from llama_index_ext.batches import renumbered_errors
from llama_index_ext.embeddings import ClientEmbedding, require_embed_model
from llama_index_ext.events import callback, instrumented_sparse
from llama_index_ext.fingerprints import MEDIA_KEY, query_text, refuse_marks
from llama_index_ext.media import QueryText
from llama_index_ext.settings import EmbeddingFields
from volc_dashscope import EmbeddingResult, InputError, SparseVector, TextType
from volc_dashscope.integrations.hybrid import sparse_calls, sparse_rows
from volc_dashscope.integrations.settings import convert_each
from volc_dashscope.models import Provider

if TYPE_CHECKING:
    from llama_index.vector_stores.milvus.utils import BaseSparseEmbeddingFunction
else:
    # The store's package is optional, and `typing.get_type_hints` must work without it.
    BaseSparseEmbeddingFunction = object

# Milvus refuses a sparse vector without entries. No vocabulary has ids this large, and the two ids differ, so
# that a query without words matches no document without words.
_PLACEHOLDER_WEIGHTS: dict[TextType, dict[int, float]] = {
    "document": {2**32 - 3: 1e-6},
    "query": {2**32 - 2: 1e-6},
}
# What Qdrant calls a sparse encoder: indices and weights of each text.
Encoder: TypeAlias = Callable[[list[str]], tuple[list[list[int]], list[list[float]]]]


class _Sparse(EmbeddingFields, BaseSparseEmbedding):
    """What both classes do; they differ in the service and the default model."""

    def _get_query_embedding(self, query: str) -> SparseEmbedding:
        return self._embed([query_text(query)], "query")[0]

    async def _aget_query_embedding(self, query: str) -> SparseEmbedding:
        return (await self._aembed([query_text(query)], "query"))[0]

    def _get_text_embedding(self, text: str) -> SparseEmbedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> SparseEmbedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[SparseEmbedding]:
        refuse_marks(texts)
        with renumbered_errors(texts):
            return self._embed(texts, "document")

    async def _aget_text_embeddings(self, texts: list[str]) -> list[SparseEmbedding]:
        refuse_marks(texts)
        with renumbered_errors(texts):
            return await self._aembed(texts, "document")

    # Core's class raises events and spans of its dispatcher; callbacks, which it has none for, are raised here.
    def _embed(self, texts: list[str], role: TextType) -> list[SparseEmbedding]:
        rows: list[SparseEmbedding] = []
        with callback(Settings.callback_manager, self.to_payload(), texts, rows):
            rows.extend(_weights(self._client.embed(texts, text_type=role, output_type="sparse")))
        return rows

    async def _aembed(self, texts: list[str], role: TextType) -> list[SparseEmbedding]:
        rows: list[SparseEmbedding] = []
        with callback(Settings.callback_manager, self.to_payload(), texts, rows):
            result = await self._client.aio.embed(texts, text_type=role, output_type="sparse")
            rows.extend(_weights(result))
        return rows


class ArkSparseEmbedding(_Sparse):
    """
    Sparse vectors of Doubao models on Volcengine Ark, of text only.

    ```python
    embed_model = ArkSparseEmbedding(model_name="doubao-embedding-vision-251215")
    print(len(embed_model.get_query_embedding("a red shoe")))
    ```
    ```text
    3
    ```

    For a hybrid store, `qdrant_sparse_fns` and `milvus_sparse_function` get dense and sparse in one request.

    Args:
        model_name: Model id, or an endpoint id `ep-…` together with `base_model=`. `model` is the same.
        api_key: Default: the environment variable `ARK_API_KEY`.
    """

    provider_name: ClassVar[Provider] = "ark"

    model_name: str = Field(
        default="doubao-embedding-vision-251215", validation_alias=AliasChoices("model_name", "model")
    )

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class in serialised settings."""
        return "ArkSparseEmbedding"


class DashScopeSparseEmbedding(_Sparse):
    """
    Sparse vectors of Qwen text models on Alibaba DashScope.

    ```python
    embed_model = DashScopeSparseEmbedding(model_name="text-embedding-v4")
    print(len(embed_model.get_query_embedding("a red shoe")))
    ```
    ```text
    3
    ```

    Args:
        model_name: "text-embedding-v4" or "text-embedding-v3". `model` is the same.
        api_key: Default: the environment variable `DASHSCOPE_API_KEY`.
    """

    provider_name: ClassVar[Provider] = "dashscope"

    model_name: str = Field(default="text-embedding-v4", validation_alias=AliasChoices("model_name", "model"))

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class in serialised settings."""
        return "DashScopeSparseEmbedding"


def qdrant_sparse_fns(embed_model: ClientEmbedding) -> tuple[Encoder, Encoder]:
    """
    Return `sparse_doc_fn` and `sparse_query_fn` for `QdrantVectorStore(enable_hybrid=True, ...)`.

    From here on `embed_model` gets the dense and the sparse vector of a text in one request; the second call for
    the same text costs nothing. Media without text get an empty sparse vector.

    Args:
        embed_model: The model that also embeds the store's dense vectors.

    Raises:
        InputError: The model does not support sparse vectors.
    """
    _share(embed_model)

    def documents(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        return _columns(_sparse(embed_model, texts, "document"))

    def queries(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        return _columns(_sparse(embed_model, texts, "query"))

    return documents, queries


def milvus_sparse_function(embed_model: ClientEmbedding) -> BaseSparseEmbeddingFunction:
    """
    Return the `sparse_embedding_function` for `MilvusVectorStore(enable_sparse=True, ...)`.

    As with `qdrant_sparse_fns`, one request is enough if both calls are for the same text: this store passes texts
    without metadata, so list the metadata keys in `excluded_embed_metadata_keys`.

    Args:
        embed_model: The model that also embeds the store's dense vectors.

    Raises:
        InputError: The model does not support sparse vectors.
    """
    from llama_index.vector_stores.milvus.utils import BaseSparseEmbeddingFunction

    _share(embed_model)

    class MilvusSparse(BaseSparseEmbeddingFunction):
        """The sparse vectors of a dense embedder."""

        def encode_queries(self, queries: list[str]) -> list[dict[int, float]]:
            return _filled(_sparse(embed_model, queries, "query"), "query")

        def encode_documents(self, documents: list[str]) -> list[dict[int, float]]:
            return _filled(_sparse(embed_model, documents, "document"), "document")

        async def async_encode_queries(self, queries: list[str]) -> list[dict[int, float]]:
            return _filled(await _asparse(embed_model, queries, "query"), "query")

        async def async_encode_documents(self, documents: list[str]) -> list[dict[int, float]]:
            return _filled(await _asparse(embed_model, documents, "document"), "document")

    return MilvusSparse()


def _share(embed_model: ClientEmbedding) -> None:
    if not require_embed_model(embed_model).enable_hybrid():
        raise InputError(f"{embed_model.model_name} does not support sparse vectors")


def _sparse(model: ClientEmbedding, texts: Sequence[str], role: TextType) -> list[SparseVector]:
    valid_texts = convert_each(texts, _without_marks, name="texts")
    calls = sparse_calls(valid_texts)
    with instrumented_sparse(model, valid_texts) as vectors:
        rows = sparse_rows(len(valid_texts), calls, [model.embed_call(call, role) for call in calls])
        vectors.extend(row.as_dict() for row in rows)
    return rows


async def _asparse(model: ClientEmbedding, texts: Sequence[str], role: TextType) -> list[SparseVector]:
    valid_texts = convert_each(texts, _without_marks, name="texts")
    calls = sparse_calls(valid_texts)
    with instrumented_sparse(model, valid_texts) as vectors:
        rows = sparse_rows(len(valid_texts), calls, [await model.aembed_call(call, role) for call in calls])
        vectors.extend(row.as_dict() for row in rows)
    return rows


def _without_marks(text: str) -> str:
    """Return a text or query without the digest that keeps image-only nodes from being empty."""
    if isinstance(text, QueryText):
        text = text.embedded
    if not isinstance(text, str):
        raise InputError(f"expected str, got {type(text).__name__}; only text has sparse vectors here")
    if MEDIA_KEY not in text:
        return text if text.strip() else ""
    kept = "\n".join(line for line in text.split("\n") if not line.startswith(f"{MEDIA_KEY}: "))
    return kept if kept.strip() else ""


def _columns(vectors: Sequence[SparseVector]) -> tuple[list[list[int]], list[list[float]]]:
    return [vector.indices.tolist() for vector in vectors], [vector.values.tolist() for vector in vectors]


def _filled(vectors: Sequence[SparseVector], role: TextType) -> list[dict[int, float]]:
    return [vector.as_dict() or dict(_PLACEHOLDER_WEIGHTS[role]) for vector in vectors]


def _weights(result: EmbeddingResult) -> list[SparseEmbedding]:
    return [vector.as_dict() for vector in result.sparse or () if vector is not None]
