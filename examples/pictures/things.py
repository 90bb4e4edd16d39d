"""Shapes, and things met out of doors."""

from __future__ import annotations

from functools import partial
from math import cos, pi, sin
from random import Random

from pictures.sheet import STUDIO, Drawing, Fill, Outline, Sheet, box, curve, mirrored, oval, star, taper

_DAY: Fill = ("#7dbdf0", "#b6dcf7", "#e6f4fc")
_GRASS: Fill = ("#8fca62", "#5aa24a")


def shape(sheet: Sheet, *, outline: Outline, colour: Fill) -> None:
    sheet.backdrop(STUDIO)
    sheet.glow([(x + 4, y + 7) for x, y in outline], "#3a2a1c", strength=0.3, blur=5)
    sheet.fill(outline, colour, volume=0.3)


def car(sheet: Sheet) -> None:
    sheet.backdrop(_DAY)
    sheet.fill(curve([(-20, 118), (60, 100), (150, 116), (280, 98), (280, 220), (-20, 220)]), _GRASS)
    sheet.fill(box(0, 142, 256, 192), ("#7c818c", "#5b606b"))
    for x in range(-10, 256, 52):
        sheet.fill(box(x, 174, x + 28, 178), "#f3f0e4")
    sheet.glow(oval(130, 158, 104, 6), "#101014", strength=0.6, blur=4)
    roof = ((24, 120), (34, 104), (72, 98), (98, 68), (124, 60), (166, 62), (196, 94), (226, 102), (236, 120))
    body = curve([*roof, (234, 146), (200, 150), (128, 150), (56, 150), (26, 146)])
    sheet.fill(body, ("#f2544c", "#dc2b33", "#a9182a"), volume=0.6)
    for window in ([(86, 96), (106, 74), (130, 70), (130, 96)], [(137, 96), (137, 70), (160, 72), (182, 96)]):
        sheet.fill(window, ("#e8f6ff", "#9cc6e2"))
    for line in ([(133, 68), (133, 142)], [(40, 122), (222, 122)]):
        sheet.line(line, 1, "#8f1424")
    sheet.line([(142, 112), (154, 112)], 3, "#ffe6e0")
    sheet.fill(oval(229, 116, 6, 8), "#fff3b0", volume=0.3)
    sheet.fill(oval(29, 118, 4, 7), "#ffb199", volume=0.3)
    for x in (72, 190):
        sheet.fill(oval(x, 146, 23), "#5a0d1a")
        sheet.fill(oval(x, 148, 20), "#26262c", volume=0.3)
        sheet.fill(oval(x, 148, 11), ("#f0f3f6", "#a3abb6"), volume=0.4)
        sheet.fill(oval(x, 148, 3), "#60666f")


def boat(
    sheet: Sheet,
    *,
    hull: Fill = ("#b5693a", "#7c3f20"),
    sail: Fill = ("#ffffff", "#e4e9f0"),
    flag: str = "#e0373f",
    x: float = 128,
    size: float = 1.0,
) -> None:
    """Draw a sailing boat on a calm sea."""

    def at(points: Outline) -> Outline:
        return [(x + (px - 128) * size, 150 + (py - 150) * size) for px, py in points]

    sheet.backdrop(_DAY)
    sheet.glow(oval(214, 34, 14), "#fff6cc", strength=1.0, blur=7)
    sheet.fill(box(0, 116, 256, 192), ("#5fb0e0", "#3788c6", "#1f66a6"))
    sheet.line(at([(128, 20), (128, 142)]), 4 * size, "#7a5232")
    sheet.fill(at([(131, 22), (148, 26), (131, 33)]), flag)
    sheet.fill(
        at(curve([(123, 34), (116, 62), (94, 96), (66, 126), (98, 129), (123, 128), (123, 80)])),
        sail,
        volume=0.3,
    )
    sheet.fill(
        at(curve([(133, 44), (150, 74), (190, 126), (160, 129), (133, 128), (133, 86)])), sail, volume=0.3
    )
    body = at(curve([(54, 136), (128, 142), (204, 134), (196, 152), (178, 166), (84, 166), (62, 152)]))
    sheet.fill(body, hull, volume=0.5)
    sheet.line(at(curve([(60, 146), (128, 151), (198, 144)], closed=False)), 2.4 * size, "#ffe9c4")
    pen = Random(6)
    for _ in range(30):
        wave_x, wave_y = pen.uniform(-10, 266), pen.uniform(164, 190)
        sheet.fill(
            taper([(wave_x - 16, wave_y), (wave_x, wave_y - 1.5), (wave_x + 16, wave_y)], 0, 2.2, 0),
            "#a6d8f2",
        )


