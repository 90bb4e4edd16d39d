"""Sky, sea and land."""

from __future__ import annotations

from math import pi, sin
from random import Random

from pictures.sheet import HEIGHT, WIDTH, Drawing, Fill, Outline, Sheet, box, curve, oval, taper

_DAY: Fill = ("#4f9fe0", "#8cc4f0", "#d3ebfa")


def seascape(sheet: Sheet) -> None:
    sheet.backdrop(("#3f94dd", "#6fb4ec", "#b9def7", "#cfe9fa", "#cfe9fa"))
    for x, y, size in ((58, 40, 1.0), (190, 28, 0.75), (150, 66, 0.45)):
        _cloud(sheet, x, y, size)
    sheet.fill(box(0, 92, WIDTH, HEIGHT), ("#2f86c9", "#1d6bb3", "#114f92", "#0b3a76"))
    sheet.glow(box(0, 90, WIDTH, 94), "#e8f7ff", strength=0.5, blur=2)
    pen = Random(7)
    for row in range(15):
        level, reach = 97 + row * row * 0.45, 5 + row * 1.7
        for _ in range(7):
            left = pen.uniform(-10, WIDTH)
            crest = [(left, level), (left + reach, level - 0.6 - row * 0.13), (left + 2 * reach, level)]
            sheet.fill(taper(crest, 0, 0.7 + row * 0.16, 0), pen.choice(("#6db6e6", "#a8d9f5", "#4b9bd6")))
    for x, y, size in ((94, 74, 1.0), (118, 66, 0.7), (206, 80, 0.6)):
        _gull(sheet, x, y, size)


def sunset(sheet: Sheet) -> None:
    sheet.backdrop(("#3d2a6b", "#8a3f86", "#e0607a", "#ff9a56", "#ffd27a", "#ffd27a", "#ffd27a"))
    sheet.glow(oval(128, 104, 62), "#fff0b0", strength=0.75, blur=22)
    sheet.fill(oval(128, 100, 26), ("#fff6cf", "#ffe08a", "#ffb757"))
    for x, y, reach in ((50, 62, 46), (206, 48, 52), (176, 78, 34), (82, 34, 30)):
        sheet.fill(taper([(x - reach, y), (x, y - 3), (x + reach, y)], 0, 8, 0), ("#ffb27a", "#c25a86"))
    sheet.fill(box(0, 108, WIDTH, HEIGHT), ("#f08a5a", "#b3507c", "#5b3277", "#2b1d55"))
    pen = Random(3)
    for row in range(16):
        level, middle, half = 110 + row * 5.2, 128 + pen.uniform(-7, 7), 26 - row * 0.7
        glint = [(middle - half, level), (middle, level), (middle + half, level)]
        sheet.fill(taper(glint, 0, 3, 0), "#ffd98f")
    sheet.fill(
        curve([(-20, 108), (10, 92), (38, 98), (66, 108), (60, 112), (-20, 112)]), ("#5c2c60", "#3a1d4c")
    )


def moon_night(sheet: Sheet) -> None:
    sheet.backdrop(("#070b26", "#101a44", "#1f2f68", "#39498a"))
    pen = Random(11)
    for _ in range(90):
        x, y, size = pen.uniform(0, WIDTH), pen.uniform(0, 140), pen.choice((0.5, 0.7, 0.9, 1.3))
        sheet.fill(oval(x, y, size), pen.choice(("#ffffff", "#dfe8ff", "#fff3cf")))
    sheet.glow(oval(176, 60, 48), "#b9c6ff", strength=0.5, blur=18)
    disc = oval(176, 60, 34)
    sheet.fill(disc, ("#fffbe6", "#f6ecc6", "#e3d5a6"), volume=0.4)
    for x, y, size in ((164, 50, 7), (188, 66, 9), (172, 78, 5), (190, 44, 4), (158, 68, 3.5)):
        sheet.glow(oval(x, y, size), "#b7a878", strength=0.6, blur=1.2, within=disc)
    sheet.fill(
        curve([(-20, 160), (50, 132), (110, 158), (180, 140), (280, 164), (280, 220), (-20, 220)]), "#17204a"
    )
    sheet.fill(
        curve([(-20, 184), (60, 166), (140, 180), (220, 162), (280, 178), (280, 230), (-20, 230)]), "#0a1030"
    )


