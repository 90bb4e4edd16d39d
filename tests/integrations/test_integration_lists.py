"""One thing where a list belongs is refused by every method and function of both frameworks; lists of any kind work."""

from __future__ import annotations

import asyncio
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
from langchain_core.documents import Document
from llama_index.core.schema import TextNode

from langchain_volc_dashscope import DashScopeEmbeddings, content_blocks
from llama_index_ext import (
    DashScopeMultiModalEmbedding,
    DashScopeSparseEmbedding,
    MultiModalNodeEmbedder,
    fingerprint,
    milvus_sparse_function,
    qdrant_sparse_fns,
)
from volc_dashscope import EmbeddingResult, InputError

TEXT = "text-embedding-v4"
Row = namedtuple("Row", "text image")
SINGLE: dict[str, Any] = {
    "str": "abc",
    "bytes": b"abc",
    "dict": {"image": "https://e.com/a.png"},
    "v1 block": {"type": "text", "text": "abc"},
    "set": {"a", "b"},
    "frozenset": frozenset({"a"}),
    "Document": Document("abc"),
    "TextNode": TextNode(text="abc"),
    "Row": Row("a", "b"),
    "DataFrame": pandas.DataFrame({"text": ["a"]}),
    "0-d array": np.array("a"),
    "2-d array": np.array([["a", "b"]]),
    "NoneType": None,
}
LISTS: dict[str, Callable[[], Any]] = {
    "tuple": lambda: ("a", "bc"),
    "generator": lambda: iter(["a", "bc"]),
    "numpy": lambda: np.array(["a", "bc"]),
    "Series": lambda: pandas.Series(["a", "bc"], index=[7, 3]),
    "Arrow": lambda: pyarrow.array(["a", "bc"]),
}
LANGCHAIN_TEXTS = ["embed_documents", "embed_contents"]
LANGCHAIN_URIS = ["embed_image", "embed_images", "embed_video"]
LLAMA_TEXTS = ["get_text_embedding_batch", "embed_items", "get_agg_embedding_from_queries"]
SPARSE = [
    "LangChain qdrant_sparse",
    "LangChain milvus_sparse",
    "LlamaIndex qdrant documents",
    "LlamaIndex qdrant queries",
    "LlamaIndex milvus documents",
    "LlamaIndex milvus queries",
    "LlamaIndex sparse batch",
    "LlamaIndex sparse queries",
]
NODES = ["node embedder", "fingerprint", "embedding called on nodes"]
OTHERS = [*NODES, "content_blocks", "LlamaIndex get_image_embedding_batch"]
TEXTS = [
    *(f"LangChain {name}" for name in LANGCHAIN_TEXTS),
    *(f"LlamaIndex {name}" for name in LLAMA_TEXTS),
    *SPARSE,
]
ALL = [*TEXTS, *(f"LangChain {name}" for name in LANGCHAIN_URIS), *OTHERS]


def _twins(owner: Any, name: str) -> list[Callable[[Any], Any]]:
    twin = getattr(owner, f"a{name}")
    return [getattr(owner, name), lambda given: asyncio.run(twin(given))]


@pytest.fixture
def entry(inside, embed_model_of) -> Callable[[str], list[Callable[[Any], Any]]]:
    """Return the synchronous and, where there is one, the asynchronous form of an entry point."""

    def find(name: str) -> list[Callable[[Any], Any]]:
        chain = embed_model_of(DashScopeEmbeddings, inside, model=TEXT)
        index = embed_model_of(DashScopeMultiModalEmbedding, inside, model_name=TEXT)
        sparse = embed_model_of(DashScopeSparseEmbedding, inside, model_name=TEXT)
        framework, _, method = name.partition(" ")
        if framework == "LangChain" and hasattr(chain, f"a{method}"):
            return _twins(chain, method)
        if framework == "LlamaIndex" and hasattr(index, f"a{method}"):
            return _twins(index, method)
        embedder = MultiModalNodeEmbedder(embed_model=index)
        others: dict[str, Callable[[], list[Callable[[Any], Any]]]] = {
            "LangChain qdrant_sparse": lambda: _twins(chain.qdrant_sparse(), "embed_documents"),
            "LangChain milvus_sparse": lambda: _twins(chain.milvus_sparse(), "embed_documents"),
            "LlamaIndex qdrant documents": lambda: [qdrant_sparse_fns(index)[0]],
            "LlamaIndex qdrant queries": lambda: [qdrant_sparse_fns(index)[1]],
            "LlamaIndex milvus documents": lambda: [
                milvus_sparse_function(index).encode_documents,
                lambda given: asyncio.run(milvus_sparse_function(index).async_encode_documents(given)),
            ],
            "LlamaIndex milvus queries": lambda: [
                milvus_sparse_function(index).encode_queries,
                lambda given: asyncio.run(milvus_sparse_function(index).async_encode_queries(given)),
            ],
            "LlamaIndex sparse batch": lambda: _twins(sparse, "get_text_embedding_batch"),
            "LlamaIndex sparse queries": lambda: _twins(sparse, "get_agg_embedding_from_queries"),
            "node embedder": lambda: [embedder, lambda given: asyncio.run(embedder.acall(given))],
            "embedding called on nodes": lambda: [index, lambda given: asyncio.run(index.acall(given))],
            "fingerprint": lambda: [fingerprint],
            "content_blocks": lambda: [content_blocks],
        }
        return others[name]()

    return find


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("given", SINGLE.values(), ids=SINGLE)
def test_one_thing_is_refused_before_anything_is_sent(inside, entry, name, given):
    for call in entry(name):
        with pytest.raises(
            InputError, match=rf"must be a list, got one {type(given).__name__}; pass \[one\]"
        ):
            call(given)

    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "item",
    [None, 3, float("nan"), b"abc", Document("abc"), TextNode(text="abc")],
    ids=lambda item: type(item).__name__,
)
def test_a_member_that_is_no_text_is_named_before_anything_is_sent(inside, entry, name, item):
    for call in entry(name):
        with pytest.raises(InputError, match=rf"got {type(item).__name__}|of type {type(item).__name__}"):
            call([item])

    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("item", [None, "abc", {"text": "abc"}, Document("abc")], ids=repr)
def test_a_member_that_is_no_node_is_named_before_anything_is_sent(inside, entry, name, item):
    for call in entry(name):
        with pytest.raises(InputError, match=f"item 1: expected a node, got {type(item).__name__}"):
            call([TextNode(text="abc"), item])

    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("name", ["node embedder", "embedding called on nodes"])
def test_a_generator_of_nodes_loses_none(inside, entry, name):
    for call in entry(name):
        done = call(TextNode(text=text) for text in ("a", "bc"))

        assert ["a", "bc"] == [node.get_content() for node in done]
        assert all(node.embedding for node in done)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("make", LISTS.values(), ids=LISTS)
def test_lists_of_every_kind_are_embedded_one_by_one(inside, entry, name, make):
    # The second half of a hybrid pair is served from memory, so that not every form sends something.
    first, *others = [call(make()) for call in entry(name)]

    assert all(np.allclose(_plain(first), _plain(other)) for other in others)
    assert {"a", "bc"} == set(inside.emulator.ledger.texts)


def _plain(found: Any) -> Any:
    """Return vectors of any spelling as numbers to compare."""
    if isinstance(found, EmbeddingResult):
        return found.vectors
    if isinstance(found, dict):
        return sorted(found.items())
    if isinstance(found, list) and found and not isinstance(found[0], float | list):
        return np.concatenate([np.ravel(_plain(one)) for one in found])
    if hasattr(found, "indices"):
        return [*found.indices, *found.values]
    return found
