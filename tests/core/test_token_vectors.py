"""Token vectors: compressed by either of two methods, or rows of numbers; anything else is a bad reply."""

from __future__ import annotations

import base64
import sys
import warnings
from dataclasses import replace
from typing import Any

import blosc2
import numpy as np
import pytest
import zstandard
from replies import ask_for

from volc_dashscope import ConfigError
from volc_dashscope._types import RequestSpec
from volc_dashscope.providers.parsing import Malformed
from volc_dashscope.providers.token_vectors import request_fields, token_vectors

ARK = "doubao-embedding-vision-251215"
FULL, SHORT = ask_for(ARK, output_type="multi"), ask_for(ARK, output_type="multi", dimension=1024)
ROW = FULL.model_info
# Vectors of four numbers, so that a test can write them down.
SMALL = replace(FULL, model_info=replace(ROW, default_dimension=4))
UNKNOWN = replace(FULL, model_info=replace(ROW, default_dimension=None, dimensions=()))
TABLE = np.array([[0.5, 1.0, -2.0, 0.25], [3.0, 0.0, 1.5, -0.5]], "<f2")


def _zstd(data: bytes) -> str:
    return base64.b64encode(zstandard.compress(data)).decode()


def _blosc2(data: bytes) -> str:
    packed: bytes = blosc2.compress2(data)
    return base64.b64encode(packed).decode()


@pytest.mark.parametrize("write", [_zstd, _blosc2], ids=["zstd", "blosc2"])
def test_compressed_vectors_are_rows_of_the_full_length(write: Any) -> None:
    found = token_vectors(write(TABLE.tobytes()), SMALL)

    assert (np.float16, (2, 4)) == (found.dtype, found.shape)
    assert TABLE.tolist() == found.tolist()


@pytest.mark.parametrize("spec", [SMALL, UNKNOWN], ids=["as long as due", "of an unknown model"])
def test_rows_of_numbers_show_their_length(spec: RequestSpec) -> None:
    found = token_vectors(TABLE.tolist(), spec)

    assert (np.float16, (2, 4)) == (found.dtype, found.shape)
    assert TABLE.tolist() == found.tolist()


@pytest.mark.parametrize("value", [[[1, 2, 3, 4]], [[1.0, 2, 3, 4]]], ids=["whole numbers", "fractions"])
def test_numbers_may_be_whole(value: Any) -> None:
    assert [[1.0, 2.0, 3.0, 4.0]] == token_vectors(value, SMALL).tolist()


BROKEN: dict[str, tuple[Any, str]] = {
    "missing": (None, "not a table of numbers"),
    "no table": ([1.0, 2.0, 3.0, 4.0], "not a table of numbers"),
    "one dimension too many": ([[[1.0, 2.0, 3.0, 4.0]]], "not a table of numbers"),
    "ragged": ([[1.0, 2.0, 3.0, 4.0], [1.0]], "not a table of numbers"),
    "texts": ([["1", "2", "3", "4"]], "not a table of numbers"),
    "truths": ([[True, True, True, True]], "not a table of numbers"),
    "a truth among numbers": ([[0.5, 1.0, -2.0, True]], "not a table of numbers"),
    "a truth among ones": ([[1, 1, 1, True]], "not a table of numbers"),
    "an untruth among numbers": ([[0.5, 1.0, -2.0, 0.25], [False, 1.0, 1.0, 1.0]], "not a table of numbers"),
    "too short": ([[1.0, 2.0, 3.0]], "not a table of numbers"),
    "too large a number": ([[1.0, 2.0, 3.0, 7e4]], "not finite"),
    "too large for any": ([[1.0, 2.0, 3.0, 1e309]], "not finite"),
    "not base64": ("!!!!", "not valid base64"),
    "base64 with a line": (
        _zstd(TABLE.tobytes())[:4] + "\n" + _zstd(TABLE.tobytes())[4:],
        "not valid base64",
    ),
    "nothing compressed": (_zstd(b""), "0 numbers of token vectors do not divide into rows of 4"),
    "half a number": (_zstd(b"xyz"), "of 3 bytes are not float16 numbers"),
    "half a number, by the other method": (_blosc2(b"x"), "of 1 byte are not float16 numbers"),
    "three numbers": (_zstd(TABLE.tobytes()[:6]), "3 numbers of token vectors do not divide into rows of 4"),
    "infinite": (_zstd(np.array([1, 2, np.inf, 4], "<f2").tobytes()), "not finite"),
    "damaged": (base64.b64encode(b"\x28\xb5\x2f\xfd" + b"x" * 30).decode(), "cannot be decompressed"),
    "neither method": (base64.b64encode(b"x" * 40).decode(), "cannot be decompressed"),
    "too short for a header": (base64.b64encode(b"xyz").decode(), "cannot be decompressed"),
    "empty": ("", "cannot be decompressed"),
}


