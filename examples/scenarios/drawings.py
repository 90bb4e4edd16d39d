"""Pictures for the examples, drawn when they are asked for."""

from __future__ import annotations

import sys
from pathlib import Path

from volc_dashscope import Image

__all__ = [
    "PICTURES",
    "chair",
    "drawn",
    "empty_battery",
    "full_storage",
    "no_network",
    "picture",
    "signed_in",
]

sys.path.append(str(Path(__file__).resolve().parents[1]))

from draw_pictures import PICTURES  # one folder up
from pictures.home import chair
from pictures.sheet import STUDIO, Drawing, Sheet, box, curve, draw, oval

_RED, _GREY, _GREEN = "#d8372f", "#7b828c", "#2f9e55"


def picture(name: str) -> Image:
    """Return one of the pictures that `examples/draw_pictures.py` draws."""
    return drawn(PICTURES[name])


def drawn(drawing: Drawing) -> Image:
    """Return a drawing as an image in memory."""
    return Image.from_pil(draw(drawing))


def no_network(sheet: Sheet) -> None:
    """A telephone that finds no network: three arcs, crossed out."""
    _telephone(sheet)
    for reach in (14, 26, 38):
        arc = [(128 - reach, 96), (128 - reach * 0.6, 96 - reach * 0.7), (128, 96 - reach)]
        arc += [(128 + reach * 0.6, 96 - reach * 0.7), (128 + reach, 96)]
        sheet.line(curve(arc, closed=False), 6, _GREY)
    sheet.line([(96, 50), (160, 120)], 7, _RED)


def empty_battery(sheet: Sheet) -> None:
    """A telephone whose battery is nearly empty."""
    _telephone(sheet)
    sheet.fill(box(96, 70, 154, 108, radius=5), _GREY)
    sheet.fill(box(101, 75, 149, 103, radius=3), "#ffffff")
    sheet.fill(box(154, 82, 160, 96, radius=2), _GREY)
    sheet.fill(box(103, 77, 112, 101), _RED)


def full_storage(sheet: Sheet) -> None:
    """A telephone with no room left: a bar filled to its end."""
    _telephone(sheet)
    for top, colour in ((62, "#4a86e8"), (84, "#f2b632"), (106, "#a765d6")):
        sheet.fill(box(94, top, 162, top + 14, radius=4), colour)


def signed_in(sheet: Sheet) -> None:
    """A telephone that shows a face and a tick."""
    _telephone(sheet)
    sheet.fill(oval(128, 76, 14), _GREY)
    sheet.fill(oval(128, 112, 26, 18), _GREY)
    sheet.line([(140, 118), (148, 126), (164, 102)], 6, _GREEN)


def _telephone(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.fill(box(80, 12, 176, 180, radius=14), "#23262d")
    sheet.fill(box(86, 26, 170, 166, radius=4), "#ffffff")