def mountain(sheet: Sheet) -> None:
    sheet.backdrop(_DAY)
    _cloud(sheet, 52, 36, 0.7)
    sheet.fill([(-10, 150), (44, 84), (84, 118), (120, 92), (260, 150)], ("#9db6d4", "#b9cbe0"))
    for x, top, reach in ((92, 62, 92), (164, 26, 116)):
        sheet.fill([(x - reach, 160), (x, top), (x + reach, 160)], ("#7c8fab", "#5f7391"))
        sheet.fill(
            [(x, top), (x + reach, 160), (x + reach * 0.2, 160), (x - 6, 110), (x + 5, 84)],
            ("#56688a", "#465a7c"),
        )
        snow, edge = (160 - top) * 0.36, reach * 0.36
        zigzag = [
            (x - edge, top + snow),
            (x - edge * 0.45, top + snow * 0.78),
            (x - edge * 0.2, top + snow * 1.12),
        ]
        zigzag += [
            (x + edge * 0.15, top + snow * 0.8),
            (x + edge * 0.5, top + snow * 1.1),
            (x + edge, top + snow),
        ]
        sheet.fill([(x, top), *zigzag], "#ffffff")
        sheet.fill([(x, top), (x + 3, top + snow * 0.55), zigzag[3], zigzag[4], zigzag[5]], "#d4e0f2")
    sheet.fill(
        curve([(-20, 152), (60, 138), (150, 156), (280, 136), (280, 230), (-20, 230)]), ("#6fae52", "#3f7f3a")
    )
    for index in range(11):
        _pine(
            sheet, 12 + index * 24 + (index % 3) * 4, 176 - (index % 4) * 5, 22 + (index % 3) * 5, "#2c6140"
        )


