"""The page over an album, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paintings import fill
from shelf_samples import embedded
from starlette.testclient import TestClient

from volc_dashscope.emulator import Emulator
from volc_dashscope.search.page import create_app

BASE = "http://127.0.0.1:8766"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder, its album and a client; tests that change the folder make their own."""
    place = tmp_path_factory.mktemp("page")
    emulator = Emulator()
    folder = fill(place / "photos")
    album, client = embedded(folder, place / "store", emulator)
    return emulator, album, client


@pytest.fixture
def page(gallery: Any) -> Iterator[TestClient]:
    """A browser's stand-in without a browser's manners."""
    emulator, album, client = gallery
    emulator.ledger.clear()
    with TestClient(create_app(album, client, stand_in=True), base_url=BASE) as opened:
        yield opened


@pytest.fixture
def own_page(tmp_path: Path) -> Iterator[Callable[..., tuple[TestClient, Path]]]:
    """A maker of pages over folders of their own."""
    opened: list[TestClient] = []

    def make(
        model: str = "doubao-embedding-vision-251215", max_image_pixels: int | None = None
    ) -> tuple[TestClient, Path]:
        folder = fill(tmp_path / "photos")
        album, client = embedded(folder, tmp_path / "store", Emulator(), model, max_image_pixels)
        opened.append(TestClient(create_app(album, client), base_url=BASE).__enter__())
        return opened[-1], folder

    yield make
    for one in opened:
        one.__exit__(None, None, None)
