"""Albums for the page: drawn pictures, a video by its first box, and vectors from an emulator in this process."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from volc_dashscope.album import Album, open_album
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.client import Client
from volc_dashscope.emulator import Emulator

KEY = "sk-canary-0123456789abcdef"
MODEL = "doubao-embedding-vision-251215"
COLOURS = {"red": "#d83a34", "blue": "#2d5fd0", "green": "#2f9e44", "yellow": "#f2c62e"}
MP4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".ljust(3000, b"\7")


def drawn(colour: str, shape: str, side: int = 96) -> bytes:
    """Return a PNG of a coloured square or circle on white."""
    sheet = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(sheet)
    corners = (side * 0.2, side * 0.2, side * 0.8, side * 0.8)
    (pen.rectangle if shape == "square" else pen.ellipse)(corners, fill=COLOURS[colour])
    buffer = BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def fill(folder: Path) -> Path:
    """Put eight pictures and a video into a folder."""
    (folder / "圆形").mkdir(parents=True)
    for colour in COLOURS:
        (folder / f"{colour}_square.png").write_bytes(drawn(colour, "square"))
        (folder / "圆形" / f"{colour}_circle.png").write_bytes(drawn(colour, "circle"))
    (folder / "clip.mp4").write_bytes(MP4)
    return folder


def embedded(folder: Path, store: Path, emulator: Emulator, model: str = MODEL) -> tuple[Album, Client]:
    """Return the album of a folder and the client that made it."""
    store.mkdir(parents=True, exist_ok=True)
    client = Client(
        model,
        api_key=KEY,
        http_client=emulator.http_client(),
        http_async_client=emulator.http_async_client(),
        cache=SQLiteCache(store / "vectors.sqlite"),
        max_attempts=1,
    )
    return open_album(folder, client, store), client
