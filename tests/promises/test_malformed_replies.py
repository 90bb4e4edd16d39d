"""A reply that breaks the service's format is mended when it is only shuffled, and never becomes vectors otherwise."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from promise import Breakage, sized

from volc_dashscope import BadReplyError, Client, EmbeddingError, EmbeddingResult, InputError
from volc_dashscope.emulator import Emulator, Response

# One request of several texts on each service, and on DashScope's multimodal endpoint.
MODELS = {
    "ark": "doubao-embedding-large-text-250515",
    "dashscope": "text-embedding-v4",
    "dashscope, multimodal": "qwen3-vl-embedding",
}
VISION = "doubao-embedding-vision-251215"
ITEMS = ["one", "two", "three"]
BREAKAGES = [
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "if not np.isfinite(table).all():",
        "if False:",
        "test_a_malformed_reply_is_a_bad_reply",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "if norms.min() < LEAST_NORM:",
        "if False:",
        "test_a_malformed_reply_is_a_bad_reply",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "if lengths and length not in lengths:",
        "if False:",
        "test_a_malformed_vector_that_is_alone_is_a_bad_reply",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "if coded and any(map(is_other_layout, rows)):",
        "if False:",
        "test_a_malformed_vector_that_is_alone_is_a_bad_reply",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "if ordered[position] is not None:",
        "if False:",
        "test_a_malformed_reply_is_a_bad_reply",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "or len(entries) != count",
        "or len(entries) > count",
        "test_a_malformed_reply_is_a_bad_reply",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "return [entry for entry in ordered if entry is not None]",
        "return list(entries)",
        "test_a_shuffled_reply_is_mended",
    ),
    Breakage(
        "volc_dashscope/providers/ark.py",
        "if len(entries) != 1:",
        "if False:",
        "test_a_malformed_vector_that_is_alone_is_a_bad_reply",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "bool in set(map(type, value))",
        "False",
        "test_a_malformed_reply_is_a_bad_reply",
    ),
    Breakage(
        "volc_dashscope/_request/validation.py",
        "    except UnicodeEncodeError as error:",
        "    except KeyError as error:",
        "test_no_input_raises_anything_of_its_own",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "except orjson.JSONDecodeError as error:",
        "except KeyError as error:",
        "test_no_body_raises_anything_of_its_own",
    ),
]


def _rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    return body["data"] if "data" in body else body["output"]["embeddings"]


def _name(body: dict[str, Any]) -> str:
    return "index" if "data" in body or "index" in _rows(body)[0] else "text_index"


def _vector(value: Callable[[list[float]], Any]) -> Callable[[dict[str, Any]], Any]:
    def change(body: dict[str, Any]) -> dict[str, Any]:
        _rows(body)[1]["embedding"] = value([0.5] * 1024)
        return body

    return change


def _index(value: Any) -> Callable[[dict[str, Any]], Any]:
    def change(body: dict[str, Any]) -> dict[str, Any]:
        _rows(body)[1][_name(body)] = value
        return body

    return change


def _entries(change: Callable[[list[Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def changed(body: dict[str, Any]) -> dict[str, Any]:
        rows = _rows(body)
        rows[:] = change(list(rows))
        return body

    return changed


def _deep(body: dict[str, Any]) -> bytes:
    return b'{"data":' * 20_000 + b"1" + b"}" * 20_000


MALFORMED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a vector too few": _entries(lambda rows: rows[:-1]),
    "a vector too many": _entries(lambda rows: [*rows, {**rows[0]}]),
    "none": _entries(lambda rows: []),
    "an index twice": _index(0),
    "an index past the end": _index(3),
    "a negative index": _index(-1),
    "half an index": _index(0.5),
    "an index that is text": _index("1"),
    "an index that is true": _index(True),
    "no index": _index(None),
    "a number that is nothing": _vector(lambda row: [None, *row[1:]]),
    "nan": lambda body: orjson.dumps(_vector(lambda row: [7.25, *row[1:]])(body)).replace(b"7.25", b"NaN"),
    "infinity": lambda body: orjson.dumps(_vector(lambda row: [7.25, *row[1:]])(body)).replace(
        b"7.25", b"1e400"
    ),
    "too large for float32": _vector(lambda row: [1e39, *row[1:]]),
    "a number too many": _vector(lambda row: [*row, 0.5]),
    "a vector of half the length": _vector(lambda row: row[:512]),
    "zeros": _vector(lambda row: [0.0] * 1024),
    "a truth among numbers": _vector(lambda row: [True, *row[1:]]),
    "a nested vector": _vector(lambda row: [row]),
    "text for numbers": _vector(lambda row: ["0.5"] * 1024),
    "base64 of something else": _vector(lambda row: "!!!!"),
    "no vector": _vector(lambda row: None),
    "deep nesting": _deep,
    "html": lambda body: b"<html><body>Welcome</body></html>",
    "a list": lambda body: b"[]",
    "nothing": lambda body: b"",
    "half": lambda body: orjson.dumps(body)[:-200],
    "not utf-8": lambda body: b'{"data": "\xff\xfe"}',
}


def _embed(provider: str, change: Callable[[dict[str, Any]], Any], **settings: Any) -> EmbeddingResult:
    emulator = Emulator()

    def hook(request: Any, response: Response) -> Any:
        changed = change(response.json)
        return changed if isinstance(changed, bytes) else orjson.dumps(changed)

    emulator.reply_with(hook)
    client = Client(
        MODELS[provider],
        api_key="k",
        http_client=emulator.http_client(),
        dimensions=1024,
        max_retries=0,
        extra_body={"encoding_format": "float"} if provider == "ark" else None,
        **settings,
    )
    return client.embed(ITEMS, on_error="abort")


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_reply_is_a_bad_reply(provider, change) -> None:
    with pytest.raises(BadReplyError) as caught:
        _embed(provider, change)

    assert (provider.partition(",")[0], True) == (caught.value.provider, caught.value.retryable)


assert len(MALFORMED) >= 16
ROW = np.random.default_rng(7).standard_normal(2048)


def _coded(row: np.ndarray[Any, Any]) -> str:
    return b64encode(row.tobytes()).decode()


# On the endpoint where one request is one vector.
ALONE: dict[str, Callable[[Any], Any]] = {
    "two": lambda data: [data, data],
    "none": lambda data: [],
    "nothing": lambda data: None,
    "text": lambda data: "vector",
    "no vector": lambda data: {},
    "an empty vector": lambda data: {"embedding": []},
    "a number that is nothing": lambda data: {"embedding": [None] * 2048},
    "a truth": lambda data: {"embedding": [True, *[0.5] * 2047]},
    "too large for float32": lambda data: {"embedding": [1e39] * 2048},
    "of half the length": lambda data: {"embedding": [0.5] * 1024},
    "nested": lambda data: {"embedding": [[0.5] * 2048]},
    "base64 of nan": lambda data: {"embedding": b64encode(b"\0\0\xc0\x7f" * 2048).decode()},
    "zeros": lambda data: {"embedding": [0.0] * 2048},
    "base64 of float16": lambda data: {"embedding": _coded(ROW.astype("<f2"))},
    "base64 of float32, of half the length": lambda data: {"embedding": _coded(ROW[:1024].astype("<f4"))},
    "base64 of big-endian float32": lambda data: {"embedding": _coded(ROW.astype(">f4"))},
    "base64 of twice as many float16": lambda data: {"embedding": _coded(np.tile(ROW, 2).astype("<f2"))},
    "base64 cut off": lambda data: {"embedding": data["embedding"][:-7]},
}


@pytest.mark.parametrize("change", ALONE.values(), ids=ALONE)
def test_a_malformed_vector_that_is_alone_is_a_bad_reply(inside, change) -> None:
    inside.emulator.reply_with(
        lambda request, response: orjson.dumps({**response.json, "data": change(response.json["data"])})
    )

    with pytest.raises(BadReplyError):
        inside.client(VISION, max_retries=0).embed(["text"])


@pytest.mark.parametrize("provider", MODELS)
def test_a_shuffled_reply_is_mended(provider) -> None:
    expected = _embed(provider, lambda body: body).vectors

    for order in ([2, 1, 0], [1, 2, 0], [0, 2, 1]):
        shuffled = _embed(provider, _entries(lambda rows, order=order: [rows[place] for place in order]))
        assert np.array_equal(expected, shuffled.vectors)


@settings(max_examples=sized(2_000), deadline=None)
@given(
    st.lists(
        st.text(max_size=20)
        | st.sampled_from(["a\ud800", "\udfff", "\0", "", "\u202e"])
        | st.none()
        | st.integers()
        | st.binary(),
        max_size=5,
    )
)
def test_no_input_raises_anything_of_its_own(items) -> None:
    """Lone surrogates, control characters and whatever else a list may hold."""
    _, client = _mounted("dashscope")

    try:
        rows = len(client.embed(items))
    except InputError as error:
        rows = len(items) if error.index is not None else -1

    assert len(items) == rows


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["data", "output", "embeddings", "index", "text_index", "embedding", "error", "code", "usage"]
)
SHAPED = st.recursive(
    JSON, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=20
)


def _dumped(value: Any) -> bytes:
    import json

    return json.dumps(value).encode("utf-8", "surrogatepass")


@cache
def _mounted(provider: str) -> tuple[Emulator, Client]:
    emulator = Emulator()
    return emulator, Client(
        MODELS[provider], api_key="k", http_client=emulator.http_client(), max_retries=0, limiter=None
    )


@pytest.mark.parametrize("provider", MODELS)
@settings(max_examples=sized(2_000), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([200, 200, 200, 400, 429, 500, 302]), SHAPED.map(_dumped) | st.binary(max_size=60))
def test_no_body_raises_anything_of_its_own(provider, status, body) -> None:
    # A throttle slows its client down, and this one only.
    emulator, client = _mounted(provider) if status != 429 else _mounted.__wrapped__(provider)
    emulator.reply_with(lambda request, response: Response(status=status, body=body))

    result = client.embed(ITEMS, on_error="skip")

    assert all(isinstance(error, EmbeddingError) for error in result.errors.values())
    assert [0, 1, 2] == list(result.errors)