def forest(sheet: Sheet) -> None:
    sheet.backdrop(("#d9ecd2", "#eef5dc", "#c4dfb4", "#9cc68a"))
    sheet.glow(oval(196, 34, 44), "#fffbd8", strength=0.9, blur=18)
    pen = Random(5)
    for base, height, step, green in (
        (118, 60, 15, "#a5cba2"),
        (142, 82, 20, "#6fa877"),
        (168, 104, 27, "#3d8053"),
        (210, 124, 38, "#1d5a3a"),
    ):
        sheet.fill(box(0, base - 6, WIDTH, HEIGHT), green)
        for index in range(-1, WIDTH // step + 2):
            _pine(sheet, index * step + pen.uniform(-5, 5), base, height * pen.uniform(0.75, 1.1), green)


def desert(sheet: Sheet) -> None:
    sheet.backdrop(("#58b0e6", "#a6d8f0", "#fbeccb", "#fbeccb"))
    sheet.glow(oval(58, 40, 26), "#fff3c0", strength=0.9, blur=12)
    sheet.fill(oval(58, 40, 15), "#fffbe0")
    sheet.fill(
        curve([(-20, 112), (50, 96), (120, 110), (200, 90), (280, 106), (280, 230), (-20, 230)]), "#eec27c"
    )
    sheet.fill(
        curve([(-20, 120), (70, 132), (150, 104), (280, 136), (280, 230), (-20, 230)]), ("#e9ae5c", "#d98f3e")
    )
    shade: Outline = curve(
        [(150, 104), (176, 118), (168, 134), (196, 156), (280, 168), (280, 136), (210, 112)]
    )
    sheet.fill(shade, ("#c9823c", "#b86f30"))
    sheet.fill(
        curve([(-20, 160), (60, 150), (130, 172), (280, 156), (280, 230), (-20, 230)]), ("#f0bd6c", "#dd9a48")
    )
    sheet.shadow(90, 171, 30, 3)
    green: Fill = ("#5d9d57", "#2f7040")
    sheet.line(curve([(66, 104), (66, 128), (80, 136)], closed=False), 10, green, volume=0.5)
    sheet.line(curve([(106, 92), (106, 116), (90, 124)], closed=False), 10, green, volume=0.5)
    sheet.line([(86, 78), (86, 168)], 16, green, volume=0.6)


def snowy_field(sheet: Sheet) -> None:
    sheet.backdrop(("#a9c3dc", "#cddeec", "#eef4f9", "#eef4f9"))
    sheet.glow(oval(196, 44, 20), "#fff6dc", strength=0.9, blur=10)
    sheet.fill(
        curve([(-20, 104), (70, 88), (150, 102), (280, 86), (280, 230), (-20, 230)]), ("#dbe7f3", "#f4f8fc")
    )
    for x, base, height in ((30, 116, 52), (58, 124, 66), (214, 112, 46), (236, 122, 62)):
        _pine(sheet, x, base, height, "#54796f")
        _pine(sheet, x - 1.5, base - height * 0.16, height * 0.84, "#f5fafd", cover=0.62)
    sheet.fill(
        curve([(-20, 124), (80, 118), (170, 132), (280, 120), (280, 230), (-20, 230)]), ("#ffffff", "#e3edf7")
    )
    for x in range(84, 220, 22):
        y = 140 + sin(x / 50) * 3
        sheet.line([(x, y - 22), (x, y)], 4, "#8a7263")
        sheet.line([(x, y - 22), (x, y - 20)], 4.4, "#ffffff")
    for drop in (17, 9):
        sheet.line([(x, 140 + sin(x / 50) * 3 - drop) for x in range(78, 224, 6)], 2.4, "#9b8373")
    pen = Random(2)
    for _ in range(70):
        sheet.fill(oval(pen.uniform(0, WIDTH), pen.uniform(0, HEIGHT), pen.uniform(0.7, 1.8)), "#ffffff")


def rainbow(sheet: Sheet) -> None:
    sheet.backdrop(_DAY)
    bands = ("#e8434b", "#f58a35", "#fbd84a", "#57b85a", "#3f8ddb", "#5057b5", "#8b4fb0")
    for index, colour in enumerate(bands):
        arch = [(128 - (112 - index * 7) * c, 152 - (112 - index * 7) * s) for c, s in _half_circle()]
        sheet.line(arch, 7.6, colour)
    _cloud(sheet, 34, 126, 1.0)
    _cloud(sheet, 222, 126, 1.0)
    sheet.fill(
        curve([(-20, 150), (60, 138), (140, 152), (280, 136), (280, 230), (-20, 230)]), ("#8fcf5c", "#4f9a40")
    )
    pen = Random(4)
    for _ in range(60):
        sheet.fill(
            oval(pen.uniform(0, WIDTH), pen.uniform(156, 190), 1.5),
            pen.choice(("#ffffff", "#ffe14f", "#ff8fb3")),
        )


def city_night(sheet: Sheet) -> None:
    sheet.backdrop(("#141233", "#2f2358", "#6b3f7c", "#c9687f"))
    pen = Random(9)
    for base, wall in ((56, "#41346b"), (84, "#221d45")):
        x = -6.0
        while x < WIDTH:
            wide, top = pen.uniform(20, 36), base + pen.uniform(-24, 44)
            sheet.fill(box(x, top, x + wide - 1, HEIGHT), wall)
            for column in range(int(wide - 6) // 6):
                for row in range(int(180 - top) // 9):
                    if pen.random() < 0.5:
                        left, upper = x + 4 + column * 6, top + 6 + row * 9
                        lit = pen.choice(("#ffd97a", "#ffeab0", "#f7b25a"))
                        sheet.fill(box(left, upper, left + 3, upper + 4.5), lit)
            x += wide
    sheet.fill(box(0, 180, WIDTH, HEIGHT), "#120f2b")


def _half_circle() -> Outline:
    return [(sin(pi / 2 - pi * step / 60), sin(pi * step / 60)) for step in range(61)]


def _cloud(sheet: Sheet, x: float, y: float, size: float) -> None:
    for dx, dy, reach in ((-24, 4, 13), (-8, -5, 17), (12, -3, 15), (27, 5, 11), (0, 7, 18)):
        sheet.fill(
            oval(x + dx * size, y + dy * size, reach * size, reach * size * 0.82), ("#ffffff", "#eef5fb")
        )


def _gull(sheet: Sheet, x: float, y: float, size: float) -> None:
    for side in (-1, 1):
        wing = [(x, y), (x + side * 7 * size, y - 6 * size), (x + side * 15 * size, y - 2 * size)]
        sheet.fill(taper(wing, 2.4 * size, 2.6 * size, 0.2), "#ffffff")


def _pine(sheet: Sheet, x: float, base: float, height: float, green: str, *, cover: float = 1.0) -> None:
    sheet.fill(box(x - 1.5, base - height * 0.2, x + 1.5, base), "#5a4636" if cover == 1.0 else green)
    for layer in range(3):
        top, reach = base - height + layer * height * 0.24, height * (0.16 + layer * 0.07) * cover
        sheet.fill(
            [(x, top), (x + reach, top + height * 0.36 * cover), (x - reach, top + height * 0.36 * cover)],
            green,
        )


PICTURES: dict[str, Drawing] = {
    "blue_seascape": seascape,
    "sunset_over_sea": sunset,
    "night_sky_with_moon": moon_night,
    "snowy_mountain": mountain,
    "green_forest": forest,
    "desert": desert,
    "snowy_field": snowy_field,
    "rainbow_over_meadow": rainbow,
    "city_at_night": city_night,
}
