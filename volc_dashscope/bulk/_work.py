"""One run of a bulk job: records of a source through a task into a Parquet file, resumable at any moment."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from volc_dashscope._paths import checked_path
from volc_dashscope.bulk._failed import write_failed
from volc_dashscope.bulk._identity import Identity, Records
from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.bulk._partial import DamagedGroupError, Outcomes, PartialOutput, RowFormat
from volc_dashscope.bulk._partial_folder import clean_up, discard, partial_folder
from volc_dashscope.bulk._report import ProgressCallback, Report, price_of
from volc_dashscope.bulk._storage import check_name
from volc_dashscope.bulk._vectors import facts_of
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError, ServiceUnavailableError
from volc_dashscope.models import ModelInfo
from volc_dashscope.results import Usage

# After this many consecutive failed requests, each after all its attempts, the service counts as down.
_OUTAGE = 20
# Most rows that the user's function is still to be called for: more than a second's, in a few megabytes.
_MOST_UNTOLD = 65_536
Take: TypeAlias = Callable[[Sequence[int], Outcomes | EmbeddingError], None]


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
        """What the client was billed so far, for this job and earlier."""
        ...

    def item(self, record: Any) -> Any:
        """Return the item of a record, or raise `InputError`."""
        ...

    def run(self, items: Iterator[Any], take: Take, idle: Callable[[], None]) -> None:
        """
        Send items, and pass on the outcome of each as soon as it is finished.

        Args:
            take: Called with the indexes of some items, in ascending order, and their outcomes, or the error of all
                of them. In any thread, one call at a time; items are not read meanwhile.
            idle: Called in this thread: often while `take` is called in others, and once after the last.
        """
        ...

    def worded(self, record: Any, error: EmbeddingError) -> str:
        """Return an error's message in terms of the source's rows."""
        ...

    def failed_lines(self, groups: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the failed rows of an output as lines of JSON."""
        ...


class Work:
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
        self._source, self._output, self._task = source, output, task
        self._watch = watch or (lambda rows, failed, usage: None)
        self._stop = stop or threading.Event()
        self._cut = False
        self._sent: dict[int, Any] = {}
        self._doubts = _Doubts()
        # Rows are finished in any thread, and the user's function is called in the caller's. If it takes longer than
        # the rows do, it is not called for the oldest.
        self._untold: deque[tuple[int, int, Usage]] = deque(maxlen=_MOST_UNTOLD)
        self._caller = threading.get_ident()
        self._before = Usage()
        self._spent_elsewhere = task.usage

    def run(self, *, restart: bool, group_rows: int | None) -> Report:
        """Process the remaining records and return the report."""
        check_output(self._output, self._source.path)
        identity = Identity(self._task.settings, self._source)
        folder = partial_folder(self._output)
        if restart:
            discard(folder)
        elif not folder.exists() and self._output.exists():
            clean_up(folder)
            return finished_report(self._output, identity)
        partial = PartialOutput(self._output, identity, self._task.form, group_rows)
        try:
            resumed = partial.rows
            self._before = partial.usage
            while True:
                self._send(partial)
                if self._cut:
                    return self._report(partial, "interrupted", resumed)
                partial.end()
                report = self._report(partial, "done", resumed)
                try:
                    complete(partial, report, self._source.path, self._task.failed_lines)
                    return report
                except DamagedGroupError as damage:
                    partial.forget(damage)
        finally:
            partial.close()

    def _send(self, partial: PartialOutput) -> None:
        fatal: EmbeddingError | None = None

        def take(indexes: Sequence[int], outcome: Outcomes | EmbeddingError) -> None:
            nonlocal fatal
            records = [self._sent.pop(index) for index in indexes]
            if not isinstance(outcome, EmbeddingError):
                self._believe(partial)
                self._put(partial, [record.row for record in records], outcome)
            elif outcome.account:
                fatal = outcome  # nothing is wrong with the rows
            elif outcome.retryable:
                self._doubts.add(records, outcome)
            else:
                self._fail(partial, records, outcome)

        try:
            self._task.run(self._todo(partial), take, self._tell)
        except EmbeddingError as error:
            if not error.account:
                raise
            fatal = error
        if fatal is not None:
            raise fatal
        # The last failures, without a later success, count as the rows' own, unless the next run can tell.
        if not self._cut:
            self._believe(partial)

    def _todo(self, partial: PartialOutput) -> Iterator[Any]:
        """Yield the records that still have to be sent; those that cannot be are finished here."""
        index = 0
        for record in self._source.records():
            if self._stop.is_set():
                self._cut = True
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
        for done in range(1, len(rows) + 1):
            self._untold.append((before + done, failed + done if isinstance(outcome, str) else failed, usage))
        if threading.get_ident() == self._caller:
            self._tell()

    def _tell(self) -> None:
        """Call the user's function for each row finished since the last call of this."""
        while self._untold:
            self._watch(*self._untold.popleft())

    def _fail(self, partial: PartialOutput, records: Iterable[Any], error: EmbeddingError) -> None:
        for record in records:
            self._put(partial, [record.row], self._task.worded(record, error))

    def _believe(self, partial: PartialOutput) -> None:
        for records, error in self._doubts.take():
            self._fail(partial, records, error)

    def _usage(self) -> Usage:
        now, then = self._task.usage, self._spent_elsewhere
        return Usage(
            self._before.requests + now.requests - then.requests,
            self._before.total_tokens + now.total_tokens - then.total_tokens,
            self._before.text_tokens + now.text_tokens - then.text_tokens,
            self._before.image_tokens + now.image_tokens - then.image_tokens,
        )

    def _report(self, partial: PartialOutput, state: Any, resumed: int) -> Report:
        model_info = self._task.model_info
        return Report(
            state=state,
            output=self._output,
            rows=partial.rows,
            failed=partial.failed,
            resumed=resumed,
            usage=partial.usage,
            price=price_of(partial.usage, model_info),
            currency=model_info.price.currency if model_info.price else None,
            failed_file=failed_path(self._output) if partial.failed and state == "done" else None,
            skipped_files=self._source.skipped() if state == "done" else 0,
            damaged=tuple(partial.damaged),
        )


