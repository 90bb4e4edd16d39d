"""Refusals carry the status, the code and, where a page or a live report has them, the words of the service."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from paintings import data_uri, painted

HELLO = {"type": "text", "text": "hello"}
URL = {"type": "image_url", "image_url": {"url": "https://example.com/shoe.png"}}
ALGO = "<400> InternalError.Algo.InvalidParameter: "
NATIVE = "/api/v1/services/embeddings/text-embedding/text-embedding"
JPEG_AS_PNG = data_uri(painted(kind="JPEG"), "image/png")


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


# Painted by the test that needs them, not by every worker that loads this file.
def _huge():
    return image(data_uri(painted(size=(6000, 6000), compress_level=1)))


def _heavy():
    return image(data_uri(painted() + bytes(10 * 1024 * 1024)))


def video(url="https://example.com/a.mp4", **knobs):
    return {"type": "video_url", "video_url": {"url": url, **knobs}}


def test_ark_refuses_a_vision_model_on_the_text_endpoint_in_its_own_words(wire):
    body = {"model": "doubao-embedding-vision-250615", "input": "hello"}
    reply = wire.client.post("/api/v3/embeddings", json=body)
    error = reply.json()["error"]

    assert (400, "InvalidParameter", "model", "BadRequest") == (
        reply.status_code,
        error["code"],
        error["param"],
        error["type"],
    )
    assert (
        "The parameter `model` specified in the request are not valid: the requested model "
        "doubao-embedding-vision-250615 does not support this api.. Request id: "
    ) == re.sub("02[0-9a-f]+$", "", error["message"])


def test_ark_prints_an_object_where_a_string_belongs_as_go_does(wire):
    body = {"model": "doubao-embedding-text-240715", "input": [{"type": "text", "text": "a cat"}]}
    error = wire.client.post("/api/v3/embeddings", json=body).json()["error"]

    assert "input[0]" == error["param"]
    assert (
        "expected a string, but got `map[text:a cat type:text]` instead. Request id: 02" in error["message"]
    )


@pytest.mark.parametrize("key", ["", "Basic abc", "Bearer invalid-key"])
def test_ark_wants_a_key(wire, key):
    body = {"model": "doubao-embedding-vision-251215", "input": [HELLO]}
    reply = wire.client.post("/api/v3/embeddings/multimodal", json=body, headers={"authorization": key})
    error = reply.json()["error"]

    assert (401, "AuthenticationError", "Unauthorized") == (reply.status_code, error["code"], error["type"])
    assert error["message"].startswith(
        "The API key or AK/SK in the request is missing or invalid. Request ID: 02"
    )


def test_ark_does_not_know_a_model_it_never_had(wire):
    reply = wire.ark(HELLO, model="doubao-embedding-vision-999999")
    error = reply.json()["error"]

    assert (404, "InvalidEndpointOrModel.NotFound", "NotFound") == (
        reply.status_code,
        error["code"],
        error["type"],
    )
    assert error["message"].startswith(
        "The model or endpoint doubao-embedding-vision-999999 does not exist or you do not have access to it. Req"
    )


def test_ark_cannot_read_broken_json(wire):
    reply = wire.client.post("/api/v3/embeddings/multimodal", content=b'{"model":')

    assert (400, True) == (
        reply.status_code,
        "The parameter `` specified in the request are not valid: we could not parse the JSON body of your "
        "request. Request id: " in reply.json()["error"]["message"],
    )


def test_ark_takes_a_body_of_64_mb_and_no_more(wire):
    """The guide's bound on requests that carry base64."""
    most, head = 64 * 2**20, b'{"model":"doubao-embedding-vision-251215","input":[{"type":"text","text":"a"}]'
    bodies = [head + b" " * (most + more - len(head) - 1) + b"}" for more in (0, 1)]
    replies = [wire.client.post("/api/v3/embeddings/multimodal", content=body) for body in bodies]

    assert [200, 400] == [reply.status_code for reply in replies]
    assert "must not exceed 64 MB" in replies[1].json()["error"]["message"]


