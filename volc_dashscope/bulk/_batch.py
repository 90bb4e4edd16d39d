"""`embed_batch`: embeds a source of texts by the service's own jobs, at half the price and over hours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from volc_dashscope._paths import checked_path
from volc_dashscope._request.items import as_sent
from volc_dashscope._request.validation import check_item
from volc_dashscope._types import RequestSpec, TextType
from volc_dashscope.bulk._failed import failed_lines
from volc_dashscope.bulk._identity import Identity, settings_of
from volc_dashscope.bulk._output import begin, complete, report_of, with_failed_file
from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.bulk._partial import PartialOutput
from volc_dashscope.bulk._records import Record, item_of
from volc_dashscope.bulk._report import ProgressCallback, Report, State
from volc_dashscope.bulk._run import check_callbacks, row_message
from volc_dashscope.bulk._sources import Source, open_source
from volc_dashscope.bulk._submitted import SubmittedFile, SubmittedFiles
from volc_dashscope.bulk._vectors import VectorRows
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.jobs import BatchJobs, FileJobs, JobResult

_MAX_LINES = 50_000
_MAX_BYTES = 200 * 1024 * 1024


def embed_batch(
    source: Source | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    jobs: BatchJobs | FileJobs,
    text_type: TextType | None = "document",
    file_url: str | None = None,
    wait: bool = True,
    watch: ProgressCallback | None = None,
    restart: bool = False,
) -> Report:
    """
    Embed a source of texts through Batch or file jobs into the same file that `embed_file` makes.

    Request files, job ids and results are kept in a folder beside the output. The same call continues with running
    jobs, from any process: nothing is submitted twice.

    Args:
        source, output, watch, restart: As for `embed_file`.
        jobs: `BatchJobs` for the OpenAI-compatible Batch, `FileJobs` for `text-embedding-async-*`.
        text_type: The role; the OpenAI-compatible Batch has none, and takes "document" only.
        file_url: For file jobs: where you put the files that are written, with `{name}` for the file's name. None
            writes them and returns, so that you can.
        wait: False submits, or looks whether the jobs have ended, and returns with the state "waiting" if not.

    Raises:
        ConfigError: The output was started with other settings, or a submission was cut off and may have been paid.
        EmbeddingError: A job was refused, or failed as a whole.
    """
    arrow()
    opened = source if isinstance(source, Source) else open_source(source)
    if isinstance(jobs, BatchJobs) and text_type != "document":
        raise ConfigError("route 'batch' does not support a role; leave out text_type")
    run = _BatchRun(opened, checked_path(output, "output"), jobs, jobs._spec_for(text_type=text_type), watch)  # noqa: SLF001 - the call's settings are the output's identity
    return run.run(file_url=file_url, wait=wait, restart=restart)


class _BatchRun:
    """One run of a job by jobs."""

    def __init__(
        self,
        source: Source,
        output: Path,
        jobs: BatchJobs | FileJobs,
        spec: RequestSpec,
        watch: ProgressCallback | None,
    ) -> None:
        self._source, self._output, self._jobs, self._spec = source, output, jobs, spec
        check_callbacks(watch)
        self._watch = watch or (lambda rows, failed, usage: None)

    def run(self, *, file_url: str | None, wait: bool, restart: bool) -> Report:
        self._source.check(self._spec)
        form = VectorRows(self._jobs.dimension)
        found = begin(self._output, self._source, settings_of(self._spec), form, restart=restart)
        if isinstance(found, Report):
            return with_failed_file(found, lambda groups: failed_lines(self._source, groups))
        with closing(found) as partial:
            resumed = partial.rows
            submitted = SubmittedFiles(partial.folder, self._jobs, self._spec.text_type)
            if not submitted.written:
                submitted.write(self._texts())
            if not submitted.submit(file_url) or not submitted.ended(wait=wait):
                return self._report(partial, submitted, "waiting", resumed)
            # Hours may have passed. The results are in the order of the texts that were sent, and belong to no others.
            identity = Identity(settings_of(self._spec), self._source)
            identity.refuse_other(partial.identity, f"the half-finished output {partial.folder.name!r}")
            while True:
                self._collect_results(partial, submitted)
                partial.end()
                report = self._report(partial, submitted, "done", resumed)
                if complete(
                    partial, report, self._source.path, lambda groups: failed_lines(self._source, groups)
                ):
                    return report

    def _texts(self) -> Iterator[list[str]]:
        """Yield the texts of each file."""
        most = (
            min(_MAX_LINES, self._spec.model_info.batch) if isinstance(self._jobs, FileJobs) else _MAX_LINES
        )
        texts: list[str] = []
        size = 0
        for record in self._source.records():
            with suppress(InputError):
                texts.append(self._text(record))
                size += len(texts[-1].encode())
                if len(texts) == most or size > _MAX_BYTES:
                    yield texts
                    texts, size = [], 0
        if texts:
            yield texts

    def _text(self, record: Record) -> str:
        item, _ = as_sent(item_of(record, self._source.root), self._spec)
        if not isinstance(item, str):
            raise InputError("this route embeds text only")
        check_item(item, self._spec)
        if isinstance(self._jobs, FileJobs) and (not item.strip() or len(item.splitlines()) != 1):
            raise InputError(
                "the text must be one line that is not blank, because a file job has one text per line"
            )
        return item

    def _collect_results(self, partial: PartialOutput, submitted: SubmittedFiles) -> None:
        """
        Read the source again: the n-th valid text is the n-th line of the files.

        Raises:
            EmbeddingError: That of the first file without a result, after the results of the others are saved: they
                are paid for, and the service deletes them after a while.
        """
        lines = _ResultLines(submitted)
        for record in self._source.records():
            try:
                self._text(record)
            except InputError as error:
                outcome: Any = f"row {record.row}: {error}"
            else:
                outcome = lines.next()
            if not partial.wants(record):
                continue
            if not isinstance(outcome, str):
                file, line = outcome
                outcome = lines.outcome(file, line, record.row)
                if outcome is None:
                    continue
            partial.put([record.row], outcome if isinstance(outcome, str) else [outcome], submitted.usage)
            self._watch(partial.rows, partial.failed, partial.usage)
        lines.end()

    def _report(
        self, partial: PartialOutput, submitted: SubmittedFiles, state: State, resumed: int
    ) -> Report:
        return report_of(
            partial,
            self._output,
            state,
            resumed=resumed,
            usage=submitted.usage,
            model_info=self._spec.model_info,
            batch=self._spec.route == "batch",
            jobs=submitted.ids,
        )


class _ResultLines:
    """The lines of the files, in order; a result is downloaded when its first line is needed."""

    def __init__(self, submitted: SubmittedFiles) -> None:
        self._submitted = submitted
        self._positions = ((file, line) for file in submitted for line in range(file.count))
        self._current: tuple[SubmittedFile | None, Any] = (None, None)
        self._error: EmbeddingError | None = None

    def next(self) -> tuple[SubmittedFile, int]:
        return next(self._positions)

    def outcome(self, file: SubmittedFile, line: int, row: int) -> Any:
        """Return the vector of a line, why it has none, or None if its file has no result; `end` says why."""
        if self._current[0] is not file:
            self._current = (None, None)  # keep one result in memory, not two
            self._current = (file, self._collect(file))
        result = self._current[1]
        if result is None:
            return None
        error = result.errors.get(line)
        if error is not None:
            return row_message(row, error)
        return (
            np.asarray(result.vectors[line]) if line < len(result) else f"row {row}: the job has no such line"
        )

    def end(self) -> None:
        """Raise the error of the first file without a result, if there was one."""
        if self._error is not None:
            raise self._error

    def _collect(self, file: SubmittedFile) -> JobResult | None:
        try:
            return self._submitted.collect(file)
        except EmbeddingError as error:
            # The service itself fails, or our own disk: the other files would have the same error.
            if error.account or error.retryable or isinstance(error, ConfigError):
                raise
            self._error = self._error or error
            return None
