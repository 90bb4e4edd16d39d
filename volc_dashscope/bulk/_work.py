"""`embed_file`: a source through a client into a Parquet file, resumable at any moment."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import orjson

from volc_dashscope._config import check_patience
from volc_dashscope._request.validation import check_settings
from volc_dashscope._types import RequestSpec, TextType
from volc_dashscope.bulk._failed import write_failed
from volc_dashscope.bulk._manifest import refuse_other
from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.bulk._partial import PartialOutput, discard, draft_folder, sweep
from volc_dashscope.bulk._records import item_of
from volc_dashscope.bulk._report import ProgressCallback, Report, price_of
from volc_dashscope.bulk._sources import Source, open_source, skipped_files
from volc_dashscope.bulk._vectors import facts_of
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError, ServiceUnavailableError
from volc_dashscope.inputs import Item
from volc_dashscope.results import FloatArray, Usage

# Requests that fail in a row, each after all its attempts, until the service counts as down.
_OUTAGE = 20


def embed_file(
    source: Source | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: str | Client,
    text_type: TextType | None = "document",
    watch: ProgressCallback | None = None,
    stop: threading.Event | None = None,
    restart: bool = False,
    group_rows: int | None = None,
) -> Report:
    """
    Embed every row of a source into a Parquet file of id, row, vector (fixed-size list of float32) and error.

    What is finished is saved at once in a folder beside the output. The same call goes on with it, after a
    crash too: nothing is lost, no row is there twice, and at most the requests in flight are paid again. Rows
    that fail have an error instead of a vector, and are in `<output>.failed.jsonl`, which can be a source.

    Args:
        source: A path, or what `open_source` returns for one.
        output: Where the Parquet file goes.
        model: A model's name, with key and URL from the environment; or a client with settings of your own.
        text_type: The role of all rows.
        watch: Called after each row with the rows finished, those that failed, and the usage.
        stop: Set it to finish what is in flight, save and return.
        restart: Drop the half-finished output, or replace the finished one, instead of going on with it.
        group_rows: Rows of a Parquet row group; None for as many as are about 16 MB.

    Raises:
        ConfigError: The output was begun with other settings; or settings that the model does not have.
        InputError: The source cannot be read.
        EmbeddingError: The key or the account refuses, or the service is down. What is finished is saved.
    """
    if not isinstance(source, Source):
        source = open_source(source)
    check_patience({} if group_rows is None else {"group_rows": group_rows}, {})
    with nullcontext(model) if isinstance(model, Client) else Client(model) as client:
        work = _Work(source, Path(output), client, text_type, watch, stop)
        return work.run(restart=restart, group_rows=group_rows)


class _Work:
    """One run of a job."""

    def __init__(
        self,
        source: Source,
        output: Path,
        client: Client,
        text_type: TextType | None,
        watch: ProgressCallback | None,
        stop: threading.Event | None,
    ) -> None:
        arrow()
        self._source, self._output, self._client, self._text_type = source, output, client, text_type
        self._watch = watch or (lambda rows, failed, usage: None)
        self._stop = stop or threading.Event()
        self._spec = client._spec_for(text_type)
        check_settings(self._spec)
        self._cut = False
        self._rows: dict[int, int] = {}
        self._doubtful: list[tuple[int, EmbeddingError]] = []
        self._before = Usage()
        self._spent_elsewhere = client.usage

    def run(self, *, restart: bool, group_rows: int | None) -> Report:
        identity = identity_of(self._spec, self._source)
        folder = draft_folder(self._output)
        if restart:
            discard(folder)
        elif not folder.exists() and self._output.exists():
            sweep(folder)
            return finished_report(self._output, identity)
        draft = PartialOutput(self._output, identity, self._client.dimension, group_rows)
        try:
            resumed = draft.rows
            self._before = draft.usage
            self._embed(draft)
            if self._cut:
                return self._report(draft, "interrupted", resumed)
            draft.end()
            report = self._report(draft, "done", resumed)
            complete(draft, report, identity, self._source)
        finally:
            draft.close()
        return report

    def _embed(self, draft: PartialOutput) -> None:
        stream = self._client.stream(self._todo(draft), text_type=self._text_type, ordered=False)
        fatal: EmbeddingError | None = None
        try:
            for index, outcome in stream:
                row = self._rows.pop(index)
                if not isinstance(outcome, EmbeddingError):
                    self._believe(draft)
                    self._put(draft, row, outcome)
                elif outcome.account:
                    fatal = outcome  # nothing is wrong with the row
                elif outcome.retryable:
                    self._doubt(row, outcome)
                else:
                    self._put(draft, row, worded(row, outcome))
        except EmbeddingError as error:
            if not error.account:
                raise
            fatal = error
        if fatal is not None:
            raise fatal
        # A failure that nothing came after is the row's own, unless the next run can tell.
        if not self._cut:
            self._believe(draft)

    def _todo(self, draft: PartialOutput) -> Iterator[Item]:
        """Yield what still has to be embedded; rows that cannot be are finished right here."""
        index = 0
        for record in self._source.records():
            if self._stop.is_set():
                self._cut = True
                return
            if not draft.wants(record):
                continue
            try:
                item = item_of(record, self._source.root)
            except InputError as error:
                self._put(draft, record.row, f"row {record.row}: {error}")
                continue
            self._rows[index] = record.row
            index += 1
            yield item

    def _put(self, draft: PartialOutput, row: int, outcome: FloatArray | str) -> None:
        draft.put(row, outcome, self._usage())
        self._watch(draft.rows, draft.failed, draft.usage)

    def _doubt(self, row: int, error: EmbeddingError) -> None:
        """Keep a failure that may be the service's, until a success shows that it is up."""
        self._doubtful.append((row, error))
        if len({id(each) for _, each in self._doubtful}) >= _OUTAGE:
            raise ServiceUnavailableError(
                f"{_OUTAGE} requests in a row failed after all their attempts; the job stopped. The last: {error}",
                provider=error.provider,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                retryable=True,
            ) from error

    def _believe(self, draft: PartialOutput) -> None:
        doubtful, self._doubtful = self._doubtful, []
        for row, error in doubtful:
            self._put(draft, row, worded(row, error))

    def _usage(self) -> Usage:
        now, then = self._client.usage, self._spent_elsewhere
        return Usage(
            self._before.requests + now.requests - then.requests,
            self._before.total_tokens + now.total_tokens - then.total_tokens,
            self._before.text_tokens + now.text_tokens - then.text_tokens,
            self._before.image_tokens + now.image_tokens - then.image_tokens,
        )

    def _report(self, draft: PartialOutput, state: Any, resumed: int) -> Report:
        model_info = self._client.model_info
        return Report(
            state=state,
            output=self._output,
            rows=draft.rows,
            failed=draft.failed,
            resumed=resumed,
            usage=draft.usage,
            price=price_of(draft.usage, model_info),
            currency=model_info.price.currency if model_info.price else None,
            failed_file=failed_path(self._output) if draft.failed and state == "done" else None,
            skipped_files=skipped_files(self._source) if state == "done" else 0,
        )


