"""A call whose items are read as they are needed, in bounded memory. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain, islice, repeat
from typing import NamedTuple

import numpy as np

from volc_dashscope._request import batching
from volc_dashscope._request.assembly import ReplyModel
from volc_dashscope._request.items import as_sent
from volc_dashscope._request.row_cache import RowCache, WriteBuffer
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.validation import check_call, check_item, most_characters
from volc_dashscope._types import Batch, RequestSpec, Rows
from volc_dashscope.errors import BadReplyError, ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item, as_iterable
from volc_dashscope.results import FloatArray, Usage

_WINDOW_PER_WORKER = 4
# Items that need no request (known or bad) are passed on after so many requests' worth of items at the latest.
_BLOCK = 32
# The result of an empty batch.
NOTHING = Rows(np.empty((0, 0), dtype=np.float32), Usage())


class Answer(NamedTuple):
    """The outcome of some items, most often those of one request: a row for each, or the error of all of them."""

    positions: Sequence[int]
    outcome: FloatArray | EmbeddingError


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
        check_call(spec)
        members = as_iterable(items, name="items")
        self._spec = spec
        self._answers: list[Answer] = []
        # In input order: what is finished and cannot be yielded yet.
        self._ended: dict[int, FloatArray | EmbeddingError] = {}
        self._next = 0
        self._model = ReplyModel(foreign=spec.foreign)
        self._ordered = ordered
        writes = row_cache.buffer()
        # All rows of an unknown model, those of the cache too, have the length of the first.
        self._length = batching.LearnedLength(spec.expected)
        self._known = (
            None if writes is None else _KnownRows(row_cache, writes, spec, self._length, self._answers)
        )
        self._unbooked = Usage()
        self.scheduler: Scheduler[Batch] = Scheduler(
            self._batches(members),
            width=width,
            window=_WINDOW_PER_WORKER * width,
            max_in_flight=max_in_flight,
        )

    def continue_from(self, model: ReplyModel) -> None:
        """Compare the replies to those of earlier rows, too."""
        self._model = model
        self.scheduler.limit(model.max_in_flight)

    def handle(self, number: int, batch: Batch, outcome: Rows | BaseException) -> None:
        """Store rows or the error of a batch."""
        requeue: tuple[Batch, ...] = ()
        if isinstance(outcome, Rows) and outcome.vectors is not None:
            self._unbooked += outcome.usage
            fault = self._mismatch(outcome.vectors.shape[1], outcome.model)
            if fault is None:
                self._finish(batch, outcome.vectors)
            else:
                self._finish(batch, BadReplyError(fault, provider=self._spec.model_info.provider))
        elif not isinstance(outcome, EmbeddingError) or isinstance(outcome, ConfigError):
            raise outcome if isinstance(outcome, BaseException) else AssertionError("rows without vectors")
        elif len(batch) > 1 and (outcome.splittable or isinstance(outcome, InputError)):
            # An `InputError` this late is a file that changed; the other items of the batch are sent again.
            requeue = batch.halves()
        elif outcome is not self.scheduler.cause():  # else it was not sent
            self._finish(batch, outcome)
            if outcome.account:
                self.scheduler.halt(outcome)
        self.scheduler.finish(number, requeue)

    def drain(self) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
        """Yield finished results, in input order if `ordered`."""
        with nullcontext() if self._known is None else self._known.writes.yielding():
            yield from self._drain()

    def _drain(self) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
        for answer in self.answers():
            if self._ordered:
                self._ended.update(_each(answer))
            else:
                yield from _each(answer)
        while self._next in self._ended:
            yield self._next, self._ended.pop(self._next)
            self._next += 1

    def answers(self) -> list[Answer]:
        """Return what has finished since the last call of this, in no order."""
        answers = [*self._answers]
        self._answers.clear()
        return answers

    def billed(self) -> Usage:
        """Return what was billed since the last call of this."""
        usage, self._unbooked = self._unbooked, Usage()
        return usage

    def write_old(self) -> None:
        """Write rows to the user's cache that have waited long enough; the owner calls this while it waits."""
        if self._known is not None:
            self._known.writes.flush_old()

    def write(self) -> None:
        """Write all waiting rows to the user's cache; the owner calls this before it returns or raises."""
        if self._known is not None:
            self._known.writes.flush()

    def end(self) -> None:
        """Raise the account error that stopped the stream, if one did."""
        cause = self.scheduler.cause()
        if cause is not None:
            raise cause

    def _mismatch(self, length: int, model: str | None) -> str | None:
        """Return how a reply differs from the stream's other rows."""
        fault = self._model.mismatch(model)
        if fault is None and not self._length.agrees(length):
            return f"rows of one stream have dimensions {self._length.value} and {length}"
        return fault

    def _batches(self, items: Iterable[Item]) -> Iterator[Batch]:
        """Plan block by block. A block that needs no request is an empty batch, which carries no request."""
        lines = hasattr(items, "readline")
        given = enumerate(items)
        while (first := next(given, None)) is not None:
            block = chain((first,), islice(given, _BLOCK * self._spec.model_info.batch - 1))
            valid = self._checked(block, lines=lines)
            idle = True
            asked = valid if self._known is None else self._known.to_request(list(valid))
            for batch in batching.plan(asked, self._spec):
                idle = False
                yield batch
            if idle:
                yield Batch((), ())

    def _checked(self, items: Iterable[tuple[int, Item]], *, lines: bool) -> Iterator[tuple[int, Item]]:
        most = most_characters(self._spec)
        for index, given in items:
            if not lines and type(given) is str and given.isascii() and 0 < len(given) <= most:
                yield index, given
                continue
            # An open text file gives one item a line.
            item = given.rstrip("\r\n") if lines and isinstance(given, str) else given
            item, _ = as_sent(item, self._spec)
            try:
                check_item(item, self._spec)
            except InputError as error:
                self._answers.append(Answer([index], InputError(f"item {index}: {error}", index=index)))
            else:
                yield index, item

    def _finish(self, batch: Batch, outcome: FloatArray | EmbeddingError) -> None:
        if batch.positions:
            self._answers.append(Answer(batch.positions, outcome))
            if self._known is not None:
                self._known.finish(batch.positions, outcome)


