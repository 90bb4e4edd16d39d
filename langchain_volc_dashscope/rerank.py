"""`DashScopeRerank`: reorders retrieved documents of texts, pictures and videos."""

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

# A document, or anything `embed_documents` takes.
Rerankable: TypeAlias = Document | Item | Mapping[str, Any] | Sequence[Any]

# langchain-cohere's value for "the object's own setting"; None means all.
_AS_SET = -1


class DashScopeRerank(RerankFields, BaseDocumentCompressor):
    """
    Reorders what a retriever found by DashScope's rerank models, pictures and videos included.

    ```python
    from langchain_classic.retrievers import ContextualCompressionRetriever

    retriever = ContextualCompressionRetriever(
        base_compressor=DashScopeRerank(top_n=5),
        base_retriever=store.as_retriever(search_kwargs={"k": 50}),
    )
    best = retriever.invoke("a red shoe")
    ```

    A document made by `MediaDocument` is ranked by its picture or video, any other by its text. All documents of a
    call go into one request: scores of two requests cannot be compared, so a list over the model's limit is an error.

    Args:
        model: qwen3-vl-rerank ranks texts, images and videos; the other models texts.
        api_key: Default: `DASHSCOPE_API_KEY`.
        top_n: How many of the best to return; None for all.
        unknown_media: What to do with a media token of another process: "raise", or "text".
        media_root: Local files named by a document's metadata must be inside this folder, and the files named by
            `file:` URIs of content blocks, which are refused without it.

    Raises:
        ConfigError: No key, an unknown or stopped model, a setting it does not have.
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
            documents: What a retriever found. An empty list gives an empty list, without a request.
            query: Text, `MediaStr`, content block or item.

        Raises:
            InputError: A query or document the model does not take, or something else than a document. Nothing was
                sent.
            EmbeddingError: The request failed.
        """
        given = _documents(documents)
        found = self._reranker.rerank(self._item(query), self._items(given), top_n=self.top_n)
        return [_scored(given[one.index], one.score) for one in found]

    async def acompress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """As `compress_documents`, awaited."""
        given = _documents(documents)
        found = await self._reranker.aio.rerank(self._item(query), self._items(given), top_n=self.top_n)
        return [_scored(given[one.index], one.score) for one in found]

    def rerank(
        self,
        documents: Sequence[Rerankable],
        query: Rerankable,
        *,
        top_n: int | None = _AS_SET,
        instruct: str | None = None,
    ) -> list[dict[str, Any]]:
        """
        Return `{"index", "relevance_score"}` of the best documents, best first, as langchain-cohere spells it.

        Args:
            documents: Documents, texts, items or content blocks, also mixed.
            query: Any of these but a document.
            top_n: -1 for the object's own setting, None for all.
            instruct: Replaces the object's own instruction for this call.
        """
        items, most = self._asked(documents, top_n)
        return _plain(self._reranker.rerank(self._item(query), items, top_n=most, instruct=instruct))

    async def arerank(
        self,
        documents: Sequence[Rerankable],
        query: Rerankable,
        *,
        top_n: int | None = _AS_SET,
        instruct: str | None = None,
    ) -> list[dict[str, Any]]:
        """As `rerank`, awaited."""
        items, most = self._asked(documents, top_n)
        found = await self._reranker.aio.rerank(self._item(query), items, top_n=most, instruct=instruct)
        return _plain(found)

    def _asked(self, documents: Sequence[Rerankable], top_n: int | None) -> tuple[list[Item], int | None]:
        most = self.top_n if top_n == _AS_SET else top_n
        return self._items(as_iterable(documents, name="documents")), most

    def _items(self, documents: Iterable[Rerankable]) -> list[Item]:
        items: list[Item] = []
        for index, document in enumerate(documents):
            try:
                items.append(self._item(document))
            except InputError as error:
                raise InputError(f"document {index}: {error}", index=index) from error
        return items

    def _item(self, given: Rerankable) -> Item:
        if not isinstance(given, Document):
            return as_item(given, self.unknown_media, root=self.media_root)
        if isinstance(given, MediaDocument) and given.item is not None:
            return given.item
        if "media_uri" in given.metadata:
            # The token in its text resolves only in the process that made it; the address works in any.
            return media_of(given, root=self.media_root)
        return as_item(given.page_content, self.unknown_media)


def _documents(given: Iterable[Document]) -> list[Document]:
    """Return the documents; refuse, before anything is sent, an object that cannot carry a score."""
    documents = list(as_iterable(given, name="documents"))
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


def _plain(found: Iterable[RerankResult]) -> list[dict[str, Any]]:
    return [{"index": one.index, "relevance_score": one.score} for one in found]
