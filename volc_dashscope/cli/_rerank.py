"""`volc-dashscope rerank`: `volc_dashscope.bulk.rerank_file` with its arguments from a shell."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from volc_dashscope._config import find_rerank_model
from volc_dashscope.bulk import (
    PairColumns,
    Progress,
    Report,
    Source,
    preview_rerank,
    rerank_file,
)
from volc_dashscope.bulk._output import check_path
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._estimate import print_counted
from volc_dashscope.cli._job import how_to_resume, print_report, stopped_by_signals
from volc_dashscope.cli._options import InputOptions, OutputOptions, rerank_options
from volc_dashscope.cli._output import ExitCode, errors_reported, exit_with, note
from volc_dashscope.cli._paths import PathArgument
from volc_dashscope.models.rerank import RerankRoute
from volc_dashscope.rerank import Reranker


@dataclass(frozen=True, kw_only=True)
class RerankOptions(InputOptions, OutputOptions):
    """The options of `rerank`, as they were given."""

    pairs: Path
    query_column: str | None
    query_image_column: str | None
    document_column: str | None
    top_n: int | None
    route: RerankRoute
    dry_run: bool

    def opened(self) -> Source:
        """Return the table."""
        columns = PairColumns(
            image=self.image_column,
            video=self.video_column,
            id=self.id_column,
            query=self.query_column,
            query_image=self.query_image_column,
            document=self.document_column,
        )
        return self.opened_at(self.pairs, columns)

    def reranker(self, cache: SQLiteCache | None) -> Reranker:
        """Return the reranker of these options."""
        return Reranker(
            self.model,
            base_model=self.base_model,
            route=self.route,
            base_url=self.base_url,
            region=self.region,
            workspace=self.workspace,
            instruct=self.instruct,
            max_concurrency=self.max_concurrency,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            cache=cache,
            truncate=self.truncate,
            max_image_pixels=self.max_image_pixels,
            insecure_http=self.insecure_http,
        )


@click.command()
@click.argument("pairs", type=PathArgument())
@rerank_options
def rerank(**options: Any) -> None:
    """
    Rank the documents of every query in PAIRS into a Parquet file.

    PAIRS is a table (CSV, TSV, JSONL, Parquet) with a query and a document in each row, or a list of documents. Rows of
    one query must be adjacent and go into one request, because scores of two requests cannot be compared. The key comes
    from DASHSCOPE_API_KEY. Finished queries are saved at once: after Ctrl-C or a crash, run the same command again to
    continue.

    \b
    Examples:
      volc-dashscope rerank pairs.csv -m qwen3-rerank -o ranked.parquet --top-n 10
      volc-dashscope rerank pairs.csv -m qwen3-vl-rerank -o ranked.parquet \\
          --image-column photo
    """
    arguments = RerankOptions(**options)
    if arguments.output is None and not arguments.dry_run:
        raise click.UsageError("the output is missing: pass -o out.parquet")
    with errors_reported(as_json=arguments.as_json, hint=how_to_resume()):
        source = arguments.opened()
        if arguments.dry_run:
            _print_preview(source, arguments)
            return
        assert arguments.output is not None
        check_path(arguments.output, source.path)  # before a key is needed
        try:
            report = _reranked(source, arguments, arguments.output)
        except KeyboardInterrupt:
            note(*how_to_resume())
            exit_with(ExitCode.INTERRUPTED)
    print_report(report, "queries", as_json=arguments.as_json)


def _reranked(source: Source, arguments: RerankOptions, output: Path) -> Report:
    with ExitStack() as stack:
        cache = stack.enter_context(SQLiteCache(arguments.cache)) if arguments.cache is not None else None
        reranker = stack.enter_context(arguments.reranker(cache))
        bar = None
        if not arguments.quiet:
            model_info = reranker._spec.model_info  # noqa: SLF001 - with the price of its region
            bar = Progress(model_info, None, unit="query")
            stack.callback(bar.close)
        stop = stack.enter_context(stopped_by_signals())
        return rerank_file(
            source,
            output,
            model=reranker,
            top_n=arguments.top_n,
            watch=bar.show if bar is not None else None,
            stop=stop,
            restart=arguments.restart,
            group_rows=arguments.group_rows,
        )


def _print_preview(source: Source, arguments: RerankOptions) -> None:
    found = preview_rerank(
        source,
        arguments.output,
        model=find_rerank_model(arguments.model, base_model=arguments.base_model),
        instruct=arguments.instruct,
        truncate=arguments.truncate,
        max_image_pixels=arguments.max_image_pixels,
        region=arguments.region,
        base_url=arguments.base_url,
        requests_per_minute=arguments.requests_per_minute,
        tokens_per_minute=arguments.tokens_per_minute,
        restart=arguments.restart,
    )
    print_counted(found, arguments.model, "queries", items="documents", as_json=arguments.as_json)
