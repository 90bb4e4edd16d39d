"""The routes answer in the shape the vendors' pages print."""

from __future__ import annotations

import base64
import re
import socket

import numpy as np
import pytest
from paintings import data_uri, painted

from volc_dashscope.emulator import Emulator
from volc_dashscope.models import list_models

HELLO = {"type": "text", "text": "hello"}


def test_ark_multimodal_answers_one_object_under_a_list(wire):
    body = wire.ark(HELLO).json()

    assert {"id", "created", "object", "model", "data", "usage"} == set(body)
    assert ("list", "embedding", 2048) == (
        body["object"],
        body["data"]["object"],
        len(body["data"]["embedding"]),
    )
    assert re.fullmatch(r"02\d{13}[0-9a-f]{38}", body["id"])


def test_ark_accepts_the_nulls_the_vendor_sdk_sends(wire):
    reply = wire.ark(
        HELLO, encoding_format="float", dimensions=None, instructions=None, sparse_embedding=None
    )

    assert (200, {"object", "embedding"}) == (reply.status_code, set(reply.json()["data"]))


def test_hello_costs_the_twenty_tokens_that_were_billed_live(wire):
    assert {
        "prompt_tokens": 20,
        "total_tokens": 20,
        "prompt_tokens_details": {"text_tokens": 20, "image_tokens": 0},
    } == wire.ark(HELLO).json()["usage"]


@pytest.mark.parametrize(("size", "price"), [((1280, 720), 1176), ((1920, 1080), 1312)])
def test_a_picture_costs_what_the_guide_says(wire, size, price):
    part = {"type": "image_url", "image_url": {"url": data_uri(painted(size=size))}}

    assert price == wire.ark(part).json()["usage"]["prompt_tokens_details"]["image_tokens"]


def test_ark_fuses_everything_into_one_vector_that_differs_from_its_parts(wire):
    part = {"type": "image_url", "image_url": {"url": data_uri(painted())}}
    fused = wire.ark(HELLO, part).json()["data"]["embedding"]

    assert 2048 == len(fused)
    assert wire.ark(HELLO).json()["data"]["embedding"] != fused


def test_ark_base64_holds_the_same_numbers(wire):
    plain = np.array(wire.ark(HELLO).json()["data"]["embedding"], np.float32)
    coded = wire.ark(HELLO, encoding_format="base64").json()["data"]["embedding"]

    assert np.array_equal(plain, np.frombuffer(base64.b64decode(coded), "<f4"))


def test_ark_dimensions_shorten_the_vector(wire):
    assert 1024 == len(wire.ark(HELLO, dimensions=1024).json()["data"]["embedding"])


def test_ark_sparse_is_an_array_of_index_and_value(wire):
    sparse = wire.ark(HELLO, sparse_embedding={"type": "enabled"}).json()["data"]["sparse_embedding"]

    assert sparse
    assert {("index", "value")} == {tuple(entry) for entry in sparse}


def test_ark_multi_embedding_has_a_row_a_token(wire):
    rows = wire.ark(HELLO, dimensions=1024, multi_embedding={"type": "enabled"}).json()["data"][
        "multi_embedding"
    ]

    assert [1024, 1024] == [len(row) for row in rows]


def test_instructions_move_the_vector_from_251215_on_only(wire):
    prompt = "Instruction:Compress the text into one word.\nQuery:"

    def moved(model):
        plain = wire.ark(HELLO, model=model).json()["data"]["embedding"]
        return plain != wire.ark(HELLO, model=model, instructions=prompt).json()["data"]["embedding"]

    assert moved("doubao-embedding-vision-251215")
    assert not moved("doubao-embedding-vision-250615")


def test_an_endpoint_id_answers_with_the_resolved_model(wire):
    assert "doubao-embedding-vision-251215" == wire.ark(HELLO, model="ep-20260101-abcde").json()["model"]


