"""A reply is rows only if it keeps its service's format; anything else is a `BadReplyError`, never a wrong vector."""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies import ark, ask_for, batch_of, dashscope, listed, read, row_of

from volc_dashscope import BadReplyError, EmbeddingError, Image
from volc_dashscope._types import Batch, RequestSpec, Rows, counted
from volc_dashscope.providers.parsing import are_valid_rows, is_other_layout

WIDTH = 256
ASKS: dict[str, tuple[RequestSpec, Callable[..., dict[str, Any]], Batch]] = {
    "dashscope": (ask_for("text-embedding-v4", dimension=WIDTH), dashscope, batch_of("a", "b", "c")),
    "compatible": (
        ask_for("text-embedding-v4", dimension=WIDTH, route="openai"),
        listed,
        batch_of("a", "b", "c"),
    ),
    "ark text": (
        ask_for("doubao-embedding-large-text-250515", dimension=WIDTH),
        listed,
        batch_of("a", "b", "c"),
    ),
}
VISION = ask_for("doubao-embedding-vision-251215", dimension=1024)
UNKNOWN = replace(
    VISION,
    model_info=replace(row_of("doubao-embedding-vision-251215"), dimensions=(), default_dimension=None),
    dimension=None,
)
every_list = pytest.mark.parametrize(("spec", "write", "batch"), ASKS.values(), ids=ASKS)


def _vector(direction: int, width: int = WIDTH) -> list[float]:
    vector = [0.0] * width
    vector[direction] = 2.0
    return vector


