"""
Store × entry point × modality, on real stores; the table in both langchain.md is what passed here.

A test marks its cell when it passes. `LIMITS` lists what a store itself cannot do: a test sees it fail.
"""

from __future__ import annotations

import inspect
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from lc_entries import BARE_ONLY, BY_IMAGE, MAKERS, MEDIA_ONLY, WAYS_IN, WAYS_OUT
from lc_samples import COLOURS, MODALITIES, address_of, decoy, document_of, picture_of, samples, text_of
from lc_selected_stores import LIMITS as STORE_LIMITS
from lc_selected_stores import STORE_SETUPS
from lc_table import CELLS, PAGES, Cell, committed, table, translated, write

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the stores' packages
    pytest.mark.filterwarnings("ignore:.*ORM-style PyMilvus API"),  # langchain-milvus 0.3 uses it
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # SQLite files the stores leave to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WHOLE = re.compile(r"(?P<caption>.+) ⟦media:sha256:[0-9a-f]{64}⟧")

# What a store or LangChain itself cannot do: (store, entry, modality) -> (what is raised, why).
LIMITS: dict[Cell, tuple[type[Exception], str]] = {
    **STORE_LIMITS,
    **{
        (setup.name, "create_retriever_tool, bare item", modality): (
            ValueError,
            "LangChain validates a tool's query as text; ask with `media(...)`",
        )
        for setup in STORE_SETUPS
        for modality in MODALITIES
        if modality != "text"
    },
}

# What the service has to be sent for it: a picture's token alone would be found by itself just as well.
KINDS = {
    "text": ("text",),
    "image": ("image_url",),
    "image+text": ("text", "image_url"),
    "video": ("video_url",),
}


def _sent(market: Any, since: int) -> list[tuple[str, ...]]:
    """Return the kinds of parts of every request from a place in the ledger on."""
    # Qdrant's MMR embeds a text of its own each time, to compare lengths.
    requests = [
        request for request in market.emulator.ledger.requests[since:] if "dummy_text" not in request.texts
    ]
    return [tuple(part["type"] for part in request.body["input"]) for request in requests]


@contextmanager
def _marked(market: Any, cell: Cell) -> Iterator[None]:
    """Mark a cell for what happens in the block: it passes, or it fails as `LIMITS` says."""
    if cell not in LIMITS:
        yield
        market.passed.add(cell)
        return
    kind, reason = LIMITS[cell]
    with pytest.raises(kind):
        yield
    market.limits[cell] = reason


async def _settled(outcome: Any) -> Any:
    return await outcome if inspect.isawaitable(outcome) else outcome


def _readable(found: Any, item: Any) -> bool:
    """Whether a hit's text is the text itself, or a short caption and a token."""
    if isinstance(item, str):
        return bool(item == found.page_content)
    whole = WHOLE.fullmatch(found.page_content)
    return whole is not None and len(whole["caption"]) < 60


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("entry", WAYS_IN)
async def test_what_is_added_is_found_by_itself(market, empty_stores, setup, entry, modality):
    # One store for all ways in: each adds samples of its own colour.
    colour = COLOURS[list(WAYS_IN).index(entry)]
    item = samples(market.pictures, colour)[modality]
    state = "indexed" if "index" in entry else "added"
    cell = (setup.name, entry, modality)
    with ExitStack() as stack:
        stack.enter_context(_marked(market, cell))
        store = empty_stores[f"{setup.name} {state}"]
        if setup.loop_bound:
            store = stack.enter_context(setup.open(market.embed_model, market.folder, state))
        before = len(market.emulator.ledger)

        await _settled(WAYS_IN[entry](store, document_of(item, modality), text_of(item)))
        found = store.similarity_search(text_of(item), k=1)[0]

        assert modality == found.metadata["modality"]
        assert address_of(modality, market.pictures, colour) == found.metadata.get("media_uri")
        assert _readable(found, item)
        assert [KINDS[modality]] * 2 == _sent(market, before)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("entry", MAKERS)
