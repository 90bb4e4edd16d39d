"""A vector that cannot be believed reaches nobody, and no cache serves one maker's rows as another's."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from entry_points import ENTRY_POINTS, TEXTS, answer_of

from volc_dashscope.cache import SQLiteCache

ARK, OLDER = "doubao-embedding-vision-251215", "doubao-embedding-vision-250615"
EACH = pytest.mark.parametrize("call", ENTRY_POINTS.values(), ids=ENTRY_POINTS)


@pytest.fixture
def served(inside):
    """Return an emulator and what every entry point needs to reach it."""
    return inside.emulator, {**inside.settings("ark"), "model": ARK, "max_retries": 0}


def _short(row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a row rounded to 16 bits, as the vendors' own samples are."""
    return (row.view("<u4") & np.uint32(0xFFFF0000)).view("<f4")


LAYOUTS: dict[str, Callable[[np.ndarray[Any, Any]], bytes]] = {
    "float16 of as many numbers": lambda row: row.astype("<f2").tobytes(),
    "float16 of as many bytes": lambda row: np.tile(row, 2).astype("<f2").tobytes(),
    "float32, big-endian": lambda row: row.astype(">f4").tobytes(),
    "float32, rounded and big-endian": lambda row: _short(row).astype(">f4").tobytes(),
    "bfloat16 of as many bytes": lambda row: np.tile(row, 2).view("<u2")[1::2].tobytes(),
    "float64": lambda row: row.astype("<f8").tobytes(),
    "int8": lambda row: (row * 127).astype("i1").tobytes(),
    "half of it": lambda row: row[:1024].tobytes(),
    "twice as long": lambda row: np.tile(row, 2).tobytes(),
    "zeros": lambda row: np.zeros_like(row).tobytes(),
    "not a number": lambda row: np.where(np.arange(len(row)) == 7, np.float32(np.nan), row).tobytes(),
    "infinity": lambda row: np.where(np.arange(len(row)) == 7, np.float32(np.inf), row).tobytes(),
    "a byte more": lambda row: row.tobytes() + b"\0",
    "nothing": lambda row: b"",
}


def _rewritten(layout: Callable[[np.ndarray[Any, Any]], bytes]) -> Callable[[Any, Any], Any]:
    def rewrite(request: Any, response: Any) -> Any:
        body = orjson.loads(response.body)
        value = body["data"]["embedding"]
        row = (
            np.frombuffer(base64.b64decode(value), "<f4")
            if isinstance(value, str)
            else np.array(value, "<f4")
        )
        body["data"]["embedding"] = base64.b64encode(layout(row)).decode()
        return body

    return rewrite


@EACH
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_vector_of_another_layout_reaches_nobody(served, tmp_path, call, layout):
    emulator, settings = served
    emulator.reply_with(_rewritten(layout))

    answer = answer_of(call, settings, tmp_path)

    assert [] == answer.rows
    assert answer.reasons
    assert all("a reply that breaks its format" in reason for reason in answer.reasons)


@EACH
def test_what_the_service_sent_is_what_every_entry_point_gives(served, tmp_path, call):
    _, settings = served

    answer = answer_of(call, settings, tmp_path)

    assert ([], 3) == (answer.reasons, len(answer.rows))
    assert np.allclose(1, np.linalg.norm(np.array(answer.rows), axis=1), atol=1e-5)


@EACH
@pytest.mark.parametrize("base_model", [ARK, OLDER])
def test_an_endpoint_asked_as_another_model_is_not_served_from_the_cache(served, tmp_path, call, base_model):
    """The rows of the other base model are in the cache, under the same endpoint's name."""
    emulator, settings = served
    other = OLDER if base_model == ARK else ARK
    with SQLiteCache(tmp_path / "rows.sqlite") as cache:
        endpoint = {**settings, "model": "ep-20250101-abcde", "cache": cache}
        for name in (other, base_model):
            emulator.ledger.clear()
            answer = answer_of(call, {**endpoint, "base_model": name}, tmp_path)

            assert ([], 3) == (answer.reasons, len(answer.rows))
            assert sorted(TEXTS) == sorted(emulator.ledger.texts)


@EACH
def test_a_damaged_row_of_the_cache_is_asked_for_again(served, tmp_path, call):
    emulator, settings = served
    expected = answer_of(call, settings, tmp_path).rows
    with SQLiteCache(tmp_path / "rows.sqlite") as cache:
        answer_of(call, {**settings, "cache": cache}, tmp_path)
        cache.set_many(dict.fromkeys(cache, bytes(4 * 2048)))
        emulator.ledger.clear()

        answer = answer_of(call, {**settings, "cache": cache}, tmp_path)

    assert np.allclose(expected, answer.rows)
    assert sorted(TEXTS) == sorted(emulator.ledger.texts)