@pytest.mark.parametrize("url", ["https://e.com/a.MP4", "https://e.com/a.Mov?x=1", "data:video/MP4;base64,"])
def test_ark_takes_video_formats_in_lower_case_only(wire, url):
    film = b64encode(b"\0\0\0\x18ftypisom" + bytes(64)).decode() if url.endswith(",") else ""
    refused, taken = (
        wire.ark({"type": "video_url", "video_url": {"url": written + film}})
        for written in (url, url.lower())
    )

    assert (400, 200) == (refused.status_code, taken.status_code)


OLD = "doubao-embedding-vision-250328"


@pytest.mark.parametrize(
    ("code", "parts", "more"),
    [
        ("MissingParameter", [HELLO], {"multi_embedding": {}}),
        ("MissingParameter", [], {}),
        ("MissingParameter", [{"type": "text", "text": ""}], {}),
        ("InvalidParameter", [HELLO], {"dimensions": 512}),
        ("InvalidParameter", [HELLO], {"dimensions": 1024, "model": OLD}),
        ("InvalidParameter", [HELLO], {"encoding_format": "hex"}),
        ("InvalidParameter", [HELLO, URL], {"sparse_embedding": {"type": "enabled"}}),
        ("InvalidParameter", [HELLO], {"sparse_embedding": {"type": "enabled"}, "model": OLD}),
        (
            "InvalidParameter",
            [HELLO],
            {"multi_embedding": {"type": "enabled"}, "model": "doubao-embedding-vision-250615"},
        ),
        ("InvalidParameter", [HELLO, HELLO], {"model": OLD}),
        ("InvalidParameter", [URL, URL], {"model": OLD}),
        ("InvalidParameter", [video()], {"model": OLD}),
        ("InvalidParameter", [video(fps=6)], {}),
        ("InvalidParameter", [video(fps=0.1)], {}),
        ("InvalidParameter", [video(max_video_tokens=10239)], {}),
        ("InvalidParameter", [video(min_frames=17)], {}),
        ("InvalidParameter", [video("https://example.com/a.mkv")], {}),
        ("InvalidParameter", [image("file:///etc/passwd")], {}),
        ("InvalidParameter", [image("https://unreachable.example.com/a.png")], {}),
        ("InvalidParameter", [image(JPEG_AS_PNG)], {}),
        ("InvalidParameter", [image(data_uri(painted(size=(14, 100))))], {}),
        ("InvalidParameter", [_huge], {}),
        ("InvalidParameter", [image(data_uri(b"not a picture"))], {}),
        ("InvalidParameter", [_heavy], {}),
        ("InvalidParameter", [image(data_uri(painted()[:60]))], {}),
        ("InvalidImageURL.EmptyURL", [image("")], {}),
        ("InvalidImageURL.InvalidFormat", [image("data:image/png;base64,%%%")], {}),
        ("OutofContextError", [{"type": "text", "text": "天" * 128_001}], {}),
    ],
)
def test_ark_refuses_what_the_row_of_the_model_forbids(wire, code, parts, more):
    reply = wire.ark(*(part() if callable(part) else part for part in parts), **more)

    assert (400, code) == (reply.status_code, reply.json()["error"]["code"])


@pytest.mark.parametrize(
    "value",
    [[], [""], ["天" * 4097], ["a"] * 257, ["a" * 100_001]],
    ids=["none", "empty", "tokens", "items", "bytes"],
)
def test_ark_text_models_refuse_what_their_page_forbids(wire, value):
    body = {"model": "doubao-embedding-text-240715", "input": value}

    assert 400 == wire.client.post("/api/v3/embeddings", json=body).status_code


@pytest.mark.parametrize(
    ("key", "message"),
    [("", "No API-key provided."), ("Bearer invalid", "Invalid API-key provided.")],
)
def test_native_dashscope_wants_a_key(wire, key, message):
    body = {"model": "text-embedding-v4", "input": {"texts": ["a"]}}
    reply = wire.client.post(NATIVE, json=body, headers={"authorization": key})

    assert 401 == reply.status_code
    assert {
        "code": "InvalidApiKey",
        "message": message,
        "request_id": reply.headers["x-request-id"],
    } == reply.json()