def house(sheet: Sheet) -> None:
    sheet.backdrop(_DAY)
    sheet.fill(curve([(-20, 136), (70, 122), (170, 134), (280, 120), (280, 220), (-20, 220)]), _GRASS)
    sheet.fill(curve([(112, 164), (134, 164), (146, 200), (86, 200)]), "#e8d3a8")
    sheet.fill(box(164, 34, 180, 72), ("#b86a52", "#96503c"))
    sheet.fill(box(62, 84, 194, 166), ("#fff3da", "#f2dcb4"))
    sheet.glow(box(62, 84, 194, 92), "#5a3a20", strength=0.4, blur=3, within=box(62, 84, 194, 166))
    sheet.fill([(46, 90), (128, 30), (210, 90), (200, 96), (128, 44), (56, 96)], "#8f2f2a")
    sheet.fill([(50, 88), (128, 32), (206, 88)], ("#d9594c", "#b53c36"))
    sheet.fill(oval(128, 66, 9), "#fff7e6")
    sheet.fill(oval(128, 66, 6.5), ("#b9e0f5", "#7fb7dc"))
    sheet.fill(box(112, 116, 140, 166, radius=3), ("#9c6236", "#74451f"), volume=0.3)
    sheet.fill(oval(134, 142, 2), "#ffe08a")
    for left in (74, 152):
        sheet.fill(box(left - 2, 106, left + 32, 138), "#ffffff")
        sheet.fill(box(left, 108, left + 30, 136), ("#cbeafa", "#86bfe2"))
        sheet.line([(left + 15, 108), (left + 15, 136)], 2, "#ffffff")
        sheet.line([(left, 122), (left + 30, 122)], 2, "#ffffff")
        sheet.fill(box(left - 3, 137, left + 33, 144, radius=2), "#a5623a")
        for step in range(6):
            sheet.fill(oval(left + 2 + step * 5.4, 136, 3.4), ("#f06a82", "#fbc84a", "#ffffff")[step % 3])
    for x, reach in ((36, 17), (216, 20)):
        sheet.fill(oval(x, 160, reach, reach * 0.8), ("#6fb350", "#3f8038"), volume=0.5)


