"""The emulator's vectors: what they promise as numbers, and what they bring together."""

import io
import math
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from volc_dashscope.emulator.vectors import ImagePart, LinkPart, Part, TextPart, VideoPart, sparse, vector

MODEL = "doubao-embedding-vision-251215"
SEEDS = (1, 2, 3, 4)

HUES = {
    "red": (214, 32, 36),
    "orange": (250, 140, 20),
    "yellow": (250, 214, 30),
    "green": (40, 150, 60),
    "blue": (36, 96, 214),
    "purple": (126, 50, 168),
    "pink": (250, 140, 180),
    "brown": (124, 76, 36),
    "black": (18, 18, 20),
}
PLAIN = ((255, 255, 255), (240, 240, 238), (226, 228, 232), (246, 240, 228))


class Brush:
    """Draws on a square of side 1 placed at random on a canvas of random size, with jittered colours and noise."""

    def __init__(self, seed: int, *, scene: bool = False) -> None:
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.width, self.height = (int(v) for v in self.rng.integers(260, 520, 2))
        self.picture = Pillow.new("RGB", (self.width, self.height), PLAIN[int(self.rng.integers(len(PLAIN)))])
        self.pen = ImageDraw.Draw(self.picture)
        room = min(self.width, self.height)
        self.side = room * float(self.rng.uniform(0.5, 0.85))
        self.left = float(self.rng.uniform(0.02, 0.98)) * (self.width - self.side)
        self.top = float(self.rng.uniform(0.02, 0.98)) * (self.height - self.side)
        if scene:
            self.left, self.top, self.side = 0, 0, 0

    def tint(self, colour: str | tuple[int, int, int]) -> tuple[int, ...]:
        base = HUES[colour] if isinstance(colour, str) else colour
        return tuple(int(v) for v in np.clip(np.array(base) + self.rng.integers(-14, 15, 3), 0, 255))

    def at(self, *points: float) -> list[tuple[float, float]]:
        xs, ys = points[::2], points[1::2]
        if self.side:
            return [(self.left + x * self.side, self.top + y * self.side) for x, y in zip(xs, ys, strict=True)]
        return [(x * self.width, y * self.height) for x, y in zip(xs, ys, strict=True)]

    def polygon(self, colour: str | tuple[int, int, int], *points: float) -> None:
        self.pen.polygon(self.at(*points), fill=self.tint(colour))

    def box(self, colour: str | tuple[int, int, int], x0: float, y0: float, x1: float, y1: float) -> None:
        self.pen.rectangle(self.at(x0, y0, x1, y1), fill=self.tint(colour))

    def ellipse(self, colour: str | tuple[int, int, int], x0: float, y0: float, x1: float, y1: float) -> None:
        self.pen.ellipse(self.at(x0, y0, x1, y1), fill=self.tint(colour))

    def fade(self, *stops: tuple[int, int, int]) -> None:
        """Blend from the first colour at the top to the last at the bottom."""
        colours = np.array([self.tint(stop) for stop in stops], np.float32)
        rows = np.linspace(0, len(stops) - 1, self.height)
        blended = np.stack([np.interp(rows, range(len(stops)), colours[:, c]) for c in range(3)], axis=1)
        self.picture.paste(Pillow.fromarray(np.repeat(blended[:, None], self.width, axis=1).astype(np.uint8)))

    def png(self) -> bytes:
        noise = self.rng.normal(0, float(self.rng.uniform(0, 9)), (self.height, self.width, 3))
        pixels = np.clip(np.asarray(self.picture, np.float32) + noise, 0, 255).astype(np.uint8)
        return encode(Pillow.fromarray(pixels))


