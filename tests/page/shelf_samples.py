"""Albums for the page, with vectors from an emulator in this process."""

from __future__ import annotations

from pathlib import Path

from canary import KEY

from volc_dashscope.cache import SQLiteCache
from volc_dashscope.client import Client
from volc_dashscope.emulator import Emulator
from volc_dashscope.search import Album, open_album

MODEL = "doubao-embedding-vision-251215"


def embedded(
    folder: Path, store: Path, emulator: Emulator, model: str = MODEL, max_image_pixels: int | None = None
) -> tuple[Album, Client]:
    """Return the album of a folder and the client that made it."""
    store.mkdir(parents=True, exist_ok=True)
    client = Client(
        model,
        api_key=KEY,
        http_client=emulator.http_client(),
        http_async_client=emulator.http_async_client(),
        cache=SQLiteCache(store / "vectors.sqlite"),
        max_retries=0,
        max_image_pixels=max_image_pixels,
    )
    return open_album(folder, client, store), client
