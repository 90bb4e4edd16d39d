"""One row of a source, and its conversion to an item."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from volc_dashscope._media import local_path
from volc_dashscope.errors import ConfigError, InputError
from volc_dashscope.inputs import Fused, Image, Item, Part, Video, check_text, is_url, is_utf8

Kind = Literal["text", "image", "video"]
KINDS: tuple[Kind, ...] = ("text", "image", "video")


@dataclass(frozen=True, slots=True)
class Record:
    """
    One row of a source. Its content is not checked yet.

    Attributes:
        row: Number of the row in the source, from 0.
        id: Id of the row in the source, else its number.
        cells: Kind and content of each part, in order.
        problem: Why the row could not be read; None if it could.
    """

    row: int
    id: str
    cells: tuple[tuple[Kind, object], ...] = field(default=(), repr=False)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """
    The columns of a table that make an item; several parts in one row become one vector.

    ```python
    source = open_source("shoes.csv", columns=Columns(text=("title",), id="sku"))
    print(preview(source, model="text-embedding-v4").rows)
    ```
    ```text
    2
    ```

    Attributes:
        text: Columns with texts, in the order of the parts. If no column of any kind is named, the columns called
            "text", "image" and "video" are used.
        image: Columns with images: paths, URLs, or bytes (Parquet).
        video: Columns with videos, likewise.
        id: Column with the ids; None for the column called "id", or the number of the row if there is none.

    Raises:
        ConfigError: A single name instead of a tuple.
    """

    text: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    video: tuple[str, ...] = ()
    id: str | None = None

    def __post_init__(self) -> None:
        for kind in KINDS:
            names = getattr(self, kind)
            # A single name would be read as one column per letter.
            if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
                raise ConfigError(f"{kind} must be a tuple of column names, got {names!r}")

    @property
    def given(self) -> tuple[tuple[Kind, str], ...]:
        """Kind and name of each column."""
        named = [(kind, name) for kind in KINDS for name in getattr(self, kind)]
        return tuple(named) or tuple((kind, kind) for kind in KINDS)

    @property
    def usual(self) -> bool:
        """Whether no column was named; then some of the default columns may be missing."""
        return not (self.text or self.image or self.video)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, each once."""
        return tuple(dict.fromkeys([*(name for _, name in self.given), self.id or "id"]))

    def check(self, names: Sequence[str], place: str) -> None:
        """
        Refuse columns that the table does not have.

        Args:
            names: The columns of the table.
            place: Name of the table, for messages.

        Raises:
            InputError: A named column is missing or occurs twice, or there is nothing to embed.
        """
        asked = [] if self.usual else [name for _, name in self.given]
        asked += [self.id] if self.id is not None else []
        twice = next((name for name in self.names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{place} has several columns {twice!r}; rename all but one")
        missing = [name for name in asked if name not in names]
        shown = ", ".join(map(repr, names[:20]))
        if missing:
            raise InputError(f"{place} has no column {missing[0]!r}; it has {shown}")
        if self.usual and not set(KINDS) & set(names):
            raise InputError(
                f"{place} has no column called text, image or video; say which to embed (it has {shown})"
            )

    def record(self, row: int, values: Mapping[str, object]) -> Record:
        """
        Return the record of one row; empty cells are left out.

        Args:
            row: Number of the row in the source, from 0.
            values: The row's cells by column.
        """
        cells = tuple(
            (kind, value)
            for kind, name in self.given
            if (value := values.get(name)) is not None and value not in ("", b"")
        )
        id_, without_id = self.id_of(row, values)
        empty = None if cells else "nothing to embed: every column is empty"
        return Record(row, id_, cells, without_id or empty)

    def id_of(self, row: int, values: Mapping[str, object]) -> tuple[str, str | None]:
        """
        Return the id of a row, or its number if it has none; and what is wrong with the id, if anything.

        An id that is not UTF-8 is always a problem, because Parquet cannot store it.
        """
        number = str(row)
        found = values.get(self.id or "id")
        if isinstance(found, float):
            # pandas turns a column of integers into floats if one is missing.
            found = None if math.isnan(found) else int(found) if found.is_integer() else found
        elif isinstance(found, bytes):
            # Spark and Hive write text columns to Parquet without marking them as text.
            with suppress(UnicodeDecodeError):
                found = found.decode()
        if found in (None, ""):
            return number, None if self.id is None else f"column {self.id!r} has no id in this row"
        if not isinstance(found, bytes | list | dict):
            id_ = str(found)
            if is_utf8(id_):
                return id_, None
            return number, f"the id is not UTF-8 ({id_!r}); save the file as UTF-8, or say its encoding"
        kind = type(found).__name__
        odd = f"column {self.id!r} is of type {kind} here; expected text or a number"
        return number, None if self.id is None else odd


def item_of(record: Record, root: Path) -> Item:
    """
    Return the item of a record. Files are checked here, inside `root`, and read when they are sent.

    Raises:
        InputError: It cannot be embedded as it is.
    """
    if record.problem is not None:
        raise InputError(record.problem)
    if len(record.cells) == 1:
        return item_of_cell(record.cells[0], root)
    parts = [item_of_cell(cell, root) for cell in record.cells]
    return Fused(*parts)


def json_cells(cells: Iterable[tuple[Kind, object]], root: Path) -> list[tuple[Kind, object]]:
    """
    Return kind and content of each part for a line of JSON that can be a source; none if JSON cannot hold one of them.

    Without its picture, a text would be embedded alone in a run over the failed rows, under the id of both. The line
    is in another folder than the source, so that paths are absolute.
    """
    found = [(kind, _json_cell(kind, value, root)) for kind, value in cells]
    return found if all(value is not None for _, value in found) else []


def json_list(cells: Iterable[tuple[Kind, object]], root: Path) -> list[tuple[Kind, object]]:
    """As `json_cells`, with null for values JSON cannot hold: a list keeps its length, and null is not an item."""
    return [(kind, _json_cell(kind, value, root)) for kind, value in cells]


def _json_cell(kind: Kind, value: object, root: Path) -> object:
    """Return a cell as a JSON value; None for bytes, a date or another Parquet value that is not text."""
    if not isinstance(value, str | int | float | list | dict) or _bytes(value) is not None:
        return None
    path = value.get("path") if isinstance(value, dict) else value
    if kind != "text" and isinstance(path, str) and not is_url(path):
        with suppress(InputError):
            return os.path.join(root.absolute(), local_path(path))
    return value


def item_of_cell(cell: tuple[Kind, object], root: Path) -> Part:
    """
    Return the item of one cell.

    Raises:
        InputError: It cannot be sent as it is.
    """
    kind, value = cell
    if kind == "text":
        if not isinstance(value, str):
            raise InputError(f"the text is of type {type(value).__name__}; expected str")
        return check_text(value)
    medium = Image if kind == "image" else Video
    if not isinstance(value, str):
        if (data := _bytes(value)) is not None:
            return medium.from_bytes(data)
        if isinstance(value, Mapping) and isinstance(value.get("path"), str):
            value = value["path"]
    if not isinstance(value, str):
        raise InputError(f"the {kind} is of type {type(value).__name__}; expected a path, a URL or bytes")
    if is_url(value):
        return medium.from_url(value)
    if "\0" in value:
        raise InputError(
            f"the {kind} is not a path: it contains a zero byte, which is not allowed in file names"
        )
    return medium.from_path(os.path.join(root, local_path(value)), root=root)


def with_whole_id(values: dict[str, object], column: str, line: str) -> dict[str, object]:
    """Return the values of a line of JSON; an id of more than 64 bits is kept as written, not rounded."""
    found = values.get(column)
    if isinstance(found, float) and abs(found) >= 2**63:
        with suppress(ValueError):  # more digits than Python converts
            values[column] = json.loads(line)[column]
    return values


def _bytes(value: object) -> bytes | None:
    """Return bytes, plain or as in Hugging Face datasets (`{"bytes": ..., "path": ...}`)."""
    if isinstance(value, Mapping):
        value = value.get("bytes")
    return bytes(value) if isinstance(value, bytes | bytearray) else None