class _Doubts:
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
        if len({id(each) for _, each in self._failures}) >= _OUTAGE:
            raise ServiceUnavailableError(
                f"{_OUTAGE} requests in a row failed after all their attempts; the job stopped. The last: {error}",
                provider=error.provider,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                retryable=True,
            ) from error

    def take(self) -> list[tuple[Sequence[Any], EmbeddingError]]:
        """Return the failures, and keep none."""
        failures, self._failures = self._failures, []
        return failures


# The fields of a report that are about this run or this machine and not about the rows.
_PLACES = ("output", "failed_file", "state", "resumed", "damaged")


def check_output(output: Path, source: Path) -> None:
    """
    Refuse a path that the output cannot have.

    Raises:
        ConfigError: Another extension than Parquet's, a name that is too long or not UTF-8, a missing folder,
            something else than a file, or the source itself.
    """
    if output.suffix.lower() not in (".parquet", ".pq"):
        raise ConfigError(
            f"output {output.name!r} would be a Parquet file by another name; call it {output.stem + '.parquet'!r}"
        )
    # The longest of the names beside the output, that of a partial one being removed.
    checked_path(output.with_name(f"{output.name}.partial.done"), "output")
    check_name(output, "output")
    if not output.parent.is_dir():
        raise ConfigError(
            f"output {str(output)!r} lies in a folder that does not exist; make {str(output.parent)!r} first"
        )
    if output.is_dir():
        raise ConfigError(f"output {str(output)!r} is a folder; name a file in it")
    if output.exists() and not output.is_file():
        raise ConfigError(f"output {str(output)!r} is a pipe or a device; name a file")
    if output.exists() and output.samefile(source):
        raise ConfigError(f"output {str(output)!r} is the source itself; give another path")


def complete(
    partial: PartialOutput,
    report: Report,
    source: Path,
    failed_lines: Callable[[Iterable[bytes]], Iterable[bytes]],
) -> None:
    """
    Write the finished output from the partial one, and the failed rows beside it.

    Raises:
        InputError: There is no row.
        DamagedGroupError: A saved group is not what was written.
    """
    if report.rows == 0:
        partial.drop()
        raise InputError(f"source {source.name!r} has no rows")
    failed_file = failed_path(report.output)
    if report.failed:
        write_failed(failed_lines(partial.groups(failed=True)), failed_file)
    elif failed_file.absolute() != source.absolute():
        failed_file.unlink(missing_ok=True)  # left by an earlier job of this name
    facts = {**report.as_json(), "identity": partial.identity, "dimension": partial.dimension}
    partial.finish(report.output, {name: facts[name] for name in facts if name not in _PLACES})
    partial.drop()


def failed_path(output: Path) -> Path:
    """Return the path for the failed rows of an output."""
    return output.with_name(f"{output.stem}.failed.jsonl")


def finished_report(output: Path, identity: Identity) -> Report:
    """
    Return the report of an output that an earlier run has finished.

    Raises:
        ConfigError: The output belongs to other settings or another source.
    """
    facts = facts_of(output)
    if facts is None:
        raise ConfigError(f"output {output.name!r} exists and is none of ours; give another path, or restart")
    identity.refuse_other(facts["identity"], f"output {output.name!r}")
    usage = Usage(**facts["usage"])
    return Report(
        state="done",
        output=output,
        rows=facts["rows"],
        failed=facts["failed"],
        resumed=facts["rows"],
        usage=usage,
        price=facts["price"],
        currency=facts["currency"],
        failed_file=failed_path(output) if facts["failed"] else None,
        skipped_files=facts["skipped_files"],
        jobs=tuple(facts["jobs"]),
    )


def worded(row: int, error: EmbeddingError) -> str:
    """Return an error's message in terms of the source's rows."""
    said = re.sub(r"\bitems? \d+(?: to \d+)?\b", f"row {row}", str(error), count=1)
    return said if f"row {row}" in said else f"row {row}: {said}"