def fish(sheet: Sheet) -> None:
    sheet.backdrop(("#bdeaf2", "#74c8de", "#3799c2", "#2576a6"))
    for x, top in ((22, 128), (36, 142), (226, 120), (240, 138)):
        sheet.fill(
            taper([(x, 196), (x + 7, 174), (x - 5, 154), (x + 4, top)], 9, 8, 6, 0.5), ("#5cb878", "#2f7d58")
        )
    fin: Fill = ("#ffb454", "#f47a1c")
    sheet.fill(
        curve([(176, 98), (206, 64), (232, 52), (222, 84), (214, 98), (222, 114), (232, 146), (204, 132)]),
        fin,
        volume=0.5,
    )
    sheet.fill(curve([(92, 68), (116, 38), (158, 46), (170, 78)]), fin, volume=0.4)
    sheet.fill(curve([(108, 128), (122, 158), (148, 152), (150, 126)]), fin, volume=0.4)
    body = curve([(38, 100), (58, 74), (100, 58), (146, 68), (188, 98), (146, 128), (100, 138), (58, 126)])
    sheet.fill(body, ("#ffb03a", "#fb8a1e", "#f26a12"), volume=0.7)
    for x in (98, 138):
        sheet.fill(
            curve([(x - 7, 66), (x + 7, 66), (x + 12, 98), (x + 7, 130), (x - 7, 130), (x - 2, 98)]),
            "#fff6e6",
        )
    sheet.fill(taper([(106, 104), (122, 108), (138, 118)], 6, 20, 18), fin, volume=0.5)
    sheet.fill(oval(66, 90, 10), "#ffffff", volume=0.3)
    sheet.fill(oval(64, 90, 5.4), "#1d2430")
    sheet.fill(oval(62, 88, 1.8), "#ffffff")
    sheet.line(curve([(40, 107), (48, 112), (56, 110)], closed=False), 2, "#b6480c")
    for x, y, reach in ((28, 74, 6), (20, 54, 4.4), (32, 38, 7), (22, 18, 5)):
        sheet.fill(oval(x, y, reach), "#e4f8fc", volume=0.6)


def sunflower(sheet: Sheet) -> None:
    sheet.backdrop(_DAY)
    sheet.fill(curve([(-20, 174), (80, 164), (180, 176), (280, 166), (280, 220), (-20, 220)]), _GRASS)
    sheet.fill(taper([(128, 90), (132, 140), (126, 200)], 8, 8, 9), ("#7ab648", "#467f2e"), volume=0.4)
    for tip in ((66, 134), (192, 126)):
        sheet.fill(
            taper([(129, 164), ((129 + tip[0]) / 2, 138), tip], 4, 30, 1), ("#84c04e", "#478a34"), volume=0.4
        )
    for ring, reach, fill in ((0.0, 60, ("#f7b51d", "#eb9a12")), (0.196, 54, ("#ffd83c", "#fbbc1c"))):
        for step in range(16):
            angle = ring + step * 0.3927
            spine = [(128 + r * cos(angle), 76 + r * sin(angle)) for r in (20, reach * 0.66, reach)]
            sheet.fill(taper(spine, 10, 17, 1), fill, volume=0.3)
    sheet.fill(oval(128, 76, 29), ("#7a4a20", "#4f2c10"), volume=0.5)
    for step in range(120):
        reach, angle = 26 * (step / 120) ** 0.5, step * 2.39996
        dot = oval(128 + reach * cos(angle), 76 + reach * sin(angle), 1.2)
        sheet.fill(dot, "#c68a3c" if step > 50 else "#8fa040")


def tree(sheet: Sheet) -> None:
    sheet.backdrop(_DAY)
    sheet.fill(curve([(-20, 156), (80, 144), (170, 156), (280, 142), (280, 220), (-20, 220)]), _GRASS)
    sheet.shadow(136, 172, 66, 6)
    sheet.fill(
        curve([(116, 172), (120, 140), (118, 96), (138, 96), (138, 140), (146, 173), (130, 170)]),
        ("#8a5a34", "#6b4222"),
    )
    sheet.fill(taper([(130, 126), (152, 108), (170, 84)], 9, 7, 4), ("#8a5a34", "#6b4222"))
    clumps = ((128, 84, 46), (88, 88, 32), (170, 86, 33), (102, 58, 34), (154, 56, 35), (128, 40, 32))
    for x, y, reach in clumps:
        sheet.fill(oval(x, y, reach, reach * 0.88), ("#7cc254", "#4f9c42", "#367c38"), volume=0.5)
    for step in range(8):
        x, y = 78 + (step * 41) % 104, 42 + (step * 29) % 66
        sheet.fill(oval(x, y, 4.6), ("#f3584e", "#c52632"), volume=0.5)


