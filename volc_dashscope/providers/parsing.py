"""Reads JSON replies without trusting them: each function returns a checked value or raises `Malformed`. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import groupby, starmap
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from volc_dashscope import _media
from volc_dashscope._types import Batch, Reply, RequestSpec, counted
from volc_dashscope.errors import BadReplyError
from volc_dashscope.providers.error_table import named, sanitize_id
from volc_dashscope.results import FloatArray, SparseVector, Usage

_NUMBERS = (int, float)  # Exact types, since bool is a subclass of int.
# Unsourced A2: base64 of DashScope's compatible route is little-endian float32, as OpenAI's and Ark's is.
# Settled by one call with base64.
_FLOAT32 = np.dtype("<f4")
# Rows below this norm are zeros, or of subnormal numbers, which have lost their digits. Big-endian float32 numbers
# that were rounded to 16 bits look like this too.
LEAST_NORM = 2.0**-100
# BerriAI/litellm#42426, openai/openai-node#2150 and their like.
_QUARTER = (
    "; a quarter of the expected length results when a client or gateway decodes a list of numbers as base64: "
    "it requested encoding_format base64 from the model server and received numbers"
)
# Fewer numbers than this are not enough to judge.
_FEWEST = 32
# Numbers that are checked: enough to judge, few enough to take microseconds.
_SAMPLE = 256
# Powers of two between the 5 % smallest and the 5 % largest components. A normal distribution has 5, a pair of float16
# 40, a big-endian float32 200.
_WIDEST = 20
# Rows of two or three numbers that are only repeated (signs, constants, short texts in the emulator) have as many
# patterns in their lower halves, and these lie close together by chance. 32 pairs of bfloat16 have some twenty.
_PATTERNS = 8


class Malformed(Exception):
    """A reply breaks its format. The message says where, without content."""


def load(reply: Reply) -> dict[str, Any]:
    """Parse a body that must be a JSON object."""
    if not reply.body.strip():
        raise Malformed("the body is empty")
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        raise Malformed("the body is not JSON") from error
    if not isinstance(body, dict):
        raise Malformed("the body is not a JSON object")
    return body


def bad_reply(
    provider: str, reason: str, batch: Batch, reply: Reply, request_id: str | None, subject: str = ""
) -> BadReplyError:
    """Return the error for a reply that breaks its format; `subject` as for `judge`."""
    request_id = sanitize_id(request_id)
    return BadReplyError(
        f"{provider} answered {subject or named(batch)} with a reply that breaks its format: {reason}"
        + (f" [request id {request_id}]" if request_id else ""),
        provider=provider,
        status=reply.status,
        request_id=request_id,
        index=batch.positions[0] if len(batch) == 1 else None,
        # A malformed reply is as often a temporary fault of a gateway as a permanent one.
        retryable=True,
    )


def in_order(entries: Any, count: int, key: str) -> list[dict[str, Any]]:
    """Return `count` entries sorted by `key`, which must be the positions 0 to count - 1, each once."""
    if not isinstance(entries, list) or len(entries) != count:
        raise Malformed(count_fault(entries, count))
    # Most replies are in order already. True is 1 to Python, so that the types are looked at too.
    positions = [entry.get(key) if isinstance(entry, dict) else None for entry in entries]
    if positions == [*range(count)] and {*map(type, positions)} == {int}:
        return entries
    ordered: list[dict[str, Any] | None] = [None] * count
    for entry in entries:
        if not isinstance(entry, dict):
            raise Malformed("an entry is not a JSON object")
        position = entry.get(key)
        if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position < count:
            raise Malformed(f"{key} is not a position from 0 to {count - 1}")
        if ordered[position] is not None:
            raise Malformed(f"{key} {position} appears twice")
        ordered[position] = entry
    return [entry for entry in ordered if entry is not None]


def count_fault(entries: Any, count: int) -> str:
    """Return the message for another number of vectors than items."""
    actual = counted(len(entries), "vectors") if isinstance(entries, list) else "no list of vectors"
    return f"{actual} for {counted(count, 'items')}"


def objects(entries: list[Any]) -> list[dict[str, Any]]:
    """Return the entries if each is a JSON object."""
    if not all(isinstance(entry, dict) for entry in entries):
        raise Malformed("an entry is not a JSON object")
    return entries


def stack(values: Sequence[Any], spec: RequestSpec) -> FloatArray:
    """
    Decode a reply's vectors into checked float32 rows, shortened if the client reduces them, normalised if requested.

    Both lists of numbers and base64 of little-endian float32 are accepted: many servers answer a base64 request with
    numbers.
    """
    # All are alike, or the reply is odd. One at a time, their checks took longer than parsing the whole reply.
    if {*map(type, values)} == {list} and len({*map(len, values)}) == 1:
        tables = [_table(values, spec)]
    else:
        tables = [_table(list(some), spec) for _, some in groupby(values, _kind_and_length)]
    if len({table.shape[1] for table in tables}) > 1:
        raise Malformed("vectors have different lengths")
    # float64, so that large components do not overflow when squared.
    wide = np.concatenate(tables, dtype=np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    if norms.min() < LEAST_NORM:
        raise Malformed("a vector is zero, or too small to be normalized")
    if spec.normalize:
        # Unsourced A1: vectors may not be unit length, so rows are normalised here. Settled by the norm
        # of one reply per model.
        wide /= norms[:, np.newaxis]
    return wide.astype(np.float32)


def are_valid_rows(table: FloatArray) -> NDArray[np.bool_]:
    """Return whether each row is finite and not zero, as every row of a reply and of a cache must be."""
    finite = np.isfinite(table)
    wide = np.where(finite, table, 0).astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return np.asarray(finite.all(axis=1) & (norms >= LEAST_NORM), np.bool_)


def holds_bool(value: Sequence[object]) -> bool:
    """Return whether a list contains a bool, which Python would accept as 1 or 0."""
    return bool in set(map(type, value))


def length_fault(length: int, expected: Sequence[int]) -> str:
    """Return the message for a vector of the wrong length, with the cause if the length reveals it."""
    fault = f"a vector of length {length} instead of {' or '.join(map(str, expected))}"
    return fault + (_QUARTER if 4 * length in expected else "")


def _kind_and_length(value: Any) -> tuple[type, int]:
    return type(value), len(value) if isinstance(value, list | str) else 0


def _table(values: Sequence[Any], spec: RequestSpec) -> FloatArray:
    """Decode vectors of one kind and length, and cut them where the client does that."""
    coded = isinstance(values[0], str)
    lengths = _lengths(spec, coded=coded)
    # Base64 of one length has up to two bytes more or less, which never makes another number of float32.
    rows = [from_base64(value, lengths) for value in values] if coded else []
    length = len(rows[0]) if coded else _length(values[0])
    if not length:
        raise Malformed("a vector of length 0")
    if lengths and length not in lengths:
        raise Malformed(length_fault(length, lengths))
    table = (np.concatenate(rows) if coded else _from_lists(values)).reshape(-1, length)
    # Looks at bits only: a signalling NaN would warn in any calculation.
    if not np.isfinite(table).all():
        raise Malformed("a vector contains a number that is not finite")
    if coded and any(map(is_other_layout, rows)):
        raise Malformed("a base64 vector is not little-endian float32")
    # True packs as 1 and false as 0: the lists are looked at only if they may hold one.
    if not coded and not (table.all() and (table != 1).all()) and any(map(holds_bool, values)):
        raise Malformed("a vector is not a flat list of numbers")
    return table[:, : spec.expected]


def _lengths(spec: RequestSpec, *, coded: bool) -> tuple[int, ...]:
    """Return the lengths a reply may have before it is cut here; none if unknown."""
    full, expected, reduces = spec.model_info.default_dimension, spec.expected, spec.model_info.reduces
    if expected is None:
        return ()
    if full is None or full == expected or reduces not in ("client", "either"):
        return (expected,)
    # The service was not asked to shorten it: half the bytes are a fault, or as many numbers of half the size.
    return (full,) if coded and reduces == "client" else (full, expected)


def sparse(entries: Any) -> SparseVector:
    """Decode `[{"index", "value", "token"?}, ...]`."""
    if not isinstance(entries, list):
        raise Malformed("the sparse vector is not a list")
    indices, values, tokens = [], [], []
    for entry in entries:
        index, value = (entry.get("index"), entry.get("value")) if isinstance(entry, dict) else (None, None)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 2**63:
            raise Malformed("a sparse index is not an integer")
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Malformed("a sparse value is not a number")
        indices.append(index)
        values.append(value)
        if isinstance(entry.get("token"), str):
            tokens.append(entry["token"])
    if len(set(indices)) != len(indices):
        raise Malformed("a sparse index appears twice")
    with np.errstate(over="ignore"):
        weights = np.array(values, dtype=np.float32)
    if not np.isfinite(weights).all():
        raise Malformed("a sparse value is not finite")
    named = tuple(tokens) if len(tokens) == len(indices) else ()
    return SparseVector(np.array(indices, dtype=np.int64), weights, named)


def usage(body: Any, text: Sequence[str], image: Sequence[str]) -> Usage:
    """
    Sum a reply's usage. Every key is optional; unknown keys are kept in `detail`.

    Args:
        text, image: Dotted keys that count a modality; the first one present is used.
    """
    detail = _flatten(body) if isinstance(body, dict) else {}
    texts, images = _first(detail, text), _first(detail, image)
    total = detail.get("total_tokens")
    return Usage(
        requests=1,
        total_tokens=int(total if total is not None else texts + images),
        text_tokens=int(texts),
        image_tokens=int(images),
        detail=detail,
    )


def _first(detail: Mapping[str, float], keys: Sequence[str]) -> float:
    for key in keys:
        if key in detail:
            return detail[key]
    return 0


def _flatten(body: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a mapping and, under dotted keys, those of the mappings in it."""
    flat: dict[str, float] = {}
    for key, value in body.items():
        if type(value) in _NUMBERS:
            if 0 <= value < 2**53:
                flat[key] = value
        elif type(value) is dict:
            for inner, count in value.items():
                if type(count) in _NUMBERS and 0 <= count < 2**53:
                    flat[f"{key}.{inner}"] = count
    return flat


