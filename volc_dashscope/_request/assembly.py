"""The result of one call while replies arrive: rows at their positions, and the usage so far. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from volc_dashscope._request.row_cache import Row
from volc_dashscope._types import RequestSpec, Rows
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.results import EmbeddingResult, FloatArray, SparseVector, Usage

T = TypeVar("T")
# Usages added up at a time, which is faster than one by one.
_USAGES_PER_SUM = 256
# Rows that are turned into lists at a time, and exist twice meanwhile: a few megabytes, and enough that resizing the
# array costs little in comparison.
_ROWS_AT_ONCE = 256
# What a message about two models adds for a call with the user's cache.
OTHER_CACHE = "; the cache holds rows of the first, so use another cache"


class ReplyModel:
    """
    The model that replies name. It must be the same in all replies of one call, stream or job.

    Args:
        foreign: The server is not the vendor's, and may reply with any of its names for the model.

    Attributes:
        name: The name, once a reply has one.
        mixed: Whether a reply had another.
    """

    def __init__(self, *, foreign: bool) -> None:
        self._foreign = foreign
        self.name: str | None = None
        self.mixed = False

    def mismatch(self, name: str | None) -> str | None:
        """Describe how a reply's model differs from that of earlier replies; if not, record it and return None."""
        if not self.fits(name):
            # Unsourced A9: two model names in the replies of one call are a fault: mixed vectors are
            # worthless.
            self.mixed = True
            return f"replies of one call are from two models, {self.name!r} and {name!r}"
        self.name = name or self.name
        return None

    def fits(self, name: str | None) -> bool:
        """Return whether rows of a model, or of one that is not known, belong with those of the replies so far."""
        return self._foreign or name is None or self.name in (None, name)

    def max_in_flight(self) -> float:
        """Return how many requests may be in flight until the next reply shows its model."""
        return math.inf


class Assembly:
    """
    The rows of a call, in the order of its items.

    Args:
        model: The model of the call's replies, if other calls are to have the same.

    Attributes:
        rows: How many items have one.
        done: For each item 1 if it has its row, else 0.
    """

    def __init__(self, count: int, spec: RequestSpec, model: ReplyModel | None = None) -> None:
        self._count, self._spec = count, spec
        self._vectors: FloatArray | None = None
        self._sparse: list[SparseVector | None] | None = [None] * count if spec.sparse else None
        self._multi: list[NDArray[np.float16] | None] | None = None
        if spec.output_type == "multi":
            self._multi = [None] * count
        self._usages: list[Usage] = []
        self._request_ids: list[str] = []
        self._model = model or ReplyModel(foreign=spec.foreign)
        self._lengths_differ = False
        self.done = bytearray(count)
        self.rows = 0

    @property
    def usage(self) -> Usage:
        """The usage billed so far."""
        return self._usages[0] if len(self._usages) == 1 else Usage.total(self._usages)

    def mismatch(self, rows: Rows) -> str | None:
        """Describe how rows differ from the call's other replies; if they do not, record the model and return None."""
        if rows.vectors is not None and self._vectors is not None:
            known, length = self._vectors.shape[1], rows.vectors.shape[1]
            if known != length:
                self._lengths_differ = True
                return f"replies of one call have dimensions {known} and {length}"
        return self._model.mismatch(rows.model)

    @property
    def mixed(self) -> bool:
        """Whether replies differ in their model or length. A retry must not mix rows of one with rows of the other."""
        return self._lengths_differ or self._model.mixed

    def store(self, positions: Sequence[int], rows: Rows) -> None:
        """Store a reply's rows at the positions of its items."""
        self._usages.append(rows.usage)
        if len(self._usages) == _USAGES_PER_SUM:
            self._usages = [self.usage]
        if rows.request_id:
            self._request_ids.append(rows.request_id)
        if rows.vectors is not None:
            count, width = rows.vectors.shape
            if count != len(positions):  # NumPy would repeat a single row
                raise AssertionError(f"{count} rows for {len(positions)} positions")
            self._sized(width)[_slice_of(positions)] = rows.vectors
        _place(self._sparse, positions, rows.sparse)
        _place(self._multi, positions, rows.multi)
        self._mark(positions)

    def put(self, known: Mapping[int, Row]) -> None:
        """Store rows that needed no request at their positions, except rows of another length or model."""
        put: list[int] = []
        for position, (row, sparse, model) in known.items():
            table = self._sized(len(row))
            if table.shape[1] == len(row) and self._model.fits(model):
                self._model.name = self._model.name or model
                table[position] = row
                put.append(position)
                if self._sparse is not None:
                    self._sparse[position] = sparse
        self._mark(put)

    @property
    def full(self) -> bool:
        """Whether every item has its row."""
        return 0 not in self.done

    def finished_rows(self, positions: Iterable[int] | None = None) -> dict[int, Row]:
        """Return the finished dense rows with their sparse vectors, by position; or of `positions` only."""
        if self._vectors is None or self._spec.output_type not in ("dense", "dense&sparse"):
            return {}
        sparse = self._sparse or [None] * self._count
        chosen = range(self._count) if positions is None else positions
        return {
            position: (self._vectors[position], sparse[position], self._model.name)
            for position in chosen
            if self.done[position]
        }

    def result(self, failures: Mapping[int, EmbeddingError], truncated: tuple[int, ...]) -> EmbeddingResult:
        """Return the result; rows of items that failed are NaN."""
        table = self._vectors
        if table is None:
            width = (self._spec.expected or 0) if self._spec.dense else 0
            table = np.full((self._count, width), np.nan, dtype=np.float32)
        table[list(failures)] = np.nan
        return EmbeddingResult(
            vectors=table,
            usage=self.usage,
            request_ids=tuple(self._request_ids),
            model=self._model.name or self._spec.model,
            sparse=self._sparse,
            multi=self._multi,
            errors=dict(sorted(failures.items())),
            truncated=truncated,
        )

    def move_rows(self, into: list[list[float]]) -> None:
        """
        Move the rows into an empty list, as lists of floats.

        A list takes ten times the memory of its row. The array shrinks from its end while the lists are made, so that
        the rows never exist twice.
        """
        table, self._vectors = self._sized(0 if self._vectors is None else self._vectors.shape[1]), None
        count, width = table.shape
        into.extend([[]] * count)
        for stop in range(count, 0, -_ROWS_AT_ONCE):
            start = max(0, stop - _ROWS_AT_ONCE)
            into[start:stop] = table[start:stop].tolist()
            # NumPy refuses while the array has another reference; then its memory is freed a little later.
            with suppress(ValueError):
                table.resize((start, width))
        self._vectors = np.empty((0, width), dtype=np.float32)

    def _sized(self, width: int) -> FloatArray:
        if self._vectors is None:
            self._vectors = np.empty((self._count, width), dtype=np.float32)
        return self._vectors

    def _mark(self, positions: Sequence[int]) -> None:
        for position in positions:
            self.done[position] = True
        self.rows += len(positions)


def _slice_of(positions: Sequence[int]) -> slice | list[int]:
    """Return an index for these ascending positions: a slice, which is faster, if they are consecutive."""
    if positions[-1] - positions[0] == len(positions) - 1:
        return slice(positions[0], positions[-1] + 1)
    return list(positions)


def _place(table: list[T | None] | None, positions: Sequence[int], values: Sequence[T] | None) -> None:
    if table is not None and values is not None:
        for position, value in zip(positions, values, strict=True):
            table[position] = value
