"""Rows that need not be asked for again: the user's cache, what a failed call had finished, parked halves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, MutableMapping, Sequence
from hashlib import sha256
from threading import Lock
from typing import Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import orjson

from volc_dashscope._types import RequestSpec
from volc_dashscope.inputs import Item, digest
from volc_dashscope.results import FloatArray, SparseVector

V = TypeVar("V")
Row: TypeAlias = tuple[FloatArray, "SparseVector | None"]


class BatchCache(Protocol):
    """A cache that answers for many keys at once, as `SQLiteCache` does."""

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]: ...

    def set_many(self, entries: dict[str, bytes]) -> None: ...


class OneTimeRows(Generic[V]):
    """
    A bounded store whose entries are consumed when read; the oldest go first when it is full.

    Args:
        max_bytes: Sum of the sizes given to `put` that is never exceeded.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, tuple[int, list[V]]] = OrderedDict()
        self._lock = Lock()

    def put(self, key: str, value: V, size: int) -> None:
        """Keep a value; the same key may be kept several times."""
        if size > self._max_bytes:
            return
        with self._lock:
            held, values = self._entries.pop(key, (0, []))
            values.append(value)
            self._entries[key] = (held + size, values)
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, (dropped, _) = self._entries.popitem(last=False)
                self._bytes -= dropped

    def take(self, key: str) -> V | None:
        """Remove and return a value, or None."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            held, values = found
            value = values.pop()
            share = held // (len(values) + 1)
            self._bytes -= share
            if values:
                self._entries[key] = (held - share, values)
            else:
                del self._entries[key]
            return value

    def __len__(self) -> int:
        return len(self._entries)


class RowCache:
    """
    What a client remembers of rows, by everything that shapes them: model, dimension, role, instruction, content.

    Args:
        cache: A mapping of text keys to bytes, or a `BatchCache`; None for no cache. Holds dense rows.
        kept_bytes: How much is kept of failed calls for their retry, and of hybrid calls for the other half.
    """

    def __init__(self, cache: MutableMapping[str, bytes] | BatchCache | None, kept_bytes: int) -> None:
        self._cache = cache
        self._kept: OneTimeRows[Row] = OneTimeRows(kept_bytes)

    @property
    def caches(self) -> bool:
        """Whether the user gave a cache."""
        return self._cache is not None

    def keys(self, items: Sequence[Item], spec: RequestSpec) -> list[str] | None:
        """Return a key for each item, or None where nothing could be recalled or learnt."""
        useful = len(self._kept) > 0 or (self.caches and spec.output_type == "dense")
        return _keys(items, spec) if useful else None

    def recall(self, keys: Sequence[str], spec: RequestSpec) -> dict[int, Row]:
        """Return the rows that are known, by position. What was kept is given once."""
        stored = self._stored(keys) if spec.output_type == "dense" else {}
        rows: dict[int, Row] = {}
        for position, key in enumerate(keys):
            found = stored.get(key)
            row = (found, None) if found is not None else self._kept.take(key)
            if row is not None and spec.expected in (None, len(row[0])):
                rows[position] = row
        return rows

    def learn(self, keys: Sequence[str], rows: Iterable[FloatArray]) -> None:
        """Write rows that just arrived to the user's cache."""
        if self._cache is None:
            return
        entries = {key: row.astype("<f4", copy=False).tobytes() for key, row in zip(keys, rows, strict=True)}
        if isinstance(self._cache, MutableMapping):
            self._cache.update(entries)
        else:
            self._cache.set_many(entries)

    def keep(self, items: Sequence[Item], spec: RequestSpec, rows: Sequence[Row]) -> None:
        """Keep rows for one more call that asks for the same."""
        for key, (row, sparse) in zip(_keys(items, spec), rows, strict=True):
            weight = sparse.indices.nbytes + sparse.values.nbytes if sparse is not None else 0
            self._kept.put(key, (row.copy(), sparse), row.nbytes + weight)

    def _stored(self, keys: Sequence[str]) -> dict[str, FloatArray]:
        if self._cache is None:
            return {}
        if isinstance(self._cache, MutableMapping):
            found = {key: data for key in keys if (data := self._cache.get(key)) is not None}
        else:
            found = self._cache.get_many(keys)
        return {key: np.frombuffer(data, dtype="<f4") for key, data in found.items() if len(data) % 4 == 0}


def _keys(items: Sequence[Item], spec: RequestSpec) -> list[str]:
    shape = sha256(orjson.dumps([spec.vector_key, spec.text_type, spec.output_type])).hexdigest()[:32]
    return [f"{shape}:{digest(item)}" for item in items]
