"""`PGVectorStore` of langchain-postgres: indexes by the length of vectors, and what the first batch fixes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy
from langchain_core.documents import Document
from langchain_postgres import PGEngine, PGVectorStore
from langchain_postgres.v2.indexes import HNSWIndex
from paintings import data_uri, painted

from langchain_volc_dashscope import ArkEmbeddings, MediaDocument, media
from volc_dashscope import Image

SEA = Document("the blue sea", metadata={"kind": "text"})
RED = Image.from_url(data_uri(painted("red")))


@pytest.fixture
def engine(database: str) -> Iterator[PGEngine]:
    """Return the connections of the store."""
    made = PGEngine.from_connection_string(database.replace("postgresql:", "postgresql+psycopg:"))
    yield made
    made._run_as_sync(made.close())


def _store(engine: PGEngine, embeddings: Any) -> PGVectorStore:
    engine.init_vectorstore_table("goods", vector_size=embeddings.dimension)
    return PGVectorStore.create_sync(engine, embeddings, "goods")


def _plan(database: str, operator: str) -> str:
    """Return how PostgreSQL would answer a search, where it may not read the whole table."""
    with psycopg.connect(database) as connection:
        connection.execute("SET enable_seqscan = off")
        row = f"(SELECT embedding FROM goods LIMIT 1){operator}"
        rows = connection.execute(
            f"EXPLAIN SELECT * FROM goods ORDER BY embedding{operator} <=> {row} LIMIT 1"
        )
        return "\n".join(line for (line,) in rows)


def test_1024_dimensions_are_indexed(inside, embed_model_of, engine, database):
    store = _store(engine, embed_model_of(ArkEmbeddings, inside, dimensions=1024))
    store.add_documents([SEA, MediaDocument(RED)])

    store.apply_vector_index(HNSWIndex(name="by_likeness"))

    assert "by_likeness" in _plan(database, "")
    assert "image" == store.similarity_search(media(RED), k=1)[0].metadata["media_kind"]


def test_2048_dimensions_are_too_many_for_an_index_of_vector(inside, embed_model_of, engine):
    store = _store(engine, embed_model_of(ArkEmbeddings, inside))

    with pytest.raises(sqlalchemy.exc.DBAPIError, match="2000 dimensions"):
        store.apply_vector_index(HNSWIndex(name="by_likeness"))


def test_2048_dimensions_are_indexed_as_halfvec(inside, embed_model_of, engine, database):
    store = _store(engine, embed_model_of(ArkEmbeddings, inside))
    store.add_documents([SEA, MediaDocument(RED)])

    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE INDEX by_likeness ON goods USING hnsw ((embedding::halfvec(2048)) halfvec_cosine_ops)"
        )

    assert "by_likeness" in _plan(database, "::halfvec(2048)")
    assert SEA.page_content == store.similarity_search("blue sea", k=1)[0].page_content


@pytest.mark.parametrize("first", ["text", "picture"])
def test_either_kind_may_come_first(inside, embed_model_of, engine, first):
    store = _store(engine, embed_model_of(ArkEmbeddings, inside, dimensions=1024))
    batches = {"text": [SEA], "picture": [MediaDocument(RED)]}

    for name in sorted(batches, key=lambda name: name != first):
        store.add_documents(batches[name])

    assert SEA.page_content == store.similarity_search("blue sea", k=1)[0].page_content
    assert "image" == store.similarity_search(media(RED), k=1)[0].metadata["media_kind"]


async def test_awaited(inside, embed_model_of, engine):
    embeddings = embed_model_of(ArkEmbeddings, inside, dimensions=1024)
    await engine.ainit_vectorstore_table("goods", vector_size=embeddings.dimension)
    store = await PGVectorStore.create(engine, embeddings, "goods")

    await store.aadd_documents([SEA, MediaDocument(RED)])

    assert SEA.page_content == (await store.asimilarity_search("blue sea", k=1))[0].page_content