def balloon(sheet: Sheet) -> None:
    sheet.backdrop(("#6db4ec", "#a9d6f5", "#fdf0dc"))
    for x, y in ((44, 48), (208, 112), (56, 152)):
        for dx, reach in ((-16, 9), (0, 13), (15, 10)):
            sheet.fill(oval(x + dx, y + (4 if dx else 0), reach * 1.2, reach * 0.9), "#ffffff")
    for x in (114, 142):
        sheet.line([(128 + (x - 128) * 1.7, 116), (x, 158)], 1.4, "#7a5a3c")
    for half, fill in (
        (62, ("#f25c54", "#d83a4a")),
        (40, ("#fbd35a", "#f4b13a")),
        (17, ("#3fa7a0", "#2c8088")),
    ):
        bulge = [(128 + half * 0.75, 24), (128 + half, 68), (128 + half * 0.72, 104), (128 + half * 0.2, 130)]
        skin = curve(mirrored([(128, 12), *bulge, (128, 131)]))
        sheet.fill(skin, fill, volume=0.5 if half == 62 else 0.2)
    sheet.fill(box(113, 156, 143, 180, radius=4), ("#b98246", "#8a5a2a"), volume=0.5)
    sheet.line([(112, 158), (144, 158)], 4, "#d9a566")


def umbrella(sheet: Sheet) -> None:
    sheet.backdrop(("#8fa3b5", "#aebfcc", "#c8d3da"))
    pen = Random(8)
    for _ in range(80):
        x, y = pen.uniform(0, 260), pen.uniform(-8, 186)
        sheet.line([(x, y), (x - 3, y + 11)], 1.2, "#dfe9f0")
    sheet.line(curve([(128, 40), (128, 120), (128, 160), (138, 174), (150, 162)], closed=False), 5, "#6b4a2e")
    canopy = curve([(28, 106), (50, 60), (128, 30), (206, 60), (228, 106)], closed=False)
    scallops = [
        (228 - 40 * k - 20 * (1 - cos(a)), 106 - 13 * sin(a))
        for k in range(5)
        for a in (0.3 * s for s in range(11))
    ]
    sheet.fill([*canopy, *scallops], ("#f7c948", "#f0a92a"), volume=0.5)
    for x in (68, 108, 148, 188):
        rib = curve([(128, 31), (128 + (x - 128) * 0.75, 62), (x, 105)], closed=False)
        sheet.line(rib, 1.4, "#c9801a")
    sheet.line([(128, 22), (128, 32)], 4, "#6b4a2e")


def _heart(x: float, y: float, size: float) -> Outline:
    angles = [2 * pi * step / 180 for step in range(180)]
    return [
        (x + size * 16 * sin(a) ** 3, y - size * (13 * cos(a) - 5 * cos(2 * a) - 2 * cos(3 * a) - cos(4 * a)))
        for a in angles
    ]


PICTURES: dict[str, Drawing] = {
    "red_circle": partial(shape, outline=oval(128, 94, 64), colour=("#ee4b46", "#d22834")),
    "blue_square": partial(shape, outline=box(68, 34, 188, 154, radius=5), colour=("#4a86e8", "#2a5fc4")),
    "yellow_star": partial(shape, outline=star(128, 100, 78, 33, 5), colour=("#ffdf4f", "#f8bd1e")),
    "green_triangle": partial(
        shape, outline=[(128, 26), (206, 158), (50, 158)], colour=("#5dbb63", "#2f8d46")
    ),
    "purple_heart": partial(shape, outline=_heart(128, 86, 4.3), colour=("#a765d6", "#7434ad")),
    "orange_diamond": partial(
        shape, outline=[(128, 22), (188, 94), (128, 166), (68, 94)], colour=("#ffa340", "#f27a16")
    ),
    "red_car": car,
    "sailing_boat": boat,
    "house": house,
    "orange_fish": fish,
    "sunflower": sunflower,
    "apple_tree": tree,
    "hot_air_balloon": balloon,
    "yellow_umbrella": umbrella,
}
