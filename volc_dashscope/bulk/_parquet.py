"""Reads the rows of Parquet files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from volc_dashscope.bulk._records import Columns, Record
from volc_dashscope.errors import ConfigError, InputError

_ROWS_AT_ONCE = 512
_FOREIGN = "a text of the row is not UTF-8"


def arrow(purpose: Literal["reading", "writing"] = "writing") -> tuple[ModuleType, ModuleType]:
    """
    Return pyarrow and pyarrow.parquet.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(f'{purpose} Parquet needs pyarrow: pip install "volc-dashscope[bulk]"') from error
    return pyarrow, pyarrow.parquet


def parquet_records(path: Path, columns: Columns) -> Iterator[Record]:
    """
    Yield the rows of a table.

    An unreadable page costs its rows and those after it in its row group, and nothing else.

    Raises:
        InputError: The file is no Parquet, or has not the columns.
    """
    pa, parquet = arrow("reading")
    try:
        file = parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise _not_parquet(path) from error
    with file:
        names = file.schema_arrow.names
        columns.check(names, path.name)
        names_read = [name for name in columns.names if name in names]
        first = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            yield from _group(file, group, range(first, first + size), names_read, columns)
            first += size


def _not_parquet(path: Path) -> InputError:
    return InputError(
        f"source {path.name!r} cannot be read as Parquet; check that the file is complete, or give its format"
    )


def parquet_names(path: Path) -> list[str]:
    """
    Return the columns of a table.

    Raises:
        InputError: The file is no Parquet.
    """
    pa, parquet = arrow("reading")
    try:
        return list(parquet.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        raise _not_parquet(path) from error


def parquet_paths(path: Path, columns: Collection[str]) -> Iterator[object]:
    """
    Yield what columns of media hold besides bytes, which are not read: texts, lists of them, and `path` of datasets.

    It ends at what cannot be read.
    """
    pa, parquet = arrow("reading")
    with (
        suppress(OSError, pa.ArrowException, ValueError, MemoryError, IndexError),
        parquet.ParquetFile(path) as file,
    ):
        fields = [file.schema_arrow.field(name) for name in columns if name in file.schema_arrow.names]
        chosen = [leaf for field in fields for leaf in _leaves(field.name, field.type)]
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=chosen) if chosen else ():
            for column in batch.columns:
                yield from column.to_pylist()


def _leaves(name: str, kind: Any) -> list[str]:
    """Return the parts of a column that may hold paths."""
    pa, _ = arrow("reading")
    if pa.types.is_struct(kind):
        return [f"{name}.path"] if kind.get_field_index("path") >= 0 else []
    return [] if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else [name]


def parquet_rows(path: Path) -> int | None:
    """Return the number of rows, or None if unknown."""
    pa, parquet = arrow("reading")
    try:
        return int(parquet.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def _group(file: Any, group: int, rows: range, names_read: list[str], columns: Columns) -> Iterator[Record]:
    pa, _ = arrow("reading")
    done, reason = 0, "ends before this row"
    # The rows that share a batch with a damaged page are read once more, by themselves.
    for at_once in (_ROWS_AT_ONCE, 1):
        try:
            read = file.iter_batches(at_once, row_groups=[group], columns=names_read)
            for batch in islice(read, done // at_once, None):
                for values in _values(batch):
                    row = rows[done]
                    yield (
                        Record(row, str(row), (), values)
                        if isinstance(values, str)
                        else columns.record(row, values)
                    )
                    done += 1
            break
        # A damaged page raises one of these, or an error of its decoder.
        except (OSError, pa.ArrowException, ValueError, MemoryError, IndexError):
            reason = "cannot be read from this row on"
    for row in rows[done:]:
        yield Record(row, str(row), (), f"row group {group} of the Parquet file {reason}")


def _values(batch: Any) -> list[dict[str, Any] | str]:
    """
    Return each row of a batch, or the problem of one that Python cannot hold.

    That is a text in another encoding, which pyarrow writes unchecked; or a time after Python's last year, of
    nanoseconds where pandas is missing, or in a time zone that this machine does not know.
    """
    try:
        return list(batch.to_pylist())
    except (ValueError, OverflowError, LookupError) as error:
        if batch.num_rows > 1:
            return [values for row in range(batch.num_rows) for values in _values(batch.slice(row, 1))]
        foreign = isinstance(error, UnicodeDecodeError)
        return [_FOREIGN if foreign else f"a value of the row cannot be represented in Python: {error}"]
