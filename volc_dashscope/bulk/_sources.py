"""Sources of items: lines, tables and folders, read row by row as needed, including invalid rows."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Literal

import orjson

from volc_dashscope._media import open_fenced
from volc_dashscope._paths import checked_path
from volc_dashscope._types import RequestSpec, counted
from volc_dashscope.bulk._csv import header_and_rows, opened_csv
from volc_dashscope.bulk._listing import (
    SCAN_STEP,
    encoding_of,
    files,
    is_utf8_name,
    kind_of,
    kinds_inside,
    lines,
    media_files,
    unreadable,
)
from volc_dashscope.bulk._named_files import named_files
from volc_dashscope.bulk._parquet import parquet_names, parquet_records, parquet_rows
from volc_dashscope.bulk._records import KINDS, Columns, Kind, Record, with_whole_id
from volc_dashscope.bulk._storage import check_name, digest_of, digest_of_open
from volc_dashscope.errors import ConfigError, InputError

ScanStep = Literal["found", "checked", "read", "counted"]
ScanCallback = Callable[[ScanStep, int], object]
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
# No model accepts a file as large as this, and reading a large sparse file would take hours.
_MAX_MEDIA_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """
    A source of rows in a fixed order.

    ```python
    source = open_source("texts.txt")
    print(source.format, count_rows(source))
    ```
    ```text
    text 2
    ```

    Attributes:
        path: A file, or a folder.
        format: Format of the file, or "folder".
        columns: The columns of a table that are embedded.
        root: The folder that must contain local images and videos; relative paths start there.
        encoding: Encoding of a text, JSONL or CSV file; None means UTF-8.
        watch: As for `open_source`.
    """

    path: Path
    format: Format
    columns: Columns
    root: Path
    encoding: str | None = None
    watch: ScanCallback | None = field(default=None, compare=False, repr=False)

    def records(self) -> Iterator[Record]:
        """
        Yield every row; an unreadable one has its `problem`.

        Raises:
            InputError: The whole source cannot be read.
        """
        return _READERS[self.format](self)

    def layout(self) -> dict[str, str]:
        """
        Return two digests without reading content: `sizes` of names and sizes, `times` also of times.

        They also change if a file of a folder, or one that a table names, disappears or appears.
        """
        sizes, times = self._new_digest(), sha256()
        for number, (path, name) in enumerate(self._files(), start=1):
            try:
                status = os.stat(path)
            except (OSError, ValueError):  # ValueError: a name that no file can have
                sizes.update(b"%b\0?\n" % name)
                continue
            sizes.update(b"%b\0%d\n" % (name, status.st_size))
            # Programs that copy or unpack set the time of the content, but not that of the file's last change.
            times.update(b"%d %d\n" % (status.st_mtime_ns, status.st_ctime_ns))
            self.scanned("checked", number)
        return {"sizes": sizes.hexdigest()[:32], "times": times.hexdigest()[:32]}

    def content(self) -> str:
        """
        Return a digest of every byte of the source, of an image or video of its first 256 MiB.

        Of the files of a folder, and of those that a table names, only regular files inside `root` are read: reading a
        pipe would wait for a writer, and a device may have no end.
        """
        found = self._new_digest()
        for number, (path, name) in enumerate(self._files(), start=1):
            found.update(name)
            found.update(self._digest(path, own=not name).encode())
            self.scanned("read", number)
        return str(found.hexdigest()[:32])

    def _digest(self, path: str, *, own: bool) -> str:
        try:
            if own:
                return digest_of(path)
            with open_fenced(path, None if self.format == "folder" else self.root) as file:
                return digest_of_open(file, max_bytes=_MAX_MEDIA_BYTES)
        except (OSError, ValueError, InputError) as error:
            if own and isinstance(error, OSError):
                raise unreadable(self.path, error) from error
            return "?"

    def kinds(self) -> Iterable[Kind]:
        """
        Return the kinds of content of its columns or files.

        Raises:
            InputError: A column that was named is missing.
        """
        return _KINDS_OF[self.format](self)

    def skipped(self) -> int:
        """Count files of a folder that are neither images nor videos by their names."""
        if self.format != "folder":
            return 0
        return sum(1 for name, problem in files(self.path) if problem is None and kind_of(name) is None)

    def check(self, spec: RequestSpec) -> None:
        """
        Refuse a source with nothing that the model can embed, judged by its columns and file names.

        Args:
            spec: What shapes the requests; its model's row has the accepted kinds.

        Raises:
            InputError: A column is missing, or the model accepts nothing in the source.
        """
        accepted = spec.model_info.modalities
        kinds = self.kinds()
        if self.format == "folder":
            # The first suitable file is enough; a folder of a million is not listed to its end.
            wrong: set[Kind] = set()
            for kind in kinds:
                if kind in accepted:
                    return
                wrong.add(kind)
        else:
            found = set(kinds)
            wrong = {kind for kind in found if kind not in accepted}
            if self.columns.usual and wrong != found:
                wrong = set()
        if wrong:
            contents = " and ".join(f"{kind}s" for kind in KINDS if kind in wrong)
            takes = ", ".join(kind for kind in KINDS if kind in accepted)
            raise InputError(
                f"source {self.path.name!r} holds {contents}, and {spec.model_info.name} embeds {takes} only; "
                "use another model"
            )

    def _new_digest(self) -> Any:
        return sha256(orjson.dumps([self.format, self.columns.given, self.columns.id, self.encoding]))

    def _files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path of each file, and its name inside the folder or in the table; the table itself has none."""
        if self.format != "folder":
            yield str(self.path), b""
            media = {name for kind, name in self.columns.given if kind != "text"}
            if media and self.format != "text":
                for name, path in named_files(self.path, self.format, self.encoding, media):
                    yield os.path.join(self.root, path), name.encode("utf-8", "surrogatepass")
            return
        folder = str(self.path)
        for name, _ in media_files(self.path):
            yield os.path.join(folder, name), os.fsencode(name)

    def media(self) -> Iterator[tuple[str, Kind | InputError]]:
        """Yield the images and videos of a folder, as `media_files`, and report how many names were found."""
        watch = self.watch
        return media_files(self.path, None if watch is None else lambda number: watch("found", number))

    def scanned(self, step: ScanStep, number: int) -> None:
        """Call `watch` with a step, as in `open_source`, and the number of files or rows; only every hundredth time."""
        if self.watch is not None and number % SCAN_STEP == 0:
            self.watch(step, number)


