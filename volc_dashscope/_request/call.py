"""
One call of many items: which requests may still start, what each outcome means, and the result or error. Pure.

`lookup` finds items that need no request, `batching` and `scheduler` group and order the requests of the others,
and `assembly` collects the replies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from volc_dashscope._request import batching
from volc_dashscope._request.assembly import OTHER_CACHE, Assembly, ReplyModel
from volc_dashscope._request.items import all_as_sent, refusals
from volc_dashscope._request.lookup import Lookup
from volc_dashscope._request.row_cache import RowCache
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.validation import check_call, check_items
from volc_dashscope._types import Batch, OnError, RequestSpec, Rows
from volc_dashscope.errors import BadReplyError, BulkError, ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item
from volc_dashscope.results import EmbeddingResult, Usage

_ON_ERROR = ("raise", "abort", "skip")


class Call:
    """
    The state of one `embed`.

    Bad settings and bad items raise here, before anything is sent. The owner passes `scheduler` to a fan-out and
    every outcome to `handle`, and then calls `result`.

    Args:
        keep: Keep the rows for one more call, for the other vector of a hybrid pair.
        max_in_flight: Returns how many requests may be in flight now.
        model: The model of replies, shared by calls whose rows belong together.

    Attributes:
        spec: What shapes the requests.
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
        model: ReplyModel | None = None,
    ) -> None:
        if on_error not in _ON_ERROR:
            raise InputError(f"on_error must be one of {', '.join(_ON_ERROR)}, got {on_error!r}")
        check_call(spec)
        items, self._truncated = all_as_sent(items, spec)
        check_items(items, spec)
        self.spec, self._on_error, self._keep = spec, on_error, keep
        self.count = len(items)
        self._failures = refusals(items)
        if self._failures and (self.single or on_error == "abort"):
            raise self._failures[min(self._failures)]
        self._assembly = Assembly(self.count, spec, model)
        self._lookup = Lookup(items, spec, row_cache)
        self._assembly.put(self._lookup.known_rows())
        unknown = () if self._assembly.full else self._lookup.unknown_items(self._is_answered)
        self.scheduler: Scheduler[Batch] = Scheduler(
            batching.plan(unknown, spec),
            width=width,
            max_in_flight=max_in_flight,
        )
        if model is not None and model.mixed:
            # The list that this call belongs to has failed; its rows would be paid for and dropped.
            fault = "replies of one list are from two models"
            self.scheduler.halt(BadReplyError(fault, provider=spec.model_info.provider, account=True))

    @property
    def single(self) -> bool:
        """Whether there is one item only: it needs no workers and gets its own error."""
        return self.count == 1

    @property
    def finished(self) -> int:
        """Items that have a row or an error."""
        return self._assembly.rows + len(self._failures)

    @property
    def usage(self) -> Usage:
        """The usage billed so far."""
        return self._assembly.usage

    def handle(self, number: int, batch: Batch, outcome: Rows | BaseException) -> None:
        """Store rows or the error of a batch, and decide which requests may still start."""
        requeue: tuple[Batch, ...] = ()
        if isinstance(outcome, Rows):
            self._store(batch, outcome)
        elif not isinstance(outcome, EmbeddingError) or isinstance(outcome, ConfigError):
            raise outcome
        elif len(batch) > 1 and (outcome.splittable or isinstance(outcome, InputError)):
            # An `InputError` this late is a file that changed; the other items of the batch are sent again.
            requeue = batch.halves()
        elif outcome is not self.scheduler.cause():  # else it was not sent
            self._fail(batch, outcome)
        self.scheduler.finish(number, requeue)

    @property
    def while_waiting(self) -> Callable[[], None] | None:
        """What the owner calls while it waits: it writes rows to the user's cache that have waited long enough."""
        return self._lookup.write_old if self._lookup.caches else None

    def write(self) -> None:
        """Write all waiting rows to the user's cache; the owner calls this before it returns or raises."""
        self._lookup.write()

    def keep_finished(self) -> None:
        """
        Keep the finished rows of a call that was stopped, for its retry; the owner calls this before it raises.

        Ctrl-C, a cancelled task or an error of the user's own code stops a call, and it must then end at once.
        """
        self._keep_for_retry(quick=True)

    def result(self, into: list[list[float]] | None = None) -> EmbeddingResult:
        """
        Return the finished call.

        Args:
            into: Where the rows go, as lists, if all items have one; the result then holds none.

        Raises:
            EmbeddingError: The only item failed, or the group was all-or-nothing.
            BulkError: Some of many items failed.
        """
        for position in () if self._assembly.full else range(self.count):
            if not self._is_answered(position):
                self._failures[position] = self._unsent(position)
        if into is not None and not self._failures:
            self._assembly.move_rows(into)
        result = self._assembly.result(self._failures, self._truncated)
        if self._failures and (self._on_error != "skip" or self._assembly.mixed):
            self._keep_for_retry()
        if not self._failures or self._on_error == "skip":
            return result
        first = self._failures[min(self._failures)]
        if self._on_error == "abort":
            raise self.scheduler.cause() or first
        if self.single:
            raise first
        failed = len(self._failures)
        raise BulkError(
            f"{failed} of {self.count} items failed; the first: {first}",
            result=result,
            failures=self._failures,
        ) from first

    def _keep_for_retry(self, *, quick: bool = False) -> None:
        """Keep the finished rows, or none if a reply of this call, or of others of its list, named another model."""
        rows = self._assembly.finished_rows()
        if not self._assembly.mixed:
            self._lookup.keep(rows, quick=quick)
        elif self._keep:
            self._lookup.forget(rows)

    def _is_answered(self, position: int) -> bool:
        return bool(self._assembly.done[position]) or position in self._failures

    def _store(self, batch: Batch, rows: Rows) -> None:
        fault = self._assembly.mismatch(rows)
        if fault is not None:
            if self._lookup.caches:
                fault += OTHER_CACHE
            self._fail(batch, BadReplyError(fault, provider=self.spec.model_info.provider, account=True))
            return
        self._assembly.store(batch.positions, rows)
        if self._keep and not self._assembly.mixed:
            self._lookup.keep(self._assembly.finished_rows(batch.positions))
        if self._lookup.caches and rows.vectors is not None:
            self._lookup.remember(batch.positions, rows.vectors)
            for index, position in enumerate(batch.positions):
                if others := self._lookup.duplicates(position):
                    self._assembly.put(dict.fromkeys(others, (rows.vectors[index], None, None)))

    def _fail(self, batch: Batch, error: EmbeddingError) -> None:
        for position in batch.positions:
            for failed in (position, *self._lookup.duplicates(position)):
                self._failures[failed] = error
        if error.account or self._on_error == "abort":
            self.scheduler.halt(error)
        if self._on_error == "abort":
            self.scheduler.abandon()

    def _unsent(self, position: int) -> EmbeddingError:
        cause = self.scheduler.cause()
        if cause is None:
            raise AssertionError(f"item {position} was neither embedded nor refused")
        error = type(cause)(
            f"item {position} was not sent because of an earlier failure: {cause}",
            provider=cause.provider,
            status=cause.status,
            code=cause.code,
            request_id=cause.request_id,
            index=position,
            account=cause.account,
        )
        error.__cause__ = cause
        return error
