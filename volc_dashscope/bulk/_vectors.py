"""The output: rows of id, row, vector and error, one Parquet row group after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.errors import ConfigError
from volc_dashscope.results import FloatArray

_META = b"volc_dashscope"


def write_part(
    path: Path, first: int, ids: Sequence[str], vectors: FloatArray, errors: Mapping[int, str]
) -> None:
    """
    Write one row group to a file of its own, wholly or not at all.

    Args:
        first: Row of the first.
        vectors: One for each id; zeros are written for those of `errors`.
        errors: Why a row has no vector, by its place in the group.
    """
    pa, parquet = arrow()
    absent = np.zeros(len(ids), dtype=bool)
    absent[list(errors)] = True
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "row": pa.array(np.arange(first, first + len(ids)), pa.int64()),
            "vector": _lists(vectors, absent),  # without nulls, see `merge`
            "error": pa.array([errors.get(place) for place in range(len(ids))], pa.string()),
        }
    )
    fresh = path.with_name(f"{path.name}.new")
    with parquet.ParquetWriter(fresh, table.schema, **_encoding()) as writer:
        writer.write_table(table, row_group_size=max(1, len(ids)))
    settle(fresh, path)
    pa.default_memory_pool().release_unused()


def merge(parts: Sequence[Path], output: Path, dimension: int, facts: Mapping[str, Any]) -> None:
    """
    Write the groups into one file with the facts in its metadata, wholly or not at all; one group in memory.

    pyarrow before 26 writes a null in a fixed-size list and cannot read it (github.com/apache/arrow/issues/35692):
    groups hold none, and there the output has plain lists where a row has failed.
    """
    pa, parquet = arrow()
    fixed = not facts.get("failed") or int(pa.__version__.partition(".")[0]) >= 26
    vector = pa.list_(pa.float32(), dimension if fixed else -1)
    names = {"id": pa.string(), "row": pa.int64(), "vector": vector, "error": pa.string()}
    schema = pa.schema(list(names.items())).with_metadata({_META: orjson.dumps(facts)})
    fresh = output.with_name(f"{output.name}.new")
    with parquet.ParquetWriter(fresh, schema, **_encoding()) as writer:
        for part in parts:
            table = parquet.read_table(part, use_threads=False, pre_buffer=False)
            table = table.set_column(2, "vector", _with_nulls(table, vector))
            writer.write_table(table.cast(schema), row_group_size=max(1, len(table)))
            del table
            pa.default_memory_pool().release_unused()
    settle(fresh, output)


def facts_of(path: Path) -> dict[str, Any] | None:
    """Return what `merge` noted in a file, or None of any other file."""
    pa, parquet = arrow()
    try:
        found = parquet.read_metadata(path).metadata or {}
        facts = orjson.loads(found.get(_META, b"null"))
    except (OSError, pa.ArrowException, orjson.JSONDecodeError):
        return None
    return facts if isinstance(facts, dict) else None


def rows_of(path: Path) -> int:
    """
    Return the number of rows of a part.

    Raises:
        ConfigError: It is damaged.
    """
    pa, parquet = arrow()
    try:
        return int(parquet.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        words = f"{path.name} in {path.parent.name!r} is damaged; without it, its rows are paid again"
        raise ConfigError(words) from error


def dimension_of(path: Path) -> int | None:
    """Return the length of a part's vectors, or None where it has none."""
    pa, parquet = arrow()
    kind = parquet.read_schema(path).field("vector").type
    return None if pa.types.is_null(kind) else int(kind.list_size)


def failures(path: Path) -> Iterator[tuple[int, str]]:
    """Yield row and error of each row that has no vector, in order."""
    _, parquet = arrow()
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["row", "error"]):
            for row, error in zip(batch["row"].to_pylist(), batch["error"].to_pylist(), strict=True):
                if error is not None:
                    yield row, error


def settle(fresh: Path, path: Path) -> None:
    """Put a finished file in its place, so that a crash leaves the old one or the new one."""
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Take the names in a folder to the disk, where the system can."""
    with suppress(OSError):  # Windows opens no folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lists(vectors: FloatArray, absent: NDArray[np.bool_]) -> Any:
    pa, _ = arrow()
    rows, width = vectors.shape
    if not width:
        return pa.nulls(rows)
    if absent.any():
        vectors = np.where(absent[:, None], np.float32(0), vectors)
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width)


def _with_nulls(table: Any, kind: Any) -> Any:
    """Return the vectors of a group as `kind`, null where a row has an error."""
    pa, _ = arrow()
    found, errors = table["vector"].combine_chunks(), table["error"].combine_chunks()
    if pa.types.is_null(found.type):
        return pa.nulls(len(table), kind)
    if errors.null_count < len(errors):
        found = pa.FixedSizeListArray.from_arrays(
            found.flatten(), found.type.list_size, mask=errors.is_valid()
        )
    return found.cast(kind)


def _encoding() -> dict[str, Any]:
    # Random floats do not compress, and have no dictionary.
    columns = {"id": "zstd", "row": "zstd", "error": "zstd", "vector.list.element": "none"}
    return {"compression": columns, "use_dictionary": ["error"], "write_statistics": ["id", "row"]}
