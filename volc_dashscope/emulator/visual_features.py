"""
Visual features of a picture or a text: colours, their layout from top to bottom, and an outline.

Pictures are measured from decoded pixels; texts get those of the colours and things they name (`lexicon.py`).
Both end in the same features, so that they can be compared.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from io import BytesIO
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.emulator import lexicon
from volc_dashscope.emulator.media import header
from volc_dashscope.emulator.shapes import Mask, Row, outline, resemble, unit

_MAX_PIXELS = 40_000_000
_SIDE = 96
# Formats that Pillow reads with its own code; EPS would start another program.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "ICO", "ICNS", "SGI", "JPEG2000", "PPM")
# What Pillow's decoders raise on damaged files.
_DAMAGED = (OSError, ValueError, TypeError, SyntaxError, ArithmeticError, LookupError, EOFError, MemoryError)
_BROKEN = (RuntimeError, struct.error, zlib.error)
MOST_KNOWN = 128  # pictures whose features are kept, 3 KB each; one picture is often sent again
_KNOWN: dict[bytes, VisualFeatures] = {}


@dataclass(frozen=True, slots=True)
class VisualFeatures:
    """
    The visual features of an item; an array is zero if nothing is known.

    Attributes:
        colour: A row of features, of unit length or less.
        layout: Another.
        shape: Another.
        stated: The colours come from words, and replace those of an image.
    """

    colour: Row
    layout: Row
    shape: Row
    stated: bool = False


def _lab(rgb: NDArray[np.number]) -> Row:
    """CIE L*a*b* of sRGB in 0..255, with lightness held down: shade matters less than hue."""
    c = rgb.astype(np.float64) / 255
    linear = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([0.7 * (116 * y - 16), 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def _cell(rgb: NDArray[np.integer]) -> NDArray[np.int64]:
    coarse = (rgb.astype(np.int64) + 8) // 17
    return np.asarray(coarse[..., 0] * 256 + coarse[..., 1] * 16 + coarse[..., 2])


@lru_cache(maxsize=1)
def _palette() -> tuple[Row, dict[str, Row]]:
    """Return the features of each RGB cell (4 bits a channel) and of each colour word."""
    samples = [(term, bytes.fromhex(h)) for term, hexes in lexicon.colours().values() for h in hexes]
    terms = list(dict.fromkeys(term for term, _ in samples))
    anchors = _lab(np.array([list(rgb) for _, rgb in samples]))
    cells = np.stack(np.meshgrid(*[np.arange(16)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * 17
    gaps = ((_lab(cells)[:, None] - anchors[None]) ** 2).sum(-1)
    near = np.exp((gaps.min(1, keepdims=True) - gaps) / 150)
    near /= near.sum(1, keepdims=True)
    of_term = np.array([[term == t for t in terms] for term, _ in samples], np.float32)
    table = np.concatenate([near @ of_term, 0.7 * near], axis=1).astype(np.float32)
    named = {
        name: table[_cell(np.array([list(bytes.fromhex(h)) for h in hexes]))].mean(0)
        for name, (_, hexes) in lexicon.colours().items()
    }
    return table, named


def _pixel_colours(cells: NDArray[np.int64]) -> Row:
    """Colour features of a set of pixels; the exponent keeps small bright parts visible."""
    table = _palette()[0]
    share = np.bincount(cells.ravel(), minlength=4096).astype(np.float32) / np.float32(max(cells.size, 1))
    return unit(np.asarray((share @ table) ** 0.75, np.float32))


@lru_cache(maxsize=4096)
def _word_colours(names: tuple[str, ...]) -> Row:
    """Colour features of words, dominant first; must not be changed in place."""
    table, named = _palette()
    total = np.zeros(table.shape[1], np.float32)
    for rank, name in enumerate(names):
        total += named[lexicon.colour_words()[name]] / np.float32(1 + rank)
    return unit(total)


def sizes() -> tuple[int, int, int]:
    """Return the lengths of the colour, layout (three bands, and "is a scene") and shape rows."""
    hues = _palette()[0].shape[1]
    return hues, 3 * hues + 1, len(outline("disc"))


def _pixels(data: bytes) -> NDArray[np.uint8]:
    """Decode the first frame, small, on white."""
    from PIL import Image

    known = header(data)
    # Pillow would print a warning about so many.
    if known is not None and known.width * known.height > _MAX_PIXELS:
        raise ValueError("cannot decode image")
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise ValueError("cannot decode image")
            picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            if picture.mode.startswith("I"):  # 16 bits a pixel, which `convert` would clip
                frame = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            else:
                frame = picture if picture.mode in ("RGB", "L") else picture.convert("RGBA")
            scale = _SIDE / max(frame.size)
            size = (max(8, round(frame.width * scale)), max(8, round(frame.height * scale)))
            small = frame.resize(size, Image.Resampling.BOX).convert("RGBA")
    except (*_DAMAGED, *_BROKEN, Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ValueError("cannot decode image") from exc
    rgba = np.asarray(small, np.float32)
    alpha = rgba[..., 3:] / 255
    return np.asarray(np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)), np.uint8)


def _background(lab: Row) -> Row:
    """Return the background of each row: the colour at both edges, or at the edge that continues the row above."""
    left, right = np.median(lab[:, :3], axis=1), np.median(lab[:, -3:], axis=1)
    ground = (left + right) / 2
    above = np.median(lab[0], axis=0)
    apart = np.linalg.norm(left - right, axis=1) > 20
    for y in range(len(lab)):
        if apart[y]:
            ground[y] = min((left[y], right[y]), key=lambda side: float(np.abs(side - above).sum()))
        above = ground[y]
    return np.asarray(ground, np.float32)


def _largest(mask: Mask) -> Mask:
    """Return the largest connected piece; the mask is one long integer, so that growing is four shifts."""
    bits = np.pad(mask, ((0, 0), (0, 1)))
    stride = bits.shape[1]
    rest = int.from_bytes(np.packbits(bits.ravel(), bitorder="little").tobytes(), "little")
    best = 0
    for _ in range(64):
        grown, piece = 0, rest & -rest
        while piece != grown:
            grown = piece
            piece = (piece | piece << 1 | piece >> 1 | piece << stride | piece >> stride) & rest
        best = max(best, piece, key=int.bit_count)
        rest &= ~piece
    raw = np.frombuffer(best.to_bytes(bits.size // 8 + 1, "little"), np.uint8)
    flat = np.unpackbits(raw, bitorder="little")[: bits.size]
    return np.asarray(flat.reshape(bits.shape)[:, :-1], np.bool_)


def _foreground(lab: Row, ground: Row) -> Mask:
    """Return the pixels that differ from the background, without single specks."""
    gap = np.linalg.norm(lab - ground[:, None], axis=2)
    grain = float(np.median(np.concatenate([gap[:, :3], gap[:, -3:]], axis=1)))
    rough = np.pad(gap > 13 + 2.5 * grain, 1, mode="edge")
    around = sum(
        rough[1 + y : rough.shape[0] - 1 + y, 1 + x : rough.shape[1] - 1 + x].astype(np.int8)
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    )
    return np.asarray(around >= 4, np.bool_)


def picture(data: bytes) -> VisualFeatures:
    """
    Return the visual features of an encoded picture; not to be changed in place.

    Raises:
        ValueError: The picture cannot be decoded.
    """
    key = blake2b(data, digest_size=16).digest()
    features = _KNOWN.get(key)
    if features is None:
        features = _measured(data)
        if len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = features
    return features


def _measured(data: bytes) -> VisualFeatures:
    rgb = _pixels(data)
    cells, lab = _cell(rgb), _lab(rgb)
    ground = _background(lab)
    mask = _foreground(lab, ground)
    piece = _largest(mask)
    if piece.sum() < 0.4 * mask.sum():
        piece = mask
    quarter = max(len(lab) // 4, 1)
    change = min(float(np.linalg.norm(ground[:quarter].mean(0) - ground[-quarter:].mean(0))) / 40, 1.0)
    tint = min(float(np.linalg.norm(ground.mean(0)[1:])) / 40, 1.0)
    rim = np.concatenate([piece[0], piece[-1], piece[:, 0], piece[:, -1]])
    clear = min(float(piece.mean()) / 0.03, 1.0) * min(max(1.3 - 2 * float(rim.mean()), 0.1), 1.0)
    scene = max(change, tint)
    behind = (1 - clear) * (0.3 + 0.7 * scene) + clear * (0.08 + 0.5 * scene)
    front = _pixel_colours(cells[mask]) if mask.any() else _pixel_colours(cells)
    back = _pixel_colours(cells[~mask]) if not mask.all() else front
    bands = np.concatenate([_pixel_colours(band) for band in np.array_split(cells, 3)]) / np.float32(3**0.5)
    weight = np.float32(0.35 + 0.5 * max(scene, 1 - clear))
    shape = resemble(piece) if piece.any() else np.zeros(sizes()[2], np.float32)
    return VisualFeatures(
        unit(np.float32(clear) * front + np.float32(behind) * back),
        np.append(weight * bands, np.float32(0.6 * scene)),
        np.float32(clear * (1 - 0.4 * scene)) * shape,
    )


def described(reading: lexicon.Reading) -> VisualFeatures:
    """Return the visual features of the things a text names; its arrays are shared and must not be changed in place."""
    return _from_words(reading.colours, reading.unwanted, reading.things)


@lru_cache(maxsize=1024)  # of 2 kB each
def _from_words(
    colours: tuple[str, ...], unwanted: tuple[str, ...], things: tuple[tuple[str, tuple[str, ...]], ...]
) -> VisualFeatures:
    colour, layout, shape = (np.zeros(size, np.float32) for size in sizes())
    if not (colours or unwanted or things):
        return VisualFeatures(colour, layout, shape)
    stated = bool(colours) or any(own for _, own in things)
    for name, own in things:
        thing = lexicon.things()[name]
        usual = tuple(word for band in zip_longest(*thing.colours) for word in band if word)
        if own or not colours:
            colour += _word_colours(own or usual) * np.float32(0.3 if stated and not own else 1)
        else:
            colour += np.float32(0.15) * _word_colours(usual)
        if len(thing.colours) == 3:
            named = np.float32(0.8) * _word_colours(own or colours)
            bands = [unit(_word_colours(band) + named) if band else 0 * named for band in thing.colours]
            layout += np.append(np.concatenate(bands), np.float32(1.3))
            colour += np.float32(0.5 if own else 0) * _word_colours(usual)
        if thing.outline != "-":
            shape += np.float32(0.35 if len(thing.colours) == 3 else 1) * outline(thing.outline)
    colour += np.float32(1.2) * _word_colours(colours)
    colour -= np.float32(0.6) * _word_colours(unwanted)
    # A scene is known by where its colours are, more than by which.
    scene = bool(things) and all(len(lexicon.things()[name].colours) == 3 for name, _ in things)
    return VisualFeatures(
        np.float32(0.55 if scene else 1) * unit(colour),
        np.float32(0.9) * unit(layout),
        unit(shape),
        stated or bool(unwanted),
    )