class _KnownRows:
    """
    For a stream with a user's cache: items that need no request, because they are cached or were requested before.

    Args:
        writes: Rows on their way to the cache.
        length: Of the stream's rows; those of another length are not known.
        answers: Outcomes of such items are appended here.
    """

    def __init__(
        self,
        row_cache: RowCache,
        writes: WriteBuffer,
        spec: RequestSpec,
        length: batching.LearnedLength,
        answers: list[Answer],
    ) -> None:
        self._row_cache, self.writes, self._spec, self._answers = row_cache, writes, spec, answers
        self._length = length
        # The keys of requested items, the position that requested each, and positions that wait for it.
        self._keys: dict[int, str] = {}
        self._askers: dict[str, int] = {}
        self._duplicates: dict[int, list[int]] = {}

    def to_request(self, items: list[tuple[int, Item]]) -> list[tuple[int, Item]]:
        """Return the items that have to be requested; remember their keys."""
        asked: list[tuple[int, Item]] = []
        block = list(self._keyed(items))
        self.writes.flush()  # a row that waits to be written is known as well
        known = self._row_cache.recall([key for _, _, key in block], self._spec)
        for place, (index, item, key) in enumerate(block):
            if place in known and self._length.agrees(len(known[place][0])):
                self._answers.append(Answer([index], known[place][0][np.newaxis]))
            elif (asker := self._askers.setdefault(key, index)) != index:
                self._duplicates.setdefault(asker, []).append(index)
            else:
                self._keys[index] = key
                asked.append((index, item))
        return asked

    def finish(self, positions: Sequence[int], outcome: FloatArray | EmbeddingError) -> None:
        """Buffer the rows of requested items for the cache, and answer the items that waited for them."""
        keys = [self._keys.pop(position) for position in positions]
        if not isinstance(outcome, EmbeddingError):
            self.writes.add(keys, outcome)
        for place, (position, key) in enumerate(zip(positions, keys, strict=True)):
            del self._askers[key]
            if twins := self._duplicates.pop(position, ()):
                if isinstance(outcome, EmbeddingError):
                    self._answers.append(Answer(twins, outcome))
                else:
                    rows = np.repeat(outcome[place : place + 1], len(twins), axis=0)
                    self._answers.append(Answer(twins, rows))

    def _keyed(self, items: list[tuple[int, Item]]) -> Iterator[tuple[int, Item, str]]:
        try:
            keys = self._row_cache.keys([item for _, item in items], self._spec) or []
            yield from ((index, item, key) for (index, item), key in zip(items, keys, strict=True))
        except InputError as error:  # a file that changed or went away between its check and its digest
            if len(items) > 1:
                for one in items:
                    yield from self._keyed([one])
            else:
                index = items[0][0]
                self._answers.append(Answer([index], InputError(f"item {index}: {error}", index=index)))


def _each(answer: Answer) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
    positions, outcome = answer
    if isinstance(outcome, EmbeddingError):
        return zip(positions, repeat(outcome), strict=False)
    return zip(positions, outcome, strict=True)