def test_ark_text_models_answer_a_list_with_indices(wire):
    body = {
        "model": "doubao-embedding-large-text-250515",
        "input": ["a", "b"],
        "user": None,
        "dimensions": None,
    }
    reply = wire.client.post("/api/v3/embeddings", json=body).json()

    assert [(0, 2048), (1, 2048)] == [(row["index"], len(row["embedding"])) for row in reply["data"]]


@pytest.mark.parametrize("path", ["/api/plan/v3", "/api/v3/batch", "/api/coding/v3"])
def test_ark_has_twins_of_the_multimodal_route(wire, path):
    body = {"model": "doubao-embedding-vision-251215", "input": [HELLO]}

    assert 200 == wire.client.post(f"{path}/embeddings/multimodal", json=body).status_code


def test_the_plan_gateway_takes_text_for_a_vision_model(wire):
    body = {"model": "doubao-embedding-vision", "input": "hello"}
    reply = wire.client.post("/api/plan/v3/embeddings", json=body).json()

    assert ("doubao-embedding-vision-251215", 2048) == (reply["model"], len(reply["data"][0]["embedding"]))


def test_native_text_keeps_position_in_text_index(wire):
    body = wire.text("a", "b").json()

    assert {"output", "usage", "request_id"} == set(body)
    assert [0, 1] == [row["text_index"] for row in body["output"]["embeddings"]]
    assert {"total_tokens": 2} == body["usage"]


@pytest.mark.parametrize(
    ("form", "keys"),
    [
        ("dense", {"text_index", "embedding"}),
        ("sparse", {"text_index", "sparse_embedding"}),
        ("dense&sparse", {"text_index", "embedding", "sparse_embedding"}),
    ],
)
def test_output_type_decides_what_a_row_holds(wire, form, keys):
    row = wire.text("red shoe", output_type=form).json()["output"]["embeddings"][0]

    assert keys == set(row)
    assert all({"index", "value", "token"} == set(entry) for entry in row.get("sparse_embedding", []))


def test_a_query_is_near_its_document_and_not_the_same(wire):
    document, query = (
        np.array(wire.text("red shoe", text_type=kind).json()["output"]["embeddings"][0]["embedding"])
        for kind in ("document", "query")
    )

    cosine = document @ query / np.linalg.norm(document) / np.linalg.norm(query)

    assert 0.7 < cosine < 0.9999


def test_vectors_are_not_unit_length(wire):
    row = np.array(wire.text("red shoe").json()["output"]["embeddings"][0]["embedding"])

    assert abs(np.linalg.norm(row) - 1) > 0.05


@pytest.mark.parametrize("parameters", [{}, None])
def test_parameters_may_be_empty_null_or_absent(wire, parameters):
    body = {"model": "text-embedding-v4", "input": {"texts": ["a"]}, "parameters": parameters}
    bare = {"model": "text-embedding-v4", "input": {"texts": ["a"]}}

    assert [200, 200] == [wire.client.post(TEXT, json=each).status_code for each in (body, bare)]


@pytest.mark.parametrize("model", ["text-embedding-v1", "text-embedding-v2"])
def test_the_first_two_text_models_ignore_dimension(wire, model):
    row = wire.text("a", model=model, dimension=64).json()["output"]["embeddings"][0]

    assert 1536 == len(row["embedding"])


def test_compatible_mode_answers_like_openai(wire):
    body = wire.compatible("hello", dimensions=256, encoding_format="float").json()

    assert {"object", "model", "data", "usage", "id"} == set(body)
    assert {"prompt_tokens": 2, "total_tokens": 2} == body["usage"]
    assert 256 == len(body["data"][0]["embedding"])


def test_compatible_mode_ignores_the_native_spelling_of_dimensions(wire):
    assert 1024 == len(wire.compatible("hello", dimension=64).json()["data"][0]["embedding"])


IMAGE = {"image": "https://example.com/red-shoe.png"}
VIDEO = {"video": "https://example.com/clip.mp4"}


