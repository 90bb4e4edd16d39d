"""Pictures, stores, and the tables that only passing tests write."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from li_local_stores import StoreSetup
from li_samples import draw
from li_selected_stores import STORE_SETUPS
from li_tables import ResultTables
from llama_index.core import MockEmbedding, Settings

_RESULT_TABLES = ResultTables()


@pytest.fixture
def result_tables() -> ResultTables:
    """Return the tables to which tests write their cells."""
    return _RESULT_TABLES


@pytest.fixture
def write_tables() -> Callable[[], None]:
    """Return a function that writes the tables to the docs if `WRITE_TABLES` is set."""
    return _RESULT_TABLES.write if os.environ.get("WRITE_TABLES") else lambda: None


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """Return the path of a picture of each colour."""
    return draw(tmp_path)


@pytest.fixture
async def store_setup_of(tmp_path: Path) -> AsyncIterator[Callable[..., StoreSetup]]:
    """Return a maker of stores by name, closed after the test."""
    made: list[StoreSetup] = []

    def make(name: str, dimension: int, *, awaited: bool = False) -> StoreSetup:
        made.append(STORE_SETUPS[name](tmp_path / f"store-{len(made)}", dimension, awaited=awaited))
        return made[-1]

    yield make
    for setup in made:
        await setup.close()


@pytest.fixture(autouse=True)
def _no_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, core takes OpenAI's embeddings as the default."""
    monkeypatch.setattr(Settings, "_embed_model", MockEmbedding(embed_dim=3))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Compare the committed tables after everything that writes them."""
    items.sort(key=lambda item: item.name.startswith("test_the_committed_table"))
