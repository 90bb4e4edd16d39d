"""Content blocks in every spelling LangChain users have."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.messages.content import create_image_block, create_text_block, create_video_block
from paintings import data_uri, painted
from samples import PICTURE_URL, VIDEO_URL

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, media
from langchain_volc_dashscope.content_blocks import as_item
from volc_dashscope import Frames, Fused, Image, InputError, Video
from volc_dashscope.inputs import digest

RED64 = b64encode(painted("red")).decode()
RED = Image.from_bytes(painted("red"))
SHOE = Image.from_url(PICTURE_URL)
CAT = Video.from_url(VIDEO_URL)

SPELLINGS: dict[str, tuple[Any, Any]] = {
    "v1 text": ({"type": "text", "text": "a shoe"}, "a shoe"),
    "v1 image, url": ({"type": "image", "url": PICTURE_URL}, SHOE),
    "v1 image, base64": ({"type": "image", "base64": RED64, "mime_type": "image/png"}, RED),
    "v1 image, base64 without type": ({"type": "image", "base64": RED64}, RED),
    "v1 image, data URI": ({"type": "image", "url": data_uri(painted("red"))}, RED),
    "v1 video": ({"type": "video", "url": VIDEO_URL}, CAT),
    "v1 factory, image": (create_image_block(url=PICTURE_URL), SHOE),
    "v1 factory, video": (create_video_block(url=VIDEO_URL), CAT),
    "v1 factory, text": (create_text_block("a shoe"), "a shoe"),
    "v0 image, url": ({"type": "image", "source_type": "url", "url": PICTURE_URL}, SHOE),
    "v0 image, base64": (
        {"type": "image", "source_type": "base64", "data": RED64, "mime_type": "image/png"},
        RED,
    ),
    "v0 image, data alone": ({"type": "image", "data": RED64}, RED),
    "Anthropic image, by way of a message": (
        HumanMessage([{"type": "image", "source": {"type": "url", "url": PICTURE_URL}}]).content_blocks,
        SHOE,
    ),
    "video_url, by way of a message": (
        HumanMessage([{"type": "video_url", "video_url": {"url": VIDEO_URL}}]).content_blocks,
        CAT,
    ),
    "OpenAI image_url": ({"type": "image_url", "image_url": {"url": PICTURE_URL, "detail": "high"}}, SHOE),
    "OpenAI image_url, bare": ({"type": "image_url", "image_url": PICTURE_URL}, SHOE),
    "OpenAI image_url, data URI": (
        {"type": "image_url", "image_url": {"url": data_uri(painted("red"))}},
        RED,
    ),
    "video_url": ({"type": "video_url", "video_url": {"url": VIDEO_URL}}, CAT),
    "DashScope text": ({"text": "a shoe"}, "a shoe"),
    "DashScope image": ({"image": PICTURE_URL}, SHOE),
    "DashScope image, data URI": ({"image": data_uri(painted("red"))}, RED),
    "DashScope video": ({"video": VIDEO_URL}, CAT),
    "DashScope multi_images": (
        {"multi_images": [PICTURE_URL, data_uri(painted("red"))]},
        Frames([SHOE, RED]),
    ),
    "DashScope, several in one": ({"text": "a shoe", "image": PICTURE_URL}, Fused("a shoe", SHOE)),
    "list of one": ([{"type": "text", "text": "a shoe"}], "a shoe"),
    "list of blocks": (
        [{"type": "text", "text": "a shoe"}, {"type": "image", "url": PICTURE_URL}],
        Fused("a shoe", SHOE),
    ),
    "list of three spellings": (
        ["a shoe", {"image": PICTURE_URL}, {"type": "video_url", "video_url": VIDEO_URL}],
        Fused("a shoe", SHOE, CAT),
    ),
    "tuple of values": (("a shoe", SHOE), Fused("a shoe", SHOE)),
    "list with a media text": (["like this", media(RED, "a red square")], Fused("like this", RED)),
    "list with a fused value": (["and", Fused("a shoe", SHOE)], Fused("and", "a shoe", SHOE)),
    "content of a message": (
        HumanMessage(
            [{"type": "text", "text": "a shoe"}, {"type": "image_url", "image_url": {"url": PICTURE_URL}}]
        ).content,
        Fused("a shoe", SHOE),
    ),
    "content blocks of a message": (
        HumanMessage(
            [{"type": "text", "text": "a shoe"}, {"type": "image_url", "image_url": {"url": PICTURE_URL}}]
        ).content_blocks,
        Fused("a shoe", SHOE),
    ),
}


@pytest.mark.parametrize(("block", "expected"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_block_is_the_item_it_spells(block, expected):
    item = as_item(block)

    assert expected == item
    assert digest(expected) == digest(item)


@pytest.mark.parametrize(("block", "expected"), SPELLINGS.values(), ids=SPELLINGS)
async def test_a_block_gets_the_vector_of_its_item(inside, embed_model_of, block, expected):
    frames = "multi_images" in str(block)
    settings = {"model": "tongyi-embedding-vision-plus-2026-03-06"} if frames else {}
    embed_model = embed_model_of(DashScopeEmbeddings, inside, **settings)

    rows = [
        embed_model.embed_documents([block])[0],
        (await embed_model.aembed_documents([block]))[0],
        embed_model.embed_contents([block])[0],
        (await embed_model.aembed_contents([block]))[0],
    ]
    queries = [embed_model.embed_query(block), await embed_model.aembed_query(block)]

    assert [embed_model.embed_documents([expected])[0]] * 4 == rows
    assert [embed_model.embed_query(expected)] * 2 == queries


def test_a_list_of_blocks_is_one_fused_vector_in_one_request(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    rows = embed_model.embed_documents(
        [[{"type": "text", "text": "a shoe"}, {"type": "image", "url": PICTURE_URL}]]
    )

    assert 1 == len(rows) == len(inside.emulator.ledger)
    assert ["text", "image_url"] == [part["type"] for part in inside.emulator.ledger[0].body["input"]]


@pytest.mark.parametrize("kind", ["image", "video", "text"])
def test_ids_of_blocks_are_in_no_digest_and_no_request(inside, embed_model_of, kind):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    make = {
        "image": lambda name: create_image_block(url=PICTURE_URL, id=name),
        "video": lambda name: create_video_block(url=VIDEO_URL, id=name),
        "text": lambda name: {**create_text_block("a shoe"), "id": name},
    }[kind]
    first, second = make("lc_block-one"), make("lc_block-two")

    rows = embed_model.embed_documents([first, [second]])

    bodies = [json.dumps(request.body) for request in inside.emulator.ledger]
    assert digest(as_item(first)) == digest(as_item(second))
    assert rows[0] == rows[1]
    assert 1 == len(set(bodies))
    assert "lc_block" not in bodies[0]


KNOBS = {
    "fps": 2.0,
    "max_video_tokens": 20_480,
    "min_frame_tokens": 32,
    "max_frame_tokens": 256,
    "min_frames": 8,
}
SAMPLED = Video.from_url(VIDEO_URL, **KNOBS)
WITH_KNOBS: dict[str, Any] = {
    "Ark": {"type": "video_url", "video_url": {"url": VIDEO_URL, **KNOBS}},
    "beside video_url": {"type": "video_url", "video_url": {"url": VIDEO_URL}, **KNOBS},
    "v1": {"type": "video", "url": VIDEO_URL, **KNOBS},
    "v1 extras": {"type": "video", "url": VIDEO_URL, "extras": KNOBS},
    "v1 factory": create_video_block(url=VIDEO_URL, **KNOBS),
    "DashScope": {"video": VIDEO_URL, **KNOBS},
    "in a list": [{"type": "video_url", "video_url": {"url": VIDEO_URL, **KNOBS}}],
}


@pytest.mark.parametrize("block", WITH_KNOBS.values(), ids=WITH_KNOBS)
def test_how_a_video_is_sampled_goes_out_with_it(inside, embed_model_of, block):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    embed_model.embed_documents([block])

    assert SAMPLED == as_item(block)
    assert KNOBS == {name: inside.emulator.ledger[0].body["input"][0]["video_url"][name] for name in KNOBS}


def test_sampling_of_a_video_in_memory_is_kept():
    data = (b"\0\0\0\x18ftypmp42" + b"\0" * 12) * 4
    block = {"type": "video", "base64": b64encode(data).decode(), "fps": 2.0}

    assert Video.from_bytes(data, fps=2.0) == as_item(block)


def test_bookkeeping_of_a_block_is_no_content():
    books = {
        "id": "lc_1",
        "index": 0,
        "extras": {},
        "cache_control": {"type": "ephemeral"},
        "metadata": {"a": 1},
    }

    assert "a shoe" == as_item({"type": "text", "text": "a shoe", "annotations": [], **books})
    assert SHOE == as_item({"type": "image", "url": PICTURE_URL, "file_id": None, **books})
    assert CAT == as_item({"type": "video", "url": VIDEO_URL, **books, "metadata": {"a": 1, "fps": None}})


def test_metadata_of_a_picture_may_tell_of_the_film_it_was_taken_from():
    """Only where a video is embedded can `fps` be a setting; beside a picture or text it is a note."""
    taken = {"metadata": {"fps": 25, "film": "cat.mp4"}}

    assert SHOE == as_item({"type": "image", "url": PICTURE_URL, **taken})
    assert "a shoe" == as_item({"type": "text", "text": "a shoe", **taken})


def _nested(depth: int) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": "a"}
    for _ in range(depth):
        block = {"type": "non_standard", "value": block}
    return block


BAD = {
    "a picture in a text block": ({"type": "text", "text": "x", "image": PICTURE_URL}, "the key 'image'"),
    "a picture in a text block's extras": (
        {"type": "text", "text": "x", "extras": {"image": PICTURE_URL}},
        "the key 'image'",
    ),
    "a text in a picture block": ({"type": "image", "url": PICTURE_URL, "text": "x"}, "the key 'text'"),
    "an unknown key of video_url": (
        {"type": "video_url", "video_url": {"url": VIDEO_URL, "frames": 3}},
        "the key 'frames'",
    ),
    "an unknown key of image_url": (
        {"type": "image_url", "image_url": {"url": PICTURE_URL, "max_pixels": 3}},
        "the key 'max_pixels'",
    ),
    "a video in a picture block": (
        {"type": "image_url", "image_url": PICTURE_URL, "video_url": VIDEO_URL},
        "the key 'video_url'",
    ),
    "sampling of a picture": ({"image": PICTURE_URL, "fps": 1}, "'fps', which sets how a video is sampled"),
    "sampling of a picture by URL": (
        {"type": "image_url", "image_url": {"url": PICTURE_URL, "fps": 1}},
        "'fps', which sets how a video is sampled",
    ),
    "sampling said twice": (
        {"type": "video_url", "video_url": {"url": VIDEO_URL, "fps": 1}, "fps": 2},
        "fps twice",
    ),
    "sampling in the metadata of a v1 block": (
        {"type": "video", "url": VIDEO_URL, "metadata": {"fps": 2}},
        "'fps' in its metadata.*next to the URL or in extras",
    ),
    "sampling in the metadata of a video_url block": (
        {"type": "video_url", "video_url": VIDEO_URL, "metadata": {"min_frames": 8}},
        "'min_frames' in its metadata.*next to the URL or in extras",
    ),
    "sampling in metadata beside the URL": (
        {"type": "video_url", "video_url": {"url": VIDEO_URL, "metadata": {"fps": 2}}},
        "'fps' in its metadata.*next to the URL or in extras",
    ),
    "sampling in the metadata of a DashScope block": (
        {"text": "a cat", "video": VIDEO_URL, "metadata": {"fps": 0.5}},
        "'fps' in its metadata.*next to the URL or in extras",
    ),
    "sampling in the metadata of extras": (
        {"type": "video", "url": VIDEO_URL, "extras": {"metadata": {"fps": 2}}},
        "'fps' in its metadata.*next to the URL or in extras",
    ),
    "an unknown key of a video's extras": (
        {"type": "video", "url": VIDEO_URL, "extras": {"frames": 3}},
        "the key 'frames'",
    ),
    "sampling out of its range": (
        {"type": "video_url", "video_url": {"url": VIDEO_URL, "min_frames": 4}},
        "min_frames 4",
    ),
    "two sources": ({"type": "image", "url": PICTURE_URL, "base64": RED64}, "url and base64"),
    "an unknown key of a DashScope block": ({"text": "x", "factor": 2}, "the key 'factor'"),
    "one image for multi_images": ({"multi_images": PICTURE_URL}, "must be a list, got one str"),
    "a file id of v0": (
        {"type": "image", "source_type": "id", "id": "file-1"},
        "source_type 'id', which names a file at another service",
    ),
    "a file id of v0 beside a URL": (
        {"type": "image", "source_type": "id", "id": "file-1", "url": PICTURE_URL},
        "source_type 'id', which names a file at another service",
    ),
    "data that is said to be a URL": (
        {"type": "image", "source_type": "url", "data": RED64},
        "source_type 'url' and data; pass url",
    ),
    "a URL that is said to be data": (
        {"type": "image", "source_type": "base64", "url": PICTURE_URL},
        "source_type 'base64' and url; pass base64 or data",
    ),
    "a source there is none of": (
        {"type": "image", "source_type": "path", "url": PICTURE_URL},
        "source_type must be url or base64, got 'path'",
    ),
    "bytes for base64": (
        {"type": "image", "base64": painted("red")},
        "base64 of a content block must be str, got bytes",
    ),
    "bytes for data": (
        {"type": "image", "data": painted("red")},
        "data of a content block must be str, got bytes",
    ),
    "a video's type for a picture": (
        {"type": "image", "url": PICTURE_URL, "mime_type": "video/mp4"},
        "mime_type 'video/mp4'; its type is image",
    ),
    "a type of a number": (
        {"type": "image", "url": PICTURE_URL, "mime_type": 5},
        "mime_type must be str, got int",
    ),
    "a picture as Anthropic spells it": (
        {"type": "image", "source": {"type": "url", "url": PICTURE_URL}},
        "the key 'source'.*message.content_blocks",
    ),
    "a non-standard block of nothing": (
        {"type": "non_standard", "value": 5},
        "value of a non_standard block",
    ),
    "a non-standard block of another kind": (
        {"type": "non_standard", "value": {"type": "input_image", "image_url": PICTURE_URL}},
        "type 'input_image'",
    ),
    "non-standard blocks inside each other": (_nested(5_000), "inside another one"),
    "unknown type": ({"type": "audio", "url": "https://example.com/a.mp3"}, "type 'audio'"),
    "unknown key": ({"picture": PICTURE_URL}, "key 'picture'"),
    "empty": ({}, "content block is empty"),
    "empty list": ([], "list of content blocks is empty"),
    "file id": ({"type": "image", "file_id": "file-1"}, "a file_id, which names a file at another service"),
    "stray characters in base64": (
        {"type": "image", "base64": f"{RED64[:8]}!!{RED64[8:]}"},
        "cannot be decoded",
    ),
    "broken base64": ({"type": "image", "base64": "not base64!"}, "cannot be decoded"),
    "no picture": ({"type": "image", "base64": b64encode(b"hello world").decode()}, "not an image"),
    "text of None": ({"type": "text", "text": None}, "must be str"),
    "text of a list": ({"text": ["a"]}, "must be str"),
    "URL of None": ({"type": "image_url", "image_url": {}}, "must be str"),
    "file URL": ({"type": "image", "url": "file:///etc/passwd"}, "scheme 'file'"),
    "path": ({"image": "/etc/passwd"}, "no scheme"),
    "path in multi_images": ({"multi_images": ["/etc/passwd"]}, "no scheme"),
    "a number": (7, "got int"),
    "None": (None, "got NoneType"),
    "bytes": (b"abc", "expected str"),
    "a bad block in a list": (["a", {"type": "audio"}], "type 'audio'"),
}


@pytest.mark.parametrize(("block", "message"), BAD.values(), ids=BAD)
def test_a_bad_block_is_named_by_its_index_and_opens_nothing(inside, embed_model_of, audit, block, message):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    audit.files_opened.clear()

    with pytest.raises(InputError, match=message) as caught:
        embed_model.embed_documents(["fine", block])

    assert (1, 0) == (caught.value.index, len(inside.emulator.ledger))
    assert [] == audit.files_opened


def test_a_text_block_is_text_even_if_it_ends_in_a_token(inside, embed_model_of):
    """A block says what it is; only a bare `str` may stand for media."""
    embed_model = embed_model_of(ArkEmbeddings, inside)
    text = str.__str__(media(RED))

    embed_model.embed_documents([{"type": "text", "text": text}])

    assert [text] == inside.emulator.ledger.texts