async def test_a_store_made_from_documents_holds_them(market, setup, entry, modality):
    item = market.items[modality]
    documents = [decoy(), document_of(item, modality)]
    make = getattr(setup.kind, entry)
    # Collection names: letters and digits only.
    settings = setup.made(market.folder, f"{entry[:5]}{MODALITIES.index(modality)}")
    with _marked(market, (setup.name, entry, modality)):
        before = len(market.emulator.ledger)
        store = await _settled(make(documents, market.embed_model, **settings))
        found = store.similarity_search(text_of(item), k=1)[0]
        setup.close(store)

        assert modality == found.metadata["modality"]
        assert address_of(modality, market.pictures) == found.metadata.get("media_uri")
        assert _readable(found, item)
        assert 2 <= _sent(market, before).count(KINDS[modality])


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("entry", WAYS_OUT)
async def test_a_query_of_any_modality_finds_its_document(market, filled, setup, entry, modality):
    item = market.items[modality]
    forms = [form for form, other in ((text_of(item), BARE_ONLY), (item, MEDIA_ONLY)) if entry not in other]
    cell = (setup.name, entry, modality)
    with ExitStack() as stack:
        stack.enter_context(_marked(market, cell))
        store = filled[setup.name]
        if setup.loop_bound:
            store = stack.enter_context(setup.open(market.embed_model, market.folder, "filled"))
        before = len(market.emulator.ledger)

        found = [await _settled(WAYS_OUT[entry](store, form)) for form in forms]

        assert [modality] * len(forms) == [hit.metadata["modality"] for hit in found]
        assert {KINDS[modality]} == set(_sent(market, before))


def test_chroma_adds_images_by_its_own_method(market, images):
    store, paths = images
    with _marked(market, ("Chroma", "add_images", "image")):
        assert len(paths) == len(store.get()["ids"])
        # Base64 of the picture itself, by Chroma's own design.
        assert paths["red"].read_bytes() == b64decode(store.get(where={"colour": "red"})["documents"][0])


@pytest.mark.parametrize("entry", BY_IMAGE)
@pytest.mark.parametrize("colour", ["red", "yellow"])
def test_chroma_finds_images_by_image(market, images, entry, colour):
    store, paths = images
    with _marked(market, ("Chroma", entry, "image")):
        assert colour == BY_IMAGE[entry](store, str(paths[colour])).metadata["colour"]


@pytest.fixture(scope="module")
def images(market):
    """Chroma with pictures added by its own method, and their paths."""
    chroma = next(setup for setup in STORE_SETUPS if setup.name == "Chroma")
    paths = {colour: picture_of(market.pictures, colour) for colour in COLOURS[:4]}
    for colour in paths:
        samples(market.pictures, colour)
    with chroma.open(market.embed_model, market.folder, "images") as store:
        store.add_images(
            [str(path) for path in paths.values()], metadatas=[{"colour": colour} for colour in paths]
        )
        yield store, paths


def test_the_table_in_the_docs_is_what_passed(request, market):
    ran = [item for item in request.session.items if item.path == request.path]
    if len(ran) < len(CELLS):
        pytest.skip("only a part of the table was asked for")
    written = table(market.passed, market.limits)
    write(written)

    assert {language: translated(written, language) for language in PAGES} == {
        language: committed(language) for language in PAGES
    }


def test_a_cell_without_a_passing_test_is_a_cross():
    nothing = table(set(), {})
    setup = STORE_SETUPS[0].name
    one = table({(setup, "add_texts", "image")}, {(setup, "add_texts", "video"): "because"})

    assert 0 == nothing.count("✓")
    assert "| `add_texts` | ✗\u00a0✓\u00a0✗\u00a0✗1 |" in one
    assert one.endswith("- ✗1: because\n")
