"""Pictures, stores, and the tables that only passing tests write."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from li_chosen import SHELVES
from li_goods import draw
from li_shelves import Shelf
from li_tables import Board
from llama_index.core import MockEmbedding, Settings

_BOARD = Board()


@pytest.fixture
def board() -> Board:
    """Return what tests write their cells on."""
    return _BOARD


@pytest.fixture
def write_tables() -> Callable[[], None]:
    """Return what writes the page, if asked to."""
    return _BOARD.write if os.environ.get("WRITE_TABLES") else lambda: None


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """Return the path of a picture of each colour."""
    return draw(tmp_path)


@pytest.fixture
async def shelf_of(tmp_path: Path) -> AsyncIterator[Callable[..., Shelf]]:
    """Return a maker of stores by name, closed after the test."""
    made: list[Shelf] = []

    def make(name: str, dimension: int, *, awaited: bool = False) -> Shelf:
        made.append(SHELVES[name](tmp_path / f"store-{len(made)}", dimension, awaited=awaited))
        return made[-1]

    yield make
    for shelf in made:
        await shelf.close()


@pytest.fixture(autouse=True)
def _no_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, core takes OpenAI's embeddings as the default."""
    monkeypatch.setattr(Settings, "_embed_model", MockEmbedding(embed_dim=3))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Compare the committed tables after everything that writes them."""
    items.sort(key=lambda item: item.name.startswith("test_the_committed_table"))
