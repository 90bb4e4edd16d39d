"""Fruit, on a studio table."""

from __future__ import annotations

from functools import partial
from math import cos, pi, sin

from pictures.sheet import STUDIO, Drawing, Fill, Outline, Sheet, curve, mirrored, oval, star, taper

_LEAF: Fill = ("#7fb648", "#3f7d2c")
_STEM: Fill = ("#8a6238", "#4e3218")


def banana(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(124, 156, 74, 7)
    for lift, fill in ((-20, ("#f3cd3c", "#d9a51c")), (0, ("#ffe363", "#f4bf1f"))):
        spine = [(52.0, 84 + lift), (84, 124 + lift), (132, 138 + lift), (178, 114 + lift * 0.6), (199, 70.0)]
        sheet.fill(taper(spine, 8, 32, 40, 32, 9), fill, volume=0.7)
        ridge = [(x, y - 3) for x, y in spine[:-1]] + [(197.0, 74.0)]
        sheet.fill(taper(ridge, 0, 4, 5, 4, 0), "#fff0a0" if lift == 0 else "#fbe07a")
        sheet.fill(oval(52, 83 + lift, 5, 4, turn=45), "#5a4020")
    sheet.fill(taper([(198, 76), (202, 62), (204, 48)], 12, 9, 11), ("#6b5424", "#c6a02c"), volume=0.4)


def apple(sheet: Sheet, *, skin: Fill, blush: str) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(130, 162, 54, 7)
    body = curve(mirrored([(128, 62), (152, 51), (184, 66), (189, 104), (170, 148), (146, 162), (128, 157)]))
    sheet.fill(body, skin, volume=0.9)
    sheet.glow(oval(160, 104, 22, 38), blush, strength=0.5, blur=14, within=body)
    sheet.glow(oval(128, 60, 20, 6), "#2a1408", strength=0.5, blur=5, within=body)
    sheet.glow(oval(94, 84, 9, 17, turn=22), "#ffffff", strength=0.75, blur=4, within=body)
    sheet.fill(taper([(128, 64), (129, 46), (136, 30)], 5, 5, 8), _STEM)
    _leaf(sheet, (132, 48), (182, 30))


def pear(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(130, 168, 48, 6)
    body = curve(mirrored([(128, 38), (146, 50), (152, 80), (174, 112), (172, 148), (150, 168), (128, 169)]))
    sheet.fill(body, ("#d8dd62", "#c3cf4a", "#9fb535"), volume=0.85)
    sheet.glow(oval(158, 134, 16, 24), "#d98a3a", strength=0.45, blur=12, within=body)
    sheet.glow(oval(104, 116, 8, 18, turn=18), "#ffffff", strength=0.7, blur=4, within=body)
    sheet.fill(taper([(128, 41), (130, 28), (138, 16)], 5, 4, 7), _STEM)
    _leaf(sheet, (133, 28), (178, 26))


def orange(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(106, 158, 56, 7)
    sheet.shadow(190, 160, 38, 5)
    body = oval(102, 100, 59)
    sheet.fill(body, ("#ffae3b", "#fb8c14", "#ee7504"), volume=0.9)
    for step in range(150):
        reach, angle = 56 * (step / 150) ** 0.5, step * 2.39996
        sheet.fill(oval(102 + reach * cos(angle), 100 + reach * sin(angle), 0.8), "#d96a06")
    sheet.glow(oval(80, 72, 15, 11, turn=-40), "#ffffff", strength=0.65, blur=6, within=body)
    sheet.fill(star(104, 46, 7, 3, 5), "#4f7a2c")
    _leaf(sheet, (104, 46), (152, 26))
    _slice(sheet, 190, 126, 36, rind="#f58a12", flesh=("#ffc04d", "#ff9d1c"))


def lemon(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(104, 148, 66, 7)
    sheet.shadow(200, 160, 32, 5)
    upper = ((26, 112), (38, 102), (62, 70), (102, 57), (144, 68), (168, 94), (178, 99))
    lower = ((178, 108), (168, 115), (144, 140), (104, 150), (64, 141), (38, 122))
    body = curve([*upper, *lower])
    sheet.fill(body, ("#fff06a", "#fbdc2e", "#eac010"), volume=0.85)
    sheet.glow(oval(80, 84, 22, 8, turn=-22), "#ffffff", strength=0.8, blur=5, within=body)
    _leaf(sheet, (172, 100), (206, 62))
    _slice(sheet, 200, 130, 32, rind="#f3cf1d", flesh=("#fff3a0", "#fbe45c"))


def grapes(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(130, 174, 36, 5)
    sheet.line(curve([(128, 54), (130, 36), (122, 18)], closed=False), 5, _STEM)
    leaf = [
        (130, 48),
        (142, 30),
        (138, 14),
        (158, 20),
        (176, 8),
        (186, 24),
        (206, 30),
        (192, 44),
        (190, 62),
        (166, 56),
    ]
    sheet.fill(curve([*leaf, (148, 62)]), _LEAF, volume=0.4)
    for tip in ((142, 20), (176, 16), (198, 32), (186, 56)):
        sheet.line(
            curve([(132, 46), ((132 + tip[0]) / 2, (42 + tip[1]) / 2), tip], closed=False), 1.2, "#356a26"
        )
    for row, count in enumerate((5, 6, 5, 4, 3, 2)):
        for column in range(count):
            x, y = 128 + (column - (count - 1) / 2) * 23 + (row % 3 - 1), 62 + row * 20
            ball = oval(x, y, 14)
            sheet.fill(ball, ("#9c62c4", "#6b3599", "#4a2076"), volume=0.8)
            sheet.glow(oval(x - 5, y - 5, 3), "#ffffff", strength=0.9, blur=1.2, within=ball)


def strawberry(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(130, 170, 34, 5)
    body = curve(mirrored([(128, 60), (158, 52), (184, 70), (180, 104), (158, 146), (128, 172)]))
    sheet.fill(body, ("#f4354a", "#e01e38", "#bb1230"), volume=0.85)
    for row, count in enumerate((5, 6, 5, 4, 3, 2)):
        for column in range(count):
            x, y = 128 + (column - (count - 1) / 2) * 18, 76 + row * 16
            sheet.fill(oval(x, y + 1, 3.2, 4.2), "#a30d28")
            sheet.fill(oval(x, y, 2.1, 3.2), "#ffdf72")
    sheet.glow(oval(96, 84, 8, 15, turn=20), "#ffffff", strength=0.55, blur=5, within=body)
    for tip in ((74, 70), (100, 84), (128, 88), (156, 84), (182, 70)):
        sheet.fill(taper([(128, 52), ((128 + tip[0]) / 2, 54), tip], 6, 19, 1), _LEAF, volume=0.3)
    sheet.fill(taper([(128, 56), (130, 40), (140, 28)], 7, 5, 6), ("#8cbf52", "#4d8a30"))


def watermelon(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    sheet.shadow(130, 162, 78, 7)
    for reach, fill in (
        (100, ("#3f9a44", "#1f6a30")),
        (92, ("#d9efb0", "#d9efb0")),
        (86, ("#ff6a70", "#ee3f4f", "#e02f45")),
    ):
        sheet.fill(_half(128, 60, reach), fill)
    body = _half(128, 60, 100)
    sheet.glow(oval(176, 148, 70, 26, turn=-30), "#14051c", strength=0.25, blur=16, within=body)
    for reach, angles in ((66, (28, 52, 76, 104, 128, 152)), (42, (35, 68, 112, 145)), (20, (58, 122))):
        for angle in angles:
            x, y = 128 + reach * cos(angle * pi / 180), 63 + reach * sin(angle * pi / 180)
            sheet.fill(oval(x, y, 4.4, 2.6, turn=angle), "#2b1512", volume=0.4)
    sheet.line([(44, 61), (212, 61)], 2, "#ff9a9a")


def cherries(sheet: Sheet) -> None:
    sheet.backdrop(STUDIO)
    for x, y, bend in ((88, 130, 100), (164, 136, 160)):
        sheet.shadow(x + 4, y + 33, 30, 5)
        sheet.line(curve([(x, y - 22), (bend, 66), (140, 24)], closed=False), 4, ("#86a13c", "#5c7426"))
        ball = curve(mirrored([(x, y - 24), (x + 22, y - 30), (x + 36, y), (x + 18, y + 32), (x, y + 33)]))
        sheet.fill(ball, ("#dc2440", "#b3102f", "#860822"), volume=0.85)
        sheet.glow(oval(x - 15, y - 10, 5, 9, turn=20), "#ffffff", strength=0.85, blur=2.5, within=ball)
    _leaf(sheet, (140, 26), (204, 48))


def _leaf(sheet: Sheet, foot: tuple[float, float], tip: tuple[float, float]) -> None:
    middle = ((foot[0] + tip[0]) / 2, (foot[1] + tip[1]) / 2 - 6)
    sheet.fill(taper([foot, middle, tip], 2, 21, 0.5), _LEAF, volume=0.4)
    sheet.line(curve([foot, middle, tip], closed=False), 1.2, "#356a26")


def _slice(sheet: Sheet, x: float, y: float, reach: float, *, rind: str, flesh: Fill) -> None:
    sheet.fill(oval(x, y, reach), rind, volume=0.25)
    sheet.fill(oval(x, y, reach * 0.89), "#fff8e4")
    for step in range(8):
        angle = (step + 0.5) * pi / 4
        tip = (x + reach * 0.82 * cos(angle), y + reach * 0.82 * sin(angle))
        root = (x + reach * 0.1 * cos(angle), y + reach * 0.1 * sin(angle))
        middle = ((root[0] + tip[0] * 1.6) / 2.6, (root[1] + tip[1] * 1.6) / 2.6)
        sheet.fill(taper([root, middle, tip], 1, reach * 0.42, reach * 0.42), flesh)


def _half(x: float, y: float, reach: float) -> Outline:
    return [(x + reach * cos(pi * step / 90), y + reach * sin(pi * step / 90)) for step in range(91)]


PICTURES: dict[str, Drawing] = {
    "banana": banana,
    "red_apple": partial(apple, skin=("#e8433c", "#cf2230", "#a81426"), blush="#f6b04a"),
    "green_apple": partial(apple, skin=("#b4d94c", "#8fc43a", "#649c28"), blush="#e6ea7c"),
    "pear": pear,
    "orange": orange,
    "lemon": lemon,
    "grapes": grapes,
    "strawberry": strawberry,
    "watermelon": watermelon,
    "cherries": cherries,
}
