"""The modules that tests of the integrations share, and a PostgreSQL with pgvector."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

_INTEGRATIONS = Path(__file__).parents[1] / "integrations"
sys.path[:0] = [str(_INTEGRATIONS / name) for name in (".", "langchain", "llama_index")]


@pytest.fixture
def database() -> Iterator[str]:
    """Return the address of an empty database, dropped after the test."""
    from lc_databases import postgres

    server = postgres()
    name = "of_one_test"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(server.get_uri(database=name)) as own:
            own.execute("CREATE EXTENSION vector")
        yield server.get_uri(database=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
