"""What a request to DashScope holds and how its reply is read, without a client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from replies import ask_for, batch_of, dashscope, listed

from volc_dashscope import (
    BadReplyError,
    ContentError,
    EmbeddingError,
    Frames,
    Fused,
    Image,
    Item,
    RequestError,
    ServiceUnavailableError,
    Video,
)
from volc_dashscope._types import Batch, Reply, RequestSpec, Rows
from volc_dashscope.providers.dashscope import answer, build, job_request, line_body, read

TEXT = ask_for("text-embedding-v4")
OPENAI = ask_for("text-embedding-v4", route="openai")
QWEN = ask_for("qwen3-vl-embedding")
SNAPSHOT = ask_for("tongyi-embedding-vision-plus-2026-03-06")
TONGYI = ask_for("tongyi-embedding-vision-plus")
UNKNOWN = replace(TEXT, model_info=replace(TEXT.model_info, known=False))
TEXT_URL = "https://service/services/embeddings/text-embedding/text-embedding"
MEDIA_URL = "https://service/services/embeddings/multimodal-embedding/multimodal-embedding"
LINK, FILM = Image.from_url("https://e.com/a.png"), Video.from_url("https://e.com/a.mp4")
IMAGE, VIDEO = {"image": "https://e.com/a.png"}, {"video": "https://e.com/a.mp4"}


def _body(spec: RequestSpec, *items: Item) -> Any:
    return orjson.loads(build(batch_of(*items), spec).body)


# Requests of texts.


def test_texts_are_a_list_beside_their_parameters() -> None:
    request = build(batch_of("a", Fused("b")), replace(TEXT, headers={"x": "y"}))

    assert ("POST", TEXT_URL, {"x": "y"}) == (request.method, request.url, request.headers)
    assert {
        "model": TEXT.model,
        "input": {"texts": ["a", "b"]},
        "parameters": {"text_type": "document"},
    } == orjson.loads(request.body)


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        pytest.param(replace(TEXT, text_type="query"), {"text_type": "query"}, id="query"),
        pytest.param(replace(TEXT, text_type=None), {}, id="neither role"),
        pytest.param(UNKNOWN, {}, id="document of an unknown model"),
        pytest.param(
            replace(UNKNOWN, text_type="query"), {"text_type": "query"}, id="query of an unknown model"
        ),
        pytest.param(
            replace(TEXT, model_info=replace(TEXT.model_info, text_type=False), text_type="query"),
            {},
            id="no roles",
        ),
        pytest.param(
            replace(TEXT, text_type="query", instruct="Find shoes"),
            {"text_type": "query", "instruct": "Find shoes"},
            id="a task",
        ),
        pytest.param(
            replace(TEXT, instruct="Find shoes"), {"text_type": "document"}, id="a task for documents"
        ),
        pytest.param(replace(TEXT, dimension=64), {"text_type": "document", "dimension": 64}, id="a length"),
        pytest.param(
            replace(TEXT, dimension=64, model_info=replace(TEXT.model_info, reduces="client")),
            {"text_type": "document"},
            id="a length that is made here",
        ),
        pytest.param(
            replace(TEXT, output_type="dense&sparse"),
            {"text_type": "document", "output_type": "dense&sparse"},
            id="another output",
        ),
        pytest.param(
            replace(TEXT, extra_body={"parameters": {"user": "u"}}),
            {"text_type": "document", "user": "u"},
            id="a parameter of the user",
        ),
        pytest.param(
            replace(TEXT, extra_body={"parameters": {"text_type": "query"}}),
            {"text_type": "query"},
            id="theirs first",
        ),
        pytest.param(replace(TEXT, extra_body={"parameters": 7}), 7, id="in place of ours"),
    ],
)
def test_what_is_asked_for_is_a_parameter(spec: RequestSpec, parameters: Any) -> None:
    assert {"model": TEXT.model, "input": {"texts": ["a"]}, "parameters": parameters} == _body(spec, "a")


def test_fields_of_the_user_stand_beside_ours() -> None:
    body = _body(replace(TEXT, extra_body={"user": {"name": "u"}, "model": {"a": 1}}), "a")

    assert ({"name": "u"}, {"a": 1}) == (body["user"], body["model"])


@pytest.mark.parametrize(
    ("settings", "more"),
    [({}, {}), ({"dimension": 64}, {"dimensions": 64}), ({"text_type": "query"}, {})],
    ids=["plain", "a length", "a role"],
)
def test_the_compatible_route_has_texts_a_length_and_no_role(
    settings: dict[str, Any], more: dict[str, Any]
) -> None:
    request = build(batch_of("a", Fused("b")), replace(OPENAI, **settings))

    assert "https://service/embeddings" == request.url
    body = {"model": OPENAI.model, "input": ["a", "b"], "encoding_format": "float", **more}
    assert body == orjson.loads(request.body)


def test_the_compatible_route_asks_for_no_length_that_is_made_here() -> None:
    row = replace(OPENAI.model_info, reduces="client")

    assert "dimensions" not in _body(replace(OPENAI, model_info=row, dimension=64), "a")


def test_a_line_of_a_batch_file_holds_one_text_of_the_compatible_route() -> None:
    body = {"model": OPENAI.model, "input": "a", "encoding_format": "float", "dimensions": 64}

    assert body == line_body("a", replace(OPENAI, dimension=64))


@pytest.mark.parametrize(
    ("url", "text_type", "more", "parameters"),
    [
        ("https://e.com/a.txt", "query", {}, {"text_type": "query"}),
        ("https://e.com/a.txt", None, {}, {}),
        (
            "oss://b/a.txt",
            "document",
            {"X-DashScope-OssResourceResolve": "enable"},
            {"text_type": "document"},
        ),
    ],
    ids=["a URL", "no role", "in storage"],
)
def test_a_file_job_names_its_file(
    url: str, text_type: Any, more: dict[str, str], parameters: dict[str, str]
) -> None:
    request = job_request(url, replace(TEXT, text_type=text_type, headers={"x": "y"}))

    assert (TEXT_URL, {"x": "y", "X-DashScope-Async": "enable", **more}) == (request.url, request.headers)
    body = {"model": TEXT.model, "input": {"url": url}, "parameters": parameters}
    assert body == orjson.loads(request.body)


# Requests of media.


@pytest.mark.parametrize(
    ("spec", "items", "contents", "parameters"),
    [
        pytest.param(QWEN, ["a", LINK, FILM], [{"text": "a"}, IMAGE, VIDEO], {}, id="each for itself"),
        pytest.param(
            QWEN, [Fused("a", LINK)], [{"text": "a"}, IMAGE], {"enable_fusion": True}, id="fused by a flag"
        ),
        pytest.param(QWEN, [Fused("a")], [{"text": "a"}], {}, id="one part is not fused"),
        pytest.param(
            SNAPSHOT, [Fused("a", LINK), FILM], [{"text": "a", **IMAGE}, VIDEO], {}, id="fused in one object"
        ),
        pytest.param(
            SNAPSHOT,
            [Frames([LINK, LINK])],
            [{"multi_images": ["https://e.com/a.png"] * 2}],
            {},
            id="frames",
        ),
        pytest.param(
            QWEN, [Video.from_url("https://e.com/a.mp4", fps=0.5)], [VIDEO], {"fps": 0.5}, id="a rate"
        ),
        pytest.param(
            QWEN,
            [Fused("a", Video.from_url("https://e.com/a.mp4", fps=0.0))],
            [{"text": "a"}, VIDEO],
            {"enable_fusion": True, "fps": 0.0},
            id="a rate of nothing",
        ),
        pytest.param(replace(QWEN, dimension=256), ["a"], [{"text": "a"}], {"dimension": 256}, id="a length"),
        pytest.param(
            replace(TONGYI, dimension=64), ["a"], [{"text": "a"}], {"dimension": 64}, id="perhaps a length"
        ),
        pytest.param(
            replace(QWEN, dimension=256, model_info=replace(QWEN.model_info, reduces="client")),
            ["a"],
            [{"text": "a"}],
            {},
            id="a length that is made here",
        ),
        pytest.param(
            replace(QWEN, instruct="Find shoes", text_type="query"),
            ["a"],
            [{"text": "a"}],
            {"instruct": "Find shoes"},
            id="a task",
        ),
        pytest.param(
            replace(QWEN, instruct="Find shoes", text_type=None),
            ["a"],
            [{"text": "a"}],
            {"instruct": "Find shoes"},
            id="a task among equals",
        ),
        pytest.param(
            replace(QWEN, instruct="Find shoes"), ["a"], [{"text": "a"}], {}, id="a task for documents"
        ),
        pytest.param(
            replace(SNAPSHOT, res_level=0, max_video_frames=9),
            ["a"],
            [{"text": "a"}],
            {"res_level": 0, "max_video_frames": 9},
            id="levels",
        ),
    ],
)
def test_media_are_contents_beside_their_parameters(
    spec: RequestSpec, items: list[Item], contents: list[Any], parameters: dict[str, Any]
) -> None:
    request = build(batch_of(*items), spec)

    assert (MEDIA_URL, {}) == (request.url, request.headers)
    body = {"model": spec.model, "input": {"contents": contents}, "parameters": parameters}
    assert body == orjson.loads(request.body)


@pytest.mark.parametrize(
    ("item", "stored"),
    [
        (Image.from_url("oss://b/a.png"), True),
        (Video.from_url("oss://b/a.mp4"), True),
        (Fused("a", LINK, Image.from_url("oss://b/a.png")), True),
        (Frames([LINK, Image.from_url("oss://b/a.png")]), True),
        (Fused("oss://b/a.png", LINK), False),
        (Image.from_url("https://e.com/oss:"), False),
        (Image.from_bytes(b"\x89PNG\r\n\x1a\n"), False),
    ],
    ids=["image", "video", "fused", "frames", "text", "a URL", "bytes"],
)
def test_a_header_has_storage_looked_up(item: Item, stored: bool) -> None:
    header = {"X-DashScope-OssResourceResolve": "enable"} if stored else {}

    assert header == build(batch_of("a", item), SNAPSHOT).headers


# Replies.

SHORT = replace(TEXT, dimension=64)
ONE, TWO = [1.0] + [0.0] * 63, [0.0, 1.0] + [0.0] * 62
BOTH = batch_of("a", "b")


def _read(
    body: Any,
    spec: RequestSpec = SHORT,
    *,
    batch: Batch = BOTH,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Rows | EmbeddingError:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return read(Reply(status, headers or {}, data), batch, spec)


def _media(*vectors: Any, indices: list[int]) -> Any:
    entries = [{"index": index, "embedding": vector} for index, vector in zip(indices, vectors, strict=True)]
    return {
        "output": {"embeddings": entries},
        "usage": {"input_tokens": 3, "image_tokens": 4},
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    ("spec", "body"),
    [
        pytest.param(SHORT, dashscope(TWO, ONE, indices=[1, 0]), id="text"),
        pytest.param(replace(OPENAI, dimension=64), listed(TWO, ONE, indices=[1, 0]), id="compatible"),
        pytest.param(replace(SNAPSHOT, dimension=64), _media(TWO, ONE, indices=[1, 0]), id="media"),
    ],
)
def test_rows_go_by_the_index_of_their_form(spec: RequestSpec, body: Any) -> None:
    rows = _read(body, spec)

    assert isinstance(rows, Rows)
    assert rows.vectors is not None
    assert [0, 1] == rows.vectors.argmax(axis=1).tolist()
    assert None is rows.sparse


def test_pictures_are_counted_apart_from_texts() -> None:
    rows = _read(_media(ONE, TWO, indices=[0, 1]), replace(SNAPSHOT, dimension=64))

    assert isinstance(rows, Rows)
    assert (7, 3, 4) == (rows.usage.total_tokens, rows.usage.text_tokens, rows.usage.image_tokens)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 3, "total_tokens": 4}, (4, 3, 0)),
        ({"total_tokens": 4}, (4, 4, 0)),
        ({"input_tokens_details": {"text_tokens": 1, "image_tokens": 2}, "total_tokens": 9}, (9, 1, 2)),
    ],
    ids=["prompt", "total", "details"],
)
def test_usage_has_several_spellings(usage: Any, tokens: tuple[int, int, int]) -> None:
    rows = _read(dashscope(ONE, TWO, usage=usage))

    assert isinstance(rows, Rows)
    assert tokens == (rows.usage.total_tokens, rows.usage.text_tokens, rows.usage.image_tokens)


@pytest.mark.parametrize(("output_type", "dense"), [("dense&sparse", True), ("sparse", False)])
def test_sparse_vectors_are_read_beside_the_dense_ones_or_alone(output_type: Any, dense: bool) -> None:
    body = dashscope(ONE, TWO)
    for index, entry in enumerate(body["output"]["embeddings"]):
        entry["sparse_embedding"] = [{"index": index, "value": 0.5}]

    rows = _read(body, replace(SHORT, output_type=output_type))

    assert isinstance(rows, Rows)
    assert dense is (rows.vectors is not None)
    assert [{0: 0.5}, {1: 0.5}] == [vector.as_dict() for vector in rows.sparse or ()]


@pytest.mark.parametrize(
    ("more", "known"),
    [
        ({"request_id": "r", "id": "i"}, "r"),
        ({"request_id": "", "id": "i"}, "i"),
        ({"request_id": None}, "h"),
        ({"request_id": 7, "id": "i"}, "h"),
    ],
    ids=["request_id", "id", "header", "odd"],
)
def test_a_request_is_known_by_its_id(more: dict[str, Any], known: str) -> None:
    rows = _read(dashscope(ONE, TWO, model="m", **more), headers={"x-request-id": "h"})

    assert isinstance(rows, Rows)
    assert (known, "m") == (rows.request_id, rows.model)


@pytest.mark.parametrize(
    "output", [None, [], {"embeddings": {}}, {}], ids=["null", "list", "object", "empty"]
)
def test_a_reply_without_its_list_is_a_bad_one(output: Any) -> None:
    outcome = _read({"output": output, "request_id": "r"})

    assert isinstance(outcome, BadReplyError)
    assert (
        "dashscope answered items 0 to 1 with a reply that breaks its format: no list of vectors for 2 items "
        "[request id r]" == str(outcome)
    )


# Refusals.


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"code": "Odd", "message": "No.", "request_id": "r"}, "400 Odd: No. [request id r]"),
        (400, {"error": {"code": "Odd", "message": "No."}, "id": "i"}, "400 Odd: No. [request id i]"),
        (400, {"code": 7, "message": 8}, "400 (no code) [request id h]"),
        (400, {"error": "No.", "code": "Odd"}, "400 Odd [request id h]"),
        (400, {}, "400 (no code) [request id h]"),
        (400, b"<html>", "400 (no code) [request id h]"),
        (200, {"code": "Odd", "message": "No.", "request_id": "r"}, "200 Odd: No. [request id r]"),
        (200, {"error": {"code": "Odd"}, "request_id": "r"}, "200 Odd [request id r]"),
    ],
    ids=["native", "compatible", "odd types", "a word", "nothing", "HTML", "under 200", "nested under 200"],
)
def test_a_refusal_is_reported_word_for_word(status: int, body: Any, words: str) -> None:
    outcome = _read(body, status=status, headers={"x-request-id": "h"})

    assert isinstance(outcome, RequestError)
    assert f"dashscope refused items 0 to 1 with {words}" == str(outcome)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(200, "InternalError", ServiceUnavailableError), (400, "InvalidURL", ContentError)],
    ids=["under 200", "under 400"],
)
def test_each_status_has_its_own_table_of_codes(status: int, code: str, kind: type[EmbeddingError]) -> None:
    assert kind is type(_read({"code": code, "message": "No."}, status=status))


@pytest.mark.parametrize("body", [{}, b"<html>"], ids=["an object", "HTML"])
@pytest.mark.parametrize(
    ("spec", "url"),
    [(TEXT, TEXT_URL), (QWEN, MEDIA_URL), (OPENAI, "https://service/embeddings")],
    ids=["text", "media", "compatible"],
)
def test_a_404_shows_the_path(spec: RequestSpec, url: str, body: Any) -> None:
    assert f"Requested: {url.removeprefix('https://')};" in str(_read(body, spec, status=404))


def _refused(body: Any, status: int, **more: Any) -> str:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return str(answer(Reply(status, {"x-request-id": "h"}, data), TEXT, **more))


@pytest.mark.parametrize("body", [{"code": "Odd"}, b"<html>"], ids=["an object", "HTML"])
def test_what_is_no_batch_of_items_is_called_by_its_name(body: Any) -> None:
    code = "Odd" if isinstance(body, dict) else "(no code)"

    assert f"dashscope refused a job with 400 {code} [request id h]" == _refused(body, 400, subject="a job")
    assert "Requested: service;" in _refused(body, 404, subject="a job")


def test_a_body_that_is_no_object_is_a_bad_reply() -> None:
    reason = "with a reply that breaks its format: the body is not JSON [request id h]"

    assert f"dashscope answered a job {reason}" == _refused(b"<html>", 200, subject="a job")
    assert f"dashscope answered items 0 to 1 {reason}" == _refused(b"<html>", 200, batch=BOTH)


@pytest.mark.parametrize("status", [200, 400])
def test_a_refusal_repeats_no_text(status: int) -> None:
    words = "the canary sings in the mine"

    outcome = _read(
        {"code": "Odd", "message": words, "request_id": "r"}, status=status, batch=batch_of(words)
    )

    assert f"dashscope refused item 0 with {status} Odd [request id r]" == str(outcome)
