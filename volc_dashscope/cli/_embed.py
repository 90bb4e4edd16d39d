"""`volc-dashscope embed`: `volc_dashscope.bulk` with its arguments from a shell."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import click
import orjson

from volc_dashscope.bulk import Progress, Report, Source, count_rows, embed_batch, embed_file
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._estimate import tell_preview
from volc_dashscope.cli._options import EmbedOptions, options
from volc_dashscope.cli._output import (
    ExitCode,
    errors_told,
    leave,
    most_frequent,
    note,
    note_reasons,
    say_json,
    scanning,
)
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError
from volc_dashscope.jobs import BatchJobs, FileJobs
from volc_dashscope.models import ModelInfo


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@options
def embed(dry_run: bool, **options: Any) -> None:
    """
    Embed every row of SOURCE into a Parquet file.

    SOURCE is a text file (one item a line), JSONL, CSV or TSV with a header, Parquet, or a folder of images and
    videos. The key comes from ARK_API_KEY or DASHSCOPE_API_KEY. What is finished is saved at once; the same
    command goes on with it, after Ctrl-C and after a crash.
    """
    given = EmbedOptions(**options)
    if given.output is None and not dry_run:
        raise click.UsageError("say where the vectors go: -o out.parquet")
    with errors_told(as_json=given.as_json, hint=_how_to_resume()):
        with scanning(quiet=given.quiet) as watch:
            opened = given.opened(watch)
        if dry_run:
            tell_preview(opened, given, given.output)
            return
        try:
            report = _embedded(opened, given)
        except KeyboardInterrupt:
            note(_how_to_resume())
            leave(128 + signal.SIGINT)
    _tell(report, given, "files" if opened.format == "folder" else "rows")


def _embedded(source: Source, given: EmbedOptions) -> Report:
    with ExitStack() as stack:
        if given.by_jobs:
            return _by_jobs(source, given, stack)
        cache = stack.enter_context(SQLiteCache(given.cache)) if given.cache is not None else None
        client = stack.enter_context(_client(given, cache))
        bar = _bar(source, given, client.model_info, stack)
        stop = stack.enter_context(_stopped_by_signals())
        return embed_file(
            source,
            _output(given),
            model=client,
            text_type=given.text_type,
            watch=bar.show if bar is not None else None,
            stop=stop,
            restart=given.restart,
            group_rows=given.group_rows,
        )


def _client(given: EmbedOptions, cache: SQLiteCache | None) -> Client:
    return Client.from_settings(replace(given.settings(), cache=cache))


def _by_jobs(source: Source, given: EmbedOptions, stack: ExitStack) -> Report:
    if given.provider not in (None, "dashscope"):
        raise ConfigError(f"{given.provider} has no jobs for embeddings; leave out --route")
    kind: type[BatchJobs] | type[FileJobs] = FileJobs if given.by_file_jobs else BatchJobs
    jobs = kind.from_settings(given.settings())
    stack.callback(jobs.close)
    return embed_batch(
        source,
        _output(given),
        jobs=jobs,
        text_type=given.text_type,
        file_url=given.file_url,
        wait=given.wait,
        restart=given.restart,
    )


def _output(given: EmbedOptions) -> Path:
    assert given.output is not None
    return given.output


def _bar(source: Source, given: EmbedOptions, model_info: ModelInfo, stack: ExitStack) -> Progress | None:
    if given.quiet:
        return None
    bar = Progress(model_info, count_rows(source), unit="file" if source.format == "folder" else "row")
    stack.callback(bar.close)
    return bar


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Lend an event that the first Ctrl-C or SIGTERM sets; the second one ends the process as usual."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def halt(number: int, frame: FrameType | None) -> None:
        for each, handler in before.items():
            signal.signal(each, handler)
        _STOPPED.append(number)
        stop.set()
        note("stopping: finishing what is in flight; once more to stop at once")

    for number in before:
        signal.signal(number, halt)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# The signal that stopped this process, which its exit code tells.
_STOPPED: list[int] = []


def _how_to_resume() -> str:
    return f"what is finished is saved; go on with it by the same command:\n  {_command()}"


def _command() -> str:
    return shlex.join(["volc-dashscope", *sys.argv[1:]])


def _tell(report: Report, given: EmbedOptions, unit: str) -> None:
    if given.as_json:
        reasons = [{"reason": reason, "count": count} for reason, count in most_frequent(_errors(report))]
        say_json({**report.as_json(), "reasons": reasons})
    price = "price unknown" if report.price is None else f"{report.currency} {report.price:,.4f}"
    tokens = f"{report.usage.total_tokens:,} tokens"
    note(f"{report.rows:,} {unit}, {report.failed:,} failed, {tokens}, {price}")
    note_reasons(_errors(report))
    if report.damaged:
        note(f"the disk had damaged {', '.join(report.damaged)}; those {unit} were embedded again")
    if report.resumed:
        note(f"{report.resumed:,} of them were finished before")
    if report.skipped_files:
        note(
            f"{report.skipped_files:,} files are neither images nor videos by their names, and were left out"
        )
    if report.state == "waiting":
        note(_waiting(report, given))
        leave(0)
    if report.state == "interrupted":
        note(_how_to_resume())
        leave(128 + (_STOPPED[0] if _STOPPED else signal.SIGINT))
    note(f"written to {report.output}")
    if report.failed_file is not None:
        note(f"the failed {unit} are in {report.failed_file}, which can be a SOURCE")
        leave(ExitCode.FAILED_ROWS)


def _errors(report: Report) -> Iterator[str]:
    """Yield the error of each failed row; nothing is kept of a million of them."""
    if report.failed_file is not None:
        with report.failed_file.open("rb") as file:
            for line in file:
                yield orjson.loads(line)["error"]


def _waiting(report: Report, given: EmbedOptions) -> str:
    if report.jobs:
        jobs = ", ".join(report.jobs)
        return f"jobs at the service: {jobs}; look for their results by the same command:\n  {_command()}"
    folder = f"{report.output}.partial"
    return (
        f"put {folder}/lines-*.txt where the service can fetch them, and add --file-url to:\n  {_command()}"
    )
