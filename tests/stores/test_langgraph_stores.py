"""LangGraph's stores as long-term memory: what is put is found, and every request is sent in one role."""

from __future__ import annotations

import sys
from typing import Any

import lc_databases  # noqa: F401 - puts a sqlite3 that loads extensions in place before the stores are imported
import psycopg
import pytest
from langgraph.store.memory import InMemoryStore
from langgraph.store.postgres import PostgresStore
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.store.sqlite import SqliteStore
from langgraph.store.sqlite.aio import AsyncSqliteStore

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, langgraph_index

V4 = "text-embedding-v4"
PLACE = ("user", "memories")
MEMORIES = {"tea": "drinks green tea in the morning", "sea": "likes the blue sea", "cat": "has a black cat"}


def _roles(mount: Any) -> set[str | None]:
    return {entry.body["parameters"].get("text_type") for entry in mount.emulator.ledger}


def _checked(found: list[Any], mount: Any) -> None:
    assert ["sea"] == [item.key for item in found]
    assert {None} == _roles(mount)


def _remember(store: Any) -> list[Any]:
    for key, text in MEMORIES.items():
        store.put(PLACE, key, {"text": text})
    found: list[Any] = store.search(PLACE, query="the blue sea", limit=1)
    return found


async def _aremember(store: Any) -> list[Any]:
    for key, text in MEMORIES.items():
        await store.aput(PLACE, key, {"text": text})
    found: list[Any] = await store.asearch(PLACE, query="the blue sea", limit=1)
    return found


def _index(inside: Any, embed_model_of: Any, **settings: Any) -> Any:
    embeddings = embed_model_of(DashScopeEmbeddings, inside, model=V4)
    return langgraph_index(embeddings, fields=["text"], **settings)


def test_memory_in_this_process(inside, embed_model_of):
    _checked(_remember(InMemoryStore(index=_index(inside, embed_model_of))), inside)


def test_sqlite(inside, embed_model_of, tmp_path):
    connection = sys.modules["sqlite3"].connect(
        tmp_path / "memory.sqlite", check_same_thread=False, isolation_level=None
    )
    store = SqliteStore(connection, index=_index(inside, embed_model_of))
    store.setup()

    _checked(_remember(store), inside)
    connection.close()


async def test_sqlite_awaited(inside, embed_model_of, tmp_path):
    index = _index(inside, embed_model_of)
    async with AsyncSqliteStore.from_conn_string(str(tmp_path / "memory.sqlite"), index=index) as store:
        await store.setup()

        _checked(await _aremember(store), inside)


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_postgresql(inside, embed_model_of, database, kind):
    with PostgresStore.from_conn_string(
        database, index=_index(inside, embed_model_of, postgres=kind)
    ) as store:
        store.setup()

        _checked(_remember(store), inside)


async def test_postgresql_awaited(inside, embed_model_of, database):
    index = _index(inside, embed_model_of, postgres="vector")
    async with AsyncPostgresStore.from_conn_string(database, index=index) as store:
        await store.setup()

        _checked(await _aremember(store), inside)


def test_the_whole_length_of_a_vision_model_as_halfvec(inside, embed_model_of, database):
    index = langgraph_index(embed_model_of(ArkEmbeddings, inside), postgres="halfvec")
    with PostgresStore.from_conn_string(database, index=index) as store:
        store.setup()

        assert "sea" == _remember(store)[0].key
        assert 2048 == index["dims"]


def test_what_the_store_says_without_our_check(inside, embed_model_of, database):
    """The error that `langgraph_index(postgres="vector")` replaces."""
    index = langgraph_index(embed_model_of(ArkEmbeddings, inside))
    opened = PostgresStore.from_conn_string(database, index=index)
    with opened as store, pytest.raises(psycopg.Error, match="2000 dimensions"):
        store.setup()
