"""Known rows: from the user's cache, finished by a failed call, or kept for the other call of a hybrid pair."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from inspect import iscoroutinefunction
from threading import Lock
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import orjson

from volc_dashscope._types import RequestSpec
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item, digest
from volc_dashscope.providers.parsing import are_valid_rows
from volc_dashscope.results import FloatArray, SparseVector

V = TypeVar("V")
# Seconds for which a cache is not used after it has failed.
_PAUSE_SECONDS = 30.0
# Rows of a call that are written to the cache together, and how long the oldest of them waits. With the quarter of a
# second between two checks, that is less than a second.
_MAX_WAITING_ROWS = 256
_MAX_WAIT_SECONDS = 0.7
# Seconds that a stopped call may take to keep its rows: enough for all texts whose rows are kept.
_MAX_KEEP_SECONDS = 0.5
_METHODS = ("get_many", "set_many", "get", "update", "__setitem__")
# Rows checked together: enough to share the cost of a check, and few enough because a row that is kept keeps the array
# of all of them in memory.
_ROWS_PER_CHECK = 64
# A dense row, a sparse row, and the model that the reply named; a cache holds no sparse rows and no names.
Row: TypeAlias = tuple[FloatArray, "SparseVector | None", str | None]


class BatchCache(Protocol):
    """A cache that reads and writes many keys at once, as `SQLiteCache` does."""

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]: ...

    def set_many(self, entries: dict[str, bytes]) -> None: ...


class OneTimeRows(Generic[V]):
    """
    A bounded store whose entries are removed when they are read. When it is full, the oldest entries are dropped.

    Args:
        max_bytes: Upper bound on the sum of the sizes passed to `put`.

    Attributes:
        max_bytes: The same.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, tuple[int, list[V]]] = OrderedDict()
        self._lock = Lock()

    def put(self, key: str, value: V, size: int) -> None:
        """Store a value; a key may have several."""
        if size > self.max_bytes:
            return
        with self._lock:
            held, values = self._entries.pop(key, (0, []))
            values.append(value)
            self._entries[key] = (held + size, values)
            self._bytes += size
            while self._bytes > self.max_bytes:
                _, (dropped, _) = self._entries.popitem(last=False)
                self._bytes -= dropped

    def pop(self, key: str) -> V | None:
        """Remove and return the latest value of a key, or None."""
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
    A client's known rows, by everything that shapes them: model, dimension, role, instruction, content.

    Args:
        cache: A mapping of text keys to bytes, or a `BatchCache`; None for no cache. Holds dense rows.
        kept_bytes: Most bytes kept of failed calls for their retry, and of hybrid calls for the other call.
        warn: Called once if the cache fails or holds a value that is not a row.

    Attributes:
        caches: Whether the user passed a cache.
    """

    def __init__(
        self,
        cache: MutableMapping[str, bytes] | BatchCache | None,
        kept_bytes: int,
        *,
        clock: Callable[[], float],
        warn: Callable[[str], None],
    ) -> None:
        self._cache = None if cache is None else UserCache(cache, clock, warn)
        self._kept: OneTimeRows[Row] = OneTimeRows(kept_bytes)
        self._clock = clock
        self.caches = cache is not None

    def keys(self, items: Sequence[Item], spec: RequestSpec) -> list[str] | None:
        """Return a key for each item, or None where no row is known or will be written."""
        useful = (self.caches and spec.output_type == "dense") or len(self._kept) > 0
        return _keys(items, spec) if useful else None

    def find_rows(self, keys: Sequence[str], spec: RequestSpec) -> dict[int, Row]:
        """Return the rows that are known, by position. A kept row is returned only once."""
        stored: dict[str, FloatArray] = {}
        if self._cache is not None and spec.output_type == "dense":
            stored = self._cache.rows(keys, spec.expected)
        rows: dict[int, Row] = {}
        for position, key in enumerate(keys):
            found = stored.get(key)
            row = (found, None, None) if found is not None else self._kept.pop(key)
            if row is not None and spec.expected in (None, len(row[0])):
                rows[position] = row
        return rows

    def keep_deadline(self) -> float:
        """Return the time until which a stopped call may keep its rows."""
        return self._clock() + _MAX_KEEP_SECONDS

    def buffer(self) -> WriteBuffer | None:
        """Return a write buffer for the rows of one call; None without a cache."""
        return None if self._cache is None else WriteBuffer(self._cache, self._clock)

    def keep(
        self, items: Iterable[Item], spec: RequestSpec, rows: Iterable[Row], *, until: float = math.inf
    ) -> None:
        """
        Keep rows for one more call for the same items.

        Args:
            until: Stop at this time. Keeping a row may be slow, because files are read again for their keys.
        """
        if not self._kept.max_bytes:
            return
        shape = _shape(spec)
        for item, (row, sparse, model) in zip(items, rows, strict=True):
            if self._clock() >= until:
                return
            # A file that was changed or deleted since it was sent has no key; its row cannot be found again anyway.
            with suppress(InputError):
                weight = sparse.indices.nbytes + sparse.values.nbytes if sparse is not None else 0
                self._kept.put(_key(item, shape), (row.copy(), sparse, model), row.nbytes + weight)

    def forget(self, items: Sequence[Item], spec: RequestSpec) -> None:
        """Drop one kept row of each item."""
        shape = _shape(spec)
        for item in items:
            with suppress(InputError):  # an item without a key was not kept
                self._kept.pop(_key(item, shape))


class WriteBuffer:
    """
    Buffers rows of one call and writes many at a time to the user's cache.

    A cache in a file takes about as long to write 200 rows as to write one. Buffered rows are lost if the process is
    killed, so no row waits longer than a second: the client calls `flush_old` at least every quarter of a second, and
    `flush` before the call returns or raises. A generator can do neither while its caller has control; `yielding`
    is for that.
    """

    def __init__(self, cache: UserCache, clock: Callable[[], float]) -> None:
        self._cache, self._clock = cache, clock
        self._entries: dict[str, bytes] = {}
        self._since = 0.0
        # Seconds for which the caller had control the last time; unknown at first.
        self._yielded = math.inf

    def add(self, keys: Sequence[str], rows: Iterable[FloatArray]) -> None:
        """Add rows, and write when there are 256 or the oldest has waited long enough."""
        if not self._entries:
            self._since = self._clock()
        self._entries.update(_values(keys, rows))
        if len(self._entries) >= _MAX_WAITING_ROWS:
            self.flush()
        else:
            self.flush_old()

    def flush_old(self) -> None:
        """Write all rows if the oldest has waited long enough."""
        if self._entries and self._clock() - self._since >= _MAX_WAIT_SECONDS:
            self.flush()

    @contextmanager
    def yielding(self) -> Iterator[None]:
        """
        Wrap a `yield` of rows, because the caller may keep control for long.

        Rows are written before it if they would wait too long in case the caller takes as long as the last time.
        """
        began = self._clock()
        if self._entries and began - self._since + self._yielded >= _MAX_WAIT_SECONDS:
            self.flush()
        yield
        self._yielded = self._clock() - began
        self.flush_old()

    def flush(self) -> None:
        """Write all rows."""
        if self._entries:
            entries, self._entries = self._entries, {}
            self._cache.write(entries)


class UserCache:
    """
    The user's cache. Its failures never fail a call: rows that it cannot return are requested again.

    The cache may be any mapping, for example on a full or damaged disk or behind a network, so it may raise anything.
    After a failure it is not used for a while, because a timeout for each of a million rows would cost more than the
    rows themselves. Reads and writes are suspended separately, since a full disk can still be read.
    """

    def __init__(
        self,
        cache: MutableMapping[str, bytes] | BatchCache,
        clock: Callable[[], float],
        warn: Callable[[str], None],
    ) -> None:
        many = all(hasattr(cache, name) for name in ("get_many", "set_many"))
        if not many and not all(hasattr(cache, name) for name in ("get", "__setitem__")):
            raise ConfigError(
                f"cache must be a mapping of str to bytes, such as SQLiteCache(path), got {type(cache).__name__}"
            )
        # An async method would return a coroutine and do nothing, so that every row would be paid for again.
        awaited = [name for name in _METHODS if iscoroutinefunction(getattr(cache, name, None))]
        if awaited:
            raise ConfigError(
                f"cache must be synchronous, but {type(cache).__name__}.{awaited[0]} is a coroutine function"
            )
        self._cache: Any = cache
        self._clock, self._warn = clock, warn
        self._warned: set[str] = set()
        self._resume = {"read": -math.inf, "written": -math.inf}

    def rows(self, keys: Sequence[str], expected: int | None) -> dict[str, FloatArray]:
        """Return the rows of these keys that are in the cache and valid."""
        found = self.read(keys)
        rows = _valid_rows(found, expected)
        if len(rows) < len(found):
            self.warn_once(
                "rows",
                "the cache contains entries that are not valid rows of this model; those items are embedded again",
            )
        return rows

    def read(self, keys: Sequence[str]) -> dict[str, object]:
        """Return the values of these keys that are in the cache, unchecked."""
        found: dict[str, object] = {}
        with self._tolerating("read") as usable:
            if usable:
                self._read(keys, found)
        return found

    def write(self, entries: dict[str, bytes]) -> None:
        """Write new rows."""
        with self._tolerating("written") as usable:
            if usable:
                self._write(entries)

    def _read(self, keys: Sequence[str], found: dict[str, object]) -> None:
        """Fill `found`, so that values read before a failure are kept."""
        if (get_many := getattr(self._cache, "get_many", None)) is not None:
            found.update({key: data for key, data in get_many(keys).items() if data is not None})
            return
        for key in keys:
            if (data := self._cache.get(key)) is not None:
                found[key] = data

    def _write(self, entries: dict[str, bytes]) -> None:
        for name in ("set_many", "update"):
            if (write := getattr(self._cache, name, None)) is not None:
                write(entries)
                return
        for key, value in entries.items():
            self._cache[key] = value

    @contextmanager
    def _tolerating(self, done: str) -> Iterator[bool]:
        """Yield whether the cache may be used now; catch what it raises and warn."""
        try:
            yield self._clock() >= self._resume[done]
        except Exception as error:
            self._resume[done] = self._clock() + _PAUSE_SECONDS
            # Messages of other libraries may contain an address with its password.
            ours = isinstance(error, EmbeddingError)
            reason = str(error) if ours else getattr(error, "strerror", None) or type(error).__name__
            self.warn_once("failure", f"the cache cannot be {done} ({reason}); the call goes on without it")

    def warn_once(self, kind: str, message: str) -> None:
        """Warn, but only once for each kind of failure."""
        if kind not in self._warned:
            self._warned.add(kind)
            self._warn(message)


def _valid_rows(found: Mapping[str, object], expected: int | None) -> dict[str, FloatArray]:
    """
    Return the values of a cache that are rows, checked like those of a reply.

    Rows of the same length are checked together: checked one at a time, they took half the time of a fully cached call.
    """
    keys: dict[int, list[str]] = {}
    for key, data in found.items():
        if isinstance(data, bytes | bytearray | memoryview) and (size := len(data)) and not size % 4:
            keys.setdefault(size // 4, []).append(key)
    rows: dict[str, FloatArray] = {}
    for length, group in keys.items():
        if expected not in (None, length):
            continue
        for start in range(0, len(group), _ROWS_PER_CHECK):
            chunk = group[start : start + _ROWS_PER_CHECK]
            table = np.frombuffer(b"".join(cast("bytes", found[key]) for key in chunk), "<f4").reshape(
                -1, length
            )
            rows.update((chunk[place], table[place]) for place in np.flatnonzero(are_valid_rows(table)))
    return rows


def _values(keys: Sequence[str], rows: Iterable[FloatArray]) -> dict[str, bytes]:
    return {key: row.astype("<f4", copy=False).tobytes() for key, row in zip(keys, rows, strict=True)}


def _keys(items: Sequence[Item], spec: RequestSpec) -> list[str]:
    shape = _shape(spec)
    return [_key(item, shape) for item in items]


def _key(item: Item, shape: str) -> str:
    return f"{shape}:{digest(item)}"


def _shape(spec: RequestSpec) -> str:
    return sha256(orjson.dumps([spec.vector_key, spec.text_type, spec.output_type])).hexdigest()[:32]
