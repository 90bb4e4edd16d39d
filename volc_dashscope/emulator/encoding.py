"""Writes vectors into replies: as numbers, as base64, and as Ark's token vectors."""

from __future__ import annotations

import importlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.emulator import tokens
from volc_dashscope.emulator.exchange import Refusal
from volc_dashscope.emulator.vectors import Part, TextPart, vector, vectors
from volc_dashscope.models import ModelInfo

_MAX_ROWS = 256
_FIRST = Lock()


def embedded(
    parts: Sequence[Part], row: ModelInfo, size: int, *, role: str = "", instruction: str = ""
) -> NDArray[np.float32]:
    """Return the vector of the parts, or refuse an image that cannot be decoded."""
    embedding: NDArray[np.float32] = embedded_all([parts], row, size, role=role, instruction=instruction)[0]
    return embedding


def embedded_all(
    items: Sequence[Sequence[Part]], row: ModelInfo, size: int, *, role: str = "", instruction: str = ""
) -> NDArray[np.float32]:
    """Return the vectors of the items of one request."""
    with _FIRST:  # the first requests come at once, and the tables they share are made by one of them
        _warm()
    try:
        return vectors(items, model=row.name, dimension=size, role=role, instruction=instruction)
    except ValueError as exc:
        raise Refusal(400, "InvalidParameter", "The image cannot be decoded.", "input") from exc


@cache
def _warm() -> None:
    vector([TextPart("first")], model="", dimension=1)


def encoded(row: NDArray[np.float32], form: str | None) -> Any:
    """Return the array itself, or base64 of little-endian float32, as the vendor's Go SDK reads it (no page says)."""
    if form != "base64":
        return np.ascontiguousarray(row, dtype=np.float32)
    return b64encode(row.astype("<f4").tobytes()).decode()


def multi(parts: Sequence[Part], row: ModelInfo, size: int, compression: str | None) -> Any:
    """
    Return the `multi_embedding` of Ark: token rows of `size` columns.

    Compressed, it is base64 of the flat little-endian fp16 array (API page, 2026-08). Here each text token
    has a row and each picture or video one.
    """
    pieces: list[Part] = []
    for part in parts:
        pieces += (
            [TextPart(word) for word in tokens.words(part.text)] if isinstance(part, TextPart) else [part]
        )
    rows = embedded_all([[piece] for piece in pieces[:_MAX_ROWS]], row, size)
    if compression is None:
        return np.ascontiguousarray(rows)
    flat = rows.astype("<f2").tobytes()
    codec = importlib.import_module("blosc2" if compression == "blosc2" else "zstandard")
    packed = codec.compress2(flat) if compression == "blosc2" else codec.compress(flat)
    return b64encode(packed).decode()