def test_compatible_mode_wants_a_key(wire):
    body = {"model": "text-embedding-v4", "input": "a"}
    reply = wire.client.post("/compatible-mode/v1/embeddings", json=body, headers={"authorization": ""})

    assert 401 == reply.status_code
    assert {
        "error": {
            "message": "Incorrect API key provided. ",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
    } == reply.json()


DIMENSIONS = (
    "InternalError.Algo.InvalidParameter: Value error, dimension for embedding v3 is invalid, "
    "its value shold be in [64, 128, 256, 512, 768, 1024, 1536, 2048, 3072]"
)
BATCH = ALGO + "Value error, batch size is invalid, it should not be larger than {}.: input.contents"
LENGTH = ALGO + "Range of input length should be [1, {}]"
CONTENTS = ALGO + "Value error, contents is neither str nor list of str.: input.contents"
NOT_THERE = "The model {} does not exist or you do not have access to it."


@pytest.mark.parametrize(
    ("texts", "options", "status", "code", "message"),
    [
        (["a"] * 11, {}, 400, "InvalidParameter", BATCH.format(10)),
        (["a"] * 21, {"model": "qwen3.7-text-embedding"}, 400, "InvalidParameter", BATCH.format(20)),
        (["a"] * 26, {"model": "text-embedding-v2"}, 400, "InvalidParameter", BATCH.format(25)),
        (["天" * 8193], {}, 400, "InvalidParameter", LENGTH.format(8192)),
        (["ok", ""], {}, 400, "InvalidParameter", LENGTH.format(8192)),
        (["a"], {"dimension": 3072}, 400, "InvalidParameter", DIMENSIONS),
        (["a"], {"dimension": 2048, "model": "text-embedding-v3"}, 400, "InvalidParameter", DIMENSIONS),
        ([], {}, 400, "InvalidParameter", CONTENTS),
        (["a"], {"model": "text-embedding-v9"}, 404, "ModelNotFound", NOT_THERE.format("text-embedding-v9")),
        (
            ["a"],
            {"model": "qwen3-vl-embedding"},
            400,
            "InvalidParameter",
            "url error, please check url！ For details, see: "
            "https://help.aliyun.com/zh/model-studio/error-code#error-url",
        ),
        (
            ["a"],
            {"model": "text-embedding-async-v2"},
            403,
            "AccessDenied",
            "current user api does not support synchronous calls.",
        ),
    ],
)
def test_native_text_refuses_in_the_words_of_live_reports(wire, texts, options, status, code, message):
    reply = wire.text(*texts, **options)

    assert (status, code, message) == (reply.status_code, reply.json()["code"], reply.json()["message"])


@pytest.mark.parametrize(
    "options", [{"output_type": "sparse", "model": "text-embedding-v1"}, {"text_type": "title"}]
)
def test_native_text_refuses_options_it_does_not_have(wire, options):
    assert 400 == wire.text("a", **options).status_code


def test_an_array_is_no_input(wire):
    reply = wire.client.post(NATIVE, json={"model": "text-embedding-v4", "input": ["a"]})

    assert (400, "BadRequest.IllegalInput", "The input parameter requires json format.") == (
        reply.status_code,
        reply.json()["code"],
        reply.json()["message"],
    )


@pytest.mark.parametrize(
    ("value", "model", "status", "error"),
    [
        (
            ["a"] * 11,
            "text-embedding-v4",
            400,
            {
                "message": BATCH.format(10),
                "type": "InvalidParameter",
                "param": None,
                "code": "InvalidParameter",
            },
        ),
        (
            [[1, 2]],
            "text-embedding-v4",
            400,
            {"message": CONTENTS, "type": "InvalidParameter", "param": None, "code": "InvalidParameter"},
        ),
        (
            "a",
            "nope",
            404,
            {
                "message": NOT_THERE.format("nope"),
                "type": "invalid_request_error",
                "param": None,
                "code": "model_not_found",
            },
        ),
        (
            "a",
            "qwen3-vl-embedding",
            404,
            {
                "message": "Unsupported model qwen3-vl-embedding for OpenAI compatibility mode.",
                "type": "invalid_request_error",
                "param": None,
                "code": "model_not_supported",
            },
        ),
    ],
)
def test_compatible_mode_refuses_in_openai_shape(wire, value, model, status, error):
    reply = wire.compatible(value, model=model)
    body = reply.json()

    assert (status, error) == (reply.status_code, body["error"])
    assert {"error", "id", "request_id"} == set(body)


LINK = {"image": "https://example.com/a.png"}
CLIP = {"video": "https://example.com/a.mp4"}
SNAPSHOT = "tongyi-embedding-vision-plus-2026-03-06"


@pytest.mark.parametrize(
    ("model", "contents", "options", "words"),
    [
        ("qwen3-vl-embedding", ["a"] * 21, {}, "not be larger than 20"),
        ("qwen3-vl-embedding", [LINK] * 11, {}, "number of image"),
        ("tongyi-embedding-vision-plus", ["word " * 600] * 2, {}, "should be [1, 1024]"),
        ("tongyi-embedding-vision-flash", ["词" * 100] * 30, {}, "should be [1, 1024]"),
        ("qwen3-vl-embedding", [CLIP] * 2, {}, "number of video"),
        ("qwen3-vl-embedding", [{"multi_images": [LINK["image"]]}], {}, "multi_images is not supported"),
        ("qwen3-vl-embedding", ["a"], {"dimension": 64}, "dimension should be in"),
        ("qwen3-vl-embedding", ["a"], {"output_type": "sparse"}, "output_type should be dense"),
        ("qwen3-vl-embedding", ["a"], {"fps": 2}, "Range of fps"),
        (
            "qwen3-vl-embedding",
            [{"video": data_uri(b"x", "video/mp4")}],
            {},
            "URL does not appear to be valid",
        ),
        ("qwen3-vl-embedding", [{"image": "/etc/passwd"}], {}, "URL does not appear to be valid"),
        ("qwen3-vl-embedding", [{"image": "oss://a/b.png"}], {}, "URL does not appear to be valid"),
        (
            "qwen3-vl-embedding",
            [{"image": "https://unreachable.example.com/a.png"}],
            {},
            "Failed to download",
        ),
        ("qwen3-vl-embedding", [{"image": JPEG_AS_PNG}], {}, "data URI says image/png but the image is jpeg"),
        ("qwen3-vl-embedding", [{"image": data_uri(painted(kind="GIF"), "image/gif")}], {}, "format gif"),
        ("qwen2.5-vl-embedding", [{"image": data_uri(painted() + bytes(5 << 20))}], {}, "exceeds the limit"),
        ("qwen3-vl-embedding", [{"image": data_uri(painted() + bytes(10 << 20))}], {}, "10485760"),
        (
            "qwen3-vl-embedding",
            [{"image": data_uri(bytes(8 << 20))}],
            {},
            "max bytes per data-uri item : 10485760'",
        ),
        ("qwen2.5-vl-embedding", ["a", "b"], {}, "number of text"),
        ("qwen2.5-vl-embedding", [LINK, LINK], {}, "number of image"),
        ("multimodal-embedding-v1", [LINK, LINK], {}, "number of image"),
        ("multimodal-embedding-v1", [{"text": "a", **LINK}], {}, "one modality"),
        ("tongyi-embedding-vision-plus", [{"text": "a", **LINK}], {}, "one modality"),
        ("tongyi-embedding-vision-plus", [{"multi_images": [LINK["image"]] * 9}], {}, "1 to 8"),
        ("tongyi-embedding-vision-plus", ["天" * 1025], {}, "[1, 1024]"),
        (SNAPSHOT, ["a"], {"res_level": 4}, "Range of res_level should be [0, 3]"),
        (SNAPSHOT, [CLIP], {"max_video_frames": 65}, "Range of max_video_frames should be [1, 64]"),
        ("text-embedding-v4", ["a"], {}, "url error, please check url！"),
    ],
)
def test_native_multimodal_refuses_what_the_row_of_the_model_forbids(wire, model, contents, options, words):
    reply = wire.media(*contents, model=model, **options)

    assert (400, "InvalidParameter") == (reply.status_code, reply.json()["code"])
    assert words in reply.json()["message"]


def test_the_oldest_multimodal_model_cuts_a_long_text(wire):
    long, cut = (
        wire.media("天" * count, model="multimodal-embedding-v1").json()["output"] for count in (600, 512)
    )

    assert cut == long


def test_an_unknown_path_is_404_and_a_wrong_method_405(wire):
    assert [404, 405] == [
        wire.client.post("/api/v3/chat", json={}).status_code,
        wire.client.get("/api/v3/embeddings").status_code,
    ]
