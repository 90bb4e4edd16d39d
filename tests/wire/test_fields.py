"""The other fields: encoding, dimension, sparse and token vectors, media, fusion, headers, what the user adds."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zstandard
from page_samples import ABSENT

from volc_dashscope import get_model_info
from volc_dashscope.errors import BadReplyError, RequestError
from volc_dashscope.inputs import Frames, Fused, Image, Video
from volc_dashscope.models import ModelInfo, list_models

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAF0lEQVR4nGP8z0AaYCJR/aiGUQ1DSAMAQC4BH2bjRnMAAAAASUVORK5CYII="
)
DATA_URI = "data:image/png;base64," + base64.b64encode(PNG).decode()
PICTURE_URL, CLIP_URL = "https://example.com/picture.png", "https://example.com/clip.mp4"
PICTURE, CLIP = Image.from_url(PICTURE_URL), Video.from_url(CLIP_URL)
VISION = "doubao-embedding-vision-251215"
SNAPSHOT = "tongyi-embedding-vision-plus-2026-03-06"
USABLE = [row for row in list_models() if row.ready and row.endpoint != "async"]
LENGTHS = [(row, length) for row in USABLE for length in row.dimensions]


def _ark_reply(embedding: Any) -> bytes:
    data = {"object": "embedding", "embedding": embedding}
    return json.dumps({"object": "list", "data": data, "model": "m", "usage": {}}).encode()


def _vectors_reply(*rows: list[float]) -> bytes:
    entries = [{"index": index, "embedding": row, "type": "text"} for index, row in enumerate(rows)]
    return json.dumps({"output": {"embeddings": entries}, "usage": {}, "request_id": "r"}).encode()


def _ramp(length: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (np.arange(1, length + 1, dtype=np.float32) % 61 - 30) / 32


def _unit(row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return row / np.linalg.norm(row.astype(np.float64))


# Encoding.


@pytest.mark.parametrize("row", [row for row in USABLE if row.provider == "ark"], ids=lambda row: row.name)
def test_ark_is_asked_for_base64(edge, row):
    edge.embed(row.name, "text")

    assert "base64" == edge.body["encoding_format"]


@pytest.mark.parametrize(
    "embedding",
    [
        _ramp(2048).tolist(),
        base64.b64encode(_ramp(2048).astype("<f4").tobytes()).decode(),
    ],
    ids=["numbers", "float32"],
)
@pytest.mark.parametrize("data", ["object", "list of one"])
def test_a_vector_is_read_in_whatever_form_it_comes(answering, embedding, data):
    body = json.loads(_ark_reply(embedding))
    body["data"] = body["data"] if data == "object" else [body["data"]]

    result = answering(200, json.dumps(body).encode()).embed(VISION, "text", normalize=False)

    assert _ramp(2048).tolist() == result.vectors[0].tolist()


def test_a_full_length_base64_reply_is_cut_on_the_client(answering):
    coded = base64.b64encode(_ramp(2048).astype("<f4").tobytes()).decode()
    edge = answering(200, _ark_reply(coded))

    result = edge.embed("doubao-embedding-vision-250328", "text", dimensions=1024, normalize=False)

    assert _ramp(2048)[:1024].tolist() == result.vectors[0].tolist()


@pytest.mark.parametrize(
    "embedding",
    [
        _ramp(2047).tolist(),
        base64.b64encode(_ramp(2049).tobytes()).decode(),
        base64.b64encode(_ramp(1024).tobytes()).decode(),
        base64.b64encode(_ramp(2048).astype("<f2").tobytes()).decode(),
        base64.b64encode(b"12345").decode(),
        "not base64!",
        [],
        None,
    ],
    ids=["short", "long", "half", "float16", "odd", "garbage", "empty", "missing"],
)
def test_a_vector_of_another_form_or_length_is_a_bad_reply(answering, embedding):
    with pytest.raises(BadReplyError):
        answering(200, _ark_reply(embedding)).embed(VISION, "text")


def test_shorter_base64_is_not_a_vector_that_was_cut_already(answering):
    """The service of a model that is cut here does not know the length: 2,048 float16 would fill as many bytes."""
    coded = base64.b64encode(_ramp(1024).tobytes()).decode()

    with pytest.raises(BadReplyError, match="length 1024 instead of 2048"):
        answering(200, _ark_reply(coded)).embed("doubao-embedding-vision-250328", "text", dimensions=1024)


# Dimension.


def _field(row: ModelInfo, body: Any) -> Any:
    if row.provider == "ark":
        return body.get("dimensions", ABSENT)
    return body["parameters"].get("dimension", ABSENT)


@pytest.mark.parametrize(("row", "length"), LENGTHS, ids=[f"{row.name}-{length}" for row, length in LENGTHS])
def test_every_length_of_a_card_is_asked_of_the_server_or_cut_here(edge, row, length):
    result = edge.embed(row.name, "text", dimensions=length)

    asked = length if row.reduces in ("server", "either") else ABSENT
    assert (asked, (1, length)) == (_field(row, edge.body), result.vectors.shape)
    assert pytest.approx(1.0, abs=1e-6) == np.linalg.norm(result.vectors[0])


@pytest.mark.parametrize("row", USABLE, ids=lambda row: row.name)
def test_no_length_is_sent_when_none_is_asked(edge, row):
    result = edge.embed(row.name, "text")

    assert (ABSENT, (1, row.default_dimension)) == (_field(row, edge.body), result.vectors.shape)


def test_the_compatible_route_spells_it_dimensions(edge):
    result = edge.embed("text-embedding-v4", "text", route="openai", dimensions=64)

    assert (64, 64) == (edge.body["dimensions"], result.vectors.shape[1])


@pytest.mark.parametrize("answered", [1152, 256], ids=["ignored", "obeyed"])
def test_a_length_the_service_may_ignore_is_right_either_way(answering, answered):
    """Contradiction C8: one page lets the length be chosen, a newer one says it is fixed."""
    edge = answering(200, _vectors_reply(_ramp(answered).tolist()))

    result = edge.embed("tongyi-embedding-vision-plus", "text", dimensions=256)

    assert 256 == edge.body["parameters"]["dimension"]
    assert pytest.approx(_unit(_ramp(answered)[:256]), abs=1e-6) == result.vectors[0]


def test_a_cut_row_is_divided_by_the_length_of_the_cut(answering):
    edge = answering(200, _ark_reply(_ramp(2048).tolist()))

    result = edge.embed("doubao-embedding-vision-250328", "text", dimensions=1024)

    assert pytest.approx(_unit(_ramp(2048)[:1024]), abs=1e-6) == result.vectors[0]


def test_a_server_that_ignores_a_length_it_has_is_a_bad_reply(answering):
    with pytest.raises(BadReplyError, match="length 2048 instead of 1024"):
        answering(200, _ark_reply(_ramp(2048).tolist())).embed(VISION, "text", dimensions=1024)


# Sparse and token vectors.


@pytest.mark.parametrize("output_type", ["sparse", "dense&sparse"])
def test_ark_sparse_is_switched_on_by_an_object(edge, output_type):
    result = edge.embed(VISION, "text", call={"output_type": output_type})

    assert ({"type": "enabled"}, 1) == (edge.body["sparse_embedding"], len(result.sparse))


@pytest.mark.parametrize("output_type", ["sparse", "dense&sparse"])
def test_dashscope_sparse_is_an_output_type(edge, output_type):
    result = edge.embed("text-embedding-v4", "a", "b", call={"output_type": output_type})

    assert (output_type, 2) == (edge.body["parameters"]["output_type"], len(result.sparse))


def test_dense_output_is_not_asked_for_by_name(edge):
    edge.embed("text-embedding-v4", "a", call={"output_type": "dense"})

    assert "output_type" not in edge.body["parameters"]


def test_token_vectors_are_asked_for_beside_the_dense_one(edge):
    result = edge.embed(VISION, "blue sea", dimensions=1024, call={"output_type": "multi"})

    assert {"type": "enabled"} == edge.body["multi_embedding"]
    assert (1024, 1024) == (result.vectors.shape[1], result.multi[0].shape[1])


def test_token_vectors_of_the_full_length_come_compressed(edge):
    result = edge.embed(VISION, "blue sea", call={"output_type": "multi"})

    assert {"type": "enabled", "compression": "zstd"} == edge.body["multi_embedding"]
    assert 2048 == result.multi[0].shape[1]


def test_compressed_token_vectors_of_a_shorter_length_are_a_bad_reply(answering):
    """Contradiction C14: 2,048 columns would pass for twice as many rows of 1,024."""
    packed = zstandard.compress(np.ones((3, 2048), "<f2").tobytes())
    body = json.loads(_ark_reply(_ramp(1024).tolist()))
    body["data"]["multi_embedding"] = base64.b64encode(packed).decode()

    with pytest.raises(BadReplyError, match="their width at a reduced dimension is unknown"):
        answering(200, json.dumps(body).encode()).embed(
            VISION, "text", dimensions=1024, call={"output_type": "multi"}
        )


# Media.


def test_ark_parts_are_typed_objects(edge):
    edge.embed(VISION, Fused("text", PICTURE, CLIP))

    assert [
        {"type": "text", "text": "text"},
        {"type": "image_url", "image_url": {"url": PICTURE_URL}},
        {"type": "video_url", "video_url": {"url": CLIP_URL}},
    ] == edge.body["input"]


@pytest.mark.parametrize(
    "image", [Image.from_bytes(PNG), Image.from_url(DATA_URI)], ids=["bytes", "data-uri"]
)
def test_bytes_travel_as_a_data_uri_of_their_own_format(edge, image):
    edge.embed(VISION, image)
    edge.embed("qwen3-vl-embedding", image)

    ark, dashscope = edge.bodies
    assert (DATA_URI, DATA_URI) == (
        ark["input"][0]["image_url"]["url"],
        dashscope["input"]["contents"][0]["image"],
    )


def test_a_file_is_sent_as_its_bytes(edge, tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(PNG)

    edge.embed(VISION, Image.from_path(path))

    assert DATA_URI == edge.body["input"][0]["image_url"]["url"]


def test_ark_sampling_fields_go_inside_the_video(edge):
    knobs = {
        "fps": 0.2,
        "max_video_tokens": 10240,
        "min_frame_tokens": 16,
        "max_frame_tokens": 640,
        "min_frames": 5,
    }

    edge.embed(VISION, Video.from_url(CLIP_URL, **knobs))

    assert {"url": CLIP_URL, **knobs} == edge.body["input"][0]["video_url"]


def test_dashscope_fps_is_a_field_of_the_request(edge):
    edge.embed("qwen3-vl-embedding", Video.from_url(CLIP_URL, fps=0.5))

    assert ([{"video": CLIP_URL}], {"fps": 0.5}) == (
        edge.body["input"]["contents"],
        edge.body["parameters"],
    )


def test_videos_sampled_differently_do_not_share_a_request(edge):
    clips = [Video.from_url(CLIP_URL, fps=fps) for fps in (0.5, 0.5, 1.0)]

    edge.embed(SNAPSHOT, *clips, max_concurrency=1)

    assert [({"fps": 0.5}, 2), ({"fps": 1.0}, 1)] == [
        (body["parameters"], len(body["input"]["contents"])) for body in edge.bodies
    ]


@pytest.mark.parametrize("level", [0, 3])
def test_res_level_and_max_video_frames_are_sent_when_asked(edge, level):
    edge.embed(SNAPSHOT, CLIP, res_level=level, max_video_frames=64)

    assert {"res_level": level, "max_video_frames": 64} == edge.body["parameters"]


def test_frames_are_a_list_of_images(edge):
    edge.embed(SNAPSHOT, Frames([PICTURE, Image.from_bytes(PNG)]))

    assert [{"multi_images": [PICTURE_URL, DATA_URI]}] == edge.body["input"]["contents"]


# Fusion.


@pytest.mark.parametrize(
    ("model", "contents", "parameters"),
    [
        ("qwen3-vl-embedding", [{"text": "text"}, {"image": PICTURE_URL}], {"enable_fusion": True}),
        ("qwen2.5-vl-embedding", [{"text": "text"}, {"image": PICTURE_URL}], {}),
        (SNAPSHOT, [{"text": "text", "image": PICTURE_URL}], {}),
    ],
    ids=["flag", "always", "object"],
)
def test_parts_are_fused_the_models_own_way(edge, model, contents, parameters):
    result = edge.embed(model, Fused("text", PICTURE))

    assert (contents, parameters, 1) == (
        edge.body["input"]["contents"],
        edge.body["parameters"],
        len(result),
    )


@pytest.mark.parametrize("model", ["qwen3-vl-embedding", SNAPSHOT, "tongyi-embedding-vision-plus"])
def test_items_side_by_side_stay_independent(edge, model):
    result = edge.embed(model, "text", PICTURE)

    assert ([{"text": "text"}, {"image": PICTURE_URL}], {}, 2) == (
        edge.body["input"]["contents"],
        edge.body["parameters"],
        len(result),
    )


def test_a_fused_item_does_not_fuse_its_neighbours(edge):
    edge.embed("qwen3-vl-embedding", "alone", Fused("text", PICTURE), "alone too", max_concurrency=1)

    assert [{}, {"enable_fusion": True}, {}] == [body["parameters"] for body in edge.bodies]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("text-embedding-v4", {}),
        ("text-embedding-v4", {"route": "openai"}),
        ("doubao-embedding-text-240715", {}),
        ("qwen3-vl-embedding", {}),
        ("tongyi-embedding-vision-plus", {}),
        (VISION, {}),
    ],
    ids=["text", "compatible", "ark-text", "flag", "independent", "ark"],
)
def test_a_fused_item_of_one_text_is_sent_as_the_text(edge, model, settings):
    edge.embed(model, "text", Fused("text"), max_concurrency=1, **settings)

    assert [["text", "text"]] == [edge.emulator.ledger.texts]


# Headers.


@pytest.mark.parametrize(
    "item",
    [
        Image.from_url("oss://dashscope-instant/a/b.png"),
        Video.from_url("oss://dashscope-instant/a/b.mp4"),
        Frames([PICTURE, Image.from_url("oss://dashscope-instant/a/b.png")]),
        Fused("text", Image.from_url("oss://dashscope-instant/a/b.png")),
    ],
    ids=["image", "video", "frames", "fused"],
)
def test_an_oss_url_brings_the_header_that_resolves_it(edge, item):
    edge.embed(SNAPSHOT, item, call={"on_error": "skip"})

    assert "enable" == edge.headers["x-dashscope-ossresourceresolve"]


def test_without_an_oss_url_the_header_is_absent(edge):
    edge.embed(SNAPSHOT, PICTURE)

    assert "x-dashscope-ossresourceresolve" not in edge.headers


def test_the_workspace_is_a_header(edge):
    edge.embed("text-embedding-v4", "text", workspace="llm-1a2b")

    assert "llm-1a2b" == edge.headers["x-dashscope-workspace"]


def test_a_region_without_a_shared_host_is_reached_through_the_workspace(edge):
    row = get_model_info("text-embedding-v4")
    assert row is not None
    abroad = replace(row, regions=("us-east-1",))
    edge.embed("text-embedding-v4", "text", workspace="llm-1a2b", region="us-east-1", model_info=abroad)

    (request,) = edge.requests
    assert "llm-1a2b.us-east-1.maas.aliyuncs.com" == request.url.host


def test_headers_of_the_user_are_sent(edge):
    edge.embed(VISION, "text", default_headers={"X-Project-Name": "p"})

    assert "p" == edge.headers["x-project-name"]


def test_the_async_header_is_never_sent_by_embed(edge):
    edge.embed("text-embedding-v4", "text")

    assert "x-dashscope-async" not in edge.headers


# What the user adds.


@pytest.mark.parametrize(
    ("model", "settings"),
    [(VISION, {}), ("text-embedding-v4", {}), ("text-embedding-v4", {"route": "openai"})],
    ids=["ark", "native", "compatible"],
)
def test_extra_fields_are_merged_into_the_body(edge, model, settings):
    edge.embed(model, "text", extra_body={"user": "u", "encoding_format": "float"}, **settings)

    assert ("u", "float", model) == (edge.body["user"], edge.body["encoding_format"], edge.body["model"])


def test_an_extra_parameter_keeps_the_role_and_the_length(edge):
    edge.embed(
        "text-embedding-v4",
        "text",
        dimensions=64,
        extra_body={"parameters": {"new": 1}},
        call={"text_type": "query"},
    )

    assert {"text_type": "query", "dimension": 64, "new": 1} == edge.body["parameters"]


def test_an_extra_parameter_replaces_one_of_ours(edge):
    edge.embed("text-embedding-v4", "text", extra_body={"parameters": {"text_type": "query"}})

    assert {"text_type": "query"} == edge.body["parameters"]


def test_the_same_extra_fields_serve_every_request(edge):
    client = edge.client("text-embedding-v4", extra_body={"parameters": {"new": 1}}, max_concurrency=1)

    client.embed(["text"], text_type="query")
    client.embed(["text"], text_type=None)

    assert [{"text_type": "query", "new": 1}, {"new": 1}] == [body["parameters"] for body in edge.bodies]


def test_a_batch_is_cut_at_the_cards_size(edge):
    row = get_model_info("text-embedding-v4")
    texts = [f"text {number}" for number in range(2 * row.batch + 1)]

    edge.embed(row.name, *texts, max_concurrency=1)

    assert [row.batch, row.batch, 1] == [len(body["input"]["texts"]) for body in edge.bodies]
    assert texts == [text for body in edge.bodies for text in body["input"]["texts"]]


def test_an_unknown_model_is_asked_for_nothing_optional(edge):
    edge.reply = (200, _ark_reply([3.0, 4.0]))

    edge.embed("ep-1", "text", provider="ark")

    assert {"model": "ep-1", "input": [{"type": "text", "text": "text"}]} == edge.body


def test_the_request_id_is_read_from_arks_message_when_no_header_has_it(edge):
    refusal = {"code": "InvalidParameter", "message": "no. Request id: 021743575029abc", "type": "BadRequest"}
    edge.reply = (400, json.dumps({"error": refusal}).encode())

    with pytest.raises(RequestError) as caught:
        edge.embed(VISION, "text")

    assert "021743575029abc" == caught.value.request_id
