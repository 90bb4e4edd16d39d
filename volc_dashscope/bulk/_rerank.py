"""`rerank_file`: reranks pairs of query and document into a Parquet file, resumable at any moment."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import orjson

from volc_dashscope._paths import checked_path
from volc_dashscope.bulk._failed import error_line
from volc_dashscope.bulk._pairs import Cell, PairColumns, PairRecord, PairSource, QueryRecord
from volc_dashscope.bulk._partial import PartialOutput, RowFormat
from volc_dashscope.bulk._records import Kind, Record, json_cells, json_list
from volc_dashscope.bulk._report import ProgressCallback, Report
from volc_dashscope.bulk._run import BulkRun, OnOutcome, check_group_rows
from volc_dashscope.bulk._scores import ScoreArray, ScoreRows, failed_queries
from volc_dashscope.bulk._sources import Source, open_source
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item
from volc_dashscope.rerank import Reranker
from volc_dashscope.results import Usage

# Queries of a row group; each has up to some hundred documents.
_GROUP_ROWS = 256
_DOCUMENT = re.compile(r"^document (\d+): ")


def rerank_file(
    source: Source | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: str | Reranker,
    top_n: int | None = None,
    watch: ProgressCallback | None = None,
    stop: threading.Event | None = None,
    restart: bool = False,
    group_rows: int | None = None,
) -> Report:
    """
    Rank the documents of every query of a table, one request each, into a Parquet file.

    Its columns are id, row and query (numbers in the source, from 0), index (of the document in its query), score,
    rank (from 1) and error. Scores are comparable within one query only, so that a query is never split: one with
    more documents than the model takes has an error instead. What is finished is saved at once; the same call goes
    on with it, after a crash too, and pays at most the requests in flight again.

    Args:
        source: A table (CSV, JSONL, Parquet) with the columns "query" and "document"; or what `open_source` returns
            for one with `PairColumns`. A row is a pair, and rows of one query stand together; or it has a list of
            documents.
        output: Path of the Parquet file.
        model: A model's name, with key and URL from the environment; or a reranker with settings of your own.
        top_n: How many of the best get a score and a rank; None for all.
        watch, stop, restart: As for `embed_file`; what it counts are queries.
        group_rows: Queries of a Parquet row group, at most a million; None for 256.

    Raises:
        ConfigError: The output was started with other settings, or the model does not have a setting.
        InputError: The source cannot be read, or rows of one query do not stand together.
        EmbeddingError: The key or account is refused, or the service is down. Finished queries are saved.
    """
    if not isinstance(source, Source):
        source = open_source(source, columns=PairColumns())
    if not isinstance(source.columns, PairColumns):
        actual = type(source.columns).__name__
        raise ConfigError(f"pairs need a source opened with columns=PairColumns(...), got one with {actual}")
    check_group_rows(group_rows)
    with nullcontext(model) if isinstance(model, Reranker) else Reranker(model) as reranker:
        reranker.rerank("", [], top_n=top_n)  # Refuses settings that the model does not have; sends nothing.
        pairs = PairSource(source, reranker.model_info.max_documents)
        task = _Reranking(pairs, reranker, top_n)
        run = BulkRun(pairs, checked_path(output, "output"), task, watch, stop)
        return run.run(restart=restart, group_rows=group_rows or _GROUP_ROWS)


class _Reranking:
    """The task of `rerank_file`: the scores of each query's documents."""

    def __init__(self, pairs: PairSource, reranker: Reranker, top_n: int | None) -> None:
        pairs.check()
        self._pairs, self._reranker, self._top_n = pairs, reranker, top_n
        self.form: RowFormat = ScoreRows()
        shape = orjson.loads(reranker._settings.vector_key())  # noqa: SLF001 - the settings are the output's identity
        self.settings: Mapping[str, Any] = {**shape, "top_n": top_n}
        self.model_info = reranker._spec.model_info  # noqa: SLF001 - with the price of its region

    @property
    def usage(self) -> Usage:
        return self._reranker.usage

    def resume(self, partial: PartialOutput) -> None:
        """Scores of two requests need nothing in common."""

    def item(self, record: QueryRecord) -> tuple[Item, list[Item]]:
        most = self._reranker.model_info.max_documents
        if most is not None and len(record.rows) > most:
            raise InputError(
                f"{len(record.rows):,} documents; {self._reranker.model_info.name} accepts at most {most} in one "
                "request; use fewer for this query, because scores of two requests cannot be compared"
            )
        return self._pairs.item(record)

    def run(
        self, items: Iterator[tuple[Item, list[Item]]], on_outcome: OnOutcome, idle: Callable[[], None]
    ) -> None:
        counts: dict[int, int] = {}

        def counted() -> Iterator[tuple[Item, list[Item]]]:
            for index, (query, documents) in enumerate(items):
                counts[index] = len(documents)
                yield query, documents

        for index, found in self._reranker.stream(counted(), top_n=self._top_n):
            count = counts.pop(index)
            if isinstance(found, EmbeddingError):
                on_outcome([index], found)
            else:
                scores: ScoreArray = np.full(count, np.nan)
                for result in found:
                    scores[result.index] = result.score
                on_outcome([index], [scores])

    def row_message(self, record: QueryRecord, error: EmbeddingError) -> str:
        text = str(error)
        bad = _DOCUMENT.match(text)
        if bad is None or record.listed:
            return f"{record.place}: {text}"
        row = record.rows[int(bad[1])]
        message = f"row {row}: {text[bad.end() :]}"
        return (
            message
            if len(record.rows) == 1
            else f"{message}; {record.place} have the same query, so they succeed or fail together"
        )

    def failed_lines(self, groups: Iterable[bytes]) -> Iterator[bytes]:
        """Yield each row of a failed query under its own column names; the whole query, so that it is a source."""
        failed = failed_queries(groups)
        errors: dict[int, str] = {}
        last, done = -1, 0
        for number, record in self._pairs.numbered():
            while last < number and (following := next(failed, None)) is not None:
                last = following[0]
                errors[last] = following[1]
            if isinstance(record, PairRecord) and record.query is not None and number > done:
                done = number
                errors = {each: error for each, error in errors.items() if each >= number}
            if number in errors:
                yield _line(record, self._pairs.source, errors[number])


def _line(record: Record, source: Source, error: str) -> bytes:
    line: dict[str, Any] = {"id": record.id}
    if isinstance(record, PairRecord) and isinstance(source.columns, PairColumns):
        if record.query is not None:
            line |= _named(source.columns.queries, json_cells([record.query], source.root), listed=False)
        cells = (json_list if record.listed else json_cells)(record.cells, source.root)
        line |= _named(source.columns.documents, cells, listed=record.listed)
    return error_line(line, record.row, error)


def _named(columns: Iterable[tuple[Kind, str]], cells: Sequence[Cell], *, listed: bool) -> dict[str, Any]:
    """Return cells under the name of their column."""
    if not cells:
        return {}
    name = next(name for kind, name in columns if kind == cells[0][0])
    return {name: [value for _, value in cells] if listed else cells[0][1]}
