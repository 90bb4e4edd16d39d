"""Furniture and flags."""

from __future__ import annotations

from functools import partial
from math import sin

from pictures.sheet import STUDIO, Drawing, Fill, Outline, Point, Sheet, box, curve, oval, star, taper

_WOOD: Fill = ("#c99458", "#a06a34")
_DARK_WOOD: Fill = ("#9a6434", "#6b4220")

_RED: Fill = ("#e4483f", "#bd2430")
_BLUE: Fill = ("#4a8be0", "#245db4")
_GREEN: Fill = ("#6cb36a", "#3a8148")
_YELLOW: Fill = ("#fbd75a", "#e9ac22")


# Where the wind folds a flag: x, colour and strength of the light there.
_FOLDS = (
    (72, "#101838", 0.14),
    (112, "#ffffff", 0.35),
    (150, "#101838", 0.22),
    (186, "#ffffff", 0.3),
    (226, "#101838", 0.2),
)


def chair(sheet: Sheet, *, colour: Fill, x: float = 128, size: float = 1.0) -> None:
    """Draw an upholstered chair on wooden legs, its feet near the bottom of the sheet."""

    def at(points: Outline) -> Outline:
        return [(x + (px - 128) * size, 176 + (py - 176) * size) for px, py in points]

    sheet.backdrop(STUDIO)
    sheet.glow(at(oval(132, 172, 62, 9)), "#3a2a1c", strength=0.35, blur=5)
    for spine in ([(98, 112), (97, 136), (94, 158)], [(164, 112), (166, 136), (169, 158)]):
        sheet.fill(at(taper(spine, 8, 7, 5)), _DARK_WOOD)
    sheet.fill(at(curve(_shield(86, 22, 170, 112))), colour, volume=0.6)
    for lean in (-24, -8, 8, 24):
        seam = taper([(128 + lean * 0.8, 30), (128 + lean, 68), (128 + lean * 0.8, 104)], 0.4, 2.4, 0.4)
        sheet.glow(at(seam), "#1c0a14", strength=0.45, blur=0.8)
    for spine in ([(84, 124), (80, 150), (76, 174)], [(174, 124), (178, 150), (182, 174)]):
        sheet.fill(at(taper(spine, 10, 9, 6)), _WOOD, volume=0.4)
    seat = at(
        curve(
            [
                (80, 112),
                (92, 98),
                (128, 95),
                (166, 98),
                (178, 112),
                (182, 124),
                (170, 132),
                (88, 132),
                (74, 124),
            ]
        )
    )
    sheet.fill(seat, colour, volume=0.7)
    sheet.glow(at(oval(118, 106, 32, 5)), "#ffffff", strength=0.3, blur=4, within=seat)


def sofa(sheet: Sheet, *, colour: Fill) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(128, 164, 104, 8)
    for x in (44, 212):
        sheet.fill(box(x - 5, 148, x + 5, 166, radius=2), _DARK_WOOD)
    sheet.fill(box(40, 52, 216, 140, radius=20), colour, volume=0.5)
    for left in (46, 129):
        sheet.fill(box(left, 62, left + 81, 122, radius=12), colour, volume=0.5)
    for left in (46, 129):
        sheet.fill(box(left, 106, left + 81, 136, radius=9), colour, volume=0.6)
    sheet.fill(box(40, 132, 216, 154, radius=6), colour, volume=0.4)
    for left in (18, 200):
        sheet.fill(box(left, 82, left + 38, 156, radius=15), colour, volume=0.7)
    for x, turn, fill in ((72, -12, ("#fbe3b0", "#eec678")), (186, 12, ("#fff3e0", "#f0dcc0"))):
        sheet.fill(
            curve(
                [
                    (x - 20, 72 + turn / 4),
                    (x, 76),
                    (x + 20, 72 - turn / 4),
                    (x + 18, 92),
                    (x + 20, 110),
                    (x, 108),
                    (x - 20, 110),
                    (x - 18, 92),
                ]
            ),
            fill,
            volume=0.6,
        )