@pytest.mark.parametrize(("value", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_table_of_finite_numbers_is_malformed(value: Any, reason: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Malformed, match=reason):
            token_vectors(value, SMALL)


# 200 rows, in five blocks of 32 and a shorter one: what is left of them after a cut is whole rows.
LONG = np.random.default_rng(0).standard_normal((200, 2048)).astype("<f2")
PACKED: bytes = zstandard.compress(LONG.tobytes())


@pytest.mark.parametrize("left", [len(PACKED) - 1, len(PACKED) - 1_000, len(PACKED) // 2])
def test_a_compressed_reply_that_is_cut_short_is_malformed(left: int) -> None:
    with pytest.raises(Malformed, match="cut short"):
        token_vectors(base64.b64encode(PACKED[:left]).decode(), FULL)


@pytest.mark.parametrize("more", [b"junk", PACKED[4:]], ids=["junk", "a frame without its first bytes"])
def test_what_follows_the_compressed_vectors_is_malformed(more: bytes) -> None:
    with pytest.raises(Malformed, match="cannot be decompressed"):
        token_vectors(base64.b64encode(PACKED + more).decode(), FULL)


def test_what_follows_the_vectors_of_the_other_method_is_malformed() -> None:
    twice = base64.b64decode(_blosc2(TABLE.tobytes())) * 2

    with pytest.raises(Malformed, match="cannot be decompressed"):
        token_vectors(base64.b64encode(twice).decode(), SMALL)


def test_vectors_in_several_frames_are_read_to_the_end() -> None:
    """A compressor may write so; a reader may not stop after the first."""
    frames = b"".join(zstandard.compress(LONG[start : start + 70].tobytes()) for start in (0, 70, 140))

    assert LONG.tolist() == token_vectors(base64.b64encode(frames).decode(), FULL).tolist()


@pytest.mark.parametrize("spec", [SHORT, UNKNOWN], ids=["a shorter length", "an unknown one"])
def test_compressed_vectors_do_not_show_another_length(spec: RequestSpec) -> None:
    with pytest.raises(Malformed, match="compressed, and then their width at a reduced dimension is unknown"):
        token_vectors(_zstd(TABLE.tobytes()), spec)


COMPRESSED = {"type": "enabled", "compression": "zstd"}


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        pytest.param(FULL, COMPRESSED, id="full length"),
        pytest.param(replace(FULL, dimension=2048), COMPRESSED, id="full length, asked for"),
        pytest.param(SHORT, {"type": "enabled"}, id="shorter"),
        pytest.param(UNKNOWN, {"type": "enabled"}, id="unknown"),
    ],
)
def test_only_the_full_length_is_asked_for_compressed(spec: RequestSpec, fields: dict[str, str]) -> None:
    assert fields == request_fields(spec)


def test_without_the_extra_nothing_compressed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)

    assert {"type": "enabled"} == request_fields(FULL)


@pytest.mark.parametrize(("package", "write"), [("zstandard", _zstd), ("blosc2", _blosc2)])
def test_without_the_extra_a_compressed_reply_names_it(
    monkeypatch: pytest.MonkeyPatch, package: str, write: Any
) -> None:
    value = write(TABLE.tobytes())
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ConfigError, match=r'pip install "volc-dashscope\[multi\]"'):
        token_vectors(value, SMALL)
