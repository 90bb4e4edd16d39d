"""
Vectors of the emulator: deterministic, not unit length, and with little meaning. Not a model.

Every item becomes one row of features: its words, the things a text names, and how it looks
(`visual_features.py`). A fixed matrix of signs, seeded by the model's name, turns the row into a vector. A shorter
vector is the beginning of the longer one, and vectors of two models are unrelated.

Features are rounded to multiples of 2**-12 and the matrix holds +1 and -1, so that every sum is exact in float32
and does not depend on the order in which a processor adds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.emulator import lexicon, visual_features, word_features
from volc_dashscope.emulator.shapes import Row, unit, units
from volc_dashscope.emulator.visual_features import VisualFeatures
from volc_dashscope.emulator.word_features import COMMON, FEATURES, digest


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An encoded image, described by its decoded pixels."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LinkPart:
    """An "image" or "video" elsewhere, judged by the words of its URL and never fetched."""

    url: str
    kind: str


@dataclass(frozen=True, slots=True)
class VideoPart:
    """An encoded video, which is not decoded: only equal bytes give equal vectors."""

    data: bytes


Part = TextPart | ImagePart | LinkPart | VideoPart

_BLOCK = 4096  # components made at once; a longer vector takes several matrices
_ROLE = 32
_BIAS = 0.3  # every vector of a model leans the same way a little, as real ones do
_VOCABULARY = 2**17
_ONE_THREAD = 2**18  # multiplications that OpenBLAS does in the calling thread
_PIECE = 32  # components of a product at a time, where so many stay in the calling thread; divides _BLOCK
_SEEN = 2000  # characters of a text that are searched for colours and things

MOST_KNOWN = 1024  # vectors kept, some 8 KB each: tests and benchmarks send few texts, again and again
_KNOWN: dict[tuple[str, int, str, str, int], Row] = {}

_RUN = re.compile(r"[a-z]+|[0-9]+|[\u3400-\u9fff]+|[^\W\d_a-z\u3400-\u9fff]+")


def _signs(seed: int, count: int) -> NDArray[np.int8]:
    """Return +1 and -1 from a seed, the same on every platform."""
    raw = np.frombuffer(np.random.Generator(np.random.PCG64(seed)).bytes((count + 7) // 8), np.uint8)
    return np.unpackbits(raw)[:count].astype(np.int8) * np.int8(2) - np.int8(1)


@lru_cache(maxsize=4)
def _matrix(model: str, block: int, features: int) -> NDArray[np.int8]:
    return _signs(digest(model, str(block)), features * _BLOCK).reshape(features, _BLOCK)


@lru_cache(maxsize=6)
def _floats(model: str, block: int, features: int, part: tuple[int, int], width: int) -> NDArray[np.float32]:
    """
    Return the rows `part` of a matrix as floats, (width, rows).

    Converting them costs more than a product with them, and a product with part of a matrix more than with a whole.
    The width is rounded up to whole pieces of `_products`.
    """
    columns = _matrix(model, block, features)[slice(*part), : -(-width // _PIECE) * _PIECE]
    return np.ascontiguousarray(columns.T, np.float32)


@lru_cache(maxsize=1)
def _concepts() -> dict[str, int]:
    """Return the feature of each thing and group of things."""
    table = lexicon.things()
    groups = sorted({f"group {thing.group}" for thing in table.values()})
    return {name: at for at, name in enumerate([*table, *groups])}


def _named(reading: lexicon.Reading) -> Row:
    if not reading.things:
        return np.zeros(len(_concepts()), np.float32)
    row, table, things = np.zeros(len(_concepts()), np.float32), _concepts(), lexicon.things()
    for name, _ in reading.things:
        row[table[name]] += 1
        row[table[f"group {things[name].group}"]] += 1
    return unit(row)


def _wording(parts: Sequence[Part]) -> str:
    """Return all words of an item: its texts, and what its links are called."""
    texts = []
    for part in parts:
        if isinstance(part, TextPart):
            texts.append(part.text)
        elif isinstance(part, LinkPart):
            path = re.sub(r"^[a-z]+://[^/?#]*|[?#].*$|\.\w{2,4}$", "", unquote(part.url.split("?")[0]))
            texts.append(re.sub(r"[\W_]+", " ", path).strip() or part.url)
    return "\n".join(texts)


def _merge(pictures: list[VisualFeatures], described: VisualFeatures) -> VisualFeatures:
    """Merge what images and texts look like. Colours named in a text replace those of an image; its outline stays."""
    if not pictures:
        return described
    colour, layout, shape = (
        np.mean([getattr(features, name) for features in pictures], axis=0, dtype=np.float32)
        for name in ("colour", "layout", "shape")
    )
    kept, moved = (np.float32(0.15), np.float32(0.3)) if described.stated else (np.float32(1), np.float32(1))
    return VisualFeatures(
        unit(kept * colour + (np.float32(1) if described.stated else np.float32(0.3)) * described.colour),
        moved * layout + np.float32(0.5) * described.layout,
        shape + np.float32(0.35) * described.shape,
    )


def _features(items: Sequence[Sequence[Part]], start: Row) -> NDArray[np.float32]:
    """Return a row of features for each item, of unit length, after those that all begin with."""
    texts = [_wording(parts) for parts in items]
    rows = np.zeros(
        (len(items), len(start) + FEATURES + len(_concepts()) + sum(visual_features.sizes())), np.float32
    )
    rows[:, : len(start)] = start
    features = rows[:, len(start) :]
    for row, parts, text, words in zip(features, items, texts, word_features.rows(texts), strict=True):
        _fill(row, parts, text, words)
    features[:] = units(features)
    return rows


def _fill(row: Row, parts: Sequence[Part], text: str, words: Row) -> None:
    """Write the features of an item into an array of zeros, given those of its words."""
    reading = lexicon.read(text[:_SEEN])
    visual_share = np.float32(min(2.5 * reading.coverage, 1) ** 0.5)
    pictures = [visual_features.picture(part.data) for part in parts if isinstance(part, ImagePart)]
    lexical = np.float32(1 - 0.35 * visual_share) * words if visual_share else words
    for part in parts:
        if isinstance(part, VideoPart):
            lexical += unit(_signs(digest(part.data), FEATURES).astype(np.float32))
    if not (pictures or lexical.any()):  # only signs and spaces, or nothing
        lexical = unit(_signs(digest(text), FEATURES).astype(np.float32))
    row[:FEATURES] = lexical
    if not (pictures or visual_share):
        return
    visual = FEATURES + len(_concepts())
    row[FEATURES:visual] = np.float32(0.7) * visual_share * _named(reading)
    features = _merge(pictures, visual_features.described(reading))
    np.concatenate([features.colour, features.layout, features.shape], out=row[visual:])
    row[visual:] *= np.float32(1) if pictures else visual_share


def _start(role: str, instruction: str) -> Row:
    """Return what a row of features begins with: the bias, and a small push by the role and the instruction."""
    row = np.zeros(1 + _ROLE, np.float32)
    row[0] = _BIAS
    for kind, word in (("role", role), ("instruction", instruction)):
        if word:
            row[1:] += np.float32(0.1) * _push(digest(kind, word))
    return row


@lru_cache(maxsize=256)
def _push(seed: int) -> Row:
    return unit(_signs(seed, _ROLE).astype(np.float32))


def _products(matrix: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Return the product of two matrices, computed in pieces.

    OpenBLAS spreads a larger product over threads that wait for each other in a loop. Beside a client on the same
    machine that took twenty times the processor time of one thread.
    """
    step = _PIECE
    while step > 1 and step * rows.size > _ONE_THREAD:
        step //= 2
    product: NDArray[np.float32] = np.matmul(matrix.reshape(-1, step, len(rows)), rows)
    return product.reshape(len(matrix), -1)


