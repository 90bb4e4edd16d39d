"""`volc-dashscope embed`: `volc_dashscope.bulk` with its arguments from a shell."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from volc_dashscope.bulk import Progress, Report, Source, count_rows, embed_batch, embed_file
from volc_dashscope.bulk._output import check_path
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._estimate import print_preview
from volc_dashscope.cli._job import how_to_resume, print_report, stopped_by_signals
from volc_dashscope.cli._options import EmbedOptions, options
from volc_dashscope.cli._output import ExitCode, errors_reported, exit_with, note, scanning
from volc_dashscope.cli._paths import PathArgument
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError
from volc_dashscope.jobs import BatchJobs, FileJobs
from volc_dashscope.models import ModelInfo


@click.command()
@click.argument("source", type=PathArgument())
@options
def embed(dry_run: bool, **options: Any) -> None:
    """
    Embed every row of SOURCE into a Parquet file.

    SOURCE is a text file (one item per line), JSONL, CSV or TSV with a header, Parquet, or a folder of images and
    videos. The key comes from ARK_API_KEY or DASHSCOPE_API_KEY. Finished rows are saved at once: after Ctrl-C or a
    crash, run the same command again to continue.

    \b
    Examples:
      volc-dashscope embed texts.txt -m text-embedding-v4 -o vectors.parquet
      volc-dashscope embed photos/ -m qwen3-vl-embedding -o vectors.parquet
      volc-dashscope embed photos/ -m qwen3-vl-embedding --dry-run
    """
    given = EmbedOptions(**options)
    if given.output is None and not dry_run:
        raise click.UsageError("the output is missing: pass -o out.parquet")
    with errors_reported(as_json=given.as_json, hint=how_to_resume()):
        if dry_run:
            print_preview(given, given.output, quiet=given.quiet, restart=given.restart)
            return
        opened = given.opened()
        check_path(_output(given), opened.path)  # before a key is needed
        try:
            report = _embedded(opened, given)
        except KeyboardInterrupt:
            note(*how_to_resume())
            exit_with(ExitCode.INTERRUPTED)
    print_report(report, "files" if opened.format == "folder" else "rows", as_json=given.as_json)


def _embedded(source: Source, given: EmbedOptions) -> Report:
    with ExitStack() as stack:
        if given.by_jobs:
            return _by_jobs(source, given, stack)
        cache = stack.enter_context(SQLiteCache(given.cache)) if given.cache is not None else None
        client = stack.enter_context(_client(given, cache))
        bar = _bar(source, given, client.model_info, stack)
        if bar is not None:
            source = replace(source, watch=bar.scanned)
        stop = stack.enter_context(stopped_by_signals())
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
        raise ConfigError(f"{given.provider} has no embedding jobs; leave out --route")
    if given.cache is not None:
        raise ConfigError(
            "jobs at the service do not use a cache, and would bill the rows in it; leave out --cache"
        )
    kind: type[BatchJobs] | type[FileJobs] = FileJobs if given.by_file_jobs else BatchJobs
    jobs = kind.from_settings(given.settings())
    stack.callback(jobs.close)
    if given.wait and not given.quiet:
        note(
            "jobs at the service may take hours and continue after Ctrl-C; the same command collects their results"
        )
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
    with scanning(source.path, quiet=given.quiet) as watch:
        total = count_rows(replace(source, watch=watch))
    bar = Progress(model_info, total, unit="file" if source.format == "folder" else "row")
    stack.callback(bar.close)
    return bar
