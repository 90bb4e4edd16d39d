"""
Outlines as numbers: how full, round, long, pointed and even a silhouette is, and what familiar shape it resembles.

The familiar shapes are the recipes of `lexicon.OUTLINES`, painted once and measured like what stands in a picture.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.emulator import lexicon

Row = NDArray[np.float32]
Mask = NDArray[np.bool_]

_GRID = 24


def unit(row: Row) -> Row:
    """Return the row at length 1, or unchanged when it is zero."""
    length = np.float32(np.sqrt(row.dot(row)))
    return (row / length).astype(np.float32) if length > 1e-9 else row


def units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each of the rows as `unit` does."""
    lengths: Row = np.sqrt(np.array([row.dot(row) for row in rows], np.float32))
    lengths[lengths <= 1e-9] = 1
    return np.asarray(rows / lengths[:, None], np.float32)


def _paint(recipe: str, turn: float) -> Mask:
    """Rasterise one outline of `lexicon.OUTLINES`, turned by an angle."""
    y, x = (np.mgrid[0:80, 0:80] + 0.5) * 2.5 - 50
    x, y = (
        50 + np.cos(turn) * (x - 50) + np.sin(turn) * (y - 50),
        50 - np.sin(turn) * (x - 50) + np.cos(turn) * (y - 50),
    )
    mask = np.zeros(x.shape, np.bool_)
    for item in recipe.split(";"):
        shape = item.strip().removeprefix("-")
        if shape.startswith("o "):
            cx, cy, rx, ry = (float(v) for v in shape[2:].split(","))
            inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1
        else:
            points = [[float(v) for v in pair.split(",")] for pair in shape.split()]
            inside = np.zeros(x.shape, np.bool_)
            for (x0, y0), (x1, y1) in pairwise([*points, points[0]]):
                inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / ((y1 - y0) or 1) + x0)
        mask = mask & ~inside if item.strip().startswith("-") else mask | inside
    return mask


def _trim(mask: Mask) -> tuple[Mask, float]:
    """Return the mask's bounding box, centred in a square of _GRID cells, and its width divided by its height."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.pad(mask[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1], 1)
    high, wide = box.shape[0] - 2, box.shape[1] - 2
    steps = (np.arange(_GRID) + 0.5) / _GRID * max(high, wide)
    rows = np.clip(np.floor(steps - (max(high, wide) - high) / 2) + 1, 0, high + 1).astype(np.int64)
    cols = np.clip(np.floor(steps - (max(high, wide) - wide) / 2) + 1, 0, wide + 1).astype(np.int64)
    return box[np.ix_(rows, cols)], wide / high


def _measure(mask: Mask) -> tuple[Row, Row]:
    """Silhouette (8 x 8, mirrored halves merged) and statistics of an outline, each scalar as soft bins."""
    grid, aspect = _trim(mask)
    gy, gx = np.nonzero(grid)
    area = len(gy)
    dy, dx = gy - gy.mean(), gx - gx.mean()
    radius = np.hypot(dy, dx)
    (small, large), _ = np.linalg.eigh(np.cov(np.stack([dy, dx]), bias=True) + 0.08 * np.eye(2))
    reach = np.zeros(24)
    np.maximum.at(reach, ((np.arctan2(dy, dx) + np.pi) / (2 * np.pi) * 23.99).astype(np.int64), radius + 0.5)
    waves = np.abs(np.fft.rfft(reach))[2:7] / reach.sum()
    spans = sum(int(np.ptp(np.flatnonzero(line))) + 1 for line in (*grid, *grid.T) if line.any()) / 2
    scalars = [
        area / _GRID**2 * max(aspect, 1 / aspect),
        np.sqrt(small / large),
        0.376 * np.sqrt(area) / max(float(radius.mean()), 0.3),
        (radius < 0.4 * np.sqrt(area / np.pi)).sum() / (0.16 * area),
        0.5 + 0.35 * np.log(aspect),
        area / spans,
        np.count_nonzero(grid ^ grid[:, ::-1]) / (2 * area),
        0.5 + 3 * (gy.mean() + 0.5 - _GRID / 2) / _GRID,
        *(4 * waves),
    ]
    bins = np.exp(-(((np.clip(scalars, 0, 1)[:, None] - np.linspace(0, 1, 7)) / 0.15) ** 2))
    silhouette = grid.reshape(8, 3, 8, 3).mean((1, 3))
    return (silhouette + silhouette[:, ::-1]).ravel().astype(np.float32) / 2, bins.ravel().astype(np.float32)


@lru_cache(maxsize=1)
def _gallery() -> tuple[list[str], Row, tuple[Row, Row]]:
    """Return the outline each row shows, the rows (centred, unit length), and what centring subtracts."""
    names: list[str] = []
    measures: list[tuple[Row, Row]] = []
    for name, recipes in lexicon.outlines().items():
        for recipe in recipes:
            turns = np.arange(8) * np.pi / 4 if recipe.startswith("*") else [0.0]
            names += [name] * len(turns)
            measures += [_measure(_paint(recipe.removeprefix("*"), float(turn))) for turn in turns]
    first = [names.index(name) for name in dict.fromkeys(names)]
    silhouettes, bins = (np.stack([measures[i][half] for i in first]).mean(0) for half in (0, 1))
    middle = (silhouettes, bins)
    return names, np.stack([_describe(m, middle) for m in measures]), middle


def _describe(measure: tuple[Row, Row], middle: tuple[Row, Row]) -> Row:
    silhouette, bins = unit(measure[0] - middle[0]), unit(measure[1] - middle[1])
    return np.concatenate([np.float32(0.75) * silhouette, np.float32(0.66) * bins])


def _compare(described: Row) -> Row:
    """The description itself, and how much it resembles each outline in the gallery."""
    names, rows, _ = _gallery()
    starts = [i for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    peaks = np.exp(7 * (np.maximum.reduceat(rows @ described, starts) - 1))
    return unit(np.concatenate([np.float32(0.6) * unit(described), np.float32(0.8) * unit(peaks)]))


@lru_cache(maxsize=256)
def outline(name: str) -> Row:
    """Shape features of a named outline."""
    names, rows, _ = _gallery()
    return _compare(rows[names.index(name)])


def resemble(mask: Mask) -> Row:
    """Shape features of the outline in a mask. The mask must not be empty."""
    return _compare(_describe(_measure(mask), _gallery()[2]))