@pytest.mark.parametrize(
    ("model", "contents", "parameters", "types"),
    [
        ("qwen3-vl-embedding", ["a", IMAGE], {}, ["vl", "vl"]),
        ("qwen3-vl-embedding", ["a", IMAGE], {"enable_fusion": True}, ["fusion"]),
        ("qwen3-vl-embedding", [{"text": "a", **IMAGE}], {}, ["fusion"]),
        ("qwen2.5-vl-embedding", ["a", IMAGE, VIDEO], {}, ["fusion"]),
        (
            "tongyi-embedding-vision-plus-2026-03-06",
            ["a", IMAGE, {"text": "b", **IMAGE}],
            {},
            ["text", "image", "fused"],
        ),
        (
            "tongyi-embedding-vision-plus",
            ["a", IMAGE, VIDEO, {"multi_images": [IMAGE["image"]]}],
            {},
            ["text", "image", "video", "multi_images"],
        ),
        ("multimodal-embedding-v1", [{"text": "a", "image": None}, IMAGE], {}, ["text", "image"]),
    ],
)
def test_each_model_fuses_by_its_own_rule(wire, model, contents, parameters, types):
    rows = wire.media(*contents, model=model, **parameters).json()["output"]["embeddings"]

    assert list(enumerate(types)) == [(row["index"], row["type"]) for row in rows]


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("qwen3-vl-embedding", {"input_tokens": 19, "image_tokens": 392, "total_tokens": 411}),
        ("qwen2.5-vl-embedding", {"input_tokens": 1, "image_tokens": 392}),
        (
            "tongyi-embedding-vision-plus-2026-03-06",
            {
                "input_tokens": 403,
                "input_tokens_details": {"image_tokens": 402, "text_tokens": 1},
                "output_tokens": 2,
                "total_tokens": 405,
            },
        ),
        (
            "multimodal-embedding-v1",
            {"input_tokens": 1, "image_tokens": 392, "image_count": 1, "duration": 0},
        ),
    ],
)
def test_usage_has_the_keys_of_its_model(wire, model, usage):
    assert usage == wire.media("a", IMAGE, model=model).json()["usage"]


@pytest.mark.parametrize(("level", "price"), [(0, 127), (1, 402), (2, 578), (3, 1026)])
def test_res_level_sets_the_price_of_a_picture(wire, level, price):
    reply = wire.media(IMAGE, model="tongyi-embedding-vision-flash-2026-03-06", res_level=level).json()

    assert price == reply["usage"]["input_tokens_details"]["image_tokens"]


@pytest.mark.parametrize(
    "model", [row for row in list_models() if row.endpoint == "multimodal" and row.ready]
)
def test_every_multimodal_row_answers_at_its_default_length(wire, model):
    if model.provider == "ark":
        body = {"model": model.name, "input": [HELLO]}
        reply = wire.client.post("/api/plan/v3/embeddings/multimodal", json=body).json()
        row = reply["data"]["embedding"]
    else:
        row = wire.media("a", model=model.name).json()["output"]["embeddings"][0]["embedding"]

    assert model.default_dimension == len(row)


def test_undated_tongyi_names_ignore_dimension(wire):
    rows = wire.media("a", model="tongyi-embedding-vision-plus", dimension=256).json()["output"]["embeddings"]

    assert 1152 == len(rows[0]["embedding"])


def test_ark_echoes_the_client_request_id(wire):
    body = {"model": "doubao-embedding-vision-251215", "input": [HELLO]}
    sent = {"X-Client-Request-Id": "20260101-mine"}
    headers = wire.client.post("/api/v3/embeddings/multimodal", json=body, headers=sent).headers

    assert "20260101-mine" == headers["x-client-request-id"]
    assert headers["x-request-id"].startswith("02")


TEXT = "/api/v1/services/embeddings/text-embedding/text-embedding"


