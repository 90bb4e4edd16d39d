"""Writes failed rows as JSONL, which can be a source again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from volc_dashscope.bulk._records import Record, json_cells
from volc_dashscope.bulk._sources import Source
from volc_dashscope.bulk._storage import replace_file, writing
from volc_dashscope.bulk._vectors import failures


def write_failed(lines: Iterable[bytes], path: Path) -> None:
    """Write the failed rows atomically."""
    temporary = path.with_name(f"{path.name}.new")
    with writing(path):
        with temporary.open("wb") as file:
            file.writelines(lines)
        replace_file(temporary, path)


def failed_lines(source: Source, groups: Iterable[bytes]) -> Iterator[bytes]:
    """
    Yield id, content, row and error of each row without a vector as a line of JSON.

    Several parts of one kind cannot share a key, so that the second text of a row is `text_2`.
    """
    return _lines(source, chain.from_iterable(map(failures, groups)))


def _lines(source: Source, failed: Iterator[tuple[int, str]]) -> Iterator[bytes]:
    next_failure = next(failed, None)
    # The source is read a second time, so that a million rows need not be kept in memory.
    for record in source.records():
        if next_failure is None:
            return
        if record.row == next_failure[0]:
            yield _line(record, source.root, next_failure[1])
            next_failure = next(failed, None)


def _line(record: Record, root: Path, error: str) -> bytes:
    line: dict[str, Any] = {"id": record.id}
    for kind, value in json_cells(record.cells, root):
        count = 2
        name: str = kind
        while name in line:
            name, count = f"{kind}_{count}", count + 1
        line[name] = value
    return error_line(line, record.row, error)


def error_line(cells: Mapping[str, Any], row: int, error: str) -> bytes:
    """Return a failed row with its error as a line of JSON; of cells that JSON cannot hold, only the id."""
    ending = {"row": row, "error": error}
    try:
        return orjson.dumps({**cells, **ending}, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a lone surrogate, which is why it failed
        return orjson.dumps({"id": cells["id"], **ending}, option=orjson.OPT_APPEND_NEWLINE)
