"""Our reader reads the replies the pages print, with the vectors they elide filled in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from page_samples import NAMES, full_reply, sample

from volc_dashscope import get_model_info
from volc_dashscope.errors import AuthError, EmbeddingError, RequestError
from volc_dashscope.inputs import Frames, Fused, Image, Item, Video

PICTURE = Image.from_url("https://example.com/picture.png")
CLIP = Video.from_url("https://example.com/clip.mp4")


@dataclass(frozen=True)
class Case:
    """`printed` is the numbers of each row that the page shows, `billed` is (total, text, image) tokens."""

    fixture: str
    model: str
    items: tuple[Item, ...]
    printed: tuple[list[float], ...]
    billed: tuple[int, int, int]
    request_id: str
    replied_model: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case(
        "ark/api-image-text",
        "doubao-embedding-vision-250615",
        (Fused("text", PICTURE),),
        ([-0.123046875, -0.35546875, -0.318359375],),
        (528, 31, 497),
        "021743575029461acbe49a31755bec77b2f09448eb15fa9a88e47",
        "doubao-embedding-vision-250615",
    ),
    Case(
        "ark/guide-image-text",
        "doubao-embedding-vision-250328",
        (Fused("text", PICTURE),),
        ([0.62109375, -0.69140625],),
        (1340, 1312, 28),
        "021718067849899d92fcbe0865fdffdde********************",
        "doubao-embedding-***-******",
    ),
    Case(
        "ark/sparse",
        "doubao-embedding-vision-250615",
        ("text",),
        ([-0.123046875, -0.35546875, -0.318359375],),
        (528, 31, 497),
        "021743575029461acbe49a31755bec77b2f09448eb15fa9a88e47",
        "doubao-embedding-vision-250615",
        call={"output_type": "dense&sparse"},
    ),
    Case(
        "ark/text",
        "doubao-embedding-text-240715",
        ("one", "two"),
        ([-1.9609375], [-2.3125]),
        (8, 8, 0),
        "0217…",
        "doubao-embedding-text-240715",
    ),
    Case(
        "dashscope/text-v3",
        "text-embedding-v3",
        ("text",),
        ([0.09393704682588577, 2.4155092239379883, -1.8923076391220093],),
        (26, 26, 0),
        "617b3670-6f9e-9f47-ad57-997ed8aeba6a",
    ),
    Case(
        "dashscope/text-everything",
        "text-embedding-v4",
        ("text",),
        ([-0.006929283495992422, -0.005336422007530928],),
        (27, 27, 0),
        "1ba94ac8-e058-99bc-9cc1-7fdb37940a46",
        call={"output_type": "dense&sparse"},
    ),
    Case(
        "dashscope/compatible-v3",
        "text-embedding-v3",
        ("text",),
        ([0.0023064255, -0.009327292],),
        (26, 26, 0),
        "f62c2ae7-0906-9758-ab34-47c5764f07e2",
        "text-embedding-v3",
        settings={"route": "openai"},
    ),
    Case(
        "dashscope/media-four-kinds",
        "tongyi-embedding-vision-plus",
        ("text", PICTURE, CLIP),
        (
            [-0.026611328125, -0.016571044921875, -0.02227783203125],
            [0.051544189453125, 0.007717132568359375, 0.026611328125],
            [-0.0217437744140625, -0.016448974609375, 0.040679931640625],
        ),
        (906, 10, 896),
        "1fff9502-a6c5-9472-9ee1-73930fdd04c5",
    ),
    Case(
        "dashscope/media-details",
        "tongyi-embedding-vision-plus",
        ("text", Frames([PICTURE])),
        ([-0.026611328125], [0.051544189453125]),
        (906, 7, 896),
        "1fff9502-a6c5-9472-9ee1-73930fdd04c5",
    ),
    Case(
        "dashscope/media-text-sdk",
        "tongyi-embedding-vision-plus",
        ("text",),
        ([-0.020782470703125, -0.01399993896484375, -0.0229949951171875],),
        (12, 12, 0),
        "b5623e99-ea0c-9509-9b25-20bcc99d03e9",
    ),
    Case(
        "dashscope/media-image-v1",
        "multimodal-embedding-v1",
        (PICTURE,),
        ([-0.0396728515625, 0.00650787353515625, -0.0223388671875],),
        (0, 0, 0),
        "23478d14-55c6-98cc-9706-29d23de742fb",
    ),
)
with_each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.fixture)


def _read(answering, case: Case, **settings: Any):
    row = get_model_info(case.model)
    edge = answering(*full_reply(case.fixture, row.default_dimension))
    return edge.embed(case.model, *case.items, call=case.call, **case.settings, **settings)


@with_each_case
def test_rows_are_the_numbers_of_the_page(answering, case):
    rows = _read(answering, case, normalize=False).vectors

    assert (len(case.items), get_model_info(case.model).default_dimension) == rows.shape
    for expected, row in zip(case.printed, rows, strict=True):
        assert np.array(expected, np.float32).tolist() == row[: len(expected)].tolist()


@with_each_case
def test_rows_are_divided_by_their_length_unless_switched_off(answering, case):
    plain, rows = (_read(answering, case, normalize=choice).vectors for choice in (False, True))

    expected = plain / np.linalg.norm(plain.astype(np.float64), axis=1, keepdims=True)
    assert pytest.approx(expected, abs=1e-6) == rows


@pytest.mark.parametrize(
    "case", [case for case in CASES if len(case.items) > 1], ids=lambda case: case.fixture
)
def test_rows_go_by_position_not_by_the_order_of_the_reply(answering, case):
    status, reply = full_reply(case.fixture, get_model_info(case.model).default_dimension)
    body = json.loads(reply)
    (body["data"] if "data" in body else body["output"]["embeddings"]).reverse()

    result = answering(status, json.dumps(body).encode()).embed(case.model, *case.items, call=case.call)

    assert _read(answering, case).vectors.tolist() == result.vectors.tolist()


@with_each_case
def test_usage_is_what_the_page_bills(answering, case):
    usage = _read(answering, case).usage

    assert (1, *case.billed) == (usage.requests, usage.total_tokens, usage.text_tokens, usage.image_tokens)


@with_each_case
def test_the_request_id_and_the_model_are_the_replys(answering, case):
    result = _read(answering, case)

    assert ((case.request_id,), case.replied_model or case.model) == (result.request_ids, result.model)


@pytest.mark.parametrize(
    ("fixture", "model", "expected", "tokens"),
    [
        (
            "ark/sparse",
            "doubao-embedding-vision-250615",
            {1: 0.0887451171875, 13: 0.0887451171875},
            (),
        ),
        (
            "dashscope/text-everything",
            "text-embedding-v4",
            {7149: pytest.approx(0.829), 111290: pytest.approx(0.9004)},
            ("风", "哀"),
        ),
    ],
    ids=["ark", "dashscope"],
)
def test_sparse_entries_are_the_pages(answering, fixture, model, expected, tokens):
    edge = answering(*full_reply(fixture, get_model_info(model).default_dimension))

    (vector,) = edge.embed(model, "text", call={"output_type": "dense&sparse"}).sparse

    assert (expected, tokens) == (vector.as_dict(), vector.tokens)


ERRORS = (
    (
        "ark/error-wrong-api",
        "doubao-embedding-vision-250615",
        "native",
        RequestError,
        "InvalidParameter",
        None,
    ),
    (
        "ark/error-not-a-string",
        "doubao-embedding-text-240715",
        "native",
        RequestError,
        "InvalidParameter",
        None,
    ),
    (
        "dashscope/media-bad-key",
        "tongyi-embedding-vision-plus",
        "native",
        AuthError,
        "InvalidApiKey",
        "fb53c4ec-1c12-4fc4-a580-cdb7c3261fc1",
    ),
    ("dashscope/error-compatible-key", "text-embedding-v4", "openai", AuthError, "invalid_api_key", None),
    (
        "dashscope/error-compatible-batch",
        "text-embedding-v4",
        "openai",
        RequestError,
        "InvalidParameter",
        "318cff27-…",
    ),
)


@pytest.mark.parametrize(
    ("fixture", "model", "route", "error", "code", "request_id"), ERRORS, ids=[row[0] for row in ERRORS]
)
def test_an_error_of_a_page_becomes_ours(answering, fixture, model, route, error, code, request_id):
    page = sample(fixture)["reply"]
    edge = answering(*full_reply(fixture, 1))

    with pytest.raises(EmbeddingError) as caught:
        edge.embed(model, "something else", route=route)

    assert (error, page["status"], code, request_id) == (
        type(caught.value),
        caught.value.status,
        caught.value.code,
        caught.value.request_id,
    )


@pytest.mark.parametrize(
    ("fixture", "model", "route"),
    [row[:3] for row in ERRORS if row[3] is not AuthError],
    ids=[row[0] for row in ERRORS if row[3] is not AuthError],
)
def test_the_services_own_message_is_shown(answering, fixture, model, route):
    with pytest.raises(EmbeddingError) as caught:
        answering(*full_reply(fixture, 1)).embed(model, "something else", route=route)

    assert sample(fixture)["reply"]["body"]["error"]["message"] in str(caught.value)


def test_every_reply_a_page_prints_is_read():
    printed = {name for name in NAMES if "reply" in sample(name)}

    assert printed == {case.fixture for case in CASES} | {row[0] for row in ERRORS}
