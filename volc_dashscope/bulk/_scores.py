"""The output of a bulk rerank: one row a document, with its score and rank."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.bulk._pairs import QueryRecord
from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.bulk._partial import Outcomes
from volc_dashscope.bulk._vectors import table_content, write_output

# Scores of the documents of one query, NaN for those that are not among the best.
ScoreArray: TypeAlias = NDArray[np.float64]
_ENCODING = {"compression": "zstd"}
_Label: TypeAlias = tuple[tuple[int, ...], tuple[str, ...]]


class ScoreRows:
    """Rows that are the scores of one query's documents."""

    dimension: int | None = None

    def label(self, record: QueryRecord) -> _Label:
        """Return the rows and ids of a query's documents."""
        return record.rows, record.ids

    def encode(self, outcomes: Outcomes) -> Iterable[bytes]:
        """Return the scores of each query as bytes."""
        return [scores.astype("<f8").tobytes() for scores in outcomes]

    def decode(self, content: bytes) -> ScoreArray:
        """Return the scores of their bytes."""
        return np.frombuffer(content, dtype="<f8")

    def group(self, size: int) -> _ScoreGroup:
        """Return an empty group."""
        return _ScoreGroup()

    def merge(self, groups: Iterable[bytes], output: Path, facts: Mapping[str, Any]) -> None:
        """Write the finished file."""
        write_output(groups, output, _schema(), facts, _ENCODING)


class _ScoreGroup:
    """Scores of some queries."""

    def __init__(self) -> None:
        self._scores: dict[int, ScoreArray] = {}

    def put(self, offsets: Sequence[int], outcomes: Outcomes) -> None:
        self._scores.update(zip(offsets, outcomes, strict=True))

    def content(self, first: int, labels: Sequence[_Label], errors: Mapping[int, str]) -> bytes:
        pa, _ = arrow()
        rows: list[dict[str, Any]] = []
        for offset, (places, ids) in enumerate(labels):
            error = errors.get(offset)
            found = [np.nan] * len(places) if error is not None else self._scores[offset].tolist()
            ranks = _ranks(found)
            rows.extend(
                {
                    "id": ids[index],
                    "row": places[index],
                    "query": first + offset,
                    "index": index,
                    "score": score if index in ranks else None,
                    "rank": ranks.get(index),
                    "error": error,
                }
                for index, score in enumerate(found)
            )
        return table_content(pa.Table.from_pylist(rows, _schema()), _ENCODING)


def failed_queries(groups: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Yield number and error of each query that failed, in order."""
    pa, parquet = arrow()
    last = -1
    for content in groups:
        table = parquet.read_table(pa.BufferReader(content), columns=["query", "error"], use_threads=False)
        for query, error in zip(table["query"].to_pylist(), table["error"].to_pylist(), strict=True):
            if error is not None and query != last:
                yield query, error
                last = query


def _ranks(scores: Sequence[float]) -> dict[int, int]:
    """Return the rank of each document that has a score; equal scores in input order."""
    scored = [index for index, score in enumerate(scores) if not np.isnan(score)]
    best = sorted(scored, key=lambda index: (-scores[index], index))
    return {index: rank for rank, index in enumerate(best, start=1)}


def _schema() -> Any:
    pa, _ = arrow()
    return pa.schema(
        [
            ("id", pa.string()),
            ("row", pa.int64()),
            ("query", pa.int64()),
            ("index", pa.int32()),
            ("score", pa.float64()),
            ("rank", pa.int32()),
            ("error", pa.string()),
        ]
    )
