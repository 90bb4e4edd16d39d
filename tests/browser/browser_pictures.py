"""A folder for the browser: squares and circles of four colours, and a video that no browser can show."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": "#d83a34", "blue": "#2d5fd0", "green": "#2f9e44", "yellow": "#f2c62e"}


def draw(path: Path, colour: str, shape: str) -> Path:
    """Draw a coloured square or circle on white."""
    sheet = Image.new("RGB", (120, 90), "white")
    pen = ImageDraw.Draw(sheet)
    (pen.rectangle if shape == "square" else pen.ellipse)((30, 15, 90, 75), fill=COLOURS[colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path


def fill(folder: Path) -> Path:
    """Put eight pictures and a video into a folder."""
    for colour in COLOURS:
        draw(folder / f"{colour}_square.png", colour, "square")
        draw(folder / "round" / f"{colour}_circle.png", colour, "circle")
    (folder / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".ljust(64, b"\0"))
    return folder
