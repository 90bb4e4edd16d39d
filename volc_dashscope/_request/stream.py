"""A call whose items are read as they are needed, in bounded memory. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

import numpy as np

from volc_dashscope._request import batching
from volc_dashscope._request.items import as_sent
from volc_dashscope._request.row_cache import RowCache
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.validation import check_item, check_settings
from volc_dashscope._types import Batch, RequestSpec, Rows
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item, as_iterable
from volc_dashscope.results import FloatArray, Usage

_WINDOW_PER_WORKER = 4
# Items that need no request (known or bad) are passed on after so many requests' worth of items at the latest.
_BLOCK = 32
# The result of an empty batch.
NOTHING = Rows(np.empty((0, 0), dtype=np.float32), Usage())


class Stream:
    """
    The state of one `stream`: like a `Call`, but items are read as they are needed.

    Holds results that are finished out of order, at most a window of batches, until `drain` can yield them in order.

    Args:
        ordered: False yields each result as soon as it is finished.
    """

    def __init__(
        self,
        items: Iterable[Item],
        spec: RequestSpec,
        *,
        width: int,
        row_cache: RowCache,
        ordered: bool = True,
        max_in_flight: Callable[[], float] | None = None,
    ) -> None:
        check_settings(spec)
        members = as_iterable(items, name="items")
        self._spec = spec
        self._ended: dict[int, FloatArray | EmbeddingError] = {}
        self._next = 0
        self._fatal: EmbeddingError | None = None
        self._ordered = ordered
        self._row_cache = row_cache
        # With a cache: the keys of requested items, the position that requested each, and positions that wait for it.
        self._keys: dict[int, str] = {}
        self._askers: dict[str, int] = {}
        self._duplicates: dict[int, list[int]] = {}
        self._unbooked = Usage()
        self.scheduler: Scheduler[Batch] = Scheduler(
            self._batches(members),
            width=width,
            window=_WINDOW_PER_WORKER * width,
            max_in_flight=max_in_flight,
        )

    def handle(self, number: int, batch: Batch, outcome: Rows | BaseException) -> None:
        """Store rows or the error of a batch."""
        requeue: tuple[Batch, ...] = ()
        if isinstance(outcome, Rows) and outcome.vectors is not None:
            self._unbooked += outcome.usage
            if self._keys:
                self._row_cache.learn([self._keys[position] for position in batch.positions], outcome.vectors)
            self._finish(batch, outcome.vectors)
        elif not isinstance(outcome, EmbeddingError) or isinstance(outcome, ConfigError):
            raise outcome if isinstance(outcome, BaseException) else AssertionError("rows without vectors")
        elif len(batch) > 1 and (outcome.splittable or isinstance(outcome, InputError)):
            # An `InputError` this late is a file that changed; the other items of the batch are sent again.
            requeue = batch.halves()
        else:
            self._finish(batch, [outcome] * len(batch))
            if outcome.account:
                self._fatal = outcome
                self.scheduler.halt()
        self.scheduler.finish(number, requeue)

    def drain(self) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
        """Yield finished results, in input order if `ordered`."""
        while self._ended and not self._ordered:
            index = next(iter(self._ended))
            yield index, self._ended.pop(index)
        while self._next in self._ended:
            yield self._next, self._ended.pop(self._next)
            self._next += 1

    def billed(self) -> Usage:
        """Return what was billed since the last call of this."""
        usage, self._unbooked = self._unbooked, Usage()
        return usage

    def end(self) -> None:
        """Raise the account error that stopped the stream, if one did."""
        if self._fatal is not None:
            raise self._fatal

    def _batches(self, items: Iterable[Item]) -> Iterator[Batch]:
        """Plan block by block. A block that needs no request is an empty batch, which carries no request."""
        lines = hasattr(items, "readline")
        given = enumerate(items)
        while (first := next(given, None)) is not None:
            block = chain((first,), islice(given, _BLOCK * self._spec.model_info.batch - 1))
            sound = self._checked(block, lines=lines)
            idle = True
            for batch in batching.plan(self._unknown(sound) if self._row_cache.caches else sound, self._spec):
                idle = False
                yield batch
            if idle:
                yield Batch((), ())

    def _checked(self, items: Iterable[tuple[int, Item]], *, lines: bool) -> Iterator[tuple[int, Item]]:
        for index, given in items:
            # An open text file gives one item a line.
            item = given.rstrip("\r\n") if lines and isinstance(given, str) else given
            item, _ = as_sent(item, self._spec)
            try:
                check_item(item, self._spec)
            except InputError as error:
                self._ended[index] = InputError(f"item {index}: {error}", index=index)
            else:
                yield index, item

    def _finish(self, batch: Batch, outcomes: Iterable[FloatArray | EmbeddingError]) -> None:
        for position, outcome in zip(batch.positions, outcomes, strict=True):
            self._ended[position] = outcome
            if (key := self._keys.pop(position, None)) is not None:
                del self._askers[key]
                for twin in self._duplicates.pop(position, ()):
                    self._ended[twin] = outcome if isinstance(outcome, EmbeddingError) else outcome.copy()

    def _unknown(self, items: Iterator[tuple[int, Item]]) -> list[tuple[int, Item]]:
        """Leave out items that are cached or already requested; remember the keys of the others."""
        asked: list[tuple[int, Item]] = []
        block = list(self._keyed(list(items)))
        known = self._row_cache.recall([key for _, _, key in block], self._spec)
        for place, (index, item, key) in enumerate(block):
            if place in known:
                self._ended[index] = known[place][0]
            elif (asker := self._askers.setdefault(key, index)) != index:
                self._duplicates.setdefault(asker, []).append(index)
            else:
                self._keys[index] = key
                asked.append((index, item))
        return asked

    def _keyed(self, items: list[tuple[int, Item]]) -> Iterator[tuple[int, Item, str]]:
        try:
            keys = self._row_cache.keys([item for _, item in items], self._spec) or []
            yield from ((index, item, key) for (index, item), key in zip(items, keys, strict=True))
        except InputError as error:  # a file that changed or went away between its check and its digest
            if len(items) > 1:
                for one in items:
                    yield from self._keyed([one])
            else:
                self._ended[items[0][0]] = InputError(f"item {items[0][0]}: {error}", index=items[0][0])