def open_source(
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,
    columns: Columns | None = None,
    media_root: str | os.PathLike[str] | None = None,
    encoding: str | None = None,
    watch: ScanCallback | None = None,
) -> Source:
    """
    Return the source at a path.

    Args:
        path: Text (one a line), JSONL, CSV or TSV with a header, Parquet, or a folder of images and videos.
        format: Format of the source; None to use the file extension.
        columns: Which columns of a table make an item.
        media_root: The folder that must contain local images and videos; None for the source's own folder.
        encoding: Encoding of a text, JSONL or CSV file; None for UTF-8, or for GB18030 (GBK) if the file is Chinese
            in that encoding, as Excel in China writes it.
        watch: Called during a scan with a step and the number of files so far. Steps: "found" in a folder, "checked" by
            size and time, "read", and "counted" by `preview` (rows, for a table).

    Raises:
        InputError: There is nothing at the path.
        ConfigError: The file extension is unknown, or an argument does not fit the source.
    """
    place = _existing(path)
    found = format or ("folder" if place.is_dir() else _SUFFIXES.get(place.suffix.lower()))
    if found is None:
        if kind_of(place) is not None:
            raise ConfigError(f"source {place.name!r} is a single media file; pass a folder or a table")
        raise ConfigError(
            f"source {place.name!r} has no known file extension; pass a folder or a table, or set its format: "
            f"{', '.join(FORMATS)}"
        )
    if found not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if (found == "folder") != place.is_dir():
        kind = "a folder" if place.is_dir() else "not a folder"
        raise ConfigError(f"source {place.name!r} is {kind}, and the format that was given is {found!r}")
    if found == "parquet":
        check_name(place, "source")
    table = found in ("jsonl", "csv", "parquet")
    if columns is not None and columns != Columns() and not table:
        raise ConfigError(f"source {place.name!r} is of format {found}, which has no columns; name no column")
    root = place if found == "folder" else place.parent
    if media_root is not None:
        root = checked_path(media_root, "media root")
        if not root.is_dir():
            raise InputError(f"media root {str(root)!r} is not a folder")
    return Source(place, found, columns or Columns(), root, encoding_of(place, found, encoding), watch)


def _existing(path: object) -> Path:
    """Return the path of a file or folder that is there."""
    place = checked_path(path, "source")
    if not place.exists():
        raise InputError(f"source {str(place)!r} does not exist")
    if not place.is_file() and not place.is_dir():
        # It is read several times: for its encoding, its checksum and its rows.
        raise InputError(f"source {str(place)!r} is a pipe or a device; save its content as a file")
    return place


