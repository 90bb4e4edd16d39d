"""A two-dimensional map of an album: similar files are near each other, and groups have a colour."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.results import FloatArray

# Rows that the axes are computed from; more would hardly change them, and take long.
_FITTED = 500
_AXES = 8  # Axes that k-means uses: distances in thousands of dimensions are all alike.
_MAX_GROUPS = 8  # More colours could not be distinguished.
_ROUNDS = 20
# Words of file names such as "flag_of_denmark" that say nothing about a group.
_FUNCTION_WORDS = frozenset(
    ["an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "over", "the", "to", "under", "with"]
)


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """
    The position of each entry of an album.

    Attributes:
        points: float32, shape (n, 2), both axes from 0 to 1.
        groups: The group of each, from 0; group 0 is the largest.
    """

    points: FloatArray
    groups: NDArray[np.int64]


def draw_map(vectors: FloatArray) -> Map:
    """Return the map of some vectors; the same vectors give the same map."""
    axes = _principal_components(vectors)
    return Map(_scaled(axes[:, :2]), _groups(axes))


def group_names(names: Sequence[str], groups: NDArray[np.int64]) -> list[str]:
    """
    Return a name for each group: the word in its files' paths that distinguishes it best.

    A word counts by its share in the group less its share in the whole; two words where the next one does nearly as
    well. A group without a word of its own is called by its first file. No two groups have the same name.
    """
    words = [_words(name) for name in names]
    common = Counter(word for found in words for word in found)
    chosen: list[str] = []
    for group in range(int(groups.max()) + 1 if len(groups) else 0):
        members = [words[place] for place in np.flatnonzero(groups == group)]
        counts = Counter(word for found in members for word in found)
        gain = {word: count / len(members) - common[word] / len(names) for word, count in counts.items()}
        best = sorted(gain, key=lambda word: (-gain[word], word))[:2]
        kept = [word for word in best if gain[word] > 0 and gain[word] >= 0.8 * gain[best[0]]]
        first = names[int(np.flatnonzero(groups == group)[0])].rpartition("/")[2].rpartition(".")[0]
        name = " ".join(kept) or first
        chosen.append(name if name not in chosen else f"{name}, {first}")
    return [name if chosen.count(name) == 1 else f"{name} {place + 1}" for place, name in enumerate(chosen)]


def _words(name: str) -> set[str]:
    """Return the words of a path, without its ending, numbers and words such as "of"."""
    found = re.findall(r"[^\W\d_]{2,}", name.rpartition(".")[0] or name)
    return {word.lower() for word in found} - _FUNCTION_WORDS


def _principal_components(vectors: FloatArray) -> FloatArray:
    """Return the first principal components of each row, at least two."""
    sample = np.asarray(vectors[:: -(-len(vectors) // _FITTED)], dtype=np.float64)
    centre = sample.mean(axis=0)
    centred = sample - centre
    # Of few rows with many columns, the small matrix of products has the same axes.
    squares, weights = np.linalg.eigh(centred @ centred.T)
    chosen = [place for place in np.argsort(-squares)[:_AXES] if squares[place] > 1e-9 * squares[-1]]
    directions = weights[:, chosen].T @ centred / np.sqrt(squares[chosen])[:, None]
    # A direction and its opposite are equally right; this picks one.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    directions = np.where(largest < 0, -directions, directions).astype(np.float32)
    found = (vectors - centre.astype(np.float32)) @ directions.T
    return np.asarray(np.pad(found, ((0, 0), (0, max(0, 2 - found.shape[1])))), dtype=np.float32)


def _scaled(points: FloatArray) -> FloatArray:
    """Return the points scaled to 0 to 1 on each axis; 0.5 where all are equal."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = high - low
    return np.asarray(
        np.where(extent > 1e-9, (points - low) / np.where(extent > 1e-9, extent, 1), 0.5), np.float32
    )


def _groups(axes: FloatArray) -> NDArray[np.int64]:
    labels = _k_means(axes, max(1, min(_MAX_GROUPS, round((len(axes) / 2) ** 0.5))))
    present, groups, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    by_size = np.empty(len(present), dtype=np.int64)
    by_size[np.argsort(-sizes, kind="stable")] = np.arange(len(present))
    return by_size[groups.reshape(-1)]


def _k_means(axes: FloatArray, number: int) -> NDArray[np.int64]:
    """
    Return the group of each row (Lloyd's algorithm).

    It stops when no row changes its group, at the latest after `_ROUNDS`; a group that lost its rows stays empty.
    """
    centres = _first_centres(axes, number)
    labels = _nearest(axes, centres)
    for _ in range(_ROUNDS):
        sizes = np.bincount(labels, minlength=number)
        sums = np.stack([np.bincount(labels, column, number) for column in axes.T], axis=1)
        filled = sizes > 0
        centres = np.where(filled[:, None], sums / np.maximum(sizes, 1)[:, None], centres).astype(np.float32)
        before, labels = labels, _nearest(axes, centres)
        if np.array_equal(before, labels):
            break
    return labels


def _nearest(axes: FloatArray, centres: FloatArray) -> NDArray[np.int64]:
    # One centre at a time: a difference of all rows to all centres at once would be several times the vectors' size.
    far = np.stack([np.square(axes - centre).sum(axis=1) for centre in centres], axis=1)
    return np.asarray(far.argmin(axis=1), dtype=np.int64)


def _first_centres(axes: FloatArray, number: int) -> FloatArray:
    """Return rows that are far from each other as the first centres, without randomness."""
    chosen = [int(np.linalg.norm(axes - axes.mean(axis=0), axis=1).argmax())]
    nearest = np.linalg.norm(axes - axes[chosen[0]], axis=1)
    while len(chosen) < number:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(axes - axes[chosen[-1]], axis=1))
    return axes[chosen]
