"""One call of many items: what to send, what came back, and what it means in the end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from threading import Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from volc_dashscope._limits.rate_limiter import RequestCost
from volc_dashscope._request import batching
from volc_dashscope._request.items import Refused, all_as_sent, refusals
from volc_dashscope._request.row_cache import RowCache
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.validation import check_items, check_settings
from volc_dashscope._types import Batch, OnError, ProviderCodec, Reply, Request, RequestSpec, Rows
from volc_dashscope.errors import BadReplyError, BulkError, ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item
from volc_dashscope.results import EmbeddingResult, FloatArray, SparseVector, Usage

T = TypeVar("T")
_ON_ERROR = ("raise", "abort", "skip")
# Added up so many at a time, which is quicker than one by one.
_BILLS = 256


class LearnedLength:
    """The length of an unknown model's rows: that of the first reply, whichever call and thread it is for."""

    def __init__(self, value: int | None = None) -> None:
        self.value = value
        self._lock = Lock()

    def agrees(self, length: int) -> bool:
        """Return whether a reply has the length of the first; the first one sets it."""
        with self._lock:
            if self.value is None:
                self.value = length
            return self.value == length


class Exchange:
    """
    A batch as an operation of the flow.

    Args:
        length: Shared by all requests of a client.
    """

    __slots__ = ("_batch", "_codec", "_length", "_spec", "cost")

    def __init__(self, batch: Batch, spec: RequestSpec, codec: ProviderCodec, length: LearnedLength) -> None:
        self._batch, self._spec, self._codec, self._length = batch, spec, codec, length
        self.cost = RequestCost(1, sum(batching.tokens(item, spec.model_info) for item in batch.items))

    def build(self) -> Request:
        return self._codec.build(self._batch, self._spec)

    def read(self, reply: Reply) -> Rows | EmbeddingError:
        outcome = self._codec.read(reply, self._batch, self._spec)
        if not isinstance(outcome, Rows) or outcome.vectors is None or self._spec.expected is not None:
            return outcome
        if self._length.agrees(outcome.vectors.shape[1]):
            return outcome
        # The first reply came while this one was on its way: it is read again, against that one's length.
        return self._codec.read(reply, self._batch, replace(self._spec, learned=self._length.value))


