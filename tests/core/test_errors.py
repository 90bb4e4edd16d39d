"""The tree of errors: what each carries, and that it survives the way to another process."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import volc_dashscope
from volc_dashscope import (
    AuthError,
    BadReplyError,
    BulkError,
    ConfigError,
    ContentError,
    EmbeddingError,
    EmbeddingResult,
    InputError,
    QuotaError,
    RateLimitError,
    RequestError,
    ServiceError,
    ServiceUnavailableError,
    TransportError,
    Usage,
)

PARENTS = {
    ConfigError: (EmbeddingError, ValueError),
    InputError: (EmbeddingError, ValueError),
    ServiceError: (EmbeddingError,),
    AuthError: (ServiceError,),
    QuotaError: (ServiceError,),
    RateLimitError: (ServiceError,),
    ContentError: (ServiceError,),
    RequestError: (ServiceError,),
    ServiceUnavailableError: (EmbeddingError,),
    TransportError: (EmbeddingError,),
    BadReplyError: (EmbeddingError,),
    BulkError: (EmbeddingError,),
}
SINGLE = [EmbeddingError, *(kind for kind in PARENTS if kind is not BulkError)]
FACTS = {
    "provider": "ark",
    "status": 429,
    "code": "RateLimitExceeded",
    "request_id": "0217",
    "index": 7,
    "retryable": True,
    "retry_after": 2.5,
    "limit": "tokens",
    "account": True,
    "splittable": True,
}


def _bulk() -> BulkError:
    vectors = np.array([[1.0, 0.0], [np.nan, np.nan], [np.nan, np.nan]], dtype=np.float32)
    failures = {
        2: RateLimitError("slow down", status=429, retryable=True, index=2),
        1: ContentError("not this", provider="dashscope", status=400, code="DataInspectionFailed", index=1),
    }
    result = EmbeddingResult(vectors, Usage(1, 5), ("r-1",), "text-embedding-v4", errors=failures)
    return BulkError("2 of 3 items failed", result=result, failures=failures)


@pytest.mark.parametrize(
    ("kind", "parents"), PARENTS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_each_error_is_where_the_tree_has_it(
    kind: type[EmbeddingError], parents: tuple[type[Exception], ...]
) -> None:
    assert parents == kind.__bases__


def test_every_error_of_the_tree_is_public() -> None:
    assert {"EmbeddingError", *(kind.__name__ for kind in PARENTS)} <= set(volc_dashscope.__all__)


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "through",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_an_error_survives_the_way_to_another_process(kind, through) -> None:
    error = kind("went wrong", **FACTS)

    again = through(error)

    assert (kind, "went wrong", vars(error)) == (type(again), str(again), vars(again))


def test_what_is_not_said_of_an_error_is_nothing() -> None:
    nothing = {**dict.fromkeys(FACTS), "retryable": False, "account": False, "splittable": False}

    assert nothing == vars(EmbeddingError("went wrong"))


def test_a_bulk_error_shows_the_facts_of_the_lowest_failure() -> None:
    error = _bulk()

    assert ("dashscope", 400, "DataInspectionFailed", 1) == (
        error.provider,
        error.status,
        error.code,
        error.index,
    )


def test_a_bulk_error_is_retryable_if_one_failure_is() -> None:
    assert _bulk().retryable


def test_a_bulk_error_survives_the_way_to_another_process() -> None:
    error = _bulk()

    again = pickle.loads(pickle.dumps(error))

    assert (str(error), error.status, error.index) == (str(again), again.status, again.index)
    assert error.result.vectors.tobytes() == again.result.vectors.tobytes()
    assert {index: str(one) for index, one in error.failures.items()} == {
        index: str(one) for index, one in again.failures.items()
    }


def test_a_failure_that_hit_several_items_is_still_one_error_elsewhere() -> None:
    shared = ServiceUnavailableError("down", retryable=True)
    result = EmbeddingResult(np.empty((2, 0), np.float32), Usage(), (), "m")

    again = pickle.loads(pickle.dumps(BulkError("all", result=result, failures={0: shared, 1: shared})))

    assert again.failures[0] is again.failures[1]


def test_a_bulk_error_keeps_its_own_list_of_failures() -> None:
    failures: dict[int, EmbeddingError] = {0: ContentError("not this")}
    error = BulkError(
        "all", result=EmbeddingResult(np.empty((1, 0), np.float32), Usage(), (), "m"), failures=failures
    )

    failures.clear()

    assert [0] == list(error.failures)
