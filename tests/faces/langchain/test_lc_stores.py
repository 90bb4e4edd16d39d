"""
Store × entry point × modality, on real stores; the table in docs/langchain.md is what passed here.

A test marks its cell in its last line. `LIMITS` lists what a store itself cannot do: a test sees it fail.
"""

from __future__ import annotations

import inspect
import re
from contextlib import ExitStack
from typing import Any

import pytest
from lc_entries import MAKERS, TEXT_ONLY, WAYS_IN, WAYS_OUT
from lc_goods import BOAT, MODALITIES, decoy, document_of, text_of
from lc_marks import CELLS, Cell, committed, table, write
from lc_shops import SHOPS

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the stores' packages
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # SQLite files the stores leave to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WHOLE = re.compile(r"^(?P<caption>.+) ⟦media:sha256:[0-9a-f]{64}⟧$")

# (store, entry, modality): (what it raises, why).
LIMITS: dict[Cell, tuple[type[Exception], str]] = {}


def _check_stored(found: Any, modality: str, market: Any) -> None:
    """What comes back is short, readable, and knows where its medium is."""
    item = market.items[modality]
    assert modality == found.metadata["modality"]
    if modality == "text":
        assert item == found.page_content
        return
    caption = WHOLE.match(found.page_content)
    assert caption is not None
    assert len(caption["caption"]) < 60
    expected = {
        "image": (market.folder / "pictures" / "red.png").as_uri(),
        "image+text": (market.folder / "pictures" / "green.png").as_uri(),
        "video": BOAT,
    }
    assert expected[modality] == found.metadata["media_uri"]


def _mark(market: Any, cell: Cell) -> None:
    market.passed.add(cell)


async def _settled(outcome: Any) -> Any:
    return await outcome if inspect.isawaitable(outcome) else outcome


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("entry", WAYS_IN)
async def test_what_is_added_is_found_by_itself(market, shelves, shop, entry, modality):
    cell = (shop.name, entry, modality)
    shelf = "indexed" if "index" in entry else "added"
    item = market.items[modality]
    with ExitStack() as stack:
        store = shelves[f"{shop.name} {shelf}"]
        if shop.loop_bound:
            store = stack.enter_context(shop.open(market.face, market.folder, shelf))
        # The same goods come by several ways: what was there before would hide a way that adds nothing.
        _clear(store, shop.name)
        await _settled(WAYS_IN[entry](store, decoy(), decoy().page_content))
        await _settled(WAYS_IN[entry](store, document_of(item, modality), text_of(item)))

        found = store.similarity_search(text_of(item), k=1)[0]

    _check_stored(found, modality, market)
    _mark(market, cell)