def count_rows(source: Source) -> int | None:
    """Return the number of rows of a source; None for a CSV file, whose rows would have to be parsed."""
    if source.format == "csv":
        return None
    if source.format == "parquet":
        return parquet_rows(source.path)
    if source.format == "folder":
        return sum(1 for _ in source.media())
    with source.path.open("rb") as file:
        rows, last = 0, b"\n"
        while chunk := file.read(_SAMPLE):
            rows, last = rows + chunk.count(b"\n"), chunk[-1:]
        return rows + (last != b"\n")


def _text(source: Source) -> Iterator[Record]:
    for row, line in lines(source.path, source.encoding):
        if isinstance(line, str):
            problem = None if line else "the line is empty"
            yield Record(row, str(row), (("text", line),) if line else (), problem)
        else:
            yield Record(row, str(row), (), str(line))


def _jsonl(source: Source) -> Iterator[Record]:
    for row, line in lines(source.path, source.encoding):
        if isinstance(line, InputError):
            yield Record(row, str(row), (), str(line))
            continue
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError:
            values = None
        if isinstance(values, dict):
            yield source.columns.record(row, with_whole_id(values, source.columns.id or "id", line))
        else:
            yield Record(row, str(row), (), "the line is not a JSON object")


def _csv(source: Source) -> Iterator[Record]:
    with opened_csv(source.path, source.encoding) as file:
        names, rows = header_and_rows(source.path, file)
        source.columns.check(names, source.path.name)
        for row in count():
            try:
                cells = next(rows, None)
                # A blank line is not a row: spreadsheets leave them at the end.
                while cells == []:
                    cells = next(rows, None)
            except csv.Error as error:
                yield Record(row, str(row), (), f"the row cannot be read: {error}")
                continue
            if cells is None:
                return
            if len(cells) != len(names):
                reason = f"the row has {counted(len(cells), 'fields')}, the header {len(names)}"
                yield Record(row, str(row), (), reason)
            else:
                yield source.columns.record(row, dict(zip(names, cells, strict=True)))


def _parquet(source: Source) -> Iterator[Record]:
    return parquet_records(source.path, source.columns)


def _folder(source: Source) -> Iterator[Record]:
    folder = str(source.path.absolute())
    for row, (name, kind) in enumerate(source.media()):
        if not is_utf8_name(name):
            reason = "the name of the file is not UTF-8"
            yield Record(row, name.encode(errors="replace").decode(), (), reason)
        elif isinstance(kind, InputError):
            yield Record(row, name, (), str(kind))
        else:
            yield Record(row, name, ((kind, os.path.join(folder, name)),))


def _csv_kinds(source: Source) -> Iterator[Kind]:
    with opened_csv(source.path, source.encoding) as file:
        names, _ = header_and_rows(source.path, file)
    return _column_kinds(source, names)


def _column_kinds(source: Source, names: Sequence[str]) -> Iterator[Kind]:
    source.columns.check(names, source.path.name)
    return (kind for kind, name in source.columns.given if name in names)


def _jsonl_kinds(source: Source) -> Iterator[Kind]:
    """Read until every column has been found, which is the first line of most files."""
    wanted = {name for _, name in source.columns.given}
    named = set() if source.columns.usual else {*wanted, *([source.columns.id] if source.columns.id else [])}
    found: dict[str, None] = {}
    for _, line in lines(source.path, source.encoding):
        with suppress(orjson.JSONDecodeError):
            values = orjson.loads(line) if isinstance(line, str) else None
            if isinstance(values, dict):
                found.update(dict.fromkeys(list(values)[:100]))
        if named <= set(found) if named else wanted & set(found):
            break
    if found:
        source.columns.check(list(found), source.path.name)
    return (kind for kind, name in source.columns.given if name in found)


_KINDS_OF: dict[Format, Callable[[Source], Iterable[Kind]]] = {
    "text": lambda source: ("text",),
    "jsonl": _jsonl_kinds,
    "csv": _csv_kinds,
    "parquet": lambda source: _column_kinds(source, parquet_names(source.path)),
    "folder": lambda source: kinds_inside(source.path, source.media()),
}
_READERS: dict[Format, Callable[[Source], Iterator[Record]]] = {
    "text": _text,
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
    "folder": _folder,
}
