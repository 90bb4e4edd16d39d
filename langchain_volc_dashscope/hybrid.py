"""Which calls of the core bring the dense and sparse halves of items, and how they are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from langchain_volc_dashscope.media import caption_of
from volc_dashscope import BulkError, EmbeddingError, EmbeddingResult, Item, SparseVector
from volc_dashscope.inputs import label, parts

_NOTHING = SparseVector(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))


@dataclass(frozen=True)
class Piece:
    """One call of the core: some of the items, what it asks for, and where its rows belong."""

    positions: tuple[int, ...]
    items: list[Item] = field(repr=False)
    both: bool

    @property
    def settings(self) -> dict[str, Any]:
        """Return the arguments of `Client.embed`."""
        return {"output_type": "dense&sparse", "keep": True} if self.both else {}

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Name items in errors by their place in the whole list."""
        try:
            yield
        except BulkError as error:
            failures = {self.positions[index]: failure for index, failure in error.failures.items()}
            raise BulkError(str(error), result=error.result, failures=failures) from error.__cause__
        except EmbeddingError as error:
            if error.index is not None:
                error.index = self.positions[error.index]
            raise


def dense_pieces(items: Sequence[Item], *, hybrid: bool) -> list[Piece]:
    """Return the calls for dense rows. In hybrid use, texts bring their sparse half along."""
    if not hybrid:
        return [Piece(tuple(range(len(items))), list(items), both=False)]
    texts = _pick(items, lambda item: isinstance(item, str), both=True)
    media = _pick(items, lambda item: not isinstance(item, str), both=False)
    return [piece for piece in (texts, media) if piece.items] or [texts]


def sparse_pieces(given: Sequence[object], items: Sequence[Item]) -> list[Piece]:
    """
    Return the calls for sparse vectors: texts, and of media their own words.

    Args:
        given: What the caller passed, for captions.
        items: What it stands for.
    """
    words = [_words(original, item) for original, item in zip(given, items, strict=True)]
    where = tuple(position for position, text in enumerate(words) if text)
    return [Piece(where, [words[position] for position in where], both=True)] if where else []


def dense_rows(pieces: Sequence[Piece], results: Sequence[EmbeddingResult]) -> list[list[float]]:
    """Put dense rows together in the order of the items."""
    rows: list[list[float]] = [[]] * sum(len(piece.positions) for piece in pieces)
    for piece, result in zip(pieces, results, strict=True):
        for position, row in zip(piece.positions, result.vectors.tolist(), strict=True):
            rows[position] = row
    return rows


def sparse_rows(
    count: int, pieces: Sequence[Piece], results: Sequence[EmbeddingResult]
) -> list[SparseVector]:
    """Put sparse vectors together; what has no words gets an empty one."""
    rows = [_NOTHING] * count
    for piece, result in zip(pieces, results, strict=True):
        for position, vector in zip(piece.positions, result.sparse or (), strict=True):
            rows[position] = vector or _NOTHING
    return rows


def _pick(items: Sequence[Item], wanted: Callable[[Item], bool], *, both: bool) -> Piece:
    where = tuple(position for position, item in enumerate(items) if wanted(item))
    return Piece(where, [items[position] for position in where], both=both)


def _words(given: object, item: Item) -> str:
    if isinstance(item, str):
        return item
    caption = caption_of(given) if isinstance(given, str) else ""
    if caption and caption != label(item):
        return caption
    return " ".join(part for part in parts(item) if isinstance(part, str))
