"""`DashScopeRerank`: reorders retrieved documents, which may be texts, pictures and videos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import AliasChoices, Field

from langchain_volc_dashscope.content_blocks import as_item
from langchain_volc_dashscope.documents import MediaDocument, UnknownMedia
from langchain_volc_dashscope.media_metadata import media_of
from volc_dashscope import InputError, Item, RerankResult
from volc_dashscope.inputs import as_iterable
from volc_dashscope.integrations.construction import Key
from volc_dashscope.integrations.rerank import RerankFields

# A document, or anything that `embed_documents` accepts.
Rerankable: TypeAlias = Document | Item | Mapping[str, Any] | Sequence[Any]

# As in langchain-cohere, -1 means the object's own setting, and None means all.
_AS_SET = -1


class DashScopeRerank(RerankFields, BaseDocumentCompressor):
    """
    Reorders retrieved documents by DashScope's rerank models, pictures and videos included.

    ```python
    from langchain_classic.retrievers import ContextualCompressionRetriever

    retriever = ContextualCompressionRetriever(
        base_compressor=DashScopeRerank(top_n=5),
        base_retriever=store.as_retriever(search_kwargs={"k": 50}),
    )
    best = retriever.invoke("a red shoe")
    ```

    A `MediaDocument` is ranked by its picture or video, any other document by its text. All documents of a call are
    sent in one request, because scores of two requests cannot be compared; a list over the model's limit is an error.

    Args:
        model: qwen3-vl-rerank ranks texts, images and videos; the other models texts.
        api_key: Default: `DASHSCOPE_API_KEY`.
        top_n: How many of the best to return; None for all.
        unknown_media: What to do with a media token of another process: "raise", or "text".
        media_root: Folder that must contain the local files named by a document's metadata or by `file:` URIs of
            content blocks. Without it, such URIs are refused.

    Raises:
        ConfigError: There is no key, the model is unknown or was shut down, or it does not support a setting.
    """

    model: str = Field(default="qwen3-vl-rerank", validation_alias=AliasChoices("model", "model_name"))
    api_key: Key = Field(
        default=None,
        validation_alias=AliasChoices("api_key", "dashscope_api_key"),
        exclude=True,
        repr=False,
    )
    unknown_media: UnknownMedia = "raise"

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """
        Return copies of the best documents, best first, with `relevance_score` in their metadata.

        Args:
            documents: What a retriever returned. For an empty list, nothing is sent.
            query: Text, `MediaStr`, content block or item.
            callbacks: Not used; LangChain passes it.

        Raises:
            InputError: The model does not accept the query or a document, or an element is not a document. Nothing
                was sent.
            EmbeddingError: The request failed.
        """
        candidates = _documents(documents)
        results = self._reranker.rerank(self._item(query), self._items(candidates), top_n=self.top_n)
        return [_scored(candidates[result.index], result.score) for result in results]

    async def acompress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """As `compress_documents`, awaited."""
        candidates = _documents(documents)
        results = await self._reranker.aio.rerank(
            self._item(query), self._items(candidates), top_n=self.top_n
        )
        return [_scored(candidates[result.index], result.score) for result in results]

    def rerank(
        self,
        documents: Sequence[Rerankable],
        query: Rerankable,
        *,
        top_n: int | None = _AS_SET,
        instruct: str | None = None,
    ) -> list[dict[str, Any]]:
        """
        Return `{"index", "relevance_score"}` of the best documents, best first, in the form of langchain-cohere.

        Args:
            documents: Documents, texts, items or content blocks, also mixed.
            query: Any of these but a document.
            top_n: -1 for the object's own setting, None for all.
            instruct: Replaces the object's own instruction for this call.

        Raises:
            InputError, EmbeddingError: As `compress_documents`.
        """
        items, limit = self._prepare(documents, top_n)
        return _plain(self._reranker.rerank(self._item(query), items, top_n=limit, instruct=instruct))

    async def arerank(
        self,
        documents: Sequence[Rerankable],
        query: Rerankable,
        *,
        top_n: int | None = _AS_SET,
        instruct: str | None = None,
    ) -> list[dict[str, Any]]:
        """As `rerank`, awaited."""
        items, limit = self._prepare(documents, top_n)
        results = await self._reranker.aio.rerank(self._item(query), items, top_n=limit, instruct=instruct)
        return _plain(results)

    def _prepare(self, documents: Sequence[Rerankable], top_n: int | None) -> tuple[list[Item], int | None]:
        limit = self.top_n if top_n == _AS_SET else top_n
        return self._items(as_iterable(documents, name="documents")), limit

    def _items(self, documents: Iterable[Rerankable]) -> list[Item]:
        items: list[Item] = []
        for index, document in enumerate(documents):
            try:
                items.append(self._item(document))
            except InputError as error:
                raise InputError(f"document {index}: {error}", index=index) from error
        return items

    def _item(self, document: Rerankable) -> Item:
        if not isinstance(document, Document):
            return as_item(document, self.unknown_media, root=self.media_root)
        if isinstance(document, MediaDocument) and document.item is not None:
            return document.item
        if "media_uri" in document.metadata:
            # The token in its text can be resolved only in the process that made it; the address works everywhere.
            return media_of(document, root=self.media_root)
        return as_item(document.page_content, self.unknown_media)


def _documents(documents: Iterable[Document]) -> list[Document]:
    """Return the documents as a list; refuse anything else, because a score is stored in a document's metadata."""
    documents = list(as_iterable(documents, name="documents"))
    for index, document in enumerate(documents):
        if not isinstance(document, Document):
            raise InputError(
                f"document {index}: expected a Document, got {type(document).__name__}; pass other items to rerank()",
                index=index,
            )
    return documents


def _scored(document: Document, score: float) -> Document:
    metadata = {**deepcopy(document.metadata), "relevance_score": score}
    return document.model_copy(update={"metadata": metadata})


def _plain(results: Iterable[RerankResult]) -> list[dict[str, Any]]:
    return [{"index": result.index, "relevance_score": result.score} for result in results]
