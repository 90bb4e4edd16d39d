"""Pictures that are painted on the spot: sheets of one colour, and a folder of shapes in four colours."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

COLOURS = {"red": "#d83a34", "blue": "#2d5fd0", "green": "#2f9e44", "yellow": "#f2c62e"}
# A video is nothing but its first box.
MP4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".ljust(3000, b"\7")


def painted(
    colour: Any = "red", size: tuple[int, int] = (32, 32), kind: str = "PNG", **options: Any
) -> bytes:
    """Return a picture of one colour, saved with these options."""
    return _saved(Image.new("RGB", size, colour), kind, **options)


def shaped(colour: str, shape: str, side: int = 96) -> bytes:
    """Return a PNG of a coloured square or circle on white."""
    sheet = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(sheet)
    corners = (side * 0.2, side * 0.2, side * 0.8, side * 0.8)
    (pen.rectangle if shape == "square" else pen.ellipse)(corners, fill=COLOURS[colour])
    return _saved(sheet, "PNG")


def data_uri(data: bytes, mime: str = "image/png") -> str:
    """Return a URL that holds the bytes."""
    return f"data:{mime};base64,{b64encode(data).decode()}"


def hang(path: Path, colour: str, shape: str) -> Path:
    """Put such a square or circle into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(shaped(colour, shape))
    return path


def fill(folder: Path) -> Path:
    """Put eight pictures into a folder, half of them below it, and a video."""
    for colour in COLOURS:
        hang(folder / f"{colour}_square.png", colour, "square")
        hang(folder / "圆形" / f"{colour}_circle.png", colour, "circle")
    (folder / "clip.mp4").write_bytes(MP4)
    return folder


def _saved(sheet: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    sheet.save(buffer, kind, **options)
    return buffer.getvalue()