def _vendors_row(width: int, rounded: str, scale: float = 0.5) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return a row as models give it, with its numbers rounded to what they were computed in."""
    row = (np.random.default_rng(width).standard_normal(width) * scale).astype("<f4")
    if rounded == "bfloat16":
        return (row.view("<u4") & 0xFFFF0000).view("<f4")
    if rounded == "float16":
        return row.astype("<f2").astype("<f4")
    return (row / scale * 40).round().clip(-127, 127) * np.float32(0.0123) if rounded == "int8" else row


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


def _coded(row: np.ndarray[Any, Any]) -> str:
    return _b64(row.tobytes())


def _rows(outcome: Rows | EmbeddingError) -> Rows:
    assert isinstance(outcome, Rows), outcome
    return outcome


def _directions(outcome: Rows | EmbeddingError) -> list[int]:
    vectors = _rows(outcome).vectors
    assert vectors is not None
    return vectors.argmax(axis=1).tolist()


# Good replies.


@every_list
def test_rows_come_in_the_order_of_their_indices(spec: RequestSpec, write: Any, batch: Batch) -> None:
    reply = write(_vector(7), _vector(8), _vector(9), indices=[2, 0, 1])

    assert [8, 9, 7] == _directions(read(reply, spec, batch))


@every_list
def test_rows_are_unit_vectors_of_float32(spec: RequestSpec, write: Any, batch: Batch) -> None:
    vectors = _rows(read(write(*[[3.0, 4.0] * (WIDTH // 2)] * 3), spec, batch)).vectors

    assert vectors is not None
    assert (np.float32, (3, WIDTH)) == (vectors.dtype, vectors.shape)
    assert pytest.approx([1.0] * 3) == np.linalg.norm(vectors, axis=1).tolist()


def test_rows_keep_their_length_when_asked() -> None:
    spec = ask_for("text-embedding-v4", dimension=WIDTH, normalize=False)

    vectors = _rows(read(dashscope(_vector(3)), spec, batch_of("a"))).vectors

    assert vectors is not None
    assert 2.0 == vectors[0, 3]


@pytest.mark.parametrize("scale", [1e-30, 1e30, 3e38], ids=str)
def test_a_row_of_any_size_becomes_a_unit_vector(scale: float) -> None:
    spec, write, batch = ASKS["dashscope"]

    vectors = _rows(read(write(*[[scale] * WIDTH] * 3), spec, batch)).vectors

    assert vectors is not None
    assert pytest.approx([1.0] * 3) == np.linalg.norm(vectors, axis=1).tolist()


@every_list
@pytest.mark.parametrize("normalize", [True, False], ids=["normalised", "as it comes"])
@pytest.mark.parametrize("number", [0, 0.0, -0.0, 1e-44, 1e-39], ids=str)
def test_a_row_without_a_direction_is_a_bad_reply(
    spec: RequestSpec, write: Any, batch: Batch, normalize: bool, number: float
) -> None:
    spec = replace(spec, normalize=normalize)
    lists = read(write(*GOOD[:2], [number] * WIDTH), spec, batch)
    coded = read(write(*GOOD[:2], _coded(np.full(WIDTH, number, "<f4"))), spec, batch)

    assert [BadReplyError, BadReplyError] == [type(lists), type(coded)]


@pytest.mark.parametrize("name", ["doubao-embedding-vision-250328", "tongyi-embedding-vision-plus"])
def test_a_row_that_is_zero_as_far_as_it_is_kept_is_a_bad_reply(name: str) -> None:
    spec = ask_for(name, dimension=512)
    vector = [0.0] * 512 + [0.5] * ((spec.model_info.default_dimension or 0) - 512)

    outcome = read(ark(vector) if "doubao" in name else _media(vector), spec, batch_of("a"))

    assert BadReplyError is type(outcome)


@pytest.mark.parametrize("as_list", [False, True], ids=["object", "list of one"])
def test_arks_data_is_an_object_or_a_list_of_one(as_list: bool) -> None:
    reply = ark(_vector(5, 1024))
    reply["data"] = [reply["data"]] if as_list else reply["data"]

    assert [5] == _directions(read(reply, VISION, batch_of("a")))


BASE64_WIDTHS = pytest.mark.parametrize(
    ("spec", "width"),
    [
        pytest.param(ask_for("doubao-embedding-vision-251215"), 2048, id="default length"),
        pytest.param(VISION, 1024, id="shorter, by the server"),
        pytest.param(ask_for("doubao-embedding-vision-250328", dimension=1024), 2048, id="to be cut here"),
    ],
)


@BASE64_WIDTHS
@pytest.mark.parametrize("rounded", ["full", "bfloat16", "float16", "int8"])
def test_base64_is_float32_of_the_full_length(spec: RequestSpec, width: int, rounded: str) -> None:
    vector = _vendors_row(width, rounded)

    rows = _rows(read(ark(_coded(vector)), replace(spec, normalize=False), batch_of("a"))).vectors

    assert rows is not None
    assert vector[: spec.expected].tolist() == rows[0].tolist()


@BASE64_WIDTHS
@pytest.mark.parametrize("factor", [0.25, 0.5, 2, 4], ids=str)
@pytest.mark.parametrize("rounded", ["full", "bfloat16", "float16"])
def test_base64_of_another_length_is_a_bad_reply(
    spec: RequestSpec, width: int, factor: float, rounded: str
) -> None:
    outcome = read(ark(_coded(_vendors_row(int(width * factor), rounded))), spec, batch_of("a"))

    assert BadReplyError is type(outcome)


LAYOUTS: dict[str, Callable[[np.ndarray[Any, Any]], bytes]] = {
    "float16": lambda row: row.astype("<f2").tobytes(),
    "float16, big-endian": lambda row: row.astype(">f2").tobytes(),
    "bfloat16": lambda row: row.view("<u2")[1::2].tobytes(),
    "bfloat16, big-endian": lambda row: row.view("<u2")[1::2].astype(">u2").tobytes(),
    "float32, big-endian": lambda row: row.astype(">f4").tobytes(),
    "float64": lambda row: row.astype("<f8").tobytes(),
}


@BASE64_WIDTHS
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("rounded", ["full", "bfloat16", "float16"])
@pytest.mark.parametrize("scale", [0.02, 1.0])
def test_base64_of_another_layout_is_a_bad_reply(
    spec: RequestSpec, width: int, layout: Any, rounded: str, scale: float
) -> None:
    """Of the right number of components, and of the right number of bytes."""
    as_long = width * 4 // len(layout(_vendors_row(8, "full"))) * 8
    bodies = [_b64(layout(_vendors_row(length, rounded, scale))) for length in (width, as_long)]

    outcomes = [read(ark(body), spec, batch_of("a")) for body in bodies]

    assert [BadReplyError, BadReplyError] == [type(outcome) for outcome in outcomes]


def test_a_signalling_nan_is_a_bad_reply_and_no_warning() -> None:
    bits = np.full(1024, 0x3F000000, "<u4")
    bits[7] = 0x7F800001

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = read(ark(_b64(bits.tobytes())), VISION, batch_of("a"))

    assert "not finite" in str(outcome)
    assert BadReplyError is type(outcome)


@pytest.mark.parametrize("form", ["numbers", "base64"])
def test_a_quarter_of_the_length_names_its_cause(form: str) -> None:
    row = _vendors_row(256, "full")

    outcome = read(ark(row.tolist() if form == "numbers" else _coded(row)), VISION, batch_of("a"))

    assert "length 256 instead of 1024; a quarter of the expected length results when" in str(outcome)
    assert "encoding_format" in str(outcome)


def test_half_of_the_length_is_not_said_to_be_a_quarter() -> None:
    outcome = read(ark(_coded(_vendors_row(512, "full"))), VISION, batch_of("a"))

    assert "quarter" not in str(outcome)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1023, 1025, 4095])
def test_an_unknown_models_base64_is_whole_numbers_of_float32(size: int) -> None:
    outcome = read(ark(_b64(bytes([0x3F]) * size)), UNKNOWN, batch_of("a"))

    assert f"of {counted(size, 'bytes')} is not a float32 vector" in str(outcome)


def test_a_list_is_as_good_as_base64() -> None:
    vector = np.linspace(-1, 1, 1024, dtype="<f4")
    encoded = b64encode(vector.tobytes()).decode()

    listed_rows, encoded_rows = (
        _rows(read(ark(value), VISION, batch_of("a"))).vectors for value in (vector.tolist(), encoded)
    )

    assert listed_rows is not None
    assert encoded_rows is not None
    assert listed_rows.tobytes() == encoded_rows.tobytes()


@pytest.mark.parametrize(
    ("name", "dimension", "full"),
    [
        pytest.param("doubao-embedding-vision-250328", 1024, 2048, id="by the client"),
        pytest.param("tongyi-embedding-vision-plus", 512, 1152, id="asked for and ignored"),
    ],
)
def test_a_longer_vector_is_cut_and_normalised_where_the_card_says_so(
    name: str, dimension: int, full: int
) -> None:
    spec = ask_for(name, dimension=dimension)
    vector = [1.0] * full
    reply = ark(vector) if "doubao" in name else _media(vector)

    rows = _rows(read(reply, spec, batch_of("a"))).vectors

    assert rows is not None
    assert pytest.approx([dimension**-0.5] * dimension) == rows[0].tolist()


def _media(*vectors: Any) -> dict[str, Any]:
    entries = [{"index": index, "embedding": vector, "type": "text"} for index, vector in enumerate(vectors)]
    return {"output": {"embeddings": entries}, "usage": {}, "request_id": "r-1"}


def test_an_unknown_model_may_have_any_length() -> None:
    row = ask_for("text-embedding-v4").model_info
    spec = RequestSpec(
        model_info=row.renamed("ep-1"), model="ep-1", base_url="https://service", place="here", dimension=64
    )

    assert [3] == _directions(read(dashscope(_vector(3, 64)), spec, batch_of("a")))


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        pytest.param("doubao-embedding-vision-250328", False, id="numbers"),
        pytest.param("tongyi-embedding-vision-plus", True, id="base64, asked for"),
    ],
)
def test_a_vector_that_was_shortened_already_is_right_too(name: str, coded: bool) -> None:
    spec = ask_for(name, dimension=1024)
    row = _vendors_row(1024, "full")
    value = _coded(row) if coded else row.tolist()

    outcome = read(ark(value) if "doubao" in name else _media(value), spec, batch_of("a"))

    assert (1, 1024) == _rows(outcome).vectors.shape  # type: ignore[union-attr]


def test_a_base64_vector_that_the_client_was_to_shorten_has_its_full_length() -> None:
    spec = ask_for("doubao-embedding-vision-250328", dimension=1024)

    outcome = read(ark(_coded(_vendors_row(1024, "full"))), spec, batch_of("a"))

    assert "a vector of length 1024 instead of 2048" in str(outcome)


@pytest.mark.parametrize(
    ("full", "dimension", "due"),
    [(1152, 512, "1152 or 512"), (1152, None, "1152"), (1152, 1152, "1152"), (None, 64, "64")],
    ids=["shorter", "as it is", "as it is, asked for", "unknown"],
)
def test_a_wrong_length_names_every_right_one_once(full: int | None, dimension: int | None, due: str) -> None:
    spec = ask_for("tongyi-embedding-vision-plus", dimension=dimension)
    row = replace(spec.model_info, default_dimension=full)

    outcome = read(_media([0.5] * 7), replace(spec, model_info=row), batch_of("a"))

    assert f"a vector of length 7 instead of {due} [request id r-1]" in str(outcome)


def test_vectors_of_an_unknown_model_have_one_length() -> None:
    row = replace(row_of("text-embedding-v4"), known=False, dimensions=(), default_dimension=None)
    spec = replace(ask_for("text-embedding-v4"), model_info=row)

    outcome = read(dashscope([0.5] * 4, [0.5] * 5), spec, batch_of("a", "b"))

    assert "vectors have different lengths" in str(outcome)


# The smallest norm of a row; a literal number, so that a change of the code's own is noticed.
LEAST_NORM = 2.0**-100
SMALL_ROWS: dict[str, tuple[list[float], bool]] = {
    "a unit vector": ([0.0, 1.0], True),
    "the shortest": ([LEAST_NORM, 0.0], True),
    "a shorter one": ([LEAST_NORM / 2, 0.0], False),
    "the shortest by its sum": ([LEAST_NORM * 0.75, LEAST_NORM * 0.75], True),
    "zeros": ([0.0, 0.0], False),
    "the longest": ([3e38, -3e38], True),
    "not a number": ([1.0, float("nan")], False),
    "infinite": ([float("-inf"), 1.0], False),
}


def test_rows_are_sound_if_they_are_finite_and_have_a_direction() -> None:
    table = np.array([row for row, _ in SMALL_ROWS.values()], "<f4")

    found = are_valid_rows(table)

    assert np.bool_ == found.dtype
    assert [sound for _, sound in SMALL_ROWS.values()] == found.tolist()


@pytest.mark.parametrize("size", [LEAST_NORM, LEAST_NORM / 2])
def test_the_shortest_row_of_a_reply_has_a_direction(size: float) -> None:
    outcome = read(dashscope([size] + [0.0] * (WIDTH - 1)), ASKS["dashscope"][0], batch_of("a"))

    assert (size >= LEAST_NORM) is isinstance(outcome, Rows)


def test_base64_has_no_other_letters_in_it() -> None:
    coded = _coded(_vendors_row(1024, "full"))

    for odd in (coded[:9] + "!" + coded[9:], coded[:9] + "\n" + coded[9:], coded + "!"):
        assert "not valid base64" in str(read(ark(odd), VISION, batch_of("a")))


def test_a_list_that_was_read_as_base64_is_named_whatever_its_length() -> None:
    row = replace(row_of("doubao-embedding-vision-251215"), dimensions=(), default_dimension=6)
    spec = replace(VISION, model_info=row, dimension=None)

    outcomes = [str(read(ark(_b64(bytes(size))), spec, batch_of("a"))) for size in (6, 7)]

    assert "6 bytes is not a float32 vector; a quarter of the expected length" in outcomes[0]
    assert outcomes[1].endswith("7 bytes is not a float32 vector")


# What tells another layout from float32: rows by the bits of their numbers.


def _bits(exponents: list[int], lower: list[int] | None = None) -> np.ndarray[Any, Any]:
    """Return a row of numbers with these exponents, and these bits at the lower end of the mantissa."""
    found = np.array(exponents, "<u4") << 23
    found[: len(lower or ())] |= np.array(lower or [], "<u4")
    return found.view("<f4")


@pytest.mark.parametrize(("widest", "other"), [(20, False), (21, True)])
def test_components_span_twenty_powers_of_two_without_the_outermost_twentieths(
    widest: int, other: bool
) -> None:
    exponents = [1] * 5 + [100] * 45 + [100 + widest] * 45 + [250] * 5

    assert other is is_other_layout(_bits(exponents))
    assert other is is_other_layout(_bits(exponents[::-1]))


@pytest.mark.parametrize(
    ("exponents", "other"),
    [
        ([1] * 5 + [100] * 89 + [121] + [250] * 5, True),
        ([1] * 5 + [79] + [100] * 89 + [250] * 5, True),
        ([1] * 5 + [100] * 89 + [100] + [250] * 5, False),
    ],
    ids=["one above", "one below", "none"],
)
def test_one_component_inside_the_outermost_twentieths_counts(exponents: list[int], other: bool) -> None:
    assert other is is_other_layout(_bits(exponents))


@pytest.mark.parametrize(("number", "other"), [(32, True), (31, False)])
@pytest.mark.parametrize("first", [0, 1], ids=["even", "odd"])
def test_every_other_number_is_zero_in_pairs_of_float64(number: int, other: bool, first: int) -> None:
    row = np.zeros(2 * number, "<f4")
    row[first::2] = 0.5

    assert other is is_other_layout(row)


@pytest.mark.parametrize("first", [0, 1], ids=["even", "odd"])
def test_one_zero_at_the_beginning_proves_nothing(first: int) -> None:
    row = _bits([100] * 64)
    row[first] = 0.0

    assert not is_other_layout(row)


@pytest.mark.parametrize(("number", "other"), [(32, True), (31, False)])
def test_a_few_numbers_prove_nothing(number: int, other: bool) -> None:
    row = _bits([100, 140] * 16)[:number]

    assert other is is_other_layout(np.concatenate([row, np.zeros(100, "<f4")]))


@pytest.mark.parametrize(
    ("noisy", "widest", "other"),
    [(90, 20, True), (89, 20, False), (90, 21, False)],
    ids=["a number in each half", "too few of them", "noise"],
)
def test_a_lower_half_that_is_a_number_itself_is_a_pair_of_bfloat16(
    noisy: int, widest: int, other: bool
) -> None:
    lower = [(exponent << 7) + place % 4 for place in range(45) for exponent in (100, 100 + widest)]

    assert other is is_other_layout(_bits([100] * 100, lower[:noisy]))


@pytest.mark.parametrize(("patterns", "other"), [(1, False), (7, False), (8, True)])
def test_a_row_of_few_numbers_that_are_repeated_is_float32(patterns: int, other: bool) -> None:
    """Signs, constants and texts of one letter in the emulator: their lower halves are alike by chance."""
    lower = [(100 << 7) + place % patterns for place in range(96)]

    assert other is is_other_layout(_bits([100] * 96, lower))


@pytest.mark.parametrize("text", ["a", "文", "本", "x"])
@pytest.mark.parametrize("model", ["doubao-embedding-large-text-250515", "doubao-embedding-vision-250615"])
def test_texts_of_one_letter_have_vectors_from_the_emulator(inside: Any, model: str, text: str) -> None:
    with inside.client(model, max_retries=0) as client:
        assert np.linalg.norm(client.embed([text]).vectors[0]) == pytest.approx(1.0, abs=1e-5)


# Bad ones. Each is written into an otherwise good reply for three items.

GOOD = [_vector(0), _vector(1), _vector(2)]
BROKEN_LISTS: dict[str, tuple[list[Any], list[Any]]] = {
    "no vectors": ([], []),
    "one too few": (GOOD[:2], [0, 1]),
    "one too many": ([*GOOD, _vector(3)], [0, 1, 2, 3]),
    "index twice": (GOOD, [0, 1, 1]),
    "index past the end": (GOOD, [0, 1, 3]),
    "indices from one": (GOOD, [1, 2, 3]),
    "negative index": (GOOD, [0, 1, -1]),
    "fractional index": (GOOD, [0, 1, 1.5]),
    "whole number as a float": (GOOD, [0, 1, 2.0]),
    "index is a text": (GOOD, [0, 1, "2"]),
    "index is a truth": (GOOD, [0, True, 2]),
    "index is null": (GOOD, [0, 1, None]),
    "index is a list": (GOOD, [0, 1, [2]]),
    "huge index": (GOOD, [0, 1, 2**63]),
    "short vector": ([GOOD[0], GOOD[1], GOOD[2][:-1]], [0, 1, 2]),
    "long vector": ([GOOD[0], GOOD[1], [*GOOD[2], 0.0]], [0, 1, 2]),
    "all too short": ([vector[:-1] for vector in GOOD], [0, 1, 2]),
    "empty vector": ([GOOD[0], GOOD[1], []], [0, 1, 2]),
    "all empty": ([[], [], []], [0, 1, 2]),
    "null vector": ([GOOD[0], GOOD[1], None], [0, 1, 2]),
    "null in a vector": ([GOOD[0], GOOD[1], [None, *GOOD[2][1:]]], [0, 1, 2]),
    "text in a vector": ([GOOD[0], GOOD[1], ["0.5", *GOOD[2][1:]]], [0, 1, 2]),
    "truths": ([GOOD[0], GOOD[1], [True] * WIDTH], [0, 1, 2]),
    "a truth among others than zero": ([GOOD[0], GOOD[1], [0.5] * (WIDTH - 1) + [True]], [0, 1, 2]),
    "a truth among numbers": ([GOOD[0], GOOD[1], [True, *GOOD[2][1:]]], [0, 1, 2]),
    "a falsehood among numbers": ([GOOD[0], GOOD[1], [*GOOD[2][1:], False]], [0, 1, 2]),
    "object as a vector": ([GOOD[0], GOOD[1], {"0": 1.0}], [0, 1, 2]),
    "number as a vector": ([GOOD[0], GOOD[1], 0.5], [0, 1, 2]),
    "nested vector": ([GOOD[0], GOOD[1], [GOOD[2]]], [0, 1, 2]),
    "column of numbers": ([GOOD[0], GOOD[1], [[number] for number in GOOD[2]]], [0, 1, 2]),
    "ragged": ([GOOD[0], GOOD[1], [[1.0], *GOOD[2][1:]]], [0, 1, 2]),
    "too large for float32": ([GOOD[0], GOOD[1], [1e39, *GOOD[2][1:]]], [0, 1, 2]),
    "too small for float32": ([GOOD[0], GOOD[1], [-1e39, *GOOD[2][1:]]], [0, 1, 2]),
    "huge whole number": ([GOOD[0], GOOD[1], [10**39, *GOOD[2][1:]]], [0, 1, 2]),
    "not base64": ([GOOD[0], GOOD[1], "!" * 1024], [0, 1, 2]),
    "base64 of nothing": ([GOOD[0], GOOD[1], ""], [0, 1, 2]),
    "base64 of another length": ([GOOD[0], GOOD[1], b64encode(bytes(4 * WIDTH + 4)).decode()], [0, 1, 2]),
    "base64 of half a number": ([GOOD[0], GOOD[1], b64encode(bytes(4 * WIDTH + 1)).decode()], [0, 1, 2]),
    "numbers behind as much base64": (["A" * 16, [0.5] * 16, GOOD[2]], [0, 1, 2]),
    "base64 of NaN": (
        [GOOD[0], GOOD[1], b64encode(np.full(WIDTH, np.nan, "<f4").tobytes()).decode()],
        [0, 1, 2],
    ),
    "zeros": ([GOOD[0], GOOD[1], [0.0] * WIDTH], [0, 1, 2]),
    "base64 of zeros": ([GOOD[0], GOOD[1], b64encode(bytes(4 * WIDTH)).decode()], [0, 1, 2]),
    "base64 of infinity": (
        [GOOD[0], GOOD[1], b64encode(np.full(WIDTH, np.inf, "<f4").tobytes()).decode()],
        [0, 1, 2],
    ),
}


def _json(value: Any) -> bytes:
    """Write JSON that orjson would not: whole numbers of any size."""
    import json

    return json.dumps(value).encode()


@every_list
@pytest.mark.parametrize(("vectors", "indices"), BROKEN_LISTS.values(), ids=BROKEN_LISTS)
def test_a_list_of_vectors_that_breaks_its_format_is_a_bad_reply(
    spec: RequestSpec, write: Any, batch: Batch, vectors: list[Any], indices: list[Any]
) -> None:
    outcome = read(_json(write(*vectors, indices=indices)), spec, batch)

    assert BadReplyError is type(outcome)


BROKEN_BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b"   ",
    "half": b'{"output":{"embeddings":[{"text_index":0,"embedding":[0.1,0.',
    "HTML": b"<!DOCTYPE html><html><body>Welcome to the hotel Wi-Fi</body></html>",
    "text": b"upstream connect error",
    "not UTF-8": b'{"output": "\xff\xfe"}',
    "zip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "NaN": b'{"output":{"embeddings":[{"text_index":0,"embedding":[NaN]}]},"data":{"embedding":[NaN]}}',
    "Infinity": b'{"output":{"embeddings":[{"text_index":0,"embedding":[Infinity]}]}}',
    "null": b"null",
    "number": b"7",
    "string": b'"ok"',
    "list": b"[]",
    "list of objects": b'[{"output":{}}]',
    "empty object": b"{}",
    "nulls": b'{"output":null,"data":null,"usage":null}',
    "output is a list": b'{"output":[],"data":[]}',
    "output is a text": b'{"output":"ok","data":"ok"}',
    "embeddings is an object": b'{"output":{"embeddings":{}},"data":{}}',
    "embeddings is null": b'{"output":{"embeddings":null},"data":{"embedding":null}}',
    "entries are numbers": b'{"output":{"embeddings":[1,2,3]},"data":[1,2,3]}',
    "entries are null": b'{"output":{"embeddings":[null,null,null]},"data":[null]}',
    "two objects of data": b'{"data":[{"embedding":[1]},{"embedding":[1]}]}',
    "deep nesting": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"output":' * 50_000 + b"1" + b"}" * 50_000,
    "deep vector": b'{"data":{"embedding":' + b"[" * 200 + b"1" + b"]" * 200 + b"}}",
}


@pytest.mark.parametrize(
    ("spec", "batch"),
    [*((spec, batch) for spec, _, batch in ASKS.values()), (VISION, batch_of("a"))],
    ids=[*ASKS, "ark"],
)
@pytest.mark.parametrize("body", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
def test_a_body_that_is_no_reply_is_a_bad_reply(spec: RequestSpec, batch: Batch, body: bytes) -> None:
    outcome = read(body, spec, batch)

    assert (BadReplyError, 200, True) == (type(outcome), outcome.status, outcome.retryable)  # type: ignore[union-attr]


BROKEN_VECTORS = {
    name: vectors[-1]
    for name, (vectors, indices) in BROKEN_LISTS.items()
    if indices == [0, 1, 2] and name not in ("all too short", "all empty") and vectors is not GOOD
}


@pytest.mark.parametrize("vector", BROKEN_VECTORS.values(), ids=BROKEN_VECTORS)
def test_a_single_vector_that_breaks_its_format_is_a_bad_reply(vector: Any) -> None:
    outcome = read(_json(ark(vector)), VISION, batch_of("a"))

    assert BadReplyError is type(outcome)


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_no_body_raises(body: bytes) -> None:
    for spec, _, batch in ASKS.values():
        assert BadReplyError is type(read(body, spec, batch))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["output", "data", "embeddings", "embedding", "index", "usage"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_no_json_raises_or_makes_rows(value: Any) -> None:
    for spec, _, batch in (*ASKS.values(), (VISION, None, batch_of("a"))):
        assert isinstance(read(value, spec, batch), EmbeddingError)


def test_a_bad_reply_says_which_items_and_what_is_wrong_without_content() -> None:
    spec, write, _ = ASKS["dashscope"]
    batch = Batch((4, 5, 9), ("canary", "canary", "canary"))

    outcome = read(write(*GOOD[:2]), spec, batch, headers={"x-request-id": "header id"})

    assert (
        "dashscope answered items 4 to 9 with a reply that breaks its format: 2 vectors for 3 items"
        in str(outcome)
    )
    assert "[request id r-1]" in str(outcome)
    assert "canary" not in str(outcome)


@pytest.mark.parametrize(
    ("indices", "reason"),
    [([0, 1, 3], "text_index is not a position from 0 to 2"), ([0, 1, 1], "text_index 1 appears twice")],
)
def test_a_bad_reply_says_which_position_is_wrong(indices: list[int], reason: str) -> None:
    outcome = read(
        dashscope(*GOOD, indices=indices, request_id=None), ASKS["dashscope"][0], batch_of("a", "b", "c")
    )

    assert f"dashscope answered items 0 to 2 with a reply that breaks its format: {reason}" == str(outcome)


def _one(vector: Any) -> bytes:
    return _json(dashscope(vector))


FINE, DIRECTION = "a vector is not a flat list of numbers", "a vector is zero, or too small"
REASONS: dict[str, tuple[Any, str]] = {
    "no body": (b"", "the body is empty"),
    "no JSON": (b"<html>", "the body is not JSON"),
    "no object": (b"[]", "the body is not a JSON object"),
    "an entry that is none": (b'{"output":{"embeddings":[7]}}', "an entry is not a JSON object"),
    "no vector": (_one(None), "a vector is missing"),
    "an empty vector": (_one([]), "a vector of length 0"),
    "a text in a vector": (_one(["0.5"] * WIDTH), FINE),
    "a truth in a vector": (_one([True] * WIDTH), FINE),
    "too large a number": (_one([1e39] * WIDTH), "a vector contains a number that is not finite"),
    "infinite base64": (
        _one(_coded(np.full(WIDTH, np.inf, "<f4"))),
        "a vector contains a number that is not finite",
    ),
    "zeros": (_one([0.0] * WIDTH), f"{DIRECTION} to be normalized"),
    "pairs of float16": (
        _one(_b64(_vendors_row(2 * WIDTH, "full").astype("<f2").tobytes())),
        "a base64 vector is not little-endian float32",
    ),
}


@pytest.mark.parametrize(("body", "reason"), REASONS.values(), ids=REASONS)
def test_a_bad_reply_says_what_is_wrong_with_it(body: bytes, reason: str) -> None:
    outcome = read(body, ASKS["dashscope"][0], batch_of("a"), headers={"x-request-id": "r-1"})

    assert isinstance(outcome, BadReplyError)
    assert f"dashscope answered item 0 with a reply that breaks its format: {reason} [request id r-1]" == str(
        outcome
    )
    assert ("dashscope", 200, "r-1", 0, True) == (
        outcome.provider,
        outcome.status,
        outcome.request_id,
        outcome.index,
        outcome.retryable,
    )


def test_a_number_where_arks_data_belongs_is_a_bad_reply() -> None:
    assert str(read({"data": [7]}, VISION, batch_of("a"))).endswith("an entry is not a JSON object")


@pytest.mark.parametrize(("positions", "index"), [((7,), 7), ((7, 8), None)], ids=["one", "two"])
def test_a_bad_reply_blames_an_item_only_if_it_was_alone(
    positions: tuple[int, ...], index: int | None
) -> None:
    outcome = read({}, ASKS["dashscope"][0], Batch(positions, ("a",) * len(positions)))

    assert index == outcome.index  # type: ignore[union-attr]


# Sparse vectors.

SPARSE = ask_for("text-embedding-v4", dimension=WIDTH, output_type="dense&sparse")


def _with_sparse(value: Any) -> dict[str, Any]:
    reply = dashscope(GOOD[0])
    reply["output"]["embeddings"][0]["sparse_embedding"] = value
    return reply


def test_a_sparse_vector_keeps_indices_weights_and_tokens() -> None:
    given = [
        {"index": 7149, "value": 0.829, "token": "风"},
        {"index": 111290, "value": 0.9004, "token": "哀"},
    ]

    (vector,) = _rows(read(_with_sparse(given), SPARSE, batch_of("a"))).sparse or ()

    assert ([7149, 111290], ("风", "哀")) == (vector.indices.tolist(), vector.tokens)
    assert pytest.approx([0.829, 0.9004]) == vector.values.tolist()


def test_a_sparse_vector_may_be_empty() -> None:
    (vector,) = _rows(read(_with_sparse([]), SPARSE, batch_of("a"))).sparse or ()

    assert {} == vector.as_dict()


def test_a_sparse_vector_has_arrays_of_its_own_types_even_when_empty() -> None:
    for entries in ([], [{"index": 1, "value": 1}]):
        (vector,) = _rows(read(_with_sparse(entries), SPARSE, batch_of("a"))).sparse or ()

        assert (np.int64, np.float32) == (vector.indices.dtype, vector.values.dtype)


@pytest.mark.parametrize("index", [0, 2**63 - 1])
def test_a_sparse_index_may_be_any_that_fits(index: int) -> None:
    (vector,) = (
        _rows(read(_with_sparse([{"index": index, "value": 0.5}]), SPARSE, batch_of("a"))).sparse or ()
    )

    assert {index: 0.5} == vector.as_dict()


def test_tokens_are_given_only_where_every_entry_has_one() -> None:
    given = [{"index": 1, "value": 0.5, "token": "风"}, {"index": 2, "value": 0.25}]

    (vector,) = _rows(read(_with_sparse(given), SPARSE, batch_of("a"))).sparse or ()

    assert () == vector.tokens


def test_sparse_only_needs_no_dense_vector() -> None:
    reply = _with_sparse([{"index": 1, "value": 1.0}])
    del reply["output"]["embeddings"][0]["embedding"]

    rows = _rows(read(reply, ask_for("text-embedding-v4", output_type="sparse"), batch_of("a")))

    assert (None, {1: 1.0}) == (rows.vectors, (rows.sparse or ())[0].as_dict())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(None, "the sparse vector is not a list", id="no list"),
        pytest.param([{"index": -1, "value": 1}], "a sparse index is not an integer", id="index"),
        pytest.param([{"index": 1, "value": "1"}], "a sparse value is not a number", id="value"),
        pytest.param([{"index": 1, "value": 1}] * 2, "a sparse index appears twice", id="twice"),
        pytest.param([{"index": 1, "value": 1e39}], "a sparse value is not finite", id="too large"),
    ],
)
def test_a_bad_sparse_vector_says_what_is_wrong(value: Any, reason: str) -> None:
    assert f"breaks its format: {reason} [request id" in str(read(_with_sparse(value), SPARSE, batch_of("a")))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="missing"),
        pytest.param({"1": 0.5}, id="object"),
        pytest.param("1:0.5", id="text"),
        pytest.param([[1, 0.5]], id="pairs"),
        pytest.param([{"value": 0.5}], id="no index"),
        pytest.param([{"index": 1}], id="no value"),
        pytest.param([{"index": 1.5, "value": 0.5}], id="fractional index"),
        pytest.param([{"index": -1, "value": 0.5}], id="negative index"),
        pytest.param([{"index": 2**63, "value": 0.5}], id="index too large"),
        pytest.param([{"index": True, "value": 0.5}], id="truth as index"),
        pytest.param([{"index": 1, "value": "0.5"}], id="text as value"),
        pytest.param([{"index": 1, "value": True}], id="truth as value"),
        pytest.param([{"index": 1, "value": 1e39}], id="value too large"),
        pytest.param([None], id="null entry"),
        pytest.param([{"index": 1, "value": 0.5}, {"index": 1, "value": 0.25}], id="index twice"),
        pytest.param([{"index": 1, "value": 0.5}] * 2, id="entry twice"),
    ],
)
def test_a_sparse_vector_that_breaks_its_format_is_a_bad_reply(value: Any) -> None:
    assert BadReplyError is type(read(_with_sparse(value), SPARSE, batch_of("a")))


# Usage.


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({"total_tokens": 27}, (27, 27, 0), id="text"),
        pytest.param(
            {"input_tokens": 43, "image_tokens": 1247, "total_tokens": 1290}, (1290, 43, 1247), id="qwen3-vl"
        ),
        pytest.param({"input_tokens": 10, "image_tokens": 896}, (906, 10, 896), id="no total"),
        pytest.param(
            {
                "input_tokens": 10,
                "input_tokens_details": {"image_tokens": 896, "text_tokens": 7},
                "output_tokens": 3,
                "total_tokens": 906,
            },
            (906, 7, 896),
            id="tongyi",
        ),
        pytest.param({}, (0, 0, 0), id="empty"),
        pytest.param(None, (0, 0, 0), id="missing"),
        pytest.param([1], (0, 0, 0), id="list"),
        pytest.param({"total_tokens": "27"}, (0, 0, 0), id="text for a number"),
        pytest.param({"total_tokens": -27}, (0, 0, 0), id="negative"),
        pytest.param({"total_tokens": True}, (0, 0, 0), id="truth"),
        pytest.param({"total_tokens": None, "input_tokens": 5}, (5, 5, 0), id="null total"),
        pytest.param({"total_tokens": 1e300}, (0, 0, 0), id="beyond counting"),
        pytest.param({"total_tokens": 0, "input_tokens": 5}, (0, 5, 0), id="a total of nothing"),
        pytest.param({"total_tokens": 2**53 - 1}, (2**53 - 1, 2**53 - 1, 0), id="the last that is exact"),
        pytest.param({"total_tokens": 2**53}, (0, 0, 0), id="the first that may not be"),
        pytest.param(
            {"input_tokens_details": {"text_tokens": 0, "image_tokens": 2**53 - 1}, "input_tokens": 5},
            (2**53 - 1, 0, 2**53 - 1),
            id="details of nothing and of much",
        ),
        pytest.param(
            {"input_tokens_details": {"text_tokens": -1, "image_tokens": 2**53}, "input_tokens": 5},
            (5, 5, 0),
            id="details that are none",
        ),
    ],
)
def test_usage_is_read_whatever_keys_are_there(usage: Any, expected: tuple[int, int, int]) -> None:
    reply = dashscope(_vector(0), usage=usage)

    answer = _rows(read(reply, ASKS["dashscope"][0], batch_of("a"))).usage

    assert (1, *expected) == (
        answer.requests,
        answer.total_tokens,
        answer.text_tokens,
        answer.image_tokens,
    )


def test_usage_of_ark_tells_text_from_images() -> None:
    answer = _rows(
        read(ark(_vector(0, 1024)), VISION, batch_of(Image.from_url("https://i.example/a.png")))
    ).usage

    assert (528, 31, 497) == (answer.total_tokens, answer.text_tokens, answer.image_tokens)
    assert 31 == answer.detail["prompt_tokens_details.text_tokens"]


def test_numbers_of_usage_that_nobody_knows_are_kept() -> None:
    reply = dashscope(_vector(0), usage={"total_tokens": 1, "duration": 2.5, "image_count": 3})

    answer = _rows(read(reply, ASKS["dashscope"][0], batch_of("a"))).usage

    assert {"total_tokens": 1, "duration": 2.5, "image_count": 3} == answer.detail


@pytest.mark.parametrize(
    ("body", "headers", "spec", "request_id"),
    [
        pytest.param(
            dashscope(_vector(0)), {"x-request-id": "h"}, ASKS["dashscope"][0], "r-1", id="dashscope body"
        ),
        pytest.param(
            dashscope(_vector(0), request_id=7),
            {"x-request-id": "h"},
            ASKS["dashscope"][0],
            "h",
            id="odd body",
        ),
        pytest.param(ark(_vector(0, 1024)), {"x-request-id": "h"}, VISION, "h", id="ark header"),
        pytest.param(ark(_vector(0, 1024)), {"x-client-request-id": "c"}, VISION, "c", id="ark echo"),
        pytest.param(ark(_vector(0, 1024)), {}, VISION, "0217", id="ark body"),
    ],
)
def test_a_request_is_known_by_its_id(body: Any, headers: Any, spec: RequestSpec, request_id: str) -> None:
    assert request_id == _rows(read(body, spec, batch_of("a"), headers=headers)).request_id


def test_orjson_and_json_agree_on_the_replies_used_here() -> None:
    assert orjson.loads(_json(ark(GOOD[0]))) == ark(GOOD[0])
