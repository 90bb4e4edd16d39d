"""What a call returns."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volc_dashscope import EmbeddingResult, SparseVector, Usage

usages = st.builds(
    Usage,
    st.integers(0, 9),
    st.integers(0, 999),
    st.integers(0, 999),
    st.integers(0, 999),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 999)),
)


def _result(rows: int = 2) -> EmbeddingResult:
    vectors = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    return EmbeddingResult(vectors, Usage(1, 12), ("r-1",), "text-embedding-v4")


def test_usage_adds_up_field_by_field() -> None:
    total = Usage(1, 10, 6, 4, {"a": 1, "b": 2}) + Usage(2, 20, 16, 4, {"b": 3, "c": 4})

    assert Usage(3, 30, 22, 8, {"a": 1, "b": 5, "c": 4}) == total


def test_adding_usage_changes_neither_side() -> None:
    left, right = Usage(detail={"a": 1}), Usage(detail={"a": 2})

    _ = left + right

    assert ({"a": 1}, {"a": 2}) == (left.detail, right.detail)


@given(usages, usages, usages)
def test_usage_adds_up_in_any_order(first: Usage, second: Usage, third: Usage) -> None:
    assert (first + second) + third == third + (second + first)


@given(usages)
def test_no_usage_adds_nothing(usage: Usage) -> None:
    assert usage == usage + Usage()


def test_a_result_is_as_long_as_its_items() -> None:
    assert 2 == len(_result())


def test_a_result_iterates_over_its_rows() -> None:
    assert [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] == [row.tolist() for row in _result()]


def test_the_repr_of_a_result_shows_its_shape_and_no_numbers() -> None:
    assert "EmbeddingResult(2 x 3, model='text-embedding-v4', 12 tokens)" == repr(_result())


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        _result().model = "another"  # type: ignore[misc]


def test_a_result_survives_pickling() -> None:
    result = _result()

    again = pickle.loads(pickle.dumps(result))

    assert result.vectors.tobytes() == again.vectors.tobytes()
    assert (result.usage, result.request_ids, result.model) == (again.usage, again.request_ids, again.model)


def test_a_sparse_vector_becomes_a_dict_of_python_numbers() -> None:
    vector = SparseVector(np.array([7149, 3]), np.array([0.5, 2.0], dtype=np.float32), ("风", "哀"))

    assert {7149: 0.5, 3: 2.0} == vector.as_dict()
    assert {(int, float)} == {(type(key), type(value)) for key, value in vector.as_dict().items()}


def test_the_repr_of_a_sparse_vector_shows_no_text() -> None:
    vector = SparseVector(np.array([1]), np.array([0.5], dtype=np.float32), ("secret",))

    assert "secret" not in repr(vector)