def test_the_ledger_knows_every_request(wire):
    wire.text("one", "two")
    wire.media("three", {"text": "four", **IMAGE})
    wire.compatible("five")
    wire.ark({"type": "text", "text": "six"})
    wire.text("seven", model="no-such-model")
    ledger = wire.emulator.ledger

    assert ["one", "two", "three", "four", "five", "six", "seven"] == ledger.texts
    assert [200, 200, 200, 200, 404] == ledger.statuses
    assert ("POST", TEXT, "Bearer test-key") == (
        ledger[0].method,
        ledger[0].path,
        ledger[0].headers["authorization"],
    )
    assert {"texts": ["one", "two"]} == ledger.requests[0].body["input"]

    ledger.clear()

    assert 0 == len(ledger)


FORMATS = [
    ("png", {}, "image/png"),
    ("jpeg", {}, "image/jpeg"),
    ("gif", {}, "image/gif"),
    ("webp", {}, "image/webp"),
    ("webp", {"lossless": True}, "image/webp"),
    ("bmp", {}, "image/bmp"),
    ("dib", {}, "image/bmp"),
    ("tiff", {}, "image/tiff"),
    ("ico", {"sizes": [(64, 64)]}, "image/x-icon"),
    ("icns", {}, "image/icns"),
    ("sgi", {}, "image/sgi"),
    ("jpeg2000", {}, "image/jp2"),
]


@pytest.mark.parametrize(("kind", "options", "mime"), FORMATS)
def test_every_format_of_the_ark_table_is_read_and_priced_by_its_size(wire, kind, options, mime):
    data = painted("red", (64, 64), kind, **options)
    part = {"type": "image_url", "image_url": {"url": data_uri(data, mime)}}
    details = wire.ark(part).json()["usage"]["prompt_tokens_details"]

    # An Apple icon holds larger copies of its picture; the largest one, here 1024 x 1024, is billed.
    assert (1312 if kind == "icns" else 6) == details["image_tokens"]


JUNK = [0, -1, 1.5, True, [], {}, [None], {"a": 1}, "x", "http://["]


@pytest.mark.parametrize("value", JUNK, ids=repr)
def test_junk_is_answered_and_never_crashes(wire, value):
    replies = [
        *(
            wire.ark({"type": "text", "text": "a"}, **{name: value})
            for name in ("instructions", "dimensions")
        ),
        *(wire.ark({"type": kind, kind: value}) for kind in ("image_url", "video_url")),
        *(wire.media("a", model=SNAPSHOT, **{name: value}) for name in ("res_level", "fps", "instruct")),
        *(wire.text("a", **{name: value}) for name in ("dimension", "instruct", "text_type")),
        wire.compatible(value),
        wire.media(value),
        wire.ark(value),
    ]

    assert {reply.status_code for reply in replies} <= {200, 400}
    assert 400 in {reply.status_code for reply in replies}


SNAPSHOT = "tongyi-embedding-vision-plus-2026-03-06"


@pytest.mark.parametrize("number", ["abc", "-1", "0", "1e9", "9" * 5000, "\u0663"], ids=lambda text: text[:5])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/tasks", "page_no"),
        ("/api/v1/tasks", "page_size"),
        ("/compatible-mode/v1/batches", "limit"),
    ],
)
def test_a_page_or_limit_that_is_no_number_is_refused(wire, path, name, number):
    assert 400 == wire.client.get(path, params={name: number}).status_code


# What says how long the body is, and is wrong.
FRAMES = {
    "a length that is no number": b"content-length: abc\r\n\r\n",
    "a length below nothing": b"content-length: -1\r\n\r\n",
    "a signed length": b"content-length: +2\r\n\r\n{}",
    "a chunk that is no number": b"transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "a chunk below nothing": b"transfer-encoding: chunked\r\n\r\n-5\r\nabc\r\n",
    "a chunk outside ASCII": b"transfer-encoding: chunked\r\n\r\n\xff\r\nabc\r\n",
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_body_of_unreadable_length_is_refused_and_its_connection_closed(frame, capfd):
    with Emulator() as emulator, socket.create_connection(("127.0.0.1", port_of(emulator)), 10) as raw:
        raw.sendall(b"POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\n" + frame)
        answer = b"".join(iter(lambda: raw.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in capfd.readouterr().err


def port_of(emulator):
    return int(emulator.url.rpartition(":")[2])
