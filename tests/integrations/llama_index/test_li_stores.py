"""What can be found in which store, put there in which way: the table in both llama-index.md."""

from __future__ import annotations

from typing import Any

import li_flows as flows
import pytest
from li_local_stores import Milvus
from li_samples import BLUE, CAT, GREEN, RAINCOAT, RED, RENT, RICE, plain_nodes, samples
from li_selected_stores import OF_TWO_STORES, STORE_SETUPS, TABLE
from li_tables import committed
from llama_index.core.schema import QueryBundle

from llama_index_ext import ArkMultiModalEmbedding, MultiModalNodeEmbedder, aquery_bundle, query_bundle

TEXT, SEEN, SAME, FUSED = "text → text", "text → image", "image → image", "text + image → product"
IMAGE_NODE, VIDEO_NODE = "image → `Node`", "video → `Node`"
FLOWS = {"IngestionPipeline": flows.pipeline, "VectorStoreIndex": flows.index}
MULTIMODAL = "MultiModalVectorStoreIndex"
MODES = {"sync": False, "async": True}
EACH_STORE = pytest.mark.parametrize("store", STORE_SETUPS)
EACH_OF_TWO = pytest.mark.parametrize("store", OF_TWO_STORES)
EACH_MODE = pytest.mark.parametrize("mode", MODES)


def row(store: str, flow: str, mode: str) -> str:
    return f"{store}, {flow}, {mode}"


async def first(retriever: Any, query: Any, *, awaited: bool) -> str:
    """Return the id of the best hit."""
    hits = await retriever.aretrieve(query) if awaited else retriever.retrieve(query)
    return hits[0].node.node_id


async def bundle(embed_model: Any, *, awaited: bool, **parts: Any) -> QueryBundle:
    if awaited:
        return await aquery_bundle(**parts, embed_model=embed_model)
    return query_bundle(**parts, embed_model=embed_model)


@EACH_STORE
@EACH_MODE
@pytest.mark.parametrize("flow", FLOWS)
async def test_every_kind_of_query_finds_its_node(
    inside, embed_model_of, store_setup_of, pictures, result_tables, store, flow, mode
):
    awaited, name = MODES[mode], row(store, flow, mode)
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    queries = {
        TEXT: ("office rent", RENT),
        SEEN: ("a green picture", GREEN),
        SAME: (await bundle(embed_model, awaited=awaited, image=pictures["red"]), RED),
        FUSED: (
            await bundle(embed_model, awaited=awaited, text="raincoat", image=pictures["yellow"]),
            RAINCOAT,
        ),
    }
    nodes = samples(pictures)
    if store != Milvus.name:
        queries[IMAGE_NODE] = (await bundle(embed_model, awaited=awaited, image=pictures["royalblue"]), BLUE)
        queries[VIDEO_NODE] = (await bundle(embed_model, awaited=awaited, video=pictures["cat"]), CAT)
        nodes += plain_nodes(pictures)
    result_tables.begin(TABLE, name, *queries)

    index = await FLOWS[flow](
        store_setup_of(store, embed_model.dimension, awaited=awaited), embed_model, nodes
    )
    retriever = index.as_retriever(similarity_top_k=1)
    found = {column: await first(retriever, query, awaited=awaited) for column, (query, _) in queries.items()}

    assert {column: expected for column, (_, expected) in queries.items()} == found
    result_tables.put(TABLE, name, **dict.fromkeys(queries, "✓"))


