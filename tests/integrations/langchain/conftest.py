"""Stores that are filled once, and integrations that outlive a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lc_local_stores import StoreSetup
from lc_samples import decoy, document_of, samples
from lc_selected_stores import STORE_SETUPS
from lc_table import Cell

from langchain_volc_dashscope import ArkEmbeddings
from volc_dashscope import Item
from volc_dashscope.emulator import Emulator

LENGTH = 1024


@dataclass
class Market:
    """An integration, a folder for stores, and one item of each modality."""

    embed_model: ArkEmbeddings
    emulator: Emulator
    folder: Path
    pictures: Path
    items: dict[str, Item]
    passed: set[Cell] = field(default_factory=set)
    limits: dict[Cell, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """One emulator and one folder for all store tests of the session."""
    folder = tmp_path_factory.mktemp("market")
    emulator = Emulator()
    embed_model = ArkEmbeddings(
        api_key="k",
        dimensions=LENGTH,
        http_client=emulator.http_client(),
        http_async_client=emulator.http_async_client(),
    )
    pictures = folder / "pictures"
    return Market(embed_model, emulator, folder, pictures, samples(pictures))


@pytest.fixture(scope="session")
def filled(market: Market) -> Iterator[dict[str, Any]]:
    """One store of each kind that holds one document of each modality, and a decoy."""
    with ExitStack() as stack:
        stores: dict[str, Any] = {}
        for setup in STORE_SETUPS:
            store = stack.enter_context(setup.open(market.embed_model, market.folder, "filled"))
            documents = [document_of(item, modality) for modality, item in market.items.items()]
            store.add_documents([decoy(), *documents])
            stores[setup.name] = store
        yield stores


@pytest.fixture(scope="session")
def empty_stores(market: Market) -> Iterator[dict[str, Any]]:
    """Two empty stores of each kind: one for documents that are added, one for `index`, which sets the ids."""
    with ExitStack() as stack:
        stores: dict[str, Any] = {}
        for setup in STORE_SETUPS:
            for name in ("added", "indexed"):
                stores[f"{setup.name} {name}"] = stack.enter_context(
                    setup.open(market.embed_model, market.folder, name)
                )
        yield stores


@pytest.fixture(params=STORE_SETUPS, ids=repr)
def setup(request: pytest.FixtureRequest) -> StoreSetup:
    """Each kind of store."""
    found: StoreSetup = request.param
    return found
