"""Hybrid stores: dense and sparse vectors of a text for the price of one request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from li_samples import RAINCOAT, RED, samples, uid
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, TextNode
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from samples import V4, VL

from llama_index_ext import (
    ArkMultiModalEmbedding,
    ArkSparseEmbedding,
    DashScopeMultiModalEmbedding,
    DashScopeSparseEmbedding,
    MultiModalNodeEmbedder,
    fingerprint,
    milvus_sparse_function,
    qdrant_sparse_fns,
    query_bundle,
)
from volc_dashscope import InputError

MODELS = [
    pytest.param(ArkMultiModalEmbedding, {}, id="ark"),
    pytest.param(DashScopeMultiModalEmbedding, {"model": V4}, id="dashscope"),
]
EACH_MODE = pytest.mark.parametrize("mode", ["sync", "async"])
HYBRID = {"vector_store_query_mode": VectorStoreQueryMode.HYBRID, "similarity_top_k": 1}


def notes() -> list[TextNode]:
    texts = ("invoice for the office rent", "recipe with rice and chicken", "a walk by the blue sea")
    return [
        TextNode(id_=uid(number), text=text, metadata={"page": number}, excluded_embed_metadata_keys=["page"])
        for number, text in enumerate(texts, start=1)
    ]


def qdrant(setup: Any, embed_model: Any) -> Any:
    documents, queries = qdrant_sparse_fns(embed_model)
    return setup.open(enable_hybrid=True, sparse_doc_fn=documents, sparse_query_fn=queries)


def milvus(setup: Any, embed_model: Any) -> Any:
    return setup.open(enable_sparse=True, sparse_embedding_function=milvus_sparse_function(embed_model))


STORES = {"Qdrant": qdrant, "Milvus Lite": milvus}
EACH_STORE = pytest.mark.parametrize("store", STORES)


async def ask(
    store: Any, embed_model: Any, nodes: list[BaseNode], query: Any, *, awaited: bool, **settings: Any
) -> Any:
    """Ingest, then query; return the hits."""
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    if awaited:
        await index.ainsert_nodes(nodes)
        return await index.as_retriever(**settings).aretrieve(query)
    index.insert_nodes(nodes)
    return index.as_retriever(**settings).retrieve(query)


@EACH_STORE
@EACH_MODE
@pytest.mark.parametrize(("kind", "settings"), MODELS)
async def test_hybrid_costs_as_many_requests_as_dense_alone(
    emulate, embed_model_of, store_setup_of, store, mode, kind, settings
):
    awaited, counts = mode == "async", {}
    for way in ("dense", "hybrid"):
        mount = emulate()
        embed_model = embed_model_of(kind, mount, **settings)
        setup = store_setup_of(store, embed_model.dimension, awaited=awaited)
        opened = STORES[store](setup, embed_model) if way == "hybrid" else setup.open()
        wanted = HYBRID if way == "hybrid" else {"similarity_top_k": 1}
        hits = await ask(opened, embed_model, notes(), "office rent", awaited=awaited, **wanted)

        assert [uid(1)] == [hit.node.node_id for hit in hits]
        counts[way] = (len(mount.emulator.ledger), mount.emulator.ledger.tokens)

    assert counts["dense"][0] == counts["hybrid"][0]


async def test_the_sparse_half_has_the_role_of_the_dense_one(inside, embed_model_of, store_setup_of):
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, inside, model=V4)
    store = qdrant(store_setup_of("Qdrant", embed_model.dimension), embed_model)

    await ask(store, embed_model, notes(), "office rent", awaited=False, **HYBRID)

    assert [("document", "dense&sparse"), ("query", "dense&sparse")] == [
        (entry.body["parameters"]["text_type"], entry.body["parameters"]["output_type"])
        for entry in inside.emulator.ledger
    ]


async def test_a_pipeline_feeds_both_halves(inside, embed_model_of, store_setup_of):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    store = qdrant(store_setup_of("Qdrant", embed_model.dimension), embed_model)

    IngestionPipeline(transformations=[embed_model], vector_store=store).run(nodes=notes())

    assert 3 == len(inside.emulator.ledger)


@EACH_STORE
@EACH_MODE
async def test_pictures_and_products_live_in_a_hybrid_store(
    inside, embed_model_of, store_setup_of, pictures, store, mode
):
    """A picture has no words, and the digest that keeps it from being empty is none; a product has its text."""
    awaited = mode == "async"
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    opened = STORES[store](store_setup_of(store, embed_model.dimension, awaited=awaited), embed_model)
    embedder = MultiModalNodeEmbedder(embed_model=embed_model)
    nodes = fingerprint(samples(pictures))
    ready = await embedder.acall(nodes) if awaited else embedder(nodes)
    query = query_bundle(image=pictures["red"], embed_model=embed_model)

    seen = await ask(opened, embed_model, list(ready), query, awaited=awaited, **HYBRID)
    index = VectorStoreIndex.from_vector_store(opened, embed_model=embed_model)
    retriever = index.as_retriever(**HYBRID)
    named = await retriever.aretrieve("raincoat") if awaited else retriever.retrieve("raincoat")

    assert ([RED], [RAINCOAT]) == ([hit.node.node_id for hit in seen], [hit.node.node_id for hit in named])
    # Five nodes, the image query, the text query, and the product's text, whose dense half is fused.
    assert 8 == len(inside.emulator.ledger)
    assert not any("media_sha256" in text for text in inside.emulator.ledger.texts)


async def test_milvus_takes_the_sparse_half_of_another_text_if_metadata_is_embedded(
    inside, embed_model_of, store_setup_of
):
    """The store hands over texts without metadata; excluded from the dense half too, they are the same text."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    store = milvus(store_setup_of("Milvus Lite", embed_model.dimension), embed_model)
    nodes = [node.model_copy(update={"excluded_embed_metadata_keys": []}) for node in notes()]

    await ask(store, embed_model, nodes, "office rent", awaited=False, **HYBRID)

    assert 3 + 3 + 1 == len(inside.emulator.ledger)