def encode(picture: Pillow.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def star_points(spikes: int, inner: float) -> list[float]:
    corners = range(2 * spikes)
    reach = [0.5 if n % 2 == 0 else 0.5 * inner for n in corners]
    turn = [math.pi * n / spikes - math.pi / 2 for n in corners]
    return [v for r, t in zip(reach, turn, strict=True) for v in (0.5 + r * math.cos(t), 0.5 + r * math.sin(t))]


def draw_disc(b: Brush, colour: str) -> None:
    b.ellipse(colour, 0, 0, 1, 1)


def draw_square(b: Brush, colour: str) -> None:
    b.box(colour, 0.05, 0.05, 0.95, 0.95)


def draw_triangle(b: Brush, colour: str) -> None:
    b.polygon(colour, 0.5, 0.05, 1, 0.95, 0, 0.95)


def draw_star(b: Brush, colour: str) -> None:
    b.polygon(colour, *star_points(5, 0.42))


def draw_heart(b: Brush, colour: str) -> None:
    t = np.linspace(0, 2 * np.pi, 60)
    xs = 0.5 + 0.5 * np.sin(t) ** 3
    ys = 0.45 - (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 34
    b.polygon(colour, *np.stack([xs, ys], axis=1).ravel().tolist())


def draw_banana(b: Brush, colour: str) -> None:
    start = float(b.rng.uniform(10, 50))
    (x0, y0), (x1, y1) = b.at(-0.05, -0.4, 1.05, 0.8)
    b.pen.arc((x0, y0, x1, y1), start, start + 120, fill=b.tint(colour), width=round(b.side * 0.2))


def draw_apple(b: Brush, colour: str) -> None:
    b.ellipse(colour, 0.05, 0.2, 0.62, 0.97)
    b.ellipse(colour, 0.38, 0.2, 0.95, 0.97)
    b.box("brown", 0.47, 0.02, 0.53, 0.3)
    b.ellipse("green", 0.53, 0.04, 0.78, 0.16)


def draw_orange(b: Brush, colour: str) -> None:
    b.ellipse(colour, 0, 0, 1, 1)
    b.ellipse("green", 0.45, 0.02, 0.56, 0.1)


def draw_strawberry(b: Brush, colour: str) -> None:
    b.polygon(colour, 0.08, 0.3, 0.25, 0.14, 0.75, 0.14, 0.92, 0.3, 0.85, 0.6, 0.5, 1, 0.15, 0.6)
    b.polygon("green", 0.2, 0.15, 0.5, 0, 0.8, 0.15, 0.5, 0.28)
    for x, y in ((0.3, 0.4), (0.5, 0.5), (0.7, 0.4), (0.42, 0.7), (0.6, 0.7)):
        b.ellipse("yellow", x, y, x + 0.03, y + 0.05)


def draw_grapes(b: Brush, colour: str) -> None:
    for row, count in enumerate((4, 3, 2, 1)):
        for n in range(count):
            x, y = 0.5 + (n - count / 2) * 0.22, 0.12 + row * 0.19
            b.ellipse(colour, x, y, x + 0.24, y + 0.24)
    b.box("brown", 0.48, 0, 0.52, 0.15)


def draw_chair(b: Brush, colour: str) -> None:
    b.box(colour, 0.15, 0, 0.27, 1)
    b.box(colour, 0.15, 0.48, 0.85, 0.6)
    b.box(colour, 0.74, 0.5, 0.85, 1)


def draw_table(b: Brush, colour: str) -> None:
    b.box(colour, 0, 0.3, 1, 0.42)
    b.box(colour, 0.08, 0.4, 0.16, 0.95)
    b.box(colour, 0.84, 0.4, 0.92, 0.95)


def draw_car(b: Brush, colour: str) -> None:
    b.polygon(colour, 0, 0.5, 0.18, 0.46, 0.32, 0.26, 0.68, 0.26, 0.82, 0.46, 1, 0.52, 1, 0.7, 0, 0.7)
    b.polygon((170, 205, 230), 0.34, 0.31, 0.66, 0.31, 0.74, 0.45, 0.26, 0.45)
    b.ellipse("black", 0.13, 0.6, 0.33, 0.8)
    b.ellipse("black", 0.67, 0.6, 0.87, 0.8)


def draw_house(b: Brush, colour: str) -> None:
    b.box(colour, 0.12, 0.45, 0.88, 1)
    b.polygon((150, 40, 30), 0, 0.46, 0.5, 0.02, 1, 0.46)
    b.box("brown", 0.42, 0.68, 0.58, 1)


def draw_tree(b: Brush, colour: str) -> None:
    b.box("brown", 0.43, 0.55, 0.57, 1)
    b.ellipse(colour, 0.12, 0, 0.88, 0.68)


def draw_fish(b: Brush, colour: str) -> None:
    b.ellipse(colour, 0, 0.25, 0.78, 0.75)
    b.polygon(colour, 0.7, 0.5, 1, 0.22, 1, 0.78)
    b.ellipse("black", 0.14, 0.42, 0.2, 0.48)


def draw_flower(b: Brush, colour: str) -> None:
    for n in range(6):
        x, y = 0.5 + 0.29 * math.cos(n * math.pi / 3), 0.5 + 0.29 * math.sin(n * math.pi / 3)
        b.ellipse(colour, x - 0.19, y - 0.19, x + 0.19, y + 0.19)
    b.ellipse("yellow", 0.36, 0.36, 0.64, 0.64)


def draw_flag(b: Brush, colour: str) -> None:
    b.box("brown", 0.02, 0, 0.06, 1)
    b.box(colour, 0.06, 0.02, 1, 0.58)


def draw_seascape(b: Brush, colour: str) -> None:
    b.fade((130, 196, 240), (176, 216, 242))
    b.box((24, 84, 164), 0, float(b.rng.uniform(0.42, 0.6)), 1, 1)


def draw_sunset(b: Brush, colour: str) -> None:
    b.fade((110, 50, 120), (240, 100, 50), (252, 170, 60))
    low = float(b.rng.uniform(0.66, 0.76))
    x = float(b.rng.uniform(0.2, 0.8))
    b.ellipse((255, 222, 100), x - 0.09, low - 0.1, x + 0.09, low + 0.08)
    b.box((60, 28, 50), 0, low, 1, 1)


def draw_forest(b: Brush, colour: str) -> None:
    b.fade((50, 110, 50), (24, 74, 30))
    for _ in range(16):
        x, w, y = (float(v) for v in b.rng.uniform((0, 0.05, 0.1), (1, 0.13, 0.5)))
        b.polygon((20, 96, 40), x - w, y + 0.5, x, y, x + w, y + 0.5)
        b.box((84, 56, 30), x - 0.01, y + 0.5, x + 0.01, y + 0.62)


def draw_night(b: Brush, colour: str) -> None:
    b.fade((6, 8, 30), (16, 20, 62))
    for x, y in b.rng.uniform(0.02, 0.98, (40, 2)):
        b.ellipse((250, 250, 230), float(x), float(y), float(x) + 0.008, float(y) + 0.008)


def draw_meadow(b: Brush, colour: str) -> None:
    b.fade((140, 200, 245), (190, 222, 245))
    b.box((84, 172, 62), 0, float(b.rng.uniform(0.4, 0.55)), 1, 1)


def draw_desert(b: Brush, colour: str) -> None:
    b.fade((130, 195, 240), (170, 214, 240))
    low = float(b.rng.uniform(0.45, 0.55))
    b.polygon((222, 182, 112), 0, low, 0.3, low - 0.05, 0.7, low + 0.06, 1, low, 1, 1, 0, 1)


def draw_snow(b: Brush, colour: str) -> None:
    b.fade((196, 222, 246), (226, 236, 246))
    b.box((248, 250, 252), 0, float(b.rng.uniform(0.4, 0.6)), 1, 1)


SCENES = {
    "seascape": draw_seascape,
    "sunset": draw_sunset,
    "forest": draw_forest,
    "night sky": draw_night,
    "meadow": draw_meadow,
    "desert": draw_desert,
    "snow": draw_snow,
}
THINGS: dict[str, tuple[Callable[[Brush, str], None], str]] = {
    "banana": (draw_banana, "yellow"),
    "apple": (draw_apple, "red"),
    "orange": (draw_orange, "orange"),
    "strawberry": (draw_strawberry, "red"),
    "grapes": (draw_grapes, "purple"),
    "tree": (draw_tree, "green"),
    "brown chair": (draw_chair, "brown"),
    "brown table": (draw_table, "brown"),
    "blue chair": (draw_chair, "blue"),
    "red chair": (draw_chair, "red"),
    "red car": (draw_car, "red"),
    "blue car": (draw_car, "blue"),
    "yellow house": (draw_house, "yellow"),
    "orange fish": (draw_fish, "orange"),
    "pink flower": (draw_flower, "pink"),
    "green flag": (draw_flag, "green"),
    "red circle": (draw_disc, "red"),
    "blue circle": (draw_disc, "blue"),
    "green square": (draw_square, "green"),
    "blue square": (draw_square, "blue"),
    "purple triangle": (draw_triangle, "purple"),
    "yellow star": (draw_star, "yellow"),
    "red heart": (draw_heart, "red"),
}
QUERIES = {
    "blue seascape": "seascape",
    "蓝色海景": "seascape",
    "the sea under a blue sky": "seascape",
    "sunset": "sunset",
    "夕阳": "sunset",
    "an orange and purple sunset over the hills": "sunset",
    "green forest": "forest",
    "绿色的森林": "forest",
    "starry night sky": "night sky",
    "夜空": "night sky",
    "grassland": "meadow",
    "蓝天下的草地": "meadow",
    "desert": "desert",
    "沙漠": "desert",
    "snow": "snow",
    "雪景": "snow",
    "banana": "banana",
    "香蕉": "banana",
    "a ripe yellow banana": "banana",
    "an apple": "apple",
    "红苹果": "apple",
    "橙子": "orange",
    "strawberries": "strawberry",
    "草莓": "strawberry",
    "grapes": "grapes",
    "紫色的葡萄": "grapes",
    "a tree": "tree",
    "大树": "tree",
    "brown chair": "brown chair",
    "棕色的椅子": "brown chair",
    "wooden table": "brown table",
    "桌子": "brown table",
    "blue chair": "blue chair",
    "红色椅子": "red chair",
    "a red car": "red car",
    "蓝色的汽车": "blue car",
    "a yellow house": "yellow house",
    "黄色的房子": "yellow house",
    "orange fish": "orange fish",
    "橙色的鱼": "orange fish",
    "pink flower": "pink flower",
    "粉色花朵": "pink flower",
    "green flag": "green flag",
    "绿色的旗子": "green flag",
    "red circle": "red circle",
    "红色圆形": "red circle",
    "blue circle": "blue circle",
    "green square": "green square",
    "蓝色正方形": "blue square",
    "purple triangle": "purple triangle",
    "紫色三角形": "purple triangle",
    "yellow star": "yellow star",
    "黄色五角星": "yellow star",
    "red heart": "red heart",
    "红心": "red heart",
}


def draw(name: str, seed: int) -> bytes:
    brush = Brush(seed * 1009 + sum(name.encode()), scene=name in SCENES)
    if name in SCENES:
        SCENES[name](brush, "")
    else:
        drawing, colour = THINGS[name]
        drawing(brush, colour)
    return brush.png()


def embed(*parts: Part | str, dimension: int = 1024, **named: str) -> np.ndarray:
    whole = [TextPart(part) if isinstance(part, str) else part for part in parts]
    return vector(whole, **{"model": MODEL, "dimension": dimension, **named})


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def gallery() -> dict[int, dict[str, np.ndarray]]:
    return {seed: {name: embed(ImagePart(draw(name, seed))) for name in (*SCENES, *THINGS)} for seed in SEEDS}


def rank(query: np.ndarray, pictures: dict[str, np.ndarray]) -> list[str]:
    return sorted(pictures, key=lambda name: -cosine(query, pictures[name]))