def _length(value: Any) -> int:
    if not isinstance(value, list):
        raise Malformed("a vector is missing")
    return len(value)


def _from_lists(values: Sequence[list[Any]]) -> FloatArray:
    """Return the numbers of lists of one length, one after another."""
    # Four times as fast as numpy, and stricter: it does not accept text or lists as numbers.
    pack = struct.Struct(f"{len(values[0])}f").pack
    try:
        return np.frombuffer(b"".join(starmap(pack, values)), dtype=np.float32)
    except struct.error as error:
        raise Malformed("a vector is not a flat list of numbers") from error
    except OverflowError as error:
        raise Malformed("a vector contains a number that is not finite") from error


def from_base64(value: str, lengths: Sequence[int]) -> FloatArray:
    """Decode little-endian float32. No other layout is read: half the length is a wrong length."""
    try:
        data = _media.b64decode(value, validate=True)
    except ValueError as error:
        raise Malformed("a vector is not valid base64") from error
    if len(data) % 4:
        fault = f"a base64 vector of {counted(len(data), 'bytes')} is not a float32 vector"
        raise Malformed(fault + (_QUARTER if len(data) in lengths else ""))
    return np.frombuffer(data, dtype=_FLOAT32)


def is_other_layout(row: NDArray[np.float32]) -> bool:
    """
    Return whether a row decoded as little-endian float32 was written in another layout.

    The layout is settled (the vendor's Go SDK, both endpoints) and nothing else is ever read. But another layout may
    fill exactly as many bytes: 2,048 float16 or bfloat16 numbers where 1,024 float32 are due, or 512 of float64, or
    the right numbers big-endian. Read as float32 they are finite and wrong. Their sizes show it:

    - The components of an embedding lie within a few powers of two of each other. A pair of float16 or a big-endian
      number has mantissa bits where float32 has its exponent, so that the components span dozens of them.
    - The lower half of a float32 holds mantissa bits: all zero (values rounded to bfloat16, as the vendors' are), a
      few patterns, or noise. In a pair of bfloat16 it is a number itself, whose exponents are close together too.
    - Every other number is zero where float64 numbers that were rounded before are read as pairs.
    """
    # Everything is done on bits: a signalling NaN would warn in any calculation.
    bits = row.view("<u4") & 0x7FFFFFFF
    half_zero = not bits[:2].all() and not (bits[::2].any() and bits[1::2].any())
    if half_zero and np.count_nonzero(bits) >= _FEWEST:
        return True
    bits = bits[:: max(1, len(bits) // _SAMPLE)]
    bits = bits[bits != 0]
    if len(bits) < _FEWEST:
        return False
    if _spread(bits, 23) > _WIDEST:
        return True
    lower = (bits & 0x7FFF).astype(np.uint16)
    lower = lower[lower != 0]
    if len(lower) < 0.9 * len(bits) or _spread(lower, 7) > _WIDEST:
        return False
    return len(np.unique(lower)) >= _PATTERNS


def _spread(bits: NDArray[np.uint32] | NDArray[np.uint16], mantissa: int) -> int:
    """Return the distance of the exponents of the 5 % smallest from those of the 5 % largest numbers."""
    edge = len(bits) // 20
    # Numbers above zero are in the order of their bits.
    ordered = np.sort(bits)
    return (int(ordered[-1 - edge]) >> mantissa) - (int(ordered[edge]) >> mantissa)
