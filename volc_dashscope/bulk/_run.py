"""One run of a bulk job: records of a source through a task into a Parquet file, resumable at any moment."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from volc_dashscope._config import check_limits
from volc_dashscope.bulk._identity import Records
from volc_dashscope.bulk._output import begin, complete, report_of, with_failed_file
from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.bulk._partial import Outcomes, PartialOutput, RowFormat
from volc_dashscope.bulk._report import ProgressCallback, Report, State
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError, ServiceUnavailableError
from volc_dashscope.models import ModelInfo
from volc_dashscope.results import Usage

# After this many consecutive failed requests, each after all its attempts, the service counts as down.
_MAX_CONSECUTIVE_FAILURES = 20
# Most replies that the user's function is still to be called for: more than a second's, in about a megabyte.
_MAX_PENDING_CALLS = 8_192
# A group is in memory while it fills: of 1,024 numbers a row, 4 GB.
_MAX_GROUP_ROWS = 1_000_000
OnOutcome: TypeAlias = Callable[[Sequence[int], Outcomes | EmbeddingError], None]


class Task(Protocol):
    """
    What a job does with the records of its source.

    Attributes:
        form: The format of its rows.
        settings: Everything but the source that shapes the rows, by name.
        model_info: The model's row, which has the price.
    """

    form: RowFormat
    settings: Mapping[str, Any]
    model_info: ModelInfo

    @property
    def usage(self) -> Usage:
        """The usage billed to the client so far, for this job and earlier ones."""
        ...

    def resume(self, partial: PartialOutput) -> None:
        """Read from the finished rows what further rows must have in common with them."""
        ...

    def item(self, record: Any) -> Any:
        """Return the item of a record, or raise `InputError`."""
        ...

    def run(self, items: Iterator[Any], on_outcome: OnOutcome, idle: Callable[[], None]) -> None:
        """
        Send items, and pass on the outcome of each as soon as it is finished.

        Args:
            on_outcome: Called with the indexes of some items, in ascending order, and their outcomes, or the error of
                all of them. In any thread, one call at a time; items are not read meanwhile.
            idle: Called in this thread: often while `on_outcome` is called in others, and once after the last.
        """
        ...

    def row_message(self, record: Any, error: EmbeddingError) -> str:
        """Return an error's message in terms of the source's rows."""
        ...

    def failed_lines(self, groups: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the failed rows of an output as lines of JSON."""
        ...


class BulkRun:
    """
    One run of a job: every record of a source through a task into a Parquet file, resumable at any moment.

    Args:
        source: The records.
        watch: Called after each record with the records finished, those that failed, and the usage; see `embed_file`.
        stop: Set it to finish what is in flight, save and return.
    """

    def __init__(
        self,
        source: Records,
        output: Path,
        task: Task,
        watch: ProgressCallback | None,
        stop: threading.Event | None,
    ) -> None:
        arrow()
        check_callbacks(watch, stop)
        self._source, self._output, self._task = source, output, task
        self._watch = watch
        self._stop = stop or threading.Event()
        self._interrupted = False
        self._sent: dict[int, Any] = {}
        self._held_failures = _HeldFailures()
        # Rows are finished in any thread, and the user's function is called in the caller's. If it takes longer than
        # the rows do, it is not called for the oldest.
        self._pending_calls: deque[_Finished] = deque(maxlen=_MAX_PENDING_CALLS)
        self._caller = threading.get_ident()
        self._earlier_usage = Usage()
        self._usage_at_start = task.usage

    def run(self, *, restart: bool, group_rows: int | None) -> Report:
        """Process the remaining records and return the report."""
        found = begin(
            self._output,
            self._source,
            self._task.settings,
            self._task.form,
            restart=restart,
            group_rows=group_rows,
        )
        if isinstance(found, Report):
            return with_failed_file(found, self._task.failed_lines)
        with closing(found) as partial:
            resumed = partial.rows
            self._earlier_usage = partial.usage
            self._task.resume(partial)
            while True:
                self._send(partial)
                if self._interrupted:
                    return self._report(partial, "interrupted", resumed)
                partial.end()
                report = self._report(partial, "done", resumed)
                if complete(partial, report, self._source.path, self._task.failed_lines):
                    return report

    def _send(self, partial: PartialOutput) -> None:
        fatal: EmbeddingError | None = None

        def record_outcome(indexes: Sequence[int], outcome: Outcomes | EmbeddingError) -> None:
            nonlocal fatal
            records = [self._sent.pop(index) for index in indexes]
            if not isinstance(outcome, EmbeddingError):
                self._write_held_failures(partial)
                self._put(partial, [record.row for record in records], outcome)
            elif outcome.account:
                fatal = outcome  # nothing is wrong with the rows
            elif outcome.retryable:
                self._held_failures.add(records, outcome)
            else:
                self._fail(partial, records, outcome)

        try:
            self._task.run(self._remaining_items(partial), record_outcome, self._call_watch)
        except EmbeddingError as error:
            if not error.account:
                raise
            fatal = error
        if fatal is not None:
            raise fatal
        # The last failures, without a later success, count as the rows' own, unless the next run can tell.
        if not self._interrupted:
            self._write_held_failures(partial)

    def _remaining_items(self, partial: PartialOutput) -> Iterator[Any]:
        """Yield the records that still have to be sent; those that cannot be are finished here."""
        index = 0
        for record in self._source.records():
            if self._stop.is_set():
                self._interrupted = True
                return
            if not partial.wants(record):
                continue
            try:
                item = self._task.item(record)
            except InputError as error:
                self._fail(partial, [record], error)
                continue
            self._sent[index] = record
            index += 1
            yield item

    def _put(self, partial: PartialOutput, rows: Sequence[int], outcome: Outcomes | str) -> None:
        before, failed, usage = partial.rows, partial.failed, self._usage()
        partial.put(rows, outcome, usage)
        if self._watch is None:
            return
        self._pending_calls.append(_Finished(before, failed, len(rows), isinstance(outcome, str), usage))
        if threading.get_ident() == self._caller:
            self._call_watch()

    def _call_watch(self) -> None:
        """Call the user's function for each row finished since the last call of this."""
        while self._watch is not None and self._pending_calls:
            before, failed, rows, are_errors, usage = self._pending_calls.popleft()
            for number in range(1, rows + 1):
                self._watch(before + number, failed + (number if are_errors else 0), usage)

    def _fail(self, partial: PartialOutput, records: Iterable[Any], error: EmbeddingError) -> None:
        for record in records:
            self._put(partial, [record.row], self._task.row_message(record, error))

    def _write_held_failures(self, partial: PartialOutput) -> None:
        for records, error in self._held_failures.release():
            self._fail(partial, records, error)

    def _usage(self) -> Usage:
        now, then = self._task.usage, self._usage_at_start
        return Usage(
            self._earlier_usage.requests + now.requests - then.requests,
            self._earlier_usage.total_tokens + now.total_tokens - then.total_tokens,
            self._earlier_usage.text_tokens + now.text_tokens - then.text_tokens,
            self._earlier_usage.image_tokens + now.image_tokens - then.image_tokens,
        )

    def _report(self, partial: PartialOutput, state: State, resumed: int) -> Report:
        return report_of(
            partial,
            self._output,
            state,
            resumed=resumed,
            usage=partial.usage,
            model_info=self._task.model_info,
            skipped_files=self._source.skipped() if state == "done" else 0,
        )


