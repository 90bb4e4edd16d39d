"""A call whose items are read as they are needed, in bounded memory. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain, islice, repeat
from typing import NamedTuple

import numpy as np

from volc_dashscope._request import batching
from volc_dashscope._request.assembly import OTHER_CACHE, ReplyModel
from volc_dashscope._request.items import as_sent
from volc_dashscope._request.row_cache import RowCache, WriteBuffer
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.validation import check_call, check_item, most_characters
from volc_dashscope._types import Batch, RequestSpec, Rows
from volc_dashscope.errors import BadReplyError, ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item, as_iterable
from volc_dashscope.results import FloatArray, Usage

_WINDOW_PER_WORKER = 4
# Items are planned in blocks of this many batches, so that items that need no request (cached or invalid) are passed
# on after one block at the latest.
_BATCHES_PER_BLOCK = 32


class BatchOutcome(NamedTuple):
    """The outcome of some items, usually those of one request: a row for each, or one error for all of them."""

    positions: Sequence[int]
    outcome: FloatArray | EmbeddingError


class Stream:
    """
    The state of one `stream`: like a `Call`, but items are read as they are needed.

    Holds results that are finished out of order, at most a window of batches, until `drain` can yield them in order.

    Args:
        ordered: False yields each result as soon as it is finished.
        max_in_flight: How many requests may be under way now.
        model: The model of earlier rows, which may allow fewer requests.
    """

    def __init__(
        self,
        items: Iterable[Item],
        spec: RequestSpec,
        *,
        width: int,
        row_cache: RowCache,
        ordered: bool = True,
        max_in_flight: Callable[[], float],
        model: ReplyModel | None = None,
    ) -> None:
        check_call(spec)
        items = as_iterable(items, name="items")
        self._spec = spec
        self._outcomes: list[BatchOutcome] = []
        # What is finished, but has to wait for an earlier item.
        self._reorder_buffer: dict[int, FloatArray | EmbeddingError] = {}
        self._next = 0
        self._model = model or ReplyModel(foreign=spec.foreign)
        self._ordered = ordered
        writes = row_cache.buffer()
        # All rows of an unknown model, cached ones included, must have the length of the first.
        self._length = batching.LearnedLength(spec.expected)
        self._lookup = (
            None if writes is None else _StreamLookup(row_cache, writes, spec, self._length, self._outcomes)
        )
        self._unreported_usage = Usage()
        self.scheduler: Scheduler[Batch] = Scheduler(
            self._batches(items),
            width=width,
            window=_WINDOW_PER_WORKER * width,
            max_in_flight=lambda: min(max_in_flight(), self._model.max_in_flight()),
        )

    def handle(self, number: int, batch: Batch, outcome: Rows | BaseException) -> None:
        """Store rows or the error of a batch."""
        requeue: tuple[Batch, ...] = ()
        if isinstance(outcome, Rows) and outcome.vectors is not None:
            self._unreported_usage += outcome.usage
            # An empty batch stands for a block that needed no request.
            fault = self._mismatch(outcome.vectors.shape[1], outcome.model) if batch.positions else None
            if fault is None:
                self._finish(batch, outcome.vectors)
            else:
                fault += "" if self._lookup is None else OTHER_CACHE
                provider = self._spec.model_info.provider
                self._fail(batch, BadReplyError(fault, provider=provider, account=True))
        elif not isinstance(outcome, EmbeddingError) or isinstance(outcome, ConfigError):
            raise outcome if isinstance(outcome, BaseException) else AssertionError("rows without vectors")
        elif len(batch) > 1 and (outcome.splittable or isinstance(outcome, InputError)):
            # An `InputError` this late is a file that changed; the other items of the batch are sent again.
            requeue = batch.halves()
        elif outcome is not self.scheduler.cause():  # else it was not sent
            self._fail(batch, outcome)
        self.scheduler.finish(number, requeue)

    def drain(self) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
        """Yield finished results, in input order if `ordered`."""
        with nullcontext() if self._lookup is None else self._lookup.writes.yielding():
            yield from self._drain()

    def _drain(self) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
        for finished in self.take_outcomes():
            if self._ordered:
                self._reorder_buffer.update(_by_position(finished))
            else:
                yield from _by_position(finished)
        while self._next in self._reorder_buffer:
            yield self._next, self._reorder_buffer.pop(self._next)
            self._next += 1

    def take_outcomes(self) -> list[BatchOutcome]:
        """Return and clear the outcomes that have arrived, in no particular order."""
        outcomes = [*self._outcomes]
        self._outcomes.clear()
        return outcomes

    def take_usage(self) -> Usage:
        """Return and clear the usage that was billed since the last call of this method."""
        usage, self._unreported_usage = self._unreported_usage, Usage()
        return usage

    def write_old(self) -> None:
        """Write rows to the user's cache that have waited long enough; the client calls this while it waits."""
        if self._lookup is not None:
            self._lookup.writes.flush_old()

    def write(self) -> None:
        """Write all waiting rows to the user's cache; the client calls this before it returns or raises."""
        if self._lookup is not None:
            self._lookup.writes.flush()

    def end(self) -> None:
        """Raise the account error that stopped the stream, if one did."""
        cause = self.scheduler.cause()
        if cause is not None:
            raise cause

    def _mismatch(self, length: int, model: str | None) -> str | None:
        """Describe how a reply differs from the stream's other rows; None if it does not."""
        fault = self._model.mismatch(model)
        if fault is None and not self._length.agrees(length):
            return f"rows of one stream have dimensions {self._length.value} and {length}"
        return fault

    def _batches(self, items: Iterable[Item]) -> Iterator[Batch]:
        """Yield batches, block by block. A block that needs no request becomes one empty batch, which is not sent."""
        lines = hasattr(items, "readline")
        numbered = enumerate(items)
        while (first := next(numbered, None)) is not None:
            block = chain((first,), islice(numbered, _BATCHES_PER_BLOCK * self._spec.model_info.batch - 1))
            valid = self._checked(block, lines=lines)
            is_empty = True
            to_send = valid if self._lookup is None else self._lookup.to_request(list(valid))
            for batch in batching.plan(to_send, self._spec):
                is_empty = False
                yield batch
            if is_empty:
                yield Batch((), ())

    def _checked(self, items: Iterable[tuple[int, Item]], *, lines: bool) -> Iterator[tuple[int, Item]]:
        most = most_characters(self._spec)
        for index, item in items:
            if not lines and type(item) is str and item.isascii() and 0 < len(item) <= most:
                yield index, item
                continue
            # Each line of an open text file is one item.
            line = item.rstrip("\r\n") if lines and isinstance(item, str) else item
            checked, _ = as_sent(line, self._spec)
            try:
                check_item(checked, self._spec)
            except InputError as error:
                self._outcomes.append(
                    BatchOutcome([index], InputError(f"item {index}: {error}", index=index))
                )
            else:
                yield index, checked

    def _fail(self, batch: Batch, error: EmbeddingError) -> None:
        self._finish(batch, error)
        if error.account:
            self.scheduler.halt(error)

    def _finish(self, batch: Batch, outcome: FloatArray | EmbeddingError) -> None:
        if batch.positions:
            self._outcomes.append(BatchOutcome(batch.positions, outcome))
            if self._lookup is not None:
                self._lookup.finish(batch.positions, outcome)