# Of a report, what is about this run or this machine and not about the rows.
_PLACES = ("output", "failed_file", "state", "resumed")


def identity_of(spec: RequestSpec, source: Source) -> dict[str, Any]:
    """Return everything that shapes the rows of an output."""
    return {
        **orjson.loads(spec.vector_key),
        "text_type": spec.text_type,
        "source": source.fingerprint(),
    }


def complete(draft: PartialOutput, report: Report, identity: dict[str, Any], source: Source) -> None:
    """
    Turn a draft into its output, beside it the rows that failed.

    Raises:
        InputError: There is not a single row.
    """
    if report.rows == 0:
        draft.drop()
        raise InputError(f"source {source.path.name!r} has no rows")
    failed_file = failed_path(report.output)
    if report.failed:
        write_failed(source, draft.parts(), failed_file)
    elif failed_file.absolute() != source.path.absolute():
        failed_file.unlink(missing_ok=True)  # of an earlier job of this name
    facts = {**report.as_json(), "identity": identity, "dimension": draft.dimension}
    draft.finish(report.output, {name: facts[name] for name in facts if name not in _PLACES})
    draft.drop()


def failed_path(output: Path) -> Path:
    """Return where the failed rows of an output go."""
    return output.with_name(f"{output.stem}.failed.jsonl")


def finished_report(output: Path, identity: dict[str, Any]) -> Report:
    """
    Return the report of an output that an earlier run has finished.

    Raises:
        ConfigError: It is another one's.
    """
    facts = facts_of(output)
    if facts is None:
        raise ConfigError(f"output {output.name!r} exists and is none of ours; give another path, or restart")
    refuse_other(facts["identity"], identity, f"output {output.name!r}")
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
