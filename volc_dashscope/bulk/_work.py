"""`embed_file`: a source through a client into a Parquet file, resumable at any moment."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from volc_dashscope._config import check_patience
from volc_dashscope._request.validation import check_settings
from volc_dashscope._types import TextType
from volc_dashscope.bulk._failed import write_failed
from volc_dashscope.bulk._identity import Identity
from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.bulk._partial import DamagedGroupError, PartialOutput
from volc_dashscope.bulk._partial_folder import clean_up, discard, partial_folder, read_manifest
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
        self._spec = client._spec_for(text_type)  # noqa: SLF001 - the call's settings are the output's identity
        check_settings(self._spec)
        self._cut = False
        self._rows: dict[int, int] = {}
        self._doubtful: list[tuple[int, EmbeddingError]] = []
        self._before = Usage()
        self._spent_elsewhere = client.usage

    def run(self, *, restart: bool, group_rows: int | None) -> Report:
        check_output(self._output, self._source)
        self._source.check(self._spec)
        identity = Identity(self._spec, self._source)
        folder = partial_folder(self._output)
        if restart:
            discard(folder)
        elif not folder.exists() and self._output.exists():
            clean_up(folder)
            return finished_report(self._output, identity)
        partial = PartialOutput(self._output, identity, self._client.dimension, group_rows)
        try:
            resumed = partial.rows
            self._before = partial.usage
            while True:
                self._embed(partial)
                if self._cut:
                    return self._report(partial, "interrupted", resumed)
                partial.end()
                report = self._report(partial, "done", resumed)
                try:
                    complete(partial, report, self._source)
                    return report
                except DamagedGroupError as damage:
                    partial.forget(damage)
        finally:
            partial.close()

    def _embed(self, partial: PartialOutput) -> None:
        stream = self._client.stream(self._todo(partial), text_type=self._text_type, ordered=False)
        fatal: EmbeddingError | None = None
        try:
            for index, outcome in stream:
                row = self._rows.pop(index)
                if not isinstance(outcome, EmbeddingError):
                    self._believe(partial)
                    self._put(partial, row, outcome)
                elif outcome.account:
                    fatal = outcome  # nothing is wrong with the row
                elif outcome.retryable:
                    self._doubt(row, outcome)
                else:
                    self._put(partial, row, worded(row, outcome))
        except EmbeddingError as error:
            if not error.account:
                raise
            fatal = error
        if fatal is not None:
            raise fatal
        # A failure that nothing came after is the row's own, unless the next run can tell.
        if not self._cut:
            self._believe(partial)

    def _todo(self, partial: PartialOutput) -> Iterator[Item]:
        """Yield what still has to be embedded; rows that cannot be are finished right here."""
        index = 0
        for record in self._source.records():
            if self._stop.is_set():
                self._cut = True
                return
            if not partial.wants(record):
                continue
            try:
                item = item_of(record, self._source.root)
            except InputError as error:
                self._put(partial, record.row, f"row {record.row}: {error}")
                continue
            self._rows[index] = record.row
            index += 1
            yield item

    def _put(self, partial: PartialOutput, row: int, outcome: FloatArray | str) -> None:
        partial.put(row, outcome, self._usage())
        self._watch(partial.rows, partial.failed, partial.usage)

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

    def _believe(self, partial: PartialOutput) -> None:
        doubtful, self._doubtful = self._doubtful, []
        for row, error in doubtful:
            self._put(partial, row, worded(row, error))

    def _usage(self) -> Usage:
        now, then = self._client.usage, self._spent_elsewhere
        return Usage(
            self._before.requests + now.requests - then.requests,
            self._before.total_tokens + now.total_tokens - then.total_tokens,
            self._before.text_tokens + now.text_tokens - then.text_tokens,
            self._before.image_tokens + now.image_tokens - then.image_tokens,
        )

    def _report(self, partial: PartialOutput, state: Any, resumed: int) -> Report:
        model_info = self._client.model_info
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
            skipped_files=skipped_files(self._source) if state == "done" else 0,
            damaged=tuple(partial.damaged),
        )


# Of a report, what is about this run or this machine and not about the rows.
_PLACES = ("output", "failed_file", "state", "resumed", "damaged")


def check_output(output: Path, source: Source) -> None:
    """
    Refuse a path that the output cannot have.

    Raises:
        ConfigError: Another ending than Parquet's, a folder that is missing, or the source itself.
    """
    if output.suffix.lower() not in (".parquet", ".pq"):
        raise ConfigError(
            f"output {output.name!r} would be a Parquet file by another name; call it {output.stem + '.parquet'!r}"
        )
    if not output.parent.is_dir():
        raise ConfigError(
            f"output {str(output)!r} lies in a folder that does not exist; make {str(output.parent)!r} first"
        )
    if output.is_dir():
        raise ConfigError(f"output {str(output)!r} is a folder; name a file in it")
    if output.exists() and output.samefile(source.path):
        raise ConfigError(f"output {str(output)!r} is the source itself; give another path")


def complete(partial: PartialOutput, report: Report, source: Source) -> None:
    """
    Turn a half-finished output into the finished one, beside it the rows that failed.

    Raises:
        InputError: There is not a single row.
        DamagedGroupError: A saved group is not what was written.
    """
    if report.rows == 0:
        partial.drop()
        raise InputError(f"source {source.path.name!r} has no rows")
    failed_file = failed_path(report.output)
    if report.failed:
        write_failed(source, partial.groups(failed=True), failed_file)
    elif failed_file.absolute() != source.path.absolute():
        failed_file.unlink(missing_ok=True)  # of an earlier job of this name
    facts = {**report.as_json(), "identity": partial.identity, "dimension": partial.dimension}
    partial.finish(report.output, {name: facts[name] for name in facts if name not in _PLACES})
    partial.drop()


def failed_path(output: Path) -> Path:
    """Return where the failed rows of an output go."""
    return output.with_name(f"{output.stem}.failed.jsonl")


def finished_report(output: Path, identity: Identity) -> Report:
    """
    Return the report of an output that an earlier run has finished.

    Raises:
        ConfigError: It is another one's.
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


def is_up_to_date(
    source: Source, output: Path, client: Client, *, text_type: TextType | None = "document"
) -> bool:
    """Return whether `embed_file` would go on with an output as it is, or begin: else it needs `restart`."""
    identity = Identity(client._spec_for(text_type), source)  # noqa: SLF001 - the call's settings are the output's identity
    folder = partial_folder(output)
    if folder.exists():
        if not (folder / "manifest.json").exists():
            return True
        return identity.difference(read_manifest(folder)["identity"]) is None
    if not output.exists():
        return True
    facts = facts_of(output)
    return facts is not None and identity.difference(facts.get("identity") or {}) is None
