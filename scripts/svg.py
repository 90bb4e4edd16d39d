"""Curves and bars as SVG, without a plotting library: axes with round steps, and names beside what they name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

BLUE, GREEN, ORANGE, GREY = "#0063a6", "#00795a", "#b84a00", "#5a5a5a"
_WIDTH, _LEFT, _RIGHT, _TOP, _INNER = 760, 64, 198, 44, 240

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Where a value lies between the two ends, the ticks with their labels, and what it is in words."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    title: str
    scale: Callable[[float], float] = float

    def place(self, value: float) -> float:
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(value) - low) / (high - low)


@dataclass(frozen=True)
class Line:
    """A curve, labelled at its end."""

    name: str
    points: Sequence[Point]
    colour: str
    dots: bool = True
    dashed: bool = False


@dataclass(frozen=True)
class Bar:
    """A bar: its name on the left, what it is worth in words on the right."""

    name: str
    value: float
    shown: str


def upward(top: float, title: str) -> Axis:
    """Return an axis from 0 whose steps are round and at most six."""
    power = 10.0 ** math.floor(math.log10(top / 6))
    step = next(power * factor for factor in (1, 2, 5, 10) if top / (power * factor) <= 6)
    count = math.ceil(top / step)
    return Axis(0, step * count, [(step * at, f"{step * at:,.9g}") for at in range(count + 1)], title)


def _text(x: float, y: float, words: str, anchor: str = "middle", colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _page(height: float, title: str, parts: Iterable[str]) -> str:
    """Return the SVG: dark on white, so that it can be read on a dark page too."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{escape(title)}</title>'
        '<rect width="100%" height="100%" rx="6" fill="white"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def chart(x: Axis, y: Axis, lines: Sequence[Line], note: str = "") -> str:
    """Return curves over one axis. A tick's label may have a second line."""
    span, bottom = _WIDTH - _LEFT - _RIGHT, _TOP + _INNER

    def at(point: Point) -> Point:
        return _LEFT + span * x.place(point[0]), bottom - _INNER * y.place(point[1])

    parts = [_text(12, 24, y.title, "start")]
    if note:
        parts.append(_text(_WIDTH - 12, 24, note, "end", GREY))
    for value, label in y.ticks:
        _, high = at((x.low, value))
        parts.append(f'<path d="M{_LEFT} {high:.1f}h{span}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, high + 4, label, "end"))
    for value, label in x.ticks:
        across, _ = at((value, 0))
        parts.append(f'<path d="M{across:.1f} {bottom}v5" stroke="#222"/>')
        for row, words in enumerate(label.split("\n")):
            parts.append(_text(across, bottom + 20 + 16 * row, words, colour="#222" if not row else GREY))
    rows = max(label.count("\n") for _, label in x.ticks)
    parts.append(_text(_LEFT + span / 2, bottom + 44 + 16 * rows, x.title))
    for line in lines:
        parts.extend(_curve(line, [at(point) for point in line.points]))
    parts.extend(_labels([(at(line.points[-1])[1], line) for line in lines], _LEFT + span + 10))
    return _page(bottom + 58 + 16 * rows, f"{y.title} / {x.title}", parts)


def _curve(line: Line, places: Sequence[Point]) -> Iterator[str]:
    path = " ".join(f"{across:.1f},{high:.1f}" for across, high in places)
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    yield f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"{dash}/>'
    if line.dots:
        for across, high in places:
            yield f'<circle cx="{across:.1f}" cy="{high:.1f}" r="3" fill="{line.colour}"/>'


def _labels(ends: Sequence[tuple[float, Line]], across: float) -> Iterator[str]:
    """Write each name at the end of its curve, and none over another."""
    last = 0.0
    for high, line in sorted(ends, key=lambda end: end[0]):
        last = max(high + 4, last + 17)
        yield _text(across, last, line.name, "start", line.colour)


def bars(groups: Sequence[tuple[str, Sequence[Bar]]], note: str) -> str:
    """Return groups of labelled bars, all of one scale within a group."""
    start, parts, down = 276, [_text(_WIDTH - 12, 24, note, "end", GREY)], 24
    for number, (title, rows) in enumerate(groups):
        parts.append(_text(12, down, title, "start"))
        down += 12
        longest = max(bar.value for bar in rows)
        for bar in rows:
            length = (_WIDTH - start - 180) * bar.value / longest
            colour = (BLUE, GREEN, ORANGE)[number % 3]
            parts.append(_text(start - 8, down + 13, bar.name, "end"))
            parts.append(
                f'<rect x="{start}" y="{down + 2}" width="{length:.1f}" height="14" fill="{colour}"/>'
            )
            parts.append(_text(start + length + 6, down + 13, bar.shown, "start"))
            down += 20
        down += 28
    return _page(down - 14, "; ".join(title for title, _ in groups), parts)
