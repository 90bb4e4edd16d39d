"""Writes and reads the output: rows of id, row, vector and error in Parquet row groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.bulk._partial import Outcomes, common_length
from volc_dashscope.bulk._records import Record
from volc_dashscope.bulk._storage import replace_file, writing
from volc_dashscope.errors import ConfigError
from volc_dashscope.results import FloatArray

_METADATA_KEY = b"volc_dashscope"
_ROWS_PER_BATCH = 256
_BUFFER_BYTES = 1024 * 1024  # bytes read of a column at once; without it, all of them


class DamagedOutputError(ConfigError):
    """A finished output is damaged."""


class VectorRows:
    """
    Rows that are vectors of one length.

    Args:
        dimension: That length, or None before the first vector.
    """

    def __init__(self, dimension: int | None) -> None:
        self.dimension = dimension

    def label(self, record: Record) -> str:
        """Return the id of a row."""
        return record.id

    def encode(self, outcomes: Outcomes) -> Iterable[bytes]:
        """Return each vector as bytes."""
        table = np.asarray(outcomes, dtype="<f4")
        content, size = table.tobytes(), table.shape[1] * table.itemsize
        return [content[start : start + size] for start in range(0, len(content), size)]

    def decode(self, content: bytes) -> FloatArray:
        """Return the vector of its bytes."""
        return np.frombuffer(content, dtype="<f4")

    def group(self, size: int) -> _VectorGroup:
        """Return an empty group."""
        return _VectorGroup(self, size)

    def merge(self, groups: Iterable[bytes], output: Path, facts: Mapping[str, Any]) -> None:
        """Write the finished file."""
        merge(groups, output, self.dimension or 1, facts)


class _VectorGroup:
    """Vectors of one group, in one array."""

    def __init__(self, form: VectorRows, size: int) -> None:
        self._form, self._size = form, size
        self._vectors: FloatArray | None = None

    def put(self, offsets: Sequence[int], outcomes: Outcomes) -> None:
        dimension = self._form.dimension = common_length(self._form.dimension, len(outcomes[0]))
        if self._vectors is None:
            self._vectors = np.zeros((self._size, dimension), dtype=np.float32)
        self._vectors[offsets] = outcomes

    def content(self, first: int, labels: Sequence[str], errors: Mapping[int, str]) -> bytes:
        vectors = self._vectors
        if vectors is None:
            vectors = np.zeros((len(labels), self._form.dimension or 0), dtype=np.float32)
        return group_content(first, labels, vectors[: len(labels)], errors)


def group_content(first: int, ids: Sequence[str], vectors: FloatArray, errors: Mapping[int, str]) -> bytes:
    """
    Return one row group as the content of a Parquet file.

    It is made in memory, so that its checksum is of the intended content and not of what the disk stored.

    Args:
        first: Row of the first.
        vectors: One for each id; zeros are written for those of `errors`.
        errors: Why a row has no vector, by its place in the group.
    """
    pa, _ = arrow()
    absent = np.zeros(len(ids), dtype=bool)
    absent[list(errors)] = True
    table = pa.table(
        {
            "id": _strings(ids),
            "row": _numbers(np.arange(first, first + len(ids), dtype=np.int64), pa.int64()),
            "vector": _lists(vectors, absent),  # without nulls, see `merge`
            "error": _strings([errors.get(place) for place in range(len(ids))]),
        }
    )
    return table_content(table, _encoding())


def table_content(table: Any, encoding: Mapping[str, Any]) -> bytes:
    """Return a table as the content of a Parquet file of one row group."""
    pa, parquet = arrow()
    buffer = BytesIO()
    with parquet.ParquetWriter(buffer, table.schema, **encoding) as writer:
        writer.write_table(table, row_group_size=max(1, len(table)))
    del table
    pa.default_memory_pool().release_unused()
    return buffer.getvalue()


def merge(groups: Iterable[bytes], output: Path, dimension: int, facts: Mapping[str, Any]) -> None:
    """
    Write groups of vectors atomically into one file, with the facts in its metadata.

    pyarrow before 26 writes a null in a fixed-size list and cannot read it (github.com/apache/arrow/issues/35692):
    groups hold none, and there the output has plain lists where a row has failed.
    """
    pa, _ = arrow()
    fixed = not facts.get("failed") or int(pa.__version__.partition(".")[0]) >= 26
    vector = pa.list_(pa.float32(), dimension if fixed else -1)
    names = {"id": pa.string(), "row": pa.int64(), "vector": vector, "error": pa.string()}

    def with_nulls(table: Any) -> Any:
        return table.set_column(2, "vector", _with_nulls(table, vector))

    write_output(groups, output, pa.schema(list(names.items())), facts, _encoding(), with_nulls)


def write_output(
    groups: Iterable[bytes],
    output: Path,
    schema: Any,
    facts: Mapping[str, Any],
    encoding: Mapping[str, Any],
    convert: Callable[[Any], Any] = lambda table: table,
) -> None:
    """
    Write groups atomically into one file, with the facts in its metadata; one group at a time is in memory.

    Its pages carry checksums, which `read_table(..., page_checksum_verification=True)` looks at.

    Args:
        schema: The columns of the file.
        encoding: Compression of the columns.
        convert: Returns the table of a group as it is written.
    """
    pa, parquet = arrow()
    temporary = output.with_name(f"{output.name}.new")
    schema_with_facts = schema.with_metadata({_METADATA_KEY: orjson.dumps(facts)})
    try:
        with writing(output):
            with parquet.ParquetWriter(
                temporary, schema_with_facts, write_page_checksum=True, **encoding
            ) as writer:
                for content in groups:
                    with parquet.ParquetFile(pa.BufferReader(content)) as file:
                        # Arrow needs several times the size of what it decodes or encodes at once.
                        tables = [
                            convert(pa.Table.from_batches([batch])).cast(schema_with_facts)
                            for batch in file.iter_batches(_ROWS_PER_BATCH, use_threads=False)
                        ]
                    table = pa.concat_tables(tables) if tables else schema_with_facts.empty_table()
                    writer.write_table(table, row_group_size=max(1, len(table)))
                    del tables
                    del table
                    pa.default_memory_pool().release_unused()
            replace_file(temporary, output)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_output(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """
    Yield columns of an output in batches of rows, checked against the checksums of its pages.

    Raises:
        DamagedOutputError: A checksum is wrong, a column is missing, or the file is not Parquet.
    """
    pa, parquet = arrow()
    try:
        # Not `read_table`: it loads pyarrow.dataset, and reads a column of vectors whole, at five times its size.
        with parquet.ParquetFile(path, page_checksum_verification=True, buffer_size=_BUFFER_BYTES) as file:
            if {*columns} - {*file.schema_arrow.names}:
                raise ValueError("a column is missing")
            for batch in file.iter_batches(_ROWS_PER_BATCH, columns=list(columns), use_threads=False):
                yield batch
                pa.default_memory_pool().release_unused()
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DamagedOutputError(f"output {str(path)!r} is damaged or cannot be read") from error


def facts_of(path: Path) -> dict[str, Any] | None:
    """Return the facts that `merge` wrote into a file, or None for any other file."""
    pa, parquet = arrow()
    try:
        found = parquet.read_metadata(path).metadata or {}
        facts = orjson.loads(found.get(_METADATA_KEY, b"null"))
    except (OSError, pa.ArrowException, orjson.JSONDecodeError):
        return None
    return facts if isinstance(facts, dict) else None


@contextmanager
def mapped(path: Path) -> Iterator[Any]:
    """
    Yield the content of an output without reading it, as what `failures` reads.

    Raises:
        DamagedOutputError: It cannot be read.
    """
    pa, _ = arrow()
    try:
        with pa.memory_map(str(path)) as file:
            yield file.read_buffer()
    except (OSError, pa.ArrowException) as error:
        raise DamagedOutputError(f"output {str(path)!r} is damaged or cannot be read") from error


def failures(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the row and error of each row of a group without a vector, in order."""
    pa, parquet = arrow()
    with parquet.ParquetFile(pa.BufferReader(content)) as file:
        for batch in file.iter_batches(columns=["row", "error"]):
            for row, error in zip(batch["row"].to_pylist(), batch["error"].to_pylist(), strict=True):
                if error is not None:
                    yield row, error


def _lists(vectors: FloatArray, absent: NDArray[np.bool_]) -> Any:
    pa, _ = arrow()
    rows, width = vectors.shape
    if not width:
        return pa.nulls(rows)
    if absent.any():
        vectors = np.where(absent[:, None], np.float32(0), vectors)
    values = np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(_numbers(values, pa.float32()), width)


def _numbers(values: NDArray[Any], kind: Any) -> Any:
    """
    Return a column of numbers, without a copy.

    Not `pyarrow.array`: where pandas is installed it imports it, which takes 50 MB and a third of a second.
    """
    pa, _ = arrow()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _strings(texts: Sequence[str | None]) -> Any:
    """Return a column of texts, made as `_numbers` makes one."""
    pa, _ = arrow()
    encoded = [b"" if text is None else text.encode() for text in texts]
    present = np.packbits(np.array([text is not None for text in texts], dtype=bool), bitorder="little")
    ends = np.fromiter(accumulate(map(len, encoded), initial=0), dtype=np.int32)
    buffers = [pa.py_buffer(content) for content in (present, ends, b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


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
