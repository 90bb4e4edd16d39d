"""
The local files that a table names. They belong to the source as much as the table: with another picture under the
same name, a row has another vector.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import orjson

from volc_dashscope._media import local_path
from volc_dashscope.bulk._csv import header_and_rows, opened_csv
from volc_dashscope.bulk._listing import lines
from volc_dashscope.bulk._parquet import parquet_paths
from volc_dashscope.errors import InputError
from volc_dashscope.inputs import is_url


def named_files(
    path: Path, format: str, encoding: str | None, columns: Collection[str]
) -> Iterator[tuple[str, str]]:
    """
    Yield each local file that these columns of a table name, once: as the table names it, and as a path.

    Rows that cannot be read name none; their errors are those of the rows.
    """
    hashes: set[int] = set()  # by hash, because a million paths would take several times the memory
    for value in _values(path, format, encoding, columns):
        for name in _names(value):
            if hash(name) in hashes or is_url(name):
                continue
            hashes.add(hash(name))
            with suppress(InputError):
                yield name, local_path(name)


def _values(path: Path, format: str, encoding: str | None, columns: Collection[str]) -> Iterable[object]:
    if format == "csv":
        return _csv_values(path, encoding, columns)
    return _jsonl_values(path, encoding, columns) if format == "jsonl" else parquet_paths(path, columns)


def _csv_values(path: Path, encoding: str | None, columns: Collection[str]) -> Iterator[str]:
    with opened_csv(path, encoding) as file:
        header, rows = header_and_rows(path, file)
        places = [place for place, name in enumerate(header) if name in columns]
        while places:
            try:
                for cells in rows:
                    yield from (cells[place] for place in places if place < len(cells))
                return
            except csv.Error:
                continue


def _jsonl_values(path: Path, encoding: str | None, columns: Collection[str]) -> Iterator[object]:
    for _, line in lines(path, encoding):
        # Most tables have texts only, and need not be parsed for this. A name may be written in escapes.
        if isinstance(line, str) and ("\\u" in line or any(name in line for name in columns)):
            with suppress(orjson.JSONDecodeError):
                values = orjson.loads(line)
                if isinstance(values, dict):
                    yield from (values.get(name) for name in columns)


def _names(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, list):
        for entry in value:
            yield from _names(entry)
    elif isinstance(value, Mapping) and not isinstance(value.get("bytes"), bytes):
        yield from _names(value.get("path"))