def table(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.glow([(36, 168), (220, 168), (206, 152), (60, 152)], "#3a2a1c", strength=0.35, blur=6)
    for x in (72, 184):
        sheet.fill(box(x - 5, 96, x + 5, 154), _DARK_WOOD)
    for x, foot in ((40, 38), (216, 218)):
        sheet.fill(taper([(x, 98), ((x + foot) / 2, 134), (foot, 172)], 14, 12, 8), _WOOD, volume=0.4)
    sheet.fill([(58, 68), (198, 68), (236, 98), (20, 98)], ("#d9a566", "#c48a4a"))
    for index in range(9):
        y = 71 + index * 3.1
        spread = (y - 68) / 30 * 38
        sheet.line(
            [(60 - spread + (index * 37) % 60, y), (150 + spread - (index * 23) % 70, y)], 0.7, "#a9713a"
        )
    sheet.fill(box(20, 97, 236, 110, radius=2), _WOOD, volume=0.3)
    sheet.glow(oval(128, 82, 26, 4), "#3a2008", strength=0.5, blur=3)
    sheet.fill(
        curve([(112, 44), (144, 44), (148, 64), (140, 80), (116, 80), (108, 64)]),
        ("#f4f8fb", "#b7c9d9"),
        volume=0.5,
    )
    for tip, fill in (((104, 22), "#f27d8b"), ((128, 12), "#fbc04a"), ((152, 24), "#e95f79")):
        sheet.line(curve([(128, 48), ((128 + tip[0]) / 2, 34), tip], closed=False), 2, "#5a9444")
        sheet.fill(curve(star(tip[0], tip[1], 10, 6, 6)), fill, volume=0.4)
        sheet.fill(oval(tip[0], tip[1], 3), "#fff0a8")


def lamp(sheet: Sheet) -> None:
    sheet.backdrop(("#6d6480", "#8b7d8e", "#a58f8c"))
    sheet.glow(oval(128, 96, 84, 80), "#ffe2a0", strength=0.75, blur=26)
    sheet.fill(box(0, 160, 256, 192), ("#8d5f3c", "#6e4629"))
    sheet.glow(oval(128, 166, 70, 7), "#ffd890", strength=0.6, blur=7, within=box(0, 160, 256, 192))
    sheet.glow(oval(130, 168, 32, 4), "#2a1408", strength=0.6, blur=3)
    sheet.fill(
        curve([(120, 92), (136, 92), (138, 104), (154, 128), (150, 158), (106, 158), (102, 128), (118, 104)]),
        ("#6fb3b8", "#2f7f8c"),
        volume=0.8,
    )
    sheet.fill(box(98, 156, 158, 166, radius=4), _DARK_WOOD, volume=0.4)
    sheet.fill(oval(128, 90, 12, 4), "#fff8dc")
    shade: Outline = [(100, 28), (156, 28), (184, 92), (72, 92)]
    sheet.fill(shade, ("#fff0c2", "#ffe19a", "#ffcf70"))
    sheet.glow(oval(128, 74, 28, 22), "#fffdf0", strength=0.9, blur=12, within=shade)
    for y, left, right in ((28, 100, 156), (91, 72, 184)):
        sheet.line([(left, y), (right, y)], 3, "#d99a44")


def bed(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(128, 168, 110, 7)
    sheet.fill(box(14, 42, 34, 166, radius=5), _DARK_WOOD, volume=0.5)
    sheet.fill(box(224, 86, 242, 166, radius=5), _DARK_WOOD, volume=0.5)
    sheet.fill(box(30, 132, 228, 150), _WOOD, volume=0.3)
    sheet.fill(box(32, 106, 228, 136, radius=8), ("#ffffff", "#e6e4ea"), volume=0.3)
    sheet.fill(
        curve([(38, 94), (60, 80), (88, 86), (94, 104), (66, 112), (40, 110)]),
        ("#ffffff", "#e4e6f0"),
        volume=0.5,
    )
    quilt = curve(
        [(92, 100), (120, 90), (176, 92), (226, 98), (231, 118), (228, 146), (160, 142), (96, 146), (86, 122)]
    )
    sheet.fill(quilt, ("#9fc0ea", "#6d97d0"), volume=0.5)
    for x in range(112, 226, 26):
        sheet.line(curve([(x, 95), (x + 4, 120), (x, 142)], closed=False), 1.4, "#5f88c2")
    sheet.fill(
        curve([(88, 102), (104, 93), (114, 94), (108, 120), (108, 144), (92, 146), (84, 122)]),
        "#f7f3ea",
        volume=0.4,
    )


def flag(sheet: Sheet, *, pieces: list[tuple[Outline, str]]) -> None:
    """Draw a flag in the wind. Pieces are outlines on a cloth that is 3 wide and 2 high."""
    sheet.backdrop(("#a8cdec", "#cfe4f5", "#eef6fb"))
    sheet.fill(box(36, 14, 43, 192), ("#dfe3e8", "#9aa4b0"), volume=0.5)
    sheet.fill(oval(39.5, 13, 6), ("#ffe28a", "#d9a52c"), volume=0.6)
    cloth = _waving(box(0, 0, 3, 2))
    sheet.glow([(x + 5, y + 7) for x, y in cloth], "#34506b", strength=0.25, blur=5)
    for outline, colour in pieces:
        sheet.fill(_waving(outline), colour)
    for x, shade, strength in _FOLDS:
        sheet.glow(box(x - 9, 0, x + 9, 192), shade, strength=strength, blur=9, within=cloth)


def _waving(outline: Outline) -> Outline:
    """Lay an outline on the cloth, cutting each side in steps so that it can bend."""
    edge: list[Point] = []
    for (ax, ay), (bx, by) in zip(outline, [*outline[1:], outline[0]], strict=True):
        edge += [(ax + (bx - ax) * step / 40, ay + (by - ay) * step / 40) for step in range(40)]
    return [(43 + x * 64, 32 + y * 58 + 6 * sin(x * 3.2) * min(1, x)) for x, y in edge]


def _shield(left: float, top: float, right: float, bottom: float) -> Outline:
    middle = (left + right) / 2
    return [
        (left + 8, top + 10),
        (middle, top),
        (right - 8, top + 10),
        (right, (top + bottom) / 2 - 6),
        (right - 12, bottom),
        (middle, bottom + 2),
        (left + 12, bottom),
        (left, (top + bottom) / 2 - 6),
    ]


def _upright(*colours: str) -> list[tuple[Outline, str]]:
    return [(box(index, 0, index + 1, 2), colour) for index, colour in enumerate(colours)]


def _level(*colours: str) -> list[tuple[Outline, str]]:
    high = 2 / len(colours)
    return [(box(0, index * high, 3, (index + 1) * high), colour) for index, colour in enumerate(colours)]


def _cross(ground: str, colour: str, *, x: float, half: float) -> list[tuple[Outline, str]]:
    return [
        (box(0, 0, 3, 2), ground),
        (box(x - half, 0, x + half, 2), colour),
        (box(0, 1 - half, 3, 1 + half), colour),
    ]


PICTURES: dict[str, Drawing] = {
    "red_chair": partial(chair, colour=_RED),
    "blue_chair": partial(chair, colour=_BLUE),
    "yellow_chair": partial(chair, colour=_YELLOW),
    "green_sofa": partial(sofa, colour=_GREEN),
    "wooden_table": table,
    "table_lamp": lamp,
    "bed": bed,
    "flag_of_france": partial(flag, pieces=_upright("#1f3f94", "#ffffff", "#e03a3e")),
    "flag_of_italy": partial(flag, pieces=_upright("#1f9150", "#ffffff", "#d23a40")),
    "flag_of_germany": partial(flag, pieces=_level("#1c1c1e", "#dc2a2a", "#fccf2e")),
    "flag_of_sweden": partial(flag, pieces=_cross("#1f66a8", "#fdcc29", x=1.1, half=0.2)),
    "flag_of_denmark": partial(flag, pieces=_cross("#cf2338", "#ffffff", x=1.1, half=0.15)),
    "flag_of_japan": partial(
        flag, pieces=[(box(0, 0, 3, 2), "#fdfdfd"), (oval(1.5, 1, 0.54, 0.6), "#c8203c")]
    ),
}
