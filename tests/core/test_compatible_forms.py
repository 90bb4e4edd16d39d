"""Each form of a reply and of an error of an OpenAI-shaped server, read without a client."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from replies import ask_for, batch_of

from volc_dashscope import AuthError, BadReplyError, EmbeddingError, ServiceUnavailableError
from volc_dashscope._types import Batch, Reply, RequestSpec, Rows
from volc_dashscope.providers import ark, codec, compatible, dashscope

ROW = replace(
    ask_for("text-embedding-v4").model_info,
    name="bge-m3",
    known=False,
    dimensions=(),
    default_dimension=None,
    reduces="either",
)
SPEC = replace(
    ask_for("text-embedding-v4", route="openai"), model_info=ROW, model="bge-m3", host="gw.corp", foreign=True
)
TWO = batch_of("a", "b")


def _entry(index: Any, *vector: float, **more: Any) -> dict[str, Any]:
    return {"index": index, "embedding": list(vector), **more}


def _read(
    body: Any,
    *,
    batch: Batch = TWO,
    spec: RequestSpec = SPEC,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Rows | EmbeddingError:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return compatible.read(Reply(status, headers or {}, data), batch, spec)


def _vectors(outcome: Rows | EmbeddingError) -> list[list[float]]:
    assert isinstance(outcome, Rows), outcome
    assert outcome.vectors is not None
    return [list(row) for row in outcome.vectors.tolist()]


@pytest.mark.parametrize(
    ("provider", "foreign", "module"),
    [
        ("ark", False, ark),
        ("dashscope", False, dashscope),
        ("ark", True, compatible),
        ("dashscope", True, compatible),
    ],
)
def test_a_server_that_is_no_vendors_speaks_the_openai_form(
    provider: Any, foreign: bool, module: Any
) -> None:
    assert module is codec(provider, foreign=foreign)


# Requests.


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        pytest.param({}, {}, id="no more than that"),
        pytest.param({"dimension": 8}, {"dimensions": 8}, id="a length"),
        pytest.param(
            {"extra_body": {"user": "u", "input": ["c"]}}, {"user": "u", "input": ["c"]}, id="fields"
        ),
    ],
)
def test_a_request_holds_what_every_server_takes(settings: dict[str, Any], more: dict[str, Any]) -> None:
    spec = replace(SPEC, headers={"x-tenant": "t"}, **settings)

    request = compatible.build(TWO, spec)

    assert ("POST", "https://service/embeddings") == (request.method, request.url)
    assert {"x-tenant": "t"} == request.headers
    body = {"model": "bge-m3", "input": ["a", "b"], "encoding_format": "float", **more}
    assert body == orjson.loads(request.body)


@pytest.mark.parametrize(
    ("reduces", "sent"), [("server", True), ("either", True), ("client", False), (None, False)]
)
def test_a_length_is_asked_of_servers_that_may_shorten(reduces: Any, sent: bool) -> None:
    spec = replace(SPEC, model_info=replace(ROW, reduces=reduces), dimension=8)

    assert sent is ("dimensions" in orjson.loads(compatible.build(TWO, spec).body))


# Replies.


@pytest.mark.parametrize(
    "data",
    [
        pytest.param([_entry(0, 3, 4), _entry(1, 0, 2)], id="in order"),
        pytest.param([_entry(1, 0, 2), _entry(0, 3, 4)], id="shuffled"),
        pytest.param([_entry(7, 0, 2), _entry(3, 3, 4)], id="any two indices"),
        pytest.param([{"embedding": [3, 4]}, {"embedding": [0, 2]}], id="no index"),
        pytest.param([_entry(None, 3, 4), _entry(None, 0, 2)], id="null"),
    ],
)
def test_rows_go_by_index_or_else_by_position(data: Any) -> None:
    assert [pytest.approx([0.6, 0.8]), pytest.approx([0.0, 1.0])] == _vectors(_read({"data": data}))


BROKEN = {
    "no list": ({}, "no list of vectors for 2 items"),
    "one too few": ([_entry(0, 1)], "1 vector for 2 items"),
    "one too many": ([_entry(n, 1) for n in range(3)], "3 vectors for 2 items"),
    "a number": ([_entry(0, 1), 7], "an entry is not a JSON object"),
    "one index": ([_entry(0, 1), _entry(None, 1)], "index is not an integer in every row"),
    "a truth": ([_entry(0, 1), _entry(True, 1)], "index is not an integer in every row"),
    "a fraction": ([_entry(0, 1), _entry(1.5, 1)], "index is not an integer in every row"),
    "the same index": (
        [_entry(1, 1), _entry(1, 1)],
        "several rows have the same index, so their order is unknown",
    ),
    "two lengths": ([_entry(0, 1), _entry(1, 1, 2)], "vectors have different lengths"),
}


@pytest.mark.parametrize(("data", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_bad_reply_says_what_is_wrong(data: Any, reason: str) -> None:
    outcome = _read({"data": data}, headers={"x-request-id": "h"})

    assert isinstance(outcome, BadReplyError)
    assert (
        f"gw.corp answered items 0 to 1 with a reply that breaks its format: {reason} [request id h]"
        == str(outcome)
    )


@pytest.mark.parametrize("body", [b"<html>", b"[]"], ids=["HTML", "a list"])
def test_a_body_that_is_no_object_is_a_bad_reply(body: bytes) -> None:
    outcome = _read(body, headers={"x-request-id": "h"})

    assert isinstance(outcome, BadReplyError)
    assert str(outcome).startswith(
        "gw.corp answered items 0 to 1 with a reply that breaks its format: the body is "
    )
    assert "h" == outcome.request_id


@pytest.mark.parametrize(
    ("headers", "known"), [({"x-request-id": "h"}, "h"), ({}, "b")], ids=["header", "body"]
)
def test_a_reply_names_its_request_its_model_and_its_usage(headers: dict[str, str], known: str) -> None:
    body = {"data": [_entry(0, 1), _entry(1, 1)], "id": "b", "model": "m", "usage": {"prompt_tokens": 5}}

    rows = _read(body, headers=headers)

    assert isinstance(rows, Rows)
    assert (known, "m", 5, 5) == (
        rows.request_id,
        rows.model,
        rows.usage.total_tokens,
        rows.usage.text_tokens,
    )


def test_a_total_counts_as_text_where_it_stands_alone() -> None:
    rows = _read({"data": [_entry(0, 1), _entry(1, 1)], "usage": {"total_tokens": 9, "image_tokens": 2}})

    assert isinstance(rows, Rows)
    assert (9, 9, 0) == (rows.usage.total_tokens, rows.usage.text_tokens, rows.usage.image_tokens)


def _coded(*vector: float) -> str:
    return base64.b64encode(np.array(vector, "<f4").tobytes()).decode()


LONG = [3.0, 4.0, 12.0]


@pytest.mark.parametrize("coded", [False, True], ids=["numbers", "base64"])
@pytest.mark.parametrize(
    ("full", "dimension", "seen"),
    [
        pytest.param(None, 2, [0.6, 0.8], id="cut"),
        pytest.param(3, 2, [0.6, 0.8], id="cut from the known length"),
        pytest.param(4, 2, None, id="neither length"),
        pytest.param(None, 3, [3 / 13, 4 / 13, 12 / 13], id="as asked"),
        pytest.param(None, 4, None, id="too short"),
        pytest.param(None, None, [3 / 13, 4 / 13, 12 / 13], id="not asked"),
    ],
)
def test_a_longer_vector_is_cut_where_the_model_has_no_other_length(
    coded: bool, full: int | None, dimension: int | None, seen: list[float] | None
) -> None:
    spec = replace(SPEC, model_info=replace(ROW, default_dimension=full), dimension=dimension)
    vector: Any = _coded(*LONG) if coded else LONG

    outcome = _read({"data": [{"index": 0, "embedding": vector}]}, batch=batch_of("a"), spec=spec)

    if seen is None:
        assert isinstance(outcome, BadReplyError)
        return
    assert [pytest.approx(seen)] == _vectors(outcome)


def test_base64_that_is_no_row_is_a_bad_reply_where_it_would_be_cut() -> None:
    coded = base64.b64encode(bytes(9)).decode()

    outcome = _read({"data": [_entry(0)]}, batch=batch_of("a"), spec=replace(SPEC, dimension=2))
    odd = _read(
        {"data": [{"index": 0, "embedding": coded}]}, batch=batch_of("a"), spec=replace(SPEC, dimension=2)
    )

    assert "a vector of length 0" in str(outcome)
    assert "a base64 vector of 9 bytes is not a float32 vector" in str(odd)


@pytest.mark.parametrize("layout", ["<f2", "<f8", ">f4"])
@pytest.mark.parametrize("dimension", [None, 256, 1024], ids=["not asked", "cut", "as asked"])
def test_base64_of_another_layout_is_a_bad_reply_whatever_length_was_asked_for(
    dimension: int | None, layout: str
) -> None:
    """Read as float32 it is as long as due, or longer and would be cut."""
    count = 1024 * 4 // np.dtype(layout).itemsize
    numbers = np.random.default_rng(0).standard_normal(count)
    coded = base64.b64encode(numbers.astype(layout).tobytes()).decode()

    outcome = _read(
        {"data": [{"index": 0, "embedding": coded}]},
        batch=batch_of("a"),
        spec=replace(SPEC, dimension=dimension),
    )

    assert isinstance(outcome, BadReplyError)
    # Of a row that is not cut, what is wrong with its numbers may be seen first.
    assert dimension is None or "a base64 vector is not little-endian float32" in str(outcome)


# Errors.

ERRORS: dict[str, tuple[int, Any, str]] = {
    "message and code": (400, {"error": {"message": "No.", "code": "Odd", "type": "kind"}}, "400 Odd: No."),
    "its type": (400, {"error": {"message": "No.", "code": None, "type": "kind"}}, "400 kind: No."),
    "a code that is a number": (400, {"error": {"message": "No.", "code": 400}}, "400 (no code): No."),
    "beside the error": (400, {"message": "No.", "code": "Odd"}, "400 Odd: No."),
    "a word": (400, {"error": "Unavailable."}, "400 (no code): Unavailable."),
    "a word and a code": (400, {"error": "No.", "code": "Odd"}, "400 Odd: No."),
    "detail": (400, {"detail": "No."}, "400 (no code): No."),
    "detail beside a message": (400, {"message": "No.", "detail": "Other."}, "400 (no code): No."),
    "a list of details": (
        400,
        {"detail": [{"msg": "One."}, "odd", {"loc": 1}, {"msg": "Two."}]},
        "400 (no code): One.; ; Two.",
    ),
    "detail with a message": (400, {"detail": {"message": "No.", "msg": "Other."}}, "400 (no code): No."),
    "detail with msg": (400, {"detail": {"msg": "No."}}, "400 (no code): No."),
    "detail that is a number": (400, {"detail": 7}, "400 (no code)"),
    "a message that is a number": (400, {"message": 7, "detail": "No."}, "400 (no code)"),
    "nothing": (400, {}, "400 (no code)"),
    "an error under 200": (200, {"error": {"message": "No.", "code": "Odd"}}, "200 Odd: No."),
    "an object that is an error": (
        200,
        {"object": "error", "message": "No.", "code": 40},
        "200 (no code): No.",
    ),
    "plain words": (400, b"no such\n model", "400 (no code): no such model"),
    "HTML": (
        400,
        b"<html><head><title>t</title></head><style>p{}</style><body><h1>Bad</h1><script>x\n()</script><p>Gateway</p>",
        "400 (no code): Bad Gateway",
    ),
    "not UTF-8": (400, b"bad \xff words", "400 (no code): bad \ufffd words"),
    "a batch too large": (
        422,
        {"message": "batch size 64 > maximum allowed batch size 32", "type": "Validation"},
        "422 Validation: batch size 64 > maximum allowed batch size 32; the server accepts 32 texts per request: pass "
        "a model_info with batch=32",
    ),
}


@pytest.mark.parametrize(("status", "body", "words"), ERRORS.values(), ids=ERRORS)
def test_every_form_of_an_error_is_reported_word_for_word(status: int, body: Any, words: str) -> None:
    outcome = _read(body, status=status)

    assert f"gw.corp refused items 0 to 1 with {words}" == str(outcome)


@pytest.mark.parametrize("body", [{"error": {"message": "No."}}, b"No."], ids=["JSON", "text"])
def test_a_refusal_has_the_facts_of_its_reply(body: Any) -> None:
    outcome = _read(body, status=503, headers={"x-request-id": "h", "retry-after": "3"}, batch=batch_of("a"))

    assert isinstance(outcome, ServiceUnavailableError)
    assert ("gw.corp", 503, "h", 0, 3.0) == (
        outcome.provider,
        outcome.status,
        outcome.request_id,
        outcome.index,
        outcome.retry_after,
    )


@pytest.mark.parametrize(
    "body", [{"error": {"message": "the canary sings in the mine"}}, b"the canary sings in the mine"]
)
def test_a_refusal_repeats_no_text(body: Any) -> None:
    outcome = _read(body, status=400, batch=batch_of("the canary sings in the mine"))

    assert "canary" not in str(outcome)


def test_a_page_of_any_length_becomes_one_short_line() -> None:
    outcome = str(_read(b"word " * 1_000_000 + b"end", status=400))

    assert len(outcome) < 500
    assert "end" not in outcome


def test_a_redirect_and_a_404_show_the_path() -> None:
    assert "Requested: gw.corp/embeddings" in str(_read({}, status=404))


def test_a_refused_key_is_an_account_error() -> None:
    assert isinstance(_read({"error": "Unauthorized"}, status=401), AuthError)
