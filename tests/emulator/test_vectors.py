"""The emulator's vectors: what they promise as numbers, and what they bring together."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from paintings import painted
from PIL import Image as Pillow
from PIL import ImageDraw

from volc_dashscope.emulator import lexicon, visual_features
from volc_dashscope.emulator import vectors as emulator_vectors
from volc_dashscope.emulator.vectors import (
    ImagePart,
    LinkPart,
    Part,
    TextPart,
    VideoPart,
    sparse,
    vector,
    vectors,
)

MODEL = "doubao-embedding-vision-251215"
SEEDS = (1, 2, 3, 4)
ROOT = Path(__file__).parents[2]

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
            return [
                (self.left + x * self.side, self.top + y * self.side) for x, y in zip(xs, ys, strict=True)
            ]
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
    # Compressing noise takes most of the time of a test here and changes no pixel; level 0 does not compress.
    picture.save(file, kind, **({"compress_level": 0} if kind == "PNG" else {}))
    return file.getvalue()


def star_points(spikes: int, inner: float) -> list[float]:
    corners = range(2 * spikes)
    reach = [0.5 if n % 2 == 0 else 0.5 * inner for n in corners]
    turn = [math.pi * n / spikes - math.pi / 2 for n in corners]
    return [
        v for r, t in zip(reach, turn, strict=True) for v in (0.5 + r * math.cos(t), 0.5 + r * math.sin(t))
    ]


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
    "an orange and purple sunset": "sunset",
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


@cache
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
def gallery() -> Iterator[dict[int, dict[str, np.ndarray]]]:
    yield {seed: {name: embed(ImagePart(draw(name, seed))) for name in (*SCENES, *THINGS)} for seed in SEEDS}
    draw.cache_clear()


def rank(query: np.ndarray, pictures: dict[str, np.ndarray]) -> list[str]:
    return sorted(pictures, key=lambda name: -cosine(query, pictures[name]))


def repaint(source: str, wish: str) -> dict[int, np.ndarray]:
    return {seed: embed(ImagePart(draw(source, seed)), wish) for seed in SEEDS}


@pytest.mark.parametrize(("query", "expected"), QUERIES.items(), ids=QUERIES)
def test_a_text_finds_its_picture_in_either_language(gallery, query, expected):
    asked = embed(query)
    firsts = [rank(asked, gallery[seed])[0] for seed in SEEDS]

    print(f"{query:32} {expected:16} {cosine(asked, gallery[1][expected]):.2f} {firsts}")  # noqa: T201
    assert [expected] * len(SEEDS) == firsts


def test_looks_of_pictures_are_kept_up_to_a_number():
    for shade in range(visual_features.MOST_KNOWN + 1):
        embed(ImagePart(painted((shade, 0, 0), (8, 8))))

    assert 1 <= len(visual_features._KNOWN) <= visual_features.MOST_KNOWN


@pytest.mark.parametrize("name", [*SCENES, *THINGS])
def test_a_picture_finds_another_drawing_of_the_same_thing(gallery, name):
    ranks = [rank(gallery[seed][name], gallery[seed % len(SEEDS) + 1]).index(name) + 1 for seed in SEEDS]

    assert ranks.count(1) >= len(SEEDS) - 1
    assert max(ranks) <= 2


@pytest.mark.parametrize(
    ("source", "wish", "expected"),
    [
        ("red chair", "but blue", "blue chair"),
        ("red chair", "这个,但是蓝色", "blue chair"),
        ("blue chair", "the same in red", "red chair"),
        ("red chair", "brown", "brown chair"),
        ("blue car", "红色的", "red car"),
        ("red car", "this, but blue", "blue car"),
        ("red circle", "但是蓝色", "blue circle"),
        ("blue square", "make it green instead of blue", "green square"),
    ],
)
def test_a_colour_word_repaints_a_picture_and_keeps_its_outline(gallery, source, wish, expected):
    firsts = [rank(query, gallery[seed % len(SEEDS) + 1])[0] for seed, query in repaint(source, wish).items()]

    assert [expected] * len(SEEDS) == firsts


@pytest.mark.parametrize(
    "backdrop", [(12, 12, 14), (150, 150, 150), (200, 220, 240)], ids=["black", "grey", "pale blue"]
)
def test_what_stands_in_front_counts_more_than_a_plain_backdrop(backdrop):
    pictures = {}
    for name, (drawing, colour) in THINGS.items():
        brush = Brush(sum(name.encode()))
        brush.pen.rectangle((0, 0, brush.width, brush.height), fill=backdrop)
        drawing(brush, colour)
        pictures[name] = embed(ImagePart(brush.png()))

    wrong = {query: rank(embed(query), pictures)[0] for query, name in QUERIES.items() if name in THINGS}

    assert {query: name for query, name in QUERIES.items() if name in THINGS} == wrong


def test_a_backdrop_named_in_the_text_does_not_colour_the_thing(gallery):
    assert "red chair" == rank(embed("a red chair on a blue background"), gallery[2])[0]
    assert "red chair" == rank(embed("蓝色背景上的红色椅子"), gallery[2])[0]


def test_a_link_is_judged_by_the_words_of_its_url(gallery):
    link = embed(LinkPart("https://cdn.example.com/a/red-circle_01.png?sig=blue", "image"))

    assert "red circle" == rank(link, gallery[3])[0]


@pytest.mark.parametrize(
    ("query", "near", "far"),
    [
        ("如何重置密码", "密码重置的方法", "今天的天气很好"),
        ("如何重置密码", "密码重置的方法", "怎样办理退货退款"),
        ("how do I reset my password", "steps for resetting a password", "the weather is nice today"),
        ("how do I reset my password", "password reset instructions", "how do I cancel my order"),
        ("payment of an invoice", "The invoice must be paid in 30 days", "The parcel arrives in 30 days"),
        ("banana", "香蕉", "苹果"),
        ("红色的苹果", "a red apple", "a blue car"),
    ],
)
def test_related_texts_are_clearly_nearer_than_unrelated_ones(query, near, far):
    related, unrelated = cosine(embed(query), embed(near)), cosine(embed(query), embed(far))

    assert related > unrelated + 0.1
    assert unrelated < 0.35


def test_a_thing_is_nearer_to_its_own_kind():
    assert cosine(embed("banana"), embed("水果")) > cosine(embed("banana"), embed("交通工具")) + 0.1
    assert cosine(embed("卡车"), embed("vehicle")) > cosine(embed("卡车"), embed("fruit")) + 0.1


def test_a_syllable_inside_another_word_is_not_a_colour_or_a_thing():
    assert cosine(embed("上海的红利"), embed("red")) < 0.2
    assert cosine(embed("上海的红利"), embed("大海")) < 0.2


KNOWN = [-0.4484, 0.0333, 0.4888, -0.035]


@pytest.mark.parametrize(
    "parts", [["红色 chair"], [ImagePart(draw("red chair", 1))], ["but blue", VideoPart(b"v")]]
)
def test_a_shorter_vector_is_the_beginning_of_the_longer_one(parts):
    longest = embed(*parts, dimension=5000)

    for dimension in (64, 1024, 2048, 4096):
        assert np.array_equal(longest[:dimension], embed(*parts, dimension=dimension))


def test_another_process_makes_the_same_numbers():
    code = (
        "from volc_dashscope.emulator.vectors import TextPart, vector;"
        "print(*vector([TextPart('蓝色 chair')], model='m', dimension=64, role='query')[:4])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert pytest.approx(KNOWN, abs=0.002) == [float(number) for number in run.stdout.split()]


def test_rows_are_float32_of_the_length_asked_for():
    row = embed("hello", dimension=100)

    assert ((100,), np.dtype("float32")) == (row.shape, row.dtype)


@pytest.mark.parametrize("dimension", [64, 1024, 2560])
@pytest.mark.parametrize("text", ["a red apple", "你好", "", "?!", "x" * 9000])
def test_vectors_are_never_of_unit_length(text, dimension):
    length = float(np.linalg.norm(embed(text, dimension=dimension)))

    assert 3 < length < 42


def test_lengths_differ_between_texts():
    assert len({round(float(np.linalg.norm(embed(f"text {n}"))), 2) for n in range(20)}) > 15


def test_role_and_instruction_turn_a_vector_slightly():
    plain, query = embed("a red apple"), embed("a red apple", role="query")
    instructed = embed("a red apple", role="query", instruction="Find a recipe")

    assert 0.97 < cosine(plain, query) < 0.9999
    assert 0.97 < cosine(query, instructed) < 0.9999
    assert 0.97 < cosine(embed("a red apple", role="document"), instructed) < 0.9999


def test_two_models_share_no_space():
    other = vector([TextPart("a red apple")], model="another-model", dimension=1024)

    assert abs(cosine(embed("a red apple"), other)) < 0.15


def test_equal_videos_are_equal_and_others_are_not():
    assert np.array_equal(embed(VideoPart(b"one")), embed(VideoPart(b"one")))
    assert cosine(embed(VideoPart(b"one")), embed(VideoPart(b"two"))) < 0.3


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", draw("apple", 1)[:900], bomb(8000, 8000), bomb(12000, 9000), bomb(60000, 60000)],
    ids=["empty", "noise", "cut short", "64 megapixels", "108 megapixels", "3600 megapixels"],
)
def test_what_cannot_be_decoded_is_refused_at_once(data):
    started = time.process_time()
    with pytest.raises(ValueError, match=r"^cannot decode image$"):
        embed(ImagePart(data))

    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"),
        ("RGBA", "PNG"),
        ("P", "GIF"),
        ("RGB", "WEBP"),
        ("RGB", "BMP"),
        ("CMYK", "TIFF"),
        ("P", "PNG"),
    ],
)
def test_the_file_format_hardly_matters(mode, kind):
    data = draw("red car", 2)
    again = encode(Pillow.open(io.BytesIO(data)).convert(mode), kind)

    assert cosine(embed(ImagePart(data)), embed(ImagePart(again))) > 0.95


def test_sixteen_bits_a_pixel_are_not_clipped():
    grey = Pillow.open(io.BytesIO(draw("red car", 2))).convert("L")
    deep = Pillow.fromarray(np.asarray(grey).astype(np.uint16) * 257)

    assert cosine(embed(ImagePart(encode(grey))), embed(ImagePart(encode(deep)))) > 0.99


def test_transparent_pixels_are_white():
    clear = Pillow.new("RGBA", (80, 80), (255, 0, 0, 0))

    expected = embed(ImagePart(encode(Pillow.new("RGB", (80, 80), (255, 255, 255)))))
    assert cosine(expected, embed(ImagePart(encode(clear)))) > 0.9999


def test_an_animation_is_its_first_frame():
    frames = [Pillow.new("RGB", (64, 64), HUES[colour]) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])

    assert cosine(embed(ImagePart(file.getvalue())), embed("red")) > 0.3
    assert cosine(embed(ImagePart(file.getvalue())), embed("blue")) < 0.2


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 2)])
def test_odd_sizes_make_finite_vectors(size):
    assert np.isfinite(embed(ImagePart(encode(Pillow.new("RGB", size, (9, 9, 9)))))).all()


def test_sparse_has_each_token_once_with_its_own_index():
    found = sparse("Red apple, red pear: 红色的苹果")

    assert {"red", "apple", "pear", "红", "色", "的", "苹", "果"} == {token for _, _, token in found}
    assert 8 == len(found)
    assert all(value > 0 for _, value, _ in found)
    assert {t: i for i, _, t in sparse("a pear")}["pear"] == {t: i for i, _, t in found}["pear"]


def test_sparse_indices_rise_and_are_those_of_a_vocabulary():
    """The pages print 1, 13, 149 and 7149, 111290: rising, and no larger than a vocabulary is."""
    indices = [index for index, _, _ in sparse(" ".join(f"word{chr(97 + n % 26)} {n}" for n in range(500)))]

    assert indices == sorted(set(indices))
    assert max(indices) < 2**17


def test_sparse_of_nothing_is_empty():
    assert [] == sparse(" ?! ")


def test_short_texts_and_pictures_are_quick():
    """Load tests run against these; the bounds leave room for a busy machine."""
    picture = ImagePart(draw("red car", 2))
    embed("warm", dimension=64)
    embed(picture)
    started = time.process_time()
    for n in range(500):
        embed(f"text number {n}", dimension=64)
    texts = time.process_time() - started
    for _ in range(10):
        embed(picture)
    pictures = time.process_time() - started - texts

    assert texts / 500 < 0.002
    assert pictures / 10 < 0.06


def test_every_row_of_the_table_names_known_colours_and_outlines():
    missing = [
        name
        for name, thing in lexicon.things().items()
        if (thing.outline != "-" and thing.outline not in lexicon.outlines())
        or any(colour not in lexicon.colour_words() for band in thing.colours for colour in band)
    ]

    assert [] == missing
    assert len(lexicon.things()) > 200


STORED = (
    "红色的自行车停在海边，旁边是一只黑猫。向量不会因为程序变快而改变，存下来的结果要一直有效。",
    "A blue car, not a red one, parked under two palm trees at sunset; cats and ladies running.",
    "车s 苹果es 不要红色 t恤 上海 钟头",
    "12 345 !?",
)


def test_vectors_stay_those_that_users_have_stored():
    rows = [
        vector([TextPart(text)], model="text-embedding-v4", dimension=1024, role="query") for text in STORED
    ]

    digest = sha256(b"".join((row + 0.0).astype("<f4").tobytes() for row in rows)).hexdigest()
    assert "b6513fa3476dd39ddcda2b491c6369ccb69b35ac7118800b5e0cae3be59ec9d9" == digest


def test_items_of_one_request_have_the_vectors_they_have_alone():
    items = [[TextPart(text)] for text in STORED] + [
        [VideoPart(b"v")],
        [LinkPart("http://a/red-car.png", "image")],
    ]
    together = vectors(items, model=MODEL, dimension=5000, instruction="find")
    emulator_vectors._KNOWN.clear()

    alone = [vector(parts, model=MODEL, dimension=5000, instruction="find") for parts in items]

    assert [row.tobytes() for row in alone] == [row.tobytes() for row in together]


def test_vectors_that_are_kept_are_those_made_anew():
    items = [[TextPart("a")], [TextPart("b")], [TextPart("a")]]
    made = vectors(items, model=MODEL, dimension=64)
    expected = made.tobytes()
    made[:] = 0

    again = vectors([*items, [TextPart("c")]], model=MODEL, dimension=64)[:3]

    assert expected == again.tobytes()


@pytest.mark.parametrize(
    ("parts", "settings"),
    [
        ([TextPart("b")], {}),
        ([TextPart("a"), TextPart("a")], {}),
        ([LinkPart("a", "image")], {}),
        ([VideoPart(b"a")], {}),
        ([TextPart("a")], {"model": "text-embedding-v4"}),
        ([TextPart("a")], {"role": "query"}),
        ([TextPart("a")], {"instruction": "find"}),
    ],
    ids=str,
)
def test_a_vector_that_is_kept_serves_no_other_item(parts, settings):
    settings = {"model": MODEL, "dimension": 64, **settings}
    emulator_vectors._KNOWN.clear()
    expected = vector(parts, **settings).tobytes()
    emulator_vectors._KNOWN.clear()
    vector([TextPart("a")], model=MODEL, dimension=64)

    assert expected == vector(parts, **settings).tobytes()


def test_vectors_are_kept_up_to_a_number():
    for number in range(emulator_vectors.MOST_KNOWN + 1):
        embed(TextPart(str(number)))

    assert 1 <= len(emulator_vectors._KNOWN) <= emulator_vectors.MOST_KNOWN


def test_every_chinese_word_of_the_tables_is_found_whole():
    known = [word for word in (*lexicon.colour_words(), *lexicon._lexicon()) if not word[0].isascii()]

    missed = [word for word in known if lexicon._mentions(word, [])[0][:2] != (0, len(word))]

    assert [] == missed


def test_the_longest_chinese_word_is_found_and_nothing_beyond_the_end():
    found = lexicon._mentions("红苹果青苹果线路一提子", [])

    assert [(0, 1, "红"), (1, 3, "apple"), (3, 6, "green apple"), (6, 8, "线路"), (9, 11, "grape")] == [
        (start, end, name) for start, end, _, name in found
    ]


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("香蕉 is", 3),
        ("香蕉's", 2),
        ("薰衣草's", 4),
        ("香蕉 t-s", 2),
        ("香蕉 t s", 4),
        ("橙红鞋's", 4),
        ("香蕉 has", 2),
    ],
    ids=["is", "short", "s", "hyphen", "two", "letter between", "has"],
)
def test_stored_vectors_count_an_english_ending_behind_a_chinese_word_as_its_own(text, covered):
    line, _ = lexicon._units(text)

    assert covered / len(line) == lexicon.read(text).coverage