class Call:
    """
    The state of one `embed`.

    Bad settings and bad items raise here, before anything is sent. The owner feeds `scheduler` to a fan-out, hands
    every outcome to `handle`, and asks for the `result`.
    """

    def __init__(
        self,
        items: Sequence[Item],
        spec: RequestSpec,
        *,
        on_error: OnError,
        width: int,
        row_cache: RowCache,
        keep: bool,
        max_in_flight: Callable[[], float] | None = None,
    ) -> None:
        if on_error not in _ON_ERROR:
            raise InputError(f"on_error must be one of {', '.join(_ON_ERROR)}, got {on_error!r}")
        check_settings(spec)
        items, self._truncated = all_as_sent(items, spec)
        check_items(items, spec)
        self._spec = spec
        self.count = len(items)
        self._on_error = on_error
        self._table: FloatArray | None = None
        self._sparse: list[SparseVector | None] | None = [None] * self.count if spec.sparse else None
        self._multi: list[NDArray[np.float16] | None] | None = None
        if spec.output_type == "multi":
            self._multi = [None] * self.count
        self._usages: list[Usage] = []
        self._request_ids: list[str] = []
        self._model: str | None = None
        self._done = bytearray(self.count)
        self._rows = 0
        self._failures = refusals(items)
        if self._failures and (self.single or on_error == "abort"):
            raise self._failures[min(self._failures)]
        self._fatal: EmbeddingError | None = None
        self._items, self._row_cache, self._keep = items, row_cache, keep
        self._duplicates: dict[int, list[int]] = {}
        # A refused item has no content; no row is kept of the empty text in its place.
        self._keys = row_cache.keys(["" if isinstance(item, Refused) else item for item in items], spec)
        if self._keys is not None:
            self._recall(self._keys)
        self.scheduler: Scheduler[Batch] = Scheduler(
            batching.plan(self._unknown(), spec), width=width, max_in_flight=max_in_flight
        )

    @property
    def single(self) -> bool:
        """Whether there is one item only: it needs no workers and gets its own error."""
        return self.count == 1

    @property
    def finished(self) -> int:
        """Items that have a row or an error."""
        return self._rows + len(self._failures)

    @property
    def usage(self) -> Usage:
        """What was billed so far."""
        return Usage.total(self._usages)

    @property
    def aborted(self) -> bool:
        """Whether the caller wants nothing more of this call, not even what is in flight."""
        return self._on_error == "abort" and bool(self._failures)

    def handle(self, number: int, batch: Batch, outcome: Rows | BaseException) -> None:
        """Store rows, or note why there are none; decides what may still start."""
        requeue: tuple[Batch, ...] = ()
        if isinstance(outcome, Rows):
            self._store(batch, outcome)
        elif not isinstance(outcome, EmbeddingError) or isinstance(outcome, ConfigError):
            raise outcome
        elif len(batch) > 1 and (outcome.splittable or isinstance(outcome, InputError)):
            # An `InputError` this late is a file that changed; its neighbours are not to blame.
            requeue = batch.halves()
        else:
            self._fail(batch, outcome)
        self.scheduler.finish(number, requeue)

    def result(self) -> EmbeddingResult:
        """
        Return the finished call.

        Raises:
            EmbeddingError: The only item failed, or the group was all-or-nothing.
            BulkError: Some of many items failed.
        """
        for position, done in enumerate(self._done):
            if not done and position not in self._failures:
                self._failures[position] = self._unsent(position)
        if self._table is not None:
            self._table[list(self._failures)] = np.nan
        result = self._snapshot()
        if not self._failures or self._on_error == "skip":
            return result
        self._keep_rows([position for position, done in enumerate(self._done) if done])
        first = self._failures[min(self._failures)]
        if self._on_error == "abort":
            raise self._fatal or first
        if self.count == 1:
            raise first
        failed = len(self._failures)
        raise BulkError(
            f"{failed} of {self.count} items failed; the first: {first}",
            result=result,
            failures=self._failures,
        ) from first

    def _snapshot(self) -> EmbeddingResult:
        table = self._table
        if table is None:
            width = (self._spec.expected or 0) if self._spec.dense else 0
            table = np.full((self.count, width), np.nan, dtype=np.float32)
        return EmbeddingResult(
            vectors=table,
            usage=self.usage,
            request_ids=tuple(self._request_ids),
            model=self._model or self._spec.model,
            sparse=self._sparse,
            multi=self._multi,
            errors=dict(sorted(self._failures.items())),
            truncated=self._truncated,
        )

    def _store(self, batch: Batch, rows: Rows) -> None:
        fault = self._mismatch(rows)
        if fault is not None:
            return self._fail(batch, BadReplyError(fault, provider=self._spec.model_info.provider))
        where = batch.positions
        self._usages.append(rows.usage)
        if len(self._usages) == _BILLS:
            self._usages = [self.usage]
        if rows.request_id:
            self._request_ids.append(rows.request_id)
        if rows.vectors is not None:
            table = self._sized(rows.vectors.shape[1])
            for position, row in zip(where, rows.vectors, strict=True):
                table[position] = row
        _place(self._sparse, where, rows.sparse)
        _place(self._multi, where, rows.multi)
        if self._keep:
            self._keep_rows(where)
        self._mark(where)
        if rows.vectors is not None and self._keys is not None:
            self._remember(where, rows.vectors, self._keys)
        return None

    def _mismatch(self, rows: Rows) -> str | None:
        """Say how rows differ from those of the call's other replies; where they do not, note the model."""
        if rows.vectors is not None and self._table is not None:
            known, length = self._table.shape[1], rows.vectors.shape[1]
            if known != length:
                return f"replies of one call have lengths {known} and {length}"
        if rows.model is not None:
            # A server of one's own may answer under any of its names.
            if not self._spec.foreign and self._model not in (None, rows.model):
                # Unsourced A9: two model names in the replies of one call are a fault: mixed vectors are
                # worthless.
                return f"replies of one call name two models, {self._model!r} and {rows.model!r}"
            self._model = rows.model
        return None

    def _mark(self, where: Sequence[int]) -> None:
        for position in where:
            self._done[position] = True
        self._rows += len(where)

    def _sized(self, width: int) -> FloatArray:
        if self._table is None:
            self._table = np.empty((self.count, width), dtype=np.float32)
        return self._table

    def _recall(self, keys: list[str]) -> None:
        """Fill in what is known; with a cache, note which items are the same as an earlier one."""
        for position, (row, sparse) in self._row_cache.recall(keys, self._spec).items():
            if self._sized(len(row)).shape[1] == len(row):
                self._sized(len(row))[position] = row
                self._mark([position])
                if self._sparse is not None:
                    self._sparse[position] = sparse
        first: dict[str, int] = {}
        for position, key in enumerate(keys if self._row_cache.caches else ()):
            if not self._done[position] and first.setdefault(key, position) != position:
                self._duplicates.setdefault(first[key], []).append(position)

    def _keep_rows(self, where: Sequence[int]) -> None:
        """Keep finished rows for one more call that asks for the same."""
        if self._table is None or self._spec.output_type not in ("dense", "dense&sparse"):
            return
        halves = self._sparse or [None] * self.count
        rows = [(self._table[position], halves[position]) for position in where]
        self._row_cache.keep([self._items[position] for position in where], self._spec, rows)

    def _unknown(self) -> Iterator[tuple[int, Item]]:
        duplicates = {position for others in self._duplicates.values() for position in others}
        for position, item in enumerate(self._items):
            if not self._done[position] and position not in duplicates and position not in self._failures:
                yield position, item

    def _remember(self, where: Sequence[int], rows: FloatArray, keys: Sequence[str]) -> None:
        if self._spec.output_type != "dense":
            return
        self._row_cache.learn([keys[position] for position in where], rows)
        for position, row in zip(where, rows, strict=True):
            others = self._duplicates.get(position, [])
            self._sized(len(row))[others] = row
            self._mark(others)

    def _fail(self, batch: Batch, error: EmbeddingError) -> None:
        for position in batch.positions:
            for failed in (position, *self._duplicates.get(position, ())):
                self._failures[failed] = error
        if error.account or self._on_error == "abort":
            self._fatal = self._fatal or error
            self.scheduler.halt()

    def _unsent(self, position: int) -> EmbeddingError:
        cause = self._fatal
        if cause is None:
            raise AssertionError(f"item {position} was neither embedded nor refused")
        error = type(cause)(
            f"item {position} was not sent, because: {cause}",
            provider=cause.provider,
            status=cause.status,
            code=cause.code,
            request_id=cause.request_id,
            index=position,
            account=cause.account,
        )
        error.__cause__ = cause
        return error


def _place(table: list[T | None] | None, where: Sequence[int], values: Sequence[T] | None) -> None:
    if table is not None and values is not None:
        for position, value in zip(where, values, strict=True):
            table[position] = value