class _StreamLookup:
    """
    As `Lookup`, for a stream with a user's cache: finds items that are cached or equal to one in flight.

    Args:
        writes: Buffers rows for the cache.
        length: Length of the stream's rows; cached rows of another length are not used.
        outcomes: Outcomes of such items are appended here.
    """

    def __init__(
        self,
        row_cache: RowCache,
        writes: WriteBuffer,
        spec: RequestSpec,
        length: batching.LearnedLength,
        outcomes: list[BatchOutcome],
    ) -> None:
        self._row_cache, self.writes, self._spec, self._outcomes = row_cache, writes, spec, outcomes
        self._length = length
        # The keys of items in flight by position, the position of each key, and the positions that wait for its row.
        self._keys: dict[int, str] = {}
        self._requested_at: dict[str, int] = {}
        self._duplicates: dict[int, list[int]] = {}

    def to_request(self, items: list[tuple[int, Item]]) -> list[tuple[int, Item]]:
        """Return the items that have to be requested, and note their keys."""
        to_send: list[tuple[int, Item]] = []
        block = list(self._keyed(items))
        self.writes.flush()  # so that rows that wait to be written are found, too
        known = self._row_cache.find_rows([key for _, _, key in block], self._spec)
        for place, (index, item, key) in enumerate(block):
            if place in known and self._length.agrees(len(known[place][0])):
                self._outcomes.append(BatchOutcome([index], known[place][0][np.newaxis]))
            elif (requested_at := self._requested_at.setdefault(key, index)) != index:
                self._duplicates.setdefault(requested_at, []).append(index)
            else:
                self._keys[index] = key
                to_send.append((index, item))
        return to_send

    def finish(self, positions: Sequence[int], outcome: FloatArray | EmbeddingError) -> None:
        """Buffer the rows of requested items for the cache, and finish the items that waited for them."""
        keys = [self._keys.pop(position) for position in positions]
        if not isinstance(outcome, EmbeddingError):
            self.writes.add(keys, outcome)
        for place, (position, key) in enumerate(zip(positions, keys, strict=True)):
            del self._requested_at[key]
            if duplicates := self._duplicates.pop(position, ()):
                if isinstance(outcome, EmbeddingError):
                    self._outcomes.append(BatchOutcome(duplicates, outcome))
                else:
                    rows = np.repeat(outcome[place : place + 1], len(duplicates), axis=0)
                    self._outcomes.append(BatchOutcome(duplicates, rows))

    def _keyed(self, items: list[tuple[int, Item]]) -> Iterator[tuple[int, Item, str]]:
        try:
            keys = self._row_cache.keys([item for _, item in items], self._spec) or []
            yield from ((index, item, key) for (index, item), key in zip(items, keys, strict=True))
        except InputError as error:  # a file was changed or deleted between its check and its digest
            if len(items) > 1:
                for pair in items:
                    yield from self._keyed([pair])
            else:
                index = items[0][0]
                self._outcomes.append(
                    BatchOutcome([index], InputError(f"item {index}: {error}", index=index))
                )


def _by_position(finished: BatchOutcome) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
    positions, outcome = finished
    if isinstance(outcome, EmbeddingError):
        return zip(positions, repeat(outcome), strict=False)
    return zip(positions, outcome, strict=True)