def vector(
    parts: Sequence[Part], *, model: str, dimension: int, role: str = "", instruction: str = ""
) -> NDArray[np.float32]:
    """
    Return a float32 vector of `dimension` components for the parts, which share one meaning.

    Raises:
        ValueError: A picture cannot be decoded.
    """
    rows = vectors([parts], model=model, dimension=dimension, role=role, instruction=instruction)
    return rows.reshape(-1)


def vectors(
    items: Sequence[Sequence[Part]], *, model: str, dimension: int, role: str = "", instruction: str = ""
) -> NDArray[np.float32]:
    """
    Return the vectors of many items, (n, dimension), each as `vector` makes it.

    Raises:
        ValueError: A picture cannot be decoded.
    """
    keys = [(model, dimension, role, instruction, _identity(parts)) for parts in items]
    known = {key: row for key in keys if (row := _KNOWN.get(key)) is not None}
    unknown = {key: parts for key, parts in zip(keys, items, strict=True) if key not in known}
    if unknown:
        made = _computed([*unknown.values()], _start(role, instruction), model, dimension)
        new = dict(zip(unknown, map(np.copy, made), strict=True))
        if len(_KNOWN) + len(new) > MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN.update(new)
        known |= new
    rows = np.empty((len(items), dimension), np.float32)
    for row, key in zip(rows, keys, strict=True):
        row[:] = known[key]
    return rows


def _identity(parts: Sequence[Part]) -> int:
    """Return what tells these parts from others."""
    return digest(
        *(
            value
            for part in parts
            for value in (type(part).__name__, *(getattr(part, name) for name in part.__slots__))
        )
    )


def _computed(items: Sequence[Sequence[Part]], start: Row, model: str, dimension: int) -> NDArray[np.float32]:
    exact: NDArray[np.float32] = np.rint(_features(items, start) * np.float32(4096)) / np.float32(4096)
    # The visual features, two thirds of a row, are zero for most texts.
    worded, features = len(start) + FEATURES, exact.shape[1]
    visual = np.flatnonzero(exact[:, worded:].any(axis=1))
    blocks = []
    for at in range(0, dimension, _BLOCK):
        width = min(_BLOCK, dimension - at)
        matrix = partial(_floats, model, at // _BLOCK, features, width=width)
        sums = _products(matrix((0, worded)), exact[:, :worded].T)
        if len(visual):
            sums[:, visual] += _products(matrix((worded, features)), exact[visual, worded:].T)
        blocks.append(sums[:width].T)
    jitter = [digest(*(getattr(part, part.__slots__[0]) for part in parts)) % 1024 / 1024 for parts in items]
    lengths = np.array([0.4 + 0.18 * share for share in jitter], np.float32)
    return np.ascontiguousarray(np.concatenate(blocks, axis=1) * lengths[:, None], np.float32)


def sparse(text: str) -> list[tuple[int, float, str]]:
    """Return (vocabulary index, value, token) by index for each distinct token: words, and Chinese characters."""
    counts: Counter[str] = Counter()
    for run in _RUN.findall(text.lower()):
        chinese = "\u3400" <= run[0] <= "\u9fff"
        counts.update(run if chinese else [run])
    taken: dict[int, tuple[int, float, str]] = {}
    for token, times in counts.items():
        index = digest("token", token) % _VOCABULARY
        while index in taken:
            index = (index + 1) % _VOCABULARY
        rarity = 0.1 if token in COMMON else 0.4 + 0.1 * min(len(token), 6)
        taken[index] = (index, round(rarity * times / (times + 0.5), 6), token)
    return [taken[index] for index in sorted(taken)]
