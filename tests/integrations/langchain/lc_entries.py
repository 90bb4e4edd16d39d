"""Every way into a store and every way to ask one, as functions of the same shape."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from langchain_core.tools import create_retriever_tool
from lc_samples import metadata_of

from langchain_volc_dashscope import uuid5_key

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # langchain-classic warns about what became of its parts
    from langchain_classic.retrievers import EnsembleRetriever

# Into a store: (store, document, its text as MediaStr or str).
Way = Callable[[Any, Document, str], Any]
# Out of a store: (store, query) -> the best hit.
Ask = Callable[[Any, Any], Any]


def _records() -> InMemoryRecordManager:
    records = InMemoryRecordManager("goods")
    records.create_schema()
    return records


def _index(store: Any, document: Document, text: str) -> None:
    index([document], _records(), store, cleanup=None, key_encoder=uuid5_key)


def _index_by_sha256(store: Any, document: Document, text: str) -> None:
    index([document], _records(), store, cleanup=None, key_encoder="sha256")


async def _aindex(store: Any, document: Document, text: str) -> None:
    await aindex([document], _records(), store, cleanup=None, key_encoder=uuid5_key)


def _add_texts(store: Any, document: Document, text: str) -> None:
    store.add_texts([text], metadatas=[metadata_of(text, document.metadata["modality"])])


async def _aadd_texts(store: Any, document: Document, text: str) -> None:
    await store.aadd_texts([text], metadatas=[metadata_of(text, document.metadata["modality"])])


async def _aadd_documents(store: Any, document: Document, text: str) -> None:
    await store.aadd_documents([document])


WAYS_IN: dict[str, Way] = {
    "add_texts": _add_texts,
    "aadd_texts": _aadd_texts,
    "add_documents": lambda store, document, text: store.add_documents([document]),
    "aadd_documents": _aadd_documents,
    "indexing.index": _index,
    "indexing.aindex": _aindex,
    'indexing.index, key_encoder="sha256"': _index_by_sha256,
}
# These make the store they fill.
MAKERS = ("from_documents", "afrom_documents")


def _first(found: list[Any]) -> Document:
    best = found[0]
    return best[0] if isinstance(best, tuple) else best


def _ensemble(store: Any) -> EnsembleRetriever:
    return EnsembleRetriever(retrievers=[_retriever(store), _retriever(store)], weights=[0.5, 0.5])


def _retriever(store: Any) -> Any:
    return store.as_retriever(search_kwargs={"k": 1})


def _tool(store: Any) -> Any:
    return create_retriever_tool(
        _retriever(store), "goods", "Finds goods.", response_format="content_and_artifact"
    )


def _call(query: str) -> dict[str, Any]:
    return {"type": "tool_call", "id": "1", "name": "goods", "args": {"query": query}}


async def _awaited(found: Awaitable[list[Any]]) -> Document:
    return _first(await found)


async def _abatch(store: Any, query: Any) -> Document:
    return _first((await _retriever(store).abatch([query, query]))[1])


async def _atool(store: Any, query: Any) -> Document:
    return _first((await _tool(store).ainvoke(_call(query))).artifact)


WAYS_OUT: dict[str, Ask] = {
    "similarity_search": lambda store, query: _first(store.similarity_search(query, k=1)),
    "asimilarity_search": lambda store, query: _awaited(store.asimilarity_search(query, k=1)),
    "similarity_search_with_score": lambda store, query: _first(
        store.similarity_search_with_score(query, k=1)
    ),
    "asimilarity_search_with_score": lambda store, query: _awaited(
        store.asimilarity_search_with_score(query, k=1)
    ),
    "max_marginal_relevance_search": lambda store, query: _first(
        store.max_marginal_relevance_search(query, k=2, fetch_k=4)
    ),
    "amax_marginal_relevance_search": lambda store, query: _awaited(
        store.amax_marginal_relevance_search(query, k=2, fetch_k=4)
    ),
    "as_retriever().invoke": lambda store, query: _first(_retriever(store).invoke(query)),
    "as_retriever().ainvoke": lambda store, query: _awaited(_retriever(store).ainvoke(query)),
    "as_retriever().batch": lambda store, query: _first(_retriever(store).batch([query, query])[1]),
    "as_retriever().abatch": _abatch,
    "EnsembleRetriever.invoke": lambda store, query: _first(_ensemble(store).invoke(query)),
    "EnsembleRetriever.ainvoke": lambda store, query: _awaited(_ensemble(store).ainvoke(query)),
    "create_retriever_tool": lambda store, query: _first(_tool(store).invoke(_call(query)).artifact),
    "create_retriever_tool, async": _atool,
    "create_retriever_tool, bare item": lambda store, query: _first(
        _tool(store).invoke(_call(query)).artifact
    ),
}
# What a query is, where it is not tried both as `media(...)` and as a bare item.
MEDIA_ONLY = ("create_retriever_tool", "create_retriever_tool, async")
BARE_ONLY = ("create_retriever_tool, bare item",)

# Chroma's own methods for images, by file.
BY_IMAGE: dict[str, Ask] = {
    "similarity_search_by_image": lambda store, path: _first(store.similarity_search_by_image(path, k=1)),
    "similarity_search_by_image_with_relevance_score": lambda store, path: _first(
        store.similarity_search_by_image_with_relevance_score(path, k=1)
    ),
}
