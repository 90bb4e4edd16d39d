"""Where items come from: lines, tables or a folder. Read as they are needed, row by row, bad ones included."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Literal

import orjson

from volc_dashscope.bulk._parquet import parquet_records
from volc_dashscope.bulk._records import Columns, Kind, Record
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
_IMAGES = frozenset(
    ".jpg .jpeg .png .apng .gif .webp .bmp .dib .tif .tiff .ico .icns .sgi .j2c .j2k .jp2 .jpc .jpf .jpx".split()
)
_VIDEOS = frozenset(".mp4 .m4v .mov .avi .mpg .mpeg .webm .mkv .flv".split())
# A line longer than this is no text that a model takes, and not worth the memory.
_LONGEST_LINE = 16 * 1024 * 1024
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
                for path, _ in _media_files(self.path):
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
            raise _unreadable(self.path, error) from error
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


def skipped_files(source: Source) -> int:
    """Count files of a folder that are neither images nor videos by their names."""
    if source.format != "folder":
        return 0
    return sum(1 for path in _files(source.path) if _kind(path) is None)


def _text(source: Source) -> Iterator[Record]:
    for row, line in _lines(source.path):
        if isinstance(line, str):
            problem = None if line else "the line is empty"
            yield Record(row, str(row), (("text", line),) if line else (), problem)
        else:
            yield Record(row, str(row), (), str(line))


def _jsonl(source: Source) -> Iterator[Record]:
    for row, line in _lines(source.path):
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
    csv.field_size_limit(_LONGEST_LINE)
    delimiter = "\t" if source.path.suffix.lower() == ".tsv" else ","
    try:
        # Bytes that are no UTF-8 become lone surrogates, which are refused row by row.
        file = source.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise _unreadable(source.path, error) from error
    with file:
        rows = csv.reader(file, delimiter=delimiter)
        names = next(rows, [])
        source.columns.check(names, source.path.name)
        for row in _counted_rows():
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
    for row, (path, kind) in enumerate(_media_files(source.path)):
        name = path.relative_to(source.path).as_posix()
        if _encodes(name):
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


def _lines(path: Path) -> Iterator[tuple[int, str | InputError]]:
    """Yield the number and content of each line, or why it has none."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        for row in _counted_rows():
            line = file.readline(_LONGEST_LINE)
            if not line:
                return
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                _skip_line(file)
                yield row, InputError(f"the line is longer than {_LONGEST_LINE:,} bytes")
                continue
            try:
                text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8-sig" if row == 0 else "utf-8")
            except UnicodeDecodeError:
                yield row, InputError("the line is not UTF-8")
            else:
                yield row, text


def _skip_line(file: IO[bytes]) -> None:
    while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _counted_rows() -> Iterator[int]:
    row = 0
    while True:
        yield row
        row += 1


def _media_files(folder: Path) -> Iterator[tuple[Path, Kind]]:
    return ((path, kind) for path in _files(folder) if (kind := _kind(path)) is not None)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below, sorted; hidden ones are left out and links to folders not followed."""
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda e: e.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        elif not entry.is_dir():
            yield Path(entry.path)


def _kind(path: Path) -> Kind | None:
    suffix = path.suffix.lower()
    return "image" if suffix in _IMAGES else "video" if suffix in _VIDEOS else None


def _encodes(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"source {path.name!r} cannot be read: {error.strerror}")