@EACH_OF_TWO
@EACH_MODE
async def test_cores_multimodal_index_finds_texts_and_pictures(
    inside, embed_model_of, store_setup_of, pictures, result_tables, store, mode
):
    awaited, name = MODES[mode], row(store, MULTIMODAL, mode)
    result_tables.begin(TABLE, name, TEXT, SEEN, SAME)
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)

    index = await flows.multimodal(
        store_setup_of(store, embed_model.dimension, awaited=awaited), embed_model, samples(pictures)
    )
    retriever = index.as_retriever(similarity_top_k=1, image_similarity_top_k=1)
    red = str(pictures["red"])
    if awaited:
        found = {
            TEXT: await retriever.atext_retrieve("office rent"),
            SEEN: await retriever.atext_to_image_retrieve("a green picture"),
            SAME: await retriever.aimage_to_image_retrieve(red),
        }
    else:
        found = {
            TEXT: retriever.text_retrieve("office rent"),
            SEEN: retriever.text_to_image_retrieve("a green picture"),
            SAME: retriever.image_to_image_retrieve(red),
        }

    assert {TEXT: RENT, SEEN: GREEN, SAME: RED} == {
        column: hits[0].node.node_id for column, hits in found.items()
    }
    result_tables.put(TABLE, name, **dict.fromkeys(found, "✓"))


@EACH_MODE
@pytest.mark.parametrize("flow", FLOWS)
async def test_milvus_refuses_a_plain_node_by_itself(
    inside, embed_model_of, store_setup_of, pictures, result_tables, flow, mode
):
    """The store reads `node.dict()["text"]`, which a `Node` does not have. Use `ImageNode`."""
    awaited, name = MODES[mode], row(Milvus.name, flow, mode)
    result_tables.begin(TABLE, name, IMAGE_NODE, VIDEO_NODE)
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)

    for node in plain_nodes(pictures):
        with pytest.raises(KeyError, match="text"):
            await FLOWS[flow](
                store_setup_of(Milvus.name, embed_model.dimension, awaited=awaited), embed_model, [node]
            )
    result_tables.put(TABLE, name, **{IMAGE_NODE: "✗ (1)", VIDEO_NODE: "✗ (1)"})


@EACH_OF_TWO
@EACH_MODE
async def test_cores_multimodal_index_drops_plain_nodes_and_a_querys_vector(
    inside, embed_model_of, store_setup_of, pictures, result_tables, store, mode
):
    """
    It keeps instances of `TextNode` and `ImageNode` only, and says nothing; and its retriever embeds the words of
    a query anew, so that a fused one loses its picture. A plain `VectorStoreIndex` does neither.
    """
    awaited, name = MODES[mode], row(store, MULTIMODAL, mode)
    result_tables.begin(TABLE, name, FUSED, IMAGE_NODE, VIDEO_NODE)
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    embedded = MultiModalNodeEmbedder(embed_model=embed_model)([*plain_nodes(pictures), *samples(pictures)])
    query = query_bundle("raincoat", image=pictures["yellow"], embed_model=embed_model)
    given = query.embedding

    index = await flows.multimodal(
        store_setup_of(store, embed_model.dimension, awaited=awaited), embed_model, embedded
    )
    retriever = index.as_retriever(similarity_top_k=9, image_similarity_top_k=9)
    hits = await retriever.aretrieve(query) if awaited else retriever.retrieve(query)

    assert {RENT, RICE, RED, GREEN, RAINCOAT} == {hit.node.node_id for hit in hits}
    assert given != query.embedding
    result_tables.put(TABLE, name, **{FUSED: "✗ (3)", IMAGE_NODE: "✗ (2)", VIDEO_NODE: "✗ (2)"})


def test_the_committed_table_of_stores_is_what_passed(result_tables, write_tables):
    write_tables()
    whole = committed(TABLE)
    begun = {(name, column) for table, name, column in result_tables.begun if table == TABLE}

    flows_of = {store: (*FLOWS, *([MULTIMODAL] if store in OF_TWO_STORES else [])) for store in STORE_SETUPS}
    assert {
        row(store, flow, mode) for store in STORE_SETUPS for flow in flows_of[store] for mode in MODES
    } == set(whole)
    assert {(name, column): whole[name][column] for name, column in begun} == {
        (name, column): text
        for name, cells in result_tables.cells.get(TABLE, {}).items()
        for column, text in cells.items()
    }
