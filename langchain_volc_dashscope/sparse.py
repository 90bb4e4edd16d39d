"""Sparse vectors for hybrid stores: one request returns dense and sparse, and the second call is served from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_volc_dashscope.media_token import caption_of
from volc_dashscope import Item, SparseVector, TextType
from volc_dashscope.inputs import label, parts
from volc_dashscope.integrations.hybrid import Refused, SubCall
from volc_dashscope.integrations.hybrid import sparse_calls as calls_for_texts

if TYPE_CHECKING:
    from langchain_milvus.utils.sparse import BaseSparseEmbedding
    from langchain_qdrant import SparseEmbeddings

SparseEncoder: TypeAlias = Callable[[Sequence[Any], TextType], list[SparseVector]]
AsyncSparseEncoder: TypeAlias = Callable[[Sequence[Any], TextType], Awaitable[list[SparseVector]]]


def qdrant(encode: SparseEncoder, aencode: AsyncSparseEncoder) -> SparseEmbeddings:
    """Return the object for `QdrantVectorStore(sparse_embedding=...)`."""
    from langchain_qdrant import SparseEmbeddings
    from langchain_qdrant import SparseVector as QdrantSparse

    def shaped(vector: SparseVector) -> QdrantSparse:
        return QdrantSparse(indices=vector.indices.tolist(), values=vector.values.tolist())

    class QdrantSparseEmbeddings(SparseEmbeddings):
        """The sparse vectors of a dense embedder."""

        def embed_documents(self, texts: list[str]) -> list[QdrantSparse]:
            return [shaped(vector) for vector in encode(texts, "document")]

        def embed_query(self, text: str) -> QdrantSparse:
            return shaped(encode([text], "query")[0])

        async def aembed_documents(self, texts: list[str]) -> list[QdrantSparse]:
            return [shaped(vector) for vector in await aencode(texts, "document")]

        async def aembed_query(self, text: str) -> QdrantSparse:
            return shaped((await aencode([text], "query"))[0])

    return QdrantSparseEmbeddings()


def milvus(encode: SparseEncoder, aencode: AsyncSparseEncoder) -> BaseSparseEmbedding:
    """Return the sparse object for `Milvus(embedding_function=[dense, sparse])`."""
    from langchain_milvus.utils.sparse import BaseSparseEmbedding

    class MilvusSparseEmbedding(BaseSparseEmbedding):
        """The sparse vectors of a dense embedder."""

        def embed_documents(self, texts: list[str]) -> list[dict[int, float]]:
            return [vector.as_dict() for vector in encode(texts, "document")]

        def embed_query(self, query: str) -> dict[int, float]:
            return encode([query], "query")[0].as_dict()

        async def aembed_documents(self, texts: list[str]) -> list[dict[int, float]]:
            return [vector.as_dict() for vector in await aencode(texts, "document")]

        async def aembed_query(self, query: str) -> dict[int, float]:
            return (await aencode([query], "query"))[0].as_dict()

    return MilvusSparseEmbedding()


def sparse_calls(texts: Sequence[object], items: Sequence[Item]) -> list[SubCall]:
    """
    Return the calls for sparse vectors of texts and of the captions of media.

    Args:
        texts: What the caller passed; captions are read from it.
        items: The same as items.
    """
    return calls_for_texts(
        [_sparse_text(original, item) for original, item in zip(texts, items, strict=True)]
    )


def _sparse_text(value: object, item: Item) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, Refused):
        return ""
    caption = caption_of(value) if isinstance(value, str) else ""
    if caption and caption != " ".join(label(item).split()):
        return caption
    return " ".join(part for part in parts(item) if isinstance(part, str))
