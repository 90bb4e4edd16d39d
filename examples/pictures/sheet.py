"""
A sheet of paper to draw on, and the outlines drawn on it.

Coordinates are those of the finished picture (256 x 192, y downwards). A sheet is four times as large inside
and is reduced at the end, which is what makes the edges smooth. Light comes from the upper left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, cos, pi, sin
from typing import TypeAlias

try:
    from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter
except ModuleNotFoundError as error:
    raise ImportError('the drawings need Pillow: pip install "volc-dashscope[images]"') from error

WIDTH, HEIGHT = 256, 192
_SCALE = 4
_SIZE = (WIDTH * _SCALE, HEIGHT * _SCALE)

Point: TypeAlias = tuple[float, float]
Outline: TypeAlias = Sequence[Point]
Fill: TypeAlias = str | tuple[str, ...]
"""One colour, or several from top to bottom."""

STUDIO: Fill = ("#faf7f1", "#f6f1e8", "#ebe3d5")


class Sheet:
    """What a drawing function is given."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", _SIZE, "white")

    def backdrop(self, fill: Fill) -> None:
        """Cover the whole sheet."""
        self._image.paste(_colours(fill, _SIZE))

    def fill(self, outline: Outline, fill: Fill, *, volume: float = 0.0) -> None:
        """
        Fill an outline.

        Args:
            volume: 0 is flat; towards 1 the shape is rounded, bright above left and dark below right.
        """
        self._lay(_mask(outline), fill, volume)

    def line(self, points: Outline, width: float, fill: Fill, *, volume: float = 0.0) -> None:
        """Draw a line with round ends."""
        mask = Image.new("L", _SIZE)
        pen = ImageDraw.Draw(mask)
        scaled = _scaled(points)
        pen.line(scaled, fill=255, width=round(width * _SCALE), joint="curve")
        reach = width * _SCALE / 2
        for x, y in (scaled[0], scaled[-1]):
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
        self._lay(mask, fill, volume)

    def glow(
        self, outline: Outline, colour: str, *, strength: float, blur: float, within: Outline | None = None
    ) -> None:
        """Lay a soft patch of light or shadow, all of it or only the part `within` another outline."""
        mask = _mask(outline)
        area = _around(mask.getbbox(), 4 * blur * _SCALE)  # a blur reaches no further
        mask = mask.crop(area).filter(ImageFilter.GaussianBlur(blur * _SCALE))
        mask = mask.point(lambda level: round(level * strength))
        if within is not None:
            mask = ImageChops.multiply(mask, _mask(within).crop(area))
        self._image.paste(colour, area[:2], mask)

    def shadow(self, x: float, y: float, rx: float, ry: float = 6) -> None:
        """Lay the shadow of a thing that stands on the ground."""
        self.glow(oval(x, y, rx, ry), "#3a2a1c", strength=0.42, blur=4)

    def finish(self) -> Image.Image:
        """Return the picture at its final size."""
        return self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)

    def _lay(self, mask: Image.Image, fill: Fill, volume: float) -> None:
        area = mask.getbbox()
        if area is None:
            return
        part = mask.crop(area)
        self._image.paste(_colours(fill, part.size), area[:2], part)
        if volume:
            reach = max(4, min(part.size) // 6)
            # A colour multiplied by itself darkens without going grey.
            flat = self._image.crop(area)
            deep = ImageChops.multiply(
                ImageChops.multiply(flat, flat), Image.new("RGB", flat.size, "#c8b4c8")
            )
            self._image.paste(deep, area[:2], _rim(part, -reach, volume * 0.8))
            self._image.paste(ImageChops.screen(flat, flat), area[:2], _rim(part, reach, volume * 0.6))


Drawing: TypeAlias = Callable[[Sheet], None]


def draw(picture: Drawing) -> Image.Image:
    """Draw one picture on a new sheet."""
    sheet = Sheet()
    picture(sheet)
    return sheet.finish()


def oval(x: float, y: float, rx: float, ry: float | None = None, *, turn: float = 0.0) -> Outline:
    """Return an ellipse round (x, y), turned clockwise by `turn` degrees; a circle without `ry`."""
    height = rx if ry is None else ry
    angles = [2 * pi * step / 120 for step in range(120)]
    return turned([(x + rx * cos(a), y + height * sin(a)) for a in angles], x, y, turn)


def box(left: float, top: float, right: float, bottom: float, *, radius: float = 0.0) -> Outline:
    """Return a rectangle, its corners rounded."""
    if not radius:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    corners = (
        (right - radius, bottom - radius),
        (left + radius, bottom - radius),
        (left + radius, top + radius),
        (right - radius, top + radius),
    )
    steps = [(turn, (turn + step / 10) * pi / 2) for turn in range(4) for step in range(11)]
    return [(corners[turn][0] + radius * cos(a), corners[turn][1] + radius * sin(a)) for turn, a in steps]


def star(x: float, y: float, outer: float, inner: float, points: int) -> Outline:
    """Return a star with one point upwards."""
    steps = [(pi * step / points, inner if step % 2 else outer) for step in range(2 * points)]
    return [(x + reach * sin(angle), y - reach * cos(angle)) for angle, reach in steps]


def curve(points: Outline, *, closed: bool = True) -> Outline:
    """Return a smooth line through all points (Catmull-Rom)."""
    count = len(points)
    smooth: list[Point] = []
    for index in range(count if closed else count - 1):
        near = [index + offset for offset in (-1, 0, 1, 2)]
        a, b, c, d = (points[n % count if closed else min(max(n, 0), count - 1)] for n in near)
        for step in range(16):
            t = step / 16
            smooth.append((_blend(t, a[0], b[0], c[0], d[0]), _blend(t, a[1], b[1], c[1], d[1])))
    return smooth if closed else [*smooth, points[-1]]


def taper(spine: Outline, *widths: float) -> Outline:
    """Return a band along a smooth spine, as wide at each of its points as `widths` says."""
    middle = curve(spine, closed=False)
    wide = curve([(float(index), width) for index, width in enumerate(widths)], closed=False)
    left: list[Point] = []
    right: list[Point] = []
    for index, (x, y) in enumerate(middle):
        before, after = middle[max(index - 1, 0)], middle[min(index + 1, len(middle) - 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        reach = (
            wide[round(index * (len(wide) - 1) / (len(middle) - 1))][1]
            / 2
            / max((dx * dx + dy * dy) ** 0.5, 1e-6)
        )
        left.append((x - dy * reach, y + dx * reach))
        right.append((x + dy * reach, y - dx * reach))
    return left + right[::-1]


def mirrored(half: Outline) -> Outline:
    """Complete an outline whose first and last points lie on its upright axis."""
    axis = half[0][0]
    return [*half, *((2 * axis - x, y) for x, y in half[-2:0:-1])]


def turned(outline: Outline, x: float, y: float, degrees: float) -> Outline:
    """Turn an outline clockwise round (x, y)."""
    c, s = cos(degrees * pi / 180), sin(degrees * pi / 180)
    return [(x + (px - x) * c - (py - y) * s, y + (px - x) * s + (py - y) * c) for px, py in outline]


def _blend(t: float, a: float, b: float, c: float, d: float) -> float:
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _scaled(outline: Outline) -> list[Point]:
    return [(x * _SCALE, y * _SCALE) for x, y in outline]


def _mask(outline: Outline) -> Image.Image:
    mask = Image.new("L", _SIZE)
    ImageDraw.Draw(mask).polygon(_scaled(outline), fill=255)
    return mask


def _around(area: tuple[int, int, int, int] | None, margin: float) -> tuple[int, int, int, int]:
    """Return an area with a margin, as far as it is on the sheet."""
    left, top, right, bottom = area or (0, 0, *_SIZE)
    reach = ceil(margin)
    width, height = _SIZE
    return max(left - reach, 0), max(top - reach, 0), min(right + reach, width), min(bottom + reach, height)


def _colours(fill: Fill, size: tuple[int, int]) -> Image.Image:
    if isinstance(fill, str):
        return Image.new("RGB", size, fill)
    column = Image.new("RGB", (1, len(fill)))
    column.putdata([ImageColor.getrgb(stop) for stop in fill])
    return column.resize(size, Image.Resampling.BILINEAR)


def _rim(part: Image.Image, shift: int, strength: float) -> Image.Image:
    """Mask the side of a shape that a shifted, blurred copy of it leaves bare."""
    pad = 3 * abs(shift)
    copy = Image.new("L", (part.width + 2 * pad, part.height + 2 * pad))
    copy.paste(part, (pad + shift, pad + shift))
    copy = copy.filter(ImageFilter.GaussianBlur(abs(shift))).crop(
        (pad, pad, pad + part.width, pad + part.height)
    )
    return ImageChops.multiply(part, ImageChops.invert(copy)).point(
        lambda level: round(level * min(strength, 1))
    )
