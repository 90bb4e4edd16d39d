"""A folder of pictures that differ by colour and shape, and of which nothing else is known."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": "#d83a34", "blue": "#2d5fd0", "green": "#2f9e44", "yellow": "#f2c62e"}


def draw(path: Path, colour: str, shape: str) -> Path:
    """Draw a coloured square or circle on white."""
    sheet = Image.new("RGB", (96, 96), "white")
    pen = ImageDraw.Draw(sheet)
    (pen.rectangle if shape == "square" else pen.ellipse)((18, 18, 78, 78), fill=COLOURS[colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path


def mp4() -> bytes:
    """Return the first box of an MP4."""
    return b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".ljust(64, b"\0")


def fill(folder: Path) -> Path:
    """Put eight pictures into a folder, half of them below it, and a video."""
    for colour in COLOURS:
        draw(folder / f"{colour}_square.png", colour, "square")
        draw(folder / "圆形" / f"{colour}_circle.png", colour, "circle")
    (folder / "clip.mp4").write_bytes(mp4())
    return folder
