"""Where items come from: lines, tables or a folder. Read as they are needed, row by row, bad ones included."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Literal

import orjson

from volc_dashscope.bulk._listing import LONGEST_LINE, encodes, files, kind_of, lines, media_files, unreadable
from volc_dashscope.bulk._parquet import parquet_records, parquet_rows
from volc_dashscope.bulk._records import Columns, Record
from volc_dashscope.errors import ConfigError, InputError

Format = Literal["text", "jsonl", "csv", "parquet", "folder"]

FORMATS: tuple[Format, ...] = ("text", "jsonl", "csv", "parquet", "folder")
_SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_SAMPLE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """
    Something that has rows, in an order that does not change.

    Attributes:
        path: A file, or a folder.
        format: How it is read.
        columns: What of a table is embedded.
        root: The folder that local images and videos must be in; relative paths start there.
    """

    path: Path
    format: Format
    columns: Columns
    root: Path

    def records(self) -> Iterator[Record]:
        """
        Yield every row, also those that cannot be read, which say why.

        Raises:
            InputError: The whole source cannot be read.
        """
        return _READERS[self.format](self)

    def fingerprint(self) -> str:
        """Return what changes when the source changes: sizes, times, and for a file some of its content."""
        found = sha256(orjson.dumps([self.format, self.columns.given, self.columns.id]))
        try:
            if self.format == "folder":
                for path, _ in media_files(self.path):
                    status = path.stat()
                    name = os.fsencode(path.relative_to(self.path))
                    found.update(b"%b\0%d %d\n" % (name, status.st_size, status.st_mtime_ns))
            else:
                with self.path.open("rb") as file:
                    status = os.fstat(file.fileno())
                    found.update(b"%d %d " % (status.st_size, status.st_mtime_ns))
                    for place in (0, max(0, status.st_size - _SAMPLE)):
                        file.seek(place)
                        found.update(file.read(_SAMPLE))
        except OSError as error:
            raise unreadable(self.path, error) from error
        return found.hexdigest()[:32]


def open_source(
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,
    columns: Columns | None = None,
    media_root: str | os.PathLike[str] | None = None,
) -> Source:
    """
    Return the source at a path.

    Args:
        path: Text (one a line), JSONL, CSV or TSV with a header, Parquet, or a folder of images and videos.
        format: How to read it; None to go by its suffix.
        columns: Which columns of a table make an item.
        media_root: The folder that local images and videos must be in; None for the one the source is in, or is.

    Raises:
        InputError: There is nothing at the path, or a table without the columns.
        ConfigError: Its suffix says nothing.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"source {str(place)!r} does not exist")
    found = format or ("folder" if place.is_dir() else _SUFFIXES.get(place.suffix.lower()))
    if found is None:
        raise ConfigError(f"source {place.name!r} has no known ending; say its format: {', '.join(FORMATS)}")
    if found not in FORMATS:
        raise ConfigError(f"format {format!r}; there are {', '.join(FORMATS)}")
    if (found == "folder") != place.is_dir():
        raise ConfigError(f"source {place.name!r} is {'' if place.is_dir() else 'not '}a folder")
    table = found in ("jsonl", "csv", "parquet")
    if columns is not None and columns != Columns() and not table:
        raise ConfigError(f"a source of format {found} has no columns")
    if media_root is not None and not Path(media_root).is_dir():
        raise InputError(f"media root {str(media_root)!r} is not a folder")
    home = place if found == "folder" else place.parent
    return Source(place, found, columns or Columns(), Path(home if media_root is None else media_root))


def count_rows(source: Source) -> int | None:
    """Count the rows as far as that is cheap; None where they would have to be parsed."""
    if source.format == "csv":
        return None
    if source.format == "parquet":
        return parquet_rows(source.path)
    if source.format == "folder":
        return sum(1 for _ in media_files(source.path))
    with source.path.open("rb") as file:
        rows, last = 0, b"\n"
        while piece := file.read(_SAMPLE):
            rows, last = rows + piece.count(b"\n"), piece[-1:]
        return rows + (last != b"\n")


def skipped_files(source: Source) -> int:
    """Count files of a folder that are neither images nor videos by their names."""
    if source.format != "folder":
        return 0
    return sum(1 for path in files(source.path) if kind_of(path) is None)


def _text(source: Source) -> Iterator[Record]:
    for row, line in lines(source.path):
        if isinstance(line, str):
            problem = None if line else "the line is empty"
            yield Record(row, str(row), (("text", line),) if line else (), problem)
        else:
            yield Record(row, str(row), (), str(line))


def _jsonl(source: Source) -> Iterator[Record]:
    for row, line in lines(source.path):
        if isinstance(line, InputError):
            yield Record(row, str(row), (), str(line))
            continue
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError:
            values = None
        if isinstance(values, dict):
            yield source.columns.record(row, values)
        else:
            yield Record(row, str(row), (), "the line is not a JSON object")


def _csv(source: Source) -> Iterator[Record]:
    csv.field_size_limit(LONGEST_LINE)
    delimiter = "\t" if source.path.suffix.lower() == ".tsv" else ","
    try:
        # Bytes that are no UTF-8 become lone surrogates, which are refused row by row.
        file = source.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise unreadable(source.path, error) from error
    with file:
        rows = csv.reader(file, delimiter=delimiter)
        names = next(rows, [])
        source.columns.check(names, source.path.name)
        for row in count():
            try:
                cells = next(rows, None)
                # A blank line is no row: spreadsheets leave them at the end.
                while cells == []:
                    cells = next(rows, None)
            except csv.Error as error:
                yield Record(row, str(row), (), f"the row cannot be read: {error}")
                continue
            if cells is None:
                return
            if len(cells) != len(names):
                words = f"the row has {len(cells)} fields, the header {len(names)}"
                yield Record(row, str(row), (), words)
            else:
                yield source.columns.record(row, dict(zip(names, cells, strict=True)))


def _parquet(source: Source) -> Iterator[Record]:
    return parquet_records(source.path, source.columns)


def _folder(source: Source) -> Iterator[Record]:
    for row, (path, kind) in enumerate(media_files(source.path)):
        name = path.relative_to(source.path).as_posix()
        if encodes(name):
            yield Record(row, name, ((kind, str(path.absolute())),))
        else:
            words = "the name of the file is not UTF-8"
            yield Record(row, name.encode(errors="replace").decode(), (), words)


_READERS: dict[Format, Callable[[Source], Iterator[Record]]] = {
    "text": _text,
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
    "folder": _folder,
}
