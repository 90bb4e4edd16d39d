"""Real vector stores that hold pictures beside text."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from paintings import data_uri, painted

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from volc_dashscope import Fused, Image

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Qdrant's packages warn about themselves on import
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient
    from qdrant_client.models import Distance, PointStruct, VectorParams

KINDS = [ArkEmbeddings, DashScopeEmbeddings]
# The blue of a sea: the emulator, which sees as the eye does, takes screen blue for purple.
COLOURS = {"red": "red", "green": "green", "blue": "royalblue", "yellow": "yellow"}


@pytest.fixture
def qdrant() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


def _qdrant_store(client: QdrantClient, embed_model: Any) -> QdrantVectorStore:
    """A collection sized by the integration before any request, with one picture of each colour."""
    client.create_collection(
        "pictures", vectors_config=VectorParams(size=embed_model.dimension, distance=Distance.COSINE)
    )
    rows = embed_model.embed_image([data_uri(painted(shade)) for shade in COLOURS.values()])
    client.upsert(
        "pictures",
        [
            PointStruct(
                id=str(uuid4()), vector=row, payload={"page_content": "", "metadata": {"colour": colour}}
            )
            for colour, row in zip(COLOURS, rows, strict=True)
        ],
    )
    return QdrantVectorStore(client, "pictures", embedding=embed_model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", COLOURS)
def test_qdrant_finds_a_picture_by_text(inside, embed_model_of, qdrant, kind, colour):
    store = _qdrant_store(qdrant, embed_model_of(kind, inside))

    assert colour == store.similarity_search(f"a {colour} picture", k=1)[0].metadata["colour"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", COLOURS)
def test_qdrant_finds_a_picture_by_a_picture(inside, embed_model_of, qdrant, kind, colour):
    embed_model = embed_model_of(kind, inside)
    store = _qdrant_store(qdrant, embed_model)

    found = store.similarity_search_by_vector(
        embed_model.embed_query(Image.from_url(data_uri(painted(COLOURS[colour])))), k=1
    )

    assert colour == found[0].metadata["colour"]


@pytest.mark.parametrize("kind", KINDS)
def test_qdrant_finds_a_picture_by_text_and_picture_together(inside, embed_model_of, qdrant, kind):
    embed_model = embed_model_of(kind, inside)
    store = _qdrant_store(qdrant, embed_model)

    found = store.similarity_search_by_vector(
        embed_model.embed_query(Fused("blue, blue", Image.from_url(data_uri(painted("royalblue"))))), k=1
    )

    assert "blue" == found[0].metadata["colour"]


@pytest.mark.parametrize("kind", KINDS)
def test_qdrants_own_constructor_embeds_through_the_integration(inside, embed_model_of, kind):
    texts = ["a red shoe", "the blue sea", "a green tree"]

    store = QdrantVectorStore.from_texts(
        texts, embed_model_of(kind, inside), location=":memory:", collection_name="t"
    )
    found = store.similarity_search("blue sea", k=1)[0].page_content
    store.client.close()

    assert "the blue sea" == found


@pytest.mark.parametrize("kind", KINDS)
def test_the_in_memory_store_finds_texts_and_pictures(inside, embed_model_of, kind):
    embed_model = embed_model_of(kind, inside)
    store = InMemoryVectorStore(embed_model)
    store.add_documents([Document("the blue sea", id="sea"), Document("a green tree", id="tree")])
    for colour, row in zip(
        ("red", "yellow"),
        embed_model.embed_image([data_uri(painted("red")), data_uri(painted("yellow"))]),
        strict=True,
    ):
        store.store[colour] = {"id": colour, "vector": row, "text": colour, "metadata": {}}

    by_text = store.similarity_search("blue sea", k=1)
    by_picture = store.similarity_search_by_vector(
        embed_model.embed_query(Image.from_url(data_uri(painted("yellow")))), k=1
    )

    assert ["sea", "yellow"] == [by_text[0].id, by_picture[0].id]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_in_memory_store_works_through_its_async_twins(inside, embed_model_of, kind):
    store = InMemoryVectorStore(embed_model_of(kind, inside))
    await store.aadd_documents([Document("the blue sea"), Document("a green tree")])

    found = await store.as_retriever(search_kwargs={"k": 1}).ainvoke("green tree")

    assert ["a green tree"] == [document.page_content for document in found]
