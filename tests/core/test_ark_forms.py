"""What a request to Ark holds and how its reply is read, without a client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from replies import ark, ask_for, batch_of, listed

from volc_dashscope import BadReplyError, EmbeddingError, Fused, Image, Item, RequestError, Video
from volc_dashscope._types import Batch, Reply, RequestSpec, Rows
from volc_dashscope.providers.ark import build, read

VISION = ask_for("doubao-embedding-vision-251215")
TEXT = ask_for("doubao-embedding-large-text-250515")
UNKNOWN = replace(VISION, model_info=replace(VISION.model_info, known=False))
LINK, FILM = Image.from_url("https://e.com/a.png"), Video.from_url("https://e.com/a.mp4")
DOCUMENT = "Instruction:Compress the text into one word.\nQuery:"


def _body(spec: RequestSpec, *items: Item) -> Any:
    return orjson.loads(build(batch_of(*items), spec).body)


# Requests.


def test_a_text_for_a_vision_model_is_a_list_of_one_part() -> None:
    request = build(batch_of("a"), replace(VISION, headers={"x": "y"}))

    assert ("POST", "https://service/embeddings/multimodal", {"x": "y"}, None) == (
        request.method,
        request.url,
        request.headers,
        request.largest,
    )
    assert {
        "model": VISION.model,
        "input": [{"type": "text", "text": "a"}],
        "instructions": DOCUMENT,
        "encoding_format": "base64",
    } == orjson.loads(request.body)


def test_texts_for_a_text_model_are_strings() -> None:
    request = build(batch_of("a", Fused("b")), TEXT)

    assert "https://service/embeddings" == request.url
    assert {
        "model": TEXT.model,
        "input": ["a", "b"],
        "encoding_format": "base64",
    } == orjson.loads(request.body)


@pytest.mark.parametrize(
    ("text_type", "instruct", "sent"),
    [
        ("query", "Find shoes", "Instruct: Find shoes\nQuery: a"),
        ("query", None, "a"),
        ("document", "Find shoes", "a"),
        (None, "Find shoes", "a"),
    ],
)
def test_the_task_stands_before_a_query_of_a_text_model(
    text_type: Any, instruct: str | None, sent: str
) -> None:
    assert [sent] == _body(replace(TEXT, text_type=text_type, instruct=instruct), "a")["input"]


@pytest.mark.parametrize(
    ("spec", "more"),
    [
        pytest.param(replace(VISION, dimension=1024), {"dimensions": 1024}, id="shortened by the server"),
        pytest.param(ask_for("doubao-embedding-vision-250328", dimension=1024), {}, id="shortened here"),
        pytest.param(
            replace(VISION, output_type="dense&sparse"),
            {"sparse_embedding": {"type": "enabled"}},
            id="sparse",
        ),
        pytest.param(
            replace(VISION, output_type="multi", dimension=1024),
            {"dimensions": 1024, "multi_embedding": {"type": "enabled"}},
            id="token vectors",
        ),
        pytest.param(
            replace(VISION, extra_body={"user": "u", "encoding_format": "float"}),
            {"user": "u", "encoding_format": "float"},
            id="fields of the user",
        ),
    ],
)
def test_what_is_asked_for_is_a_field(spec: RequestSpec, more: dict[str, Any]) -> None:
    body = _body(spec, "a")

    assert {
        "model": spec.model,
        "input": [{"type": "text", "text": "a"}],
        "encoding_format": "base64",
        **({"instructions": DOCUMENT} if spec.model_info.instruct else {}),
        **more,
    } == body


def test_an_unknown_model_is_asked_for_nothing_optional() -> None:
    assert {"model", "input"} == _body(UNKNOWN, "a").keys()


def test_only_token_vectors_make_a_reply_of_another_size() -> None:
    assert 512 * 1024 * 1024 == build(batch_of("a"), replace(VISION, output_type="multi")).largest


KNOBS = {
    "fps": 0.5,
    "max_video_tokens": 20_000,
    "min_frame_tokens": 16,
    "max_frame_tokens": 640,
    "min_frames": 5,
}


@pytest.mark.parametrize(
    ("item", "sent"),
    [
        pytest.param(LINK, {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}, id="image"),
        pytest.param(FILM, {"type": "video_url", "video_url": {"url": "https://e.com/a.mp4"}}, id="video"),
        pytest.param(
            Video.from_url("https://e.com/a.mp4", **KNOBS),  # type: ignore[arg-type]
            {"type": "video_url", "video_url": {"url": "https://e.com/a.mp4", **KNOBS}},
            id="video with its sampling",
        ),
    ],
)
def test_a_medium_is_an_object_of_its_kind(item: Item, sent: dict[str, Any]) -> None:
    assert [sent] == _body(VISION, item)["input"]


@pytest.mark.parametrize(
    ("item", "kinds"),
    [
        ("a", "text"),
        (LINK, "image"),
        (FILM, "video"),
        (Fused(FILM, LINK, "a"), "text and image and video"),
        (Fused(LINK, "a"), "text and image"),
    ],
    ids=["text", "image", "video", "all", "two"],
)
@pytest.mark.parametrize(
    ("settings", "form"),
    [
        ({}, "Instruction:Compress the {} into one word.\nQuery:"),
        ({"document_instructions": "Mine."}, "Mine."),
        ({"document_instructions": "Mine.", "query_instructions": "Not."}, "Mine."),
        (
            {"text_type": "query"},
            "Target_modality: text/image/video.\nInstruction:Compress the {} into one word.\nQuery:",
        ),
        (
            {"text_type": None},
            "Target_modality: text/image/video.\nInstruction:Compress the {} into one word.\nQuery:",
        ),
        (
            {"text_type": "query", "target_modality": "image", "instruct": "Find shoes"},
            "Target_modality: image.\nInstruction:Find shoes\nQuery:",
        ),
        ({"text_type": "query", "query_instructions": "Mine.", "document_instructions": "Not."}, "Mine."),
    ],
    ids=["document", "own", "own of both", "query", "equals", "asked", "own query"],
)
def test_the_instruction_says_what_the_item_is_and_what_is_searched(
    item: Item, kinds: str, settings: dict[str, Any], form: str
) -> None:
    assert form.format(kinds) == _body(replace(VISION, **settings), item)["instructions"]


@pytest.mark.parametrize(
    ("spec", "sent"),
    [
        (ask_for("doubao-embedding-vision-250615", text_type="query"), False),
        (replace(UNKNOWN, text_type="query"), False),
        (replace(UNKNOWN, text_type="query", instruct="Find shoes"), True),
        (replace(UNKNOWN, text_type="query", target_modality="image"), True),
        (replace(UNKNOWN, text_type="query", query_instructions="Mine."), True),
        (replace(UNKNOWN, document_instructions="Mine."), True),
    ],
    ids=["older", "unknown", "instruct", "target_modality", "query_instructions", "document_instructions"],
)
def test_a_model_that_may_have_no_instruction_gets_one_if_the_user_gives_it(
    spec: RequestSpec, sent: bool
) -> None:
    assert sent is ("instructions" in _body(spec, "a"))


# Replies.

GOOD = [0.5] * 2048
SHORT = replace(TEXT, dimension=256)


def _read(
    body: Any,
    spec: RequestSpec = VISION,
    *,
    batch: Batch | None = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Rows | EmbeddingError:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return read(Reply(status, headers or {}, data), batch or batch_of("a"), spec)


def test_rows_of_a_text_model_go_by_index() -> None:
    one, two = [1.0] + [0.0] * 255, [0.0, 1.0] + [0.0] * 254

    rows = _read(listed(two, one, indices=[1, 0]), SHORT, batch=batch_of("a", "b"))

    assert isinstance(rows, Rows)
    assert rows.vectors is not None
    assert [0, 1] == rows.vectors.argmax(axis=1).tolist()


def test_a_reply_names_its_request_its_model_and_its_usage() -> None:
    rows = _read(ark(GOOD))

    assert isinstance(rows, Rows)
    assert ("0217", "doubao-embedding-vision-251215") == (rows.request_id, rows.model)
    assert (528, 31, 497) == (rows.usage.total_tokens, rows.usage.text_tokens, rows.usage.image_tokens)
    assert (None, None) == (rows.sparse, rows.multi)


def test_tokens_are_of_text_where_no_modality_is_named() -> None:
    rows = _read(ark(GOOD, usage={"prompt_tokens": 5}))

    assert isinstance(rows, Rows)
    assert (5, 5, 0) == (rows.usage.total_tokens, rows.usage.text_tokens, rows.usage.image_tokens)


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"x-request-id": "h", "x-client-request-id": "c"}, "h"),
        ({"x-client-request-id": "c"}, "c"),
        ({}, "0217"),
    ],
)
def test_a_header_names_the_request_first(headers: dict[str, str], known: str) -> None:
    rows = _read(ark(GOOD), headers=headers)

    assert isinstance(rows, Rows)
    assert known == rows.request_id


@pytest.mark.parametrize("as_list", [False, True], ids=["an object", "a list of one"])
def test_every_output_is_read_from_the_same_entry(as_list: bool) -> None:
    entry = {
        "embedding": GOOD,
        "sparse_embedding": [{"index": 3, "value": 0.5}],
        "multi_embedding": [[0.5] * 2048] * 2,
    }
    body = {"data": [entry] if as_list else entry}

    dense, sparse, multi = (
        _read(body, replace(VISION, output_type=kind))
        for kind in ("dense&sparse", "sparse", "multi")  # type: ignore[arg-type]
    )

    assert isinstance(dense, Rows)
    assert isinstance(sparse, Rows)
    assert isinstance(multi, Rows)
    assert ((1, 2048), None, (1, 2048)) == tuple(
        None if rows.vectors is None else rows.vectors.shape for rows in (dense, sparse, multi)
    )
    assert [{3: 0.5}] * 2 == [rows.sparse[0].as_dict() for rows in (dense, sparse) if rows.sparse]
    assert multi.multi is not None
    assert (np.float16, (2, 2048), None) == (multi.multi[0].dtype, multi.multi[0].shape, multi.sparse)


@pytest.mark.parametrize("data", [[], [{"embedding": GOOD}] * 2], ids=["none", "two"])
def test_one_request_has_one_vector(data: list[Any]) -> None:
    outcome = _read({"data": data}, headers={"x-request-id": "h"})

    assert isinstance(outcome, BadReplyError)
    assert (
        "ark answered item 0 with a reply that breaks its format: data is neither an object nor a list with one object "
        "[request id h]" == str(outcome)
    )


# Refusals.


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"error": {"code": "Odd", "message": "No."}}, "400 Odd: No. [request id h]"),
        (400, {"error": {"code": 7, "message": 8}}, "400 (no code) [request id h]"),
        (400, {"error": "No."}, "400 (no code) [request id h]"),
        (400, {}, "400 (no code) [request id h]"),
        (400, b"<html>", "400 (no code) [request id h]"),
        (200, {"error": {"code": "Odd", "message": "No."}}, "200 Odd: No. [request id h]"),
    ],
    ids=["an error", "odd types", "a word", "nothing", "HTML", "under 200"],
)
def test_a_refusal_is_reported_word_for_word(status: int, body: Any, words: str) -> None:
    outcome = _read(body, status=status, headers={"x-request-id": "h"}, batch=Batch((7,), ("a",)))

    assert isinstance(outcome, RequestError)
    assert f"ark refused item 7 with {words}" == str(outcome)
    assert ("ark", status, "h", 7) == (outcome.provider, outcome.status, outcome.request_id, outcome.index)


@pytest.mark.parametrize(
    ("message", "headers", "known"),
    [
        ("No. Request id: 0123456789abcdef", {}, "0123456789abcdef"),
        ("No. Request id: 01234567.", {}, "01234567"),
        ("No. request ID: 0123456789abcdef", {}, "0123456789abcdef"),
        ("No. Request id: 0123456", {}, None),
        ("Request id: 0123456789abcdef was refused", {}, None),
        ("No. Request id: 0123456789abcdef", {"x-request-id": "h"}, "h"),
        (7, {}, None),
    ],
    ids=[
        "at the end",
        "with a full stop",
        "in other letters",
        "too short",
        "not at the end",
        "beside a header",
        "odd",
    ],
)
def test_the_message_names_the_request_where_no_header_does(
    message: Any, headers: dict[str, str], known: str | None
) -> None:
    outcome = _read({"error": {"code": "Odd", "message": message}}, status=400, headers=headers)

    assert isinstance(outcome, EmbeddingError)
    assert known == outcome.request_id


@pytest.mark.parametrize(("spec", "path"), [(VISION, "/embeddings/multimodal"), (TEXT, "/embeddings")])
def test_a_404_shows_the_path(spec: RequestSpec, path: str) -> None:
    assert f"Requested: service{path};" in str(_read({}, spec, status=404))


def test_a_refusal_repeats_no_text() -> None:
    words = "the canary sings in the mine"

    outcome = _read({"error": {"code": "Odd", "message": words}}, status=400, batch=batch_of(words))

    assert "ark refused item 0 with 400 Odd" == str(outcome)


def test_a_body_that_is_no_object_is_a_bad_reply() -> None:
    outcome = _read(b"<html>", headers={"x-request-id": "h"})

    assert isinstance(outcome, BadReplyError)
    assert (
        "ark answered item 0 with a reply that breaks its format: the body is not JSON [request id h]"
        == str(outcome)
    )
