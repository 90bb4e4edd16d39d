"""Finds the items of a call that need no request: known rows, and items equal to an earlier one. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from volc_dashscope._request.items import Refused
from volc_dashscope._request.row_cache import Row, RowCache
from volc_dashscope._types import RequestSpec
from volc_dashscope.inputs import Item
from volc_dashscope.results import FloatArray


class Lookup:
    """
    Looks up a call's items in the cache of its client.

    With a user's cache, equal items are requested once, and the row is written to the cache. Without one, only rows
    kept of an earlier call are found, and each is used only once.

    Attributes:
        caches: Whether rows are written to the user's cache, and equal items wait for one row.
    """

    def __init__(self, items: Sequence[Item], spec: RequestSpec, row_cache: RowCache) -> None:
        self._items, self._spec, self._row_cache = items, spec, row_cache
        # A refused item has no content. It is replaced by the empty text, for which no row is ever kept.
        self._keys = row_cache.keys(["" if isinstance(item, Refused) else item for item in items], spec)
        self._duplicates: dict[int, list[int]] = {}
        self._writes = row_cache.buffer() if row_cache.caches else None
        self.caches = self._writes is not None and self._keys is not None and spec.output_type == "dense"

    def known_rows(self) -> dict[int, Row]:
        """Return the rows that are known, by position."""
        return {} if self._keys is None else self._row_cache.find_rows(self._keys, self._spec)

    def unknown_items(self, answered: Callable[[int], bool]) -> Iterator[tuple[int, Item]]:
        """Yield the items to request, with their positions; those equal to an earlier one wait for its row."""
        waiting = self._find_duplicates(answered) if self.caches else ()
        for position, item in enumerate(self._items):
            if not answered(position) and position not in waiting:
                yield position, item

    def _find_duplicates(self, answered: Callable[[int], bool]) -> set[int]:
        waiting: set[int] = set()
        first: dict[str, int] = {}
        for position, key in enumerate(self._keys or ()):
            if not answered(position) and first.setdefault(key, position) != position:
                self._duplicates.setdefault(first[key], []).append(position)
                waiting.add(position)
        return waiting

    def duplicates(self, position: int) -> Sequence[int]:
        """Return the positions of the items that are equal to this one and wait for its row."""
        return self._duplicates.get(position, ())

    def remember(self, positions: Sequence[int], rows: FloatArray) -> None:
        """Buffer rows that just arrived for the user's cache."""
        if self.caches and self._writes is not None and self._keys is not None:
            self._writes.add([self._keys[position] for position in positions], rows)

    def write_old(self) -> None:
        """Write rows to the user's cache that have waited long enough."""
        if self._writes is not None:
            self._writes.flush_old()

    def write(self) -> None:
        """Write all waiting rows to the user's cache."""
        if self._writes is not None:
            self._writes.flush()

    def keep(self, rows: Mapping[int, Row], *, quick: bool = False) -> None:
        """Keep finished rows for one more call for the same items; `quick` limits the time this takes."""
        items = (self._items[position] for position in rows)
        until = self._row_cache.keep_deadline() if quick else math.inf
        self._row_cache.keep(items, self._spec, rows.values(), until=until)

    def forget(self, positions: Iterable[int]) -> None:
        """Forget the rows that were kept of these items."""
        self._row_cache.forget([self._items[position] for position in positions], self._spec)
