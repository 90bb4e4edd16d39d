"""The `map_batches` class by itself: shapes, reasons, settings and what travels between processes."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from volc_dashscope import AuthError, ConfigError
from volc_dashscope.ray import Embedder, RateBudget

ARK = "doubao-embedding-vision-251215"
TEXT = "text-embedding-v4"


def _column(*cells):
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


@pytest.fixture
def served(emulate):
    """Return an emulator on a socket and what an embedder needs to reach it."""
    mount = emulate(socket=True)
    return mount.emulator, {**mount.settings("dashscope"), "text_column": "text", "dimensions": 64}


def test_rows_get_vectors_and_columns_stay(served):
    _, settings = served
    batch = {"id": np.arange(3), "text": _column("a", "b", "c")}

    out = Embedder(TEXT, **settings)(batch)

    assert ["id", "text", "vector", "error"] == list(out)
    assert ((3, 64), np.float32) == (out["vector"].shape, out["vector"].dtype)
    assert [None] * 3 == out["error"].to_pylist()
    assert np.isfinite(out["vector"]).all()


def test_vectors_are_those_of_their_rows(served):
    _, settings = served
    embedder = Embedder(TEXT, **settings)
    texts = [f"text {number}" for number in range(57)]

    together = embedder({"text": _column(*texts)})["vector"]

    assert np.array_equal(together[[41]], embedder({"text": _column(texts[41])})["vector"])


def test_bad_rows_are_nan_with_a_reason_and_the_others_go_on(served):
    _, settings = served

    out = Embedder(TEXT, **settings)({"text": _column(None, "a", 7, "b")})

    assert [True, False, True, False] == np.isnan(out["vector"]).all(axis=1).tolist()
    assert [
        "InputError: nothing to embed: 'text' is null or empty",
        None,
        "InputError: column 'text' holds int; expected str",
        None,
    ] == out["error"].to_pylist()


@pytest.mark.parametrize("cells", [[None, None, None], []], ids=["all null", "no rows"])
def test_the_shape_and_types_hold_where_nothing_was_embedded(served, cells):
    emulator, settings = served

    out = Embedder(TEXT, **settings)({"text": _column(*cells)})

    assert ((len(cells), 64), np.float32) == (out["vector"].shape, out["vector"].dtype)
    assert "string" == str(out["error"].type)
    assert [] == emulator.ledger.requests


def test_throttles_and_outages_are_retried_inside(served):
    emulator, settings = served
    emulator.fail("429", "503", "reset")

    out = Embedder(TEXT, **settings)({"text": _column("a")})

    assert [None] == out["error"].to_pylist()


def test_a_request_that_fails_for_good_marks_its_rows(served):
    emulator, settings = served
    emulator.fail("503", "503")

    out = Embedder(TEXT, **settings, max_retries=1)({"text": _column("a")})

    assert out["error"][0].as_py().startswith("ServiceUnavailableError: ")
    assert np.isnan(out["vector"]).all()


def test_a_dead_account_marks_every_row_and_keeps_the_shape(served):
    _, settings = served
    wrong = {**settings, "api_key": "invalid"}

    out = Embedder(TEXT, **wrong)({"text": _column(*map(str, range(500)))})

    assert (500, 64) == out["vector"].shape
    assert np.isnan(out["vector"]).all()
    assert {"AuthError"} == {reason.partition(":")[0] for reason in out["error"].to_pylist()}


def test_a_dead_account_stops_the_pipeline_where_asked_to(served):
    _, settings = served
    embedder = Embedder(TEXT, **{**settings, "api_key": "invalid"}, stop_on_account_error=True)

    with pytest.raises(AuthError) as caught:
        embedder({"text": _column("a", "b")})

    assert caught.value.status == pickle.loads(pickle.dumps(caught.value)).status


@pytest.mark.parametrize("name", ["vector", "error"])
def test_an_input_column_is_never_replaced(served, name):
    _, settings = served

    with pytest.raises(ConfigError, match=name):
        Embedder(TEXT, **settings)({"text": _column("a"), name: _column("mine")})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"text_column": "a", "vector_column": "x", "error_column": "x"},
        {"text_column": "a", "dimensions": 63},
    ],
    ids=["no column", "one column for both", "a dimension the model has not"],
)
def test_impossible_settings_fail_before_any_row(settings):
    with pytest.raises(ConfigError):
        Embedder(TEXT, api_key="k", **settings)


def test_a_model_of_unknown_length_needs_one():
    with pytest.raises(ConfigError, match="pass dimensions"):
        Embedder("ep-1", provider="ark", api_key="k", text_column="a")


def test_no_key_says_which_variable():
    with pytest.raises(ConfigError, match="ARK_API_KEY"):
        Embedder(ARK, image_column="a")


@pytest.mark.parametrize(
    "limits",
    [{}, {"requests_per_minute": 0}, {"tokens_per_minute": float("nan")}],
    ids=["none", "zero", "nan"],
)
def test_a_budget_that_bounds_nothing_is_refused(limits):
    with pytest.raises(ConfigError):
        RateBudget(**limits)


def test_a_budget_travels_as_its_limits():
    budget = RateBudget(requests_per_minute=600, name="mine")

    assert repr(budget) == repr(pickle.loads(pickle.dumps(budget)))
    assert len(pickle.dumps(budget)) < 200


def test_importing_the_module_imports_neither_ray_nor_pyarrow():
    code = "import sys, volc_dashscope.ray; print({'ray', 'pyarrow', 'pandas'} & set(sys.modules))"

    assert "set()\n" == _printed(code)


def test_a_budget_outside_a_cluster_starts_none():
    code = (
        "from volc_dashscope.ray import RateBudget\n"
        "try: RateBudget(requests_per_minute=1).acquire()\n"
        "except ValueError as error: print(error)"
    )

    assert "a RateBudget needs a running Ray cluster; call ray.init() first\n" == _printed(code)


def test_without_ray_a_budget_names_the_extra():
    code = (
        "import sys\nsys.modules['ray'] = None\n"
        "from volc_dashscope.ray import RateBudget\n"
        "try: RateBudget(requests_per_minute=1).acquire()\n"
        "except ImportError as error: print(error)"
    )

    assert "volc-dashscope[ray]" in _printed(code)


def _printed(code: str) -> str:
    """Return what a program in a process of its own prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