@EACH_MODE
async def test_an_error_names_a_text_by_its_place_among_all_of_them(inside, embed_model_of, mode):
    """A text without words needs no request, but it counts."""
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, inside, model=V4)
    milvus_function = milvus_sparse_function(embed_model)
    texts = ["", "rent", "word " * 40_000]

    async def encode():
        if mode == "async":
            return await milvus_function.async_encode_documents(texts)
        return milvus_function.encode_documents(texts)

    with pytest.raises(InputError, match=r"item 2: ") as caught:
        await encode()

    assert 2 == caught.value.index


@pytest.mark.parametrize("make", [qdrant_sparse_fns, milvus_sparse_function])
def test_a_model_without_sparse_vectors_is_refused(inside, embed_model_of, make):
    with pytest.raises(InputError, match="does not support sparse vectors"):
        make(embed_model_of(DashScopeMultiModalEmbedding, inside, model=VL))


SPARSE = [pytest.param(ArkSparseEmbedding, id="ark"), pytest.param(DashScopeSparseEmbedding, id="dashscope")]


@EACH_MODE
@pytest.mark.parametrize("kind", SPARSE)
async def test_a_sparse_embedding_serves_a_store_by_itself(
    inside, embed_model_of, store_setup_of, kind, mode
):
    sparse = embed_model_of(kind, inside)
    dense = embed_model_of(ArkMultiModalEmbedding, inside)

    def columns(vectors: list[dict[int, float]]) -> Any:
        return [list(vector) for vector in vectors], [list(vector.values()) for vector in vectors]

    awaited = mode == "async"
    store = store_setup_of("Qdrant", dense.dimension, awaited=awaited).open(
        enable_hybrid=True,
        sparse_doc_fn=lambda texts: columns(sparse.get_text_embedding_batch(texts)),
        sparse_query_fn=lambda texts: columns([sparse.get_query_embedding(text) for text in texts]),
    )

    hits = await ask(store, dense, notes(), "office rent", awaited=awaited, **HYBRID)

    assert [uid(1)] == [hit.node.node_id for hit in hits]


@pytest.mark.parametrize("kind", SPARSE)
async def test_every_method_of_a_sparse_embedding_agrees(inside, embed_model_of, kind):
    sparse = embed_model_of(kind, inside)
    texts = ["red shoe", "blue sea"]

    rows = sparse.get_text_embedding_batch(texts)

    assert rows == await sparse.aget_text_embedding_batch(texts)
    assert rows == [sparse.get_text_embedding(text) for text in texts]
    assert rows == [await sparse.aget_text_embedding(text) for text in texts]
    assert sparse.get_query_embedding("red") == await sparse.aget_query_embedding("red")
    assert all(isinstance(index, int) and weight > 0 for row in rows for index, weight in row.items())


@pytest.mark.parametrize("kind", SPARSE)
def test_a_sparse_embedding_shows_no_key(kind):
    sparse = kind(api_key="sk-canary")

    assert "sk-canary" not in f"{sparse!r} {sparse.model_dump()} {sparse.to_payload()}"


async def test_an_index_kept_with_its_context_finds_notes_in_hybrid_mode(
    inside, embed_model_of, store_setup_of
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    context = StorageContext.from_defaults(
        vector_store=qdrant(store_setup_of("Qdrant", embed_model.dimension), embed_model)
    )

    index = VectorStoreIndex(notes(), storage_context=context, embed_model=embed_model)

    assert uid(3) == index.as_retriever(**HYBRID).retrieve("blue sea")[0].node.node_id


METHODS = {
    "a query": lambda made, text: made.get_query_embedding(text),
    "a query, awaited": lambda made, text: asyncio.run(made.aget_query_embedding(text)),
    "one text": lambda made, text: made.get_text_embedding(text),
    "one text, awaited": lambda made, text: asyncio.run(made.aget_text_embedding(text)),
    "texts": lambda made, text: made.get_text_embedding_batch(["a", text]),
    "texts, awaited": lambda made, text: asyncio.run(made.aget_text_embedding_batch(["a", text])),
}


@pytest.mark.parametrize("kind", [ArkMultiModalEmbedding, DashScopeMultiModalEmbedding, *SPARSE])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_what_stands_for_a_picture_has_no_vector_of_its_letters(
    inside, embed_model_of, red_png, kind, method
):
    """Core passes a node's content, and such a node has only the line that keeps it from being empty."""
    made = embed_model_of(kind, inside, **({} if "Ark" in kind.__name__ else {"model": V4}))
    node = fingerprint([ImageNode(image_path=str(red_png))])[0]

    with pytest.raises(InputError, match=r"stands for (an|the) image or video"):
        method(made, node.get_content(metadata_mode=MetadataMode.EMBED))
    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("method", [METHODS["a query"], METHODS["a query, awaited"]], ids=["sync", "async"])
def test_a_question_has_no_sparse_vector(inside, embed_model_of, red_png, kind, method):
    dense, made = embed_model_of(ArkMultiModalEmbedding, inside), embed_model_of(kind, inside)
    bare = query_bundle(image=red_png, question="Which chair?", embed_model=dense)
    both = query_bundle("lamp", image=red_png, question="Which chair?", embed_model=dense)

    with pytest.raises(InputError, match=r"embeds query text.*pass the text to embed"):
        method(made, bare.query_str)
    assert method(made, "lamp") == method(made, both.query_str)
