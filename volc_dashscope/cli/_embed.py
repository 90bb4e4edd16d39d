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
    arguments = EmbedOptions(**options)
    if arguments.output is None and not dry_run:
        raise click.UsageError("the output is missing: pass -o out.parquet")
    with errors_reported(as_json=arguments.as_json, hint=how_to_resume()):
        if dry_run:
            print_preview(arguments, arguments.output, quiet=arguments.quiet, restart=arguments.restart)
            return
        opened = arguments.opened()
        check_path(_output(arguments), opened.path)  # before a key is needed
        try:
            report = _embedded(opened, arguments)
        except KeyboardInterrupt:
            note(*how_to_resume())
            exit_with(ExitCode.INTERRUPTED)
    print_report(report, "files" if opened.format == "folder" else "rows", as_json=arguments.as_json)


def _embedded(source: Source, arguments: EmbedOptions) -> Report:
    with ExitStack() as stack:
        if arguments.by_jobs:
            return _by_jobs(source, arguments, stack)
        cache = stack.enter_context(SQLiteCache(arguments.cache)) if arguments.cache is not None else None
        client = stack.enter_context(_client(arguments, cache))
        bar = _bar(source, arguments, client.model_info, stack)
        if bar is not None:
            source = replace(source, watch=bar.scanned)
        stop = stack.enter_context(stopped_by_signals())
        return embed_file(
            source,
            _output(arguments),
            model=client,
            text_type=arguments.text_type,
            watch=bar.show if bar is not None else None,
            stop=stop,
            restart=arguments.restart,
            group_rows=arguments.group_rows,
        )


def _client(arguments: EmbedOptions, cache: SQLiteCache | None) -> Client:
    return Client.from_settings(replace(arguments.settings(), cache=cache))


def _by_jobs(source: Source, arguments: EmbedOptions, stack: ExitStack) -> Report:
    if arguments.provider not in (None, "dashscope"):
        raise ConfigError(f"{arguments.provider} has no embedding jobs; leave out --route")
    if arguments.cache is not None:
        raise ConfigError(
            "jobs at the service do not use a cache, and would bill the rows in it; leave out --cache"
        )
    kind: type[BatchJobs] | type[FileJobs] = FileJobs if arguments.by_file_jobs else BatchJobs
    jobs = kind.from_settings(arguments.settings())
    stack.callback(jobs.close)
    if arguments.wait and not arguments.quiet:
        note(
            "jobs at the service may take hours and continue after Ctrl-C; the same command collects their results"
        )
    return embed_batch(
        source,
        _output(arguments),
        jobs=jobs,
        text_type=arguments.text_type,
        file_url=arguments.file_url,
        wait=arguments.wait,
        restart=arguments.restart,
    )


def _output(arguments: EmbedOptions) -> Path:
    assert arguments.output is not None
    return arguments.output


def _bar(source: Source, arguments: EmbedOptions, model_info: ModelInfo, stack: ExitStack) -> Progress | None:
    if arguments.quiet:
        return None
    with scanning(source.path, quiet=arguments.quiet) as watch:
        total = count_rows(replace(source, watch=watch))
    bar = Progress(model_info, total, unit="file" if source.format == "folder" else "row")
    stack.callback(bar.close)
    return bar