class _Finished(NamedTuple):
    """Rows that were finished together, and the job's rows, failures and usage: the first two before them."""

    before: int
    failed: int
    rows: int
    are_errors: bool
    usage: Usage


def check_group_rows(rows: int | None) -> None:
    """
    Refuse a number of rows of a group that does not fit into memory, before a request is paid for.

    Raises:
        ConfigError: It is no whole number from 1 to a million.
    """
    if rows is not None:
        check_limits({"group_rows": rows}, {})
        if rows > _MAX_GROUP_ROWS:
            raise ConfigError(f"group_rows must be at most {_MAX_GROUP_ROWS:,}, got {rows:,}")


def check_callbacks(watch: object, stop: object = None) -> None:
    """
    Refuse what cannot be called or set, before a request is paid for.

    Raises:
        ConfigError: `watch` is no function, or `stop` no event.
    """
    if watch is not None and not callable(watch):
        raise ConfigError(f"watch must be a function, got {type(watch).__name__}")
    if stop is not None and not callable(getattr(stop, "is_set", None)):
        raise ConfigError(f"stop must be a threading.Event, got {type(stop).__name__}")


class _HeldFailures:
    """Failures that may be the service's, held back until a success shows that the service is up."""

    def __init__(self) -> None:
        self._failures: list[tuple[Sequence[Any], EmbeddingError]] = []

    def add(self, records: Sequence[Any], error: EmbeddingError) -> None:
        """
        Keep a failure of records.

        Raises:
            ServiceUnavailableError: So many requests failed in a row that the service counts as down.
        """
        self._failures.append((records, error))
        if len({id(each) for _, each in self._failures}) >= _MAX_CONSECUTIVE_FAILURES:
            raise ServiceUnavailableError(
                f"{_MAX_CONSECUTIVE_FAILURES} requests in a row failed after all retries; the job stopped. "
                f"The last error: {error}",
                provider=error.provider,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                retryable=True,
            ) from error

    def release(self) -> list[tuple[Sequence[Any], EmbeddingError]]:
        """Return all held failures, and hold none."""
        failures, self._failures = self._failures, []
        return failures


def row_message(row: int, error: EmbeddingError) -> str:
    """Return an error's message in terms of the source's rows."""
    message = re.sub(r"\bitems? \d+(?: to \d+)?\b", f"row {row}", str(error), count=1)
    return message if f"row {row}" in message else f"row {row}: {message}"
