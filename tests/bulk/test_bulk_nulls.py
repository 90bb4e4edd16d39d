"""Rows without a vector, in files that any pyarrow can read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volc_dashscope.bulk._vectors import DamagedOutputError, _strings, group_content, merge, read_output
from volc_dashscope.search.store import _rows


def test_a_group_holds_no_null_vectors_and_the_output_has_them(tmp_path):
    """pyarrow before 26 cannot read a null in a fixed-size list: github.com/apache/arrow/issues/35692."""
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    groups = [
        group_content(0, list("abc"), vectors, {}),
        group_content(3, list("def"), vectors, {1: "it is damaged"}),
        group_content(6, ["g"], np.zeros((1, 0), dtype=np.float32), {0: "likewise"}),
    ]

    merge(groups, tmp_path / "out.parquet", 4, {"failed": 2})

    assert 0 == pq.read_table(pa.BufferReader(groups[1]))["vector"].null_count
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    expected = vectors.tolist()
    assert [*expected, expected[0], None, expected[2], None] == [row["vector"] for row in rows]


def test_an_output_without_failures_has_lists_of_fixed_size(tmp_path):
    group = group_content(0, ["a"], np.ones((1, 4), dtype=np.float32), {})

    merge([group], tmp_path / "out.parquet", 4, {"failed": 0})

    assert pa.list_(pa.float32(), 4) == pq.read_schema(tmp_path / "out.parquet").field("vector").type


@pytest.mark.parametrize("size", [2, -1], ids=["lists of fixed size", "plain lists"])
def test_a_search_leaves_out_the_rows_without_a_vector(size):
    vectors = pa.array([[9, 9], [1, 2], None, [3, 4], None], pa.list_(pa.float32(), size))

    assert [[9, 9], [1, 2], [3, 4]] == _rows(vectors, [0, 1, 3]).tolist()
    assert [[1, 2], [3, 4]] == _rows(vectors.slice(1, 3), [0, 2]).tolist()


def test_an_output_that_lacks_a_column_is_refused(tmp_path):
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "out.parquet")

    with pytest.raises(DamagedOutputError, match="damaged or cannot be read"):
        next(read_output(tmp_path / "out.parquet", ["id", "vector"]))


def test_texts_of_any_kind_come_back():
    texts = ["红色", "", None, "a\0b", "\U0001f600", None, "x", "y", None]

    column = _strings(texts)

    column.validate(full=True)
    assert (pa.string(), 3, texts) == (column.type, column.null_count, column.to_pylist())
    assert [] == _strings([]).to_pylist()
