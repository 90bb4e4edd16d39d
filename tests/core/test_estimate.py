"""What a call would cost, before it is sent and without a key; and what it did cost, by modality."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from paintings import painted

from volc_dashscope import (
    ConfigError,
    Frames,
    Fused,
    Image,
    InputError,
    Item,
    ModelInfo,
    Usage,
    Video,
    estimate_cost,
    estimate_rerank_cost,
    get_model_info,
    list_models,
)
from volc_dashscope.models.tokens import text_tokens

NATIVE = [row for row in list_models() if row.ready and "native" in row.routes]
VISION, OLDER, TEXT = "doubao-embedding-vision-251215", "doubao-embedding-vision-250615", "text-embedding-v4"
PLUS = "tongyi-embedding-vision-plus-2026-03-06"
WINDOW = (10 * 1024, 80 * 1024)
PICTURE = "https://host/cat.png"
FILM = "https://host/film.mp4"
MP4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"


def _header(width: int, height: int) -> bytes:
    """A PNG that ends after its header: there are no pixels to decode."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def _sized(width: int, height: int) -> Image:
    return Image.from_bytes(_header(width, height))


def _picture(width: int, height: int) -> Image:
    return Image.from_bytes(painted(size=(width, height)))


def _mixture(row: ModelInfo) -> list[Item]:
    """Items of every kind a row has, in an order that fills, breaks and splits requests."""
    items: list[Item] = [f"text {number}" for number in range(13)]
    items += ["long " * 150, "longer " * 120, "long again " * 90]
    if "image" in row.modalities:
        items += [_picture(40 + number, 50) for number in range(7)]
        items.insert(3, Image.from_url(PICTURE))
    if "video" in row.modalities:
        items += [Video.from_url(FILM), Video.from_url(FILM), "between"]
    if row.fps is not None:
        items += [Video.from_url(FILM, fps=0.5), Video.from_url(FILM, fps=1), "after"]
    if "frames" in row.modalities:
        items += [Frames([_picture(40, 40), _picture(50, 50)])] * 2
    if row.fusion is not None:
        items[5:5] = [Fused("red", _picture(60, 60)), Fused("blue", _picture(60, 60))]
    return items


# Requests.


@pytest.mark.parametrize("row", NATIVE, ids=lambda row: row.name)
def test_requests_are_the_ones_the_client_sends(inside, row):
    items = _mixture(row)

    expected = estimate_cost(items, row.name).requests
    inside.client(row.name).embed(items)

    assert expected == len(inside.emulator.ledger)
    assert {200} == set(inside.emulator.ledger.statuses)


def test_neighbours_share_a_request_up_to_the_batch_of_the_row():
    counted = [estimate_cost(["text"] * count, TEXT).requests for count in (0, 1, 10, 11, 25)]

    assert [0, 1, 1, 2, 3] == counted


def test_an_open_file_is_counted_by_the_line(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("one\ntwo\nthree\n", encoding="utf-8")

    with path.open(encoding="utf-8") as file:
        found = estimate_cost(file, OLDER)

    assert (3, 3) == (found.items, found.requests)


def test_a_file_job_is_one_request_for_many_texts():
    found = estimate_cost(["text"] * 1000, "text-embedding-async-v2")

    assert (1000, 1, None) == (found.items, found.requests, found.seconds_at_limit)


def test_no_key_no_file_and_no_connection_is_needed(tmp_path, audit):
    path = tmp_path / "big.png"
    path.write_bytes(_header(1280, 720))
    items = [Image.from_path(path), Video.from_url(FILM), "text"]
    audit.files_opened.clear()

    estimate_cost(items, VISION)

    assert [] == audit.files_opened
    assert [] == audit.dialled


# Text.

TEXTS = {
    "one-character": ("天", 2),
    "chinese": ("天很蓝，海很深", 8),
    "ascii": ("The sky is blue!", 5),
    "mixed": ("天 is the sky", 4),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_text_is_counted_by_the_rule_that_is_stated(text, expected):
    found = estimate_cost([text], TEXT)

    assert expected == found.text_tokens
    assert "1 for each Chinese" in found.rule
    assert "estimated" in found.rule


def test_a_text_that_is_cut_counts_no_more_than_the_cut():
    found = estimate_cost(["天" * 600], "multimodal-embedding-v1")

    assert get_model_info("multimodal-embedding-v1").max_tokens == found.text_tokens
    assert "at most 512 tokens" in found.rule


def test_the_task_counts_where_it_is_a_prefix_of_the_query():
    model = "doubao-embedding-large-text-250515"
    plain, query, document = (
        estimate_cost(["query"], model, **settings).text_tokens
        for settings in ({}, {"instruct": "天" * 9, "text_type": "query"}, {"instruct": "天" * 9})
    )

    assert (10, 0) == (query - plain, document - plain)


def test_presets_no_page_publishes_are_said_to_be_missing():
    assert "preset text" in estimate_cost([_sized(100, 100)], VISION).rule.lower()


# Images.

ARK_IMAGES = {
    "page-example": ((1280, 720), 1176),
    "page-example-capped": ((1920, 1080), 1312),
    "one-token-exactly": ((28, 28), 1),
    "rounded-up": ((29, 28), 2),
    "just-below-the-cap": ((784, 1311), 1311),
    "at-the-cap": ((784, 1312), 1312),
}


@pytest.mark.parametrize(("size", "expected"), ARK_IMAGES.values(), ids=ARK_IMAGES)
def test_an_image_on_ark_counts_by_its_pixels(size, expected):
    found = estimate_cost([_sized(*size)], VISION)

    assert (expected, 0) == (found.image_tokens, found.unknown)
    assert (expected, expected) == found.tokens


@pytest.mark.parametrize(("level", "expected"), [(None, 402), (0, 127), (1, 402), (2, 578), (3, 1026)])
def test_an_image_of_a_snapshot_counts_by_res_level(level, expected):
    items = [_sized(2000, 2000), Image.from_url(PICTURE), Frames([_sized(20, 20), _sized(30, 30)])]

    found = estimate_cost(items, PLUS, res_level=level)

    assert (4 * expected, 0) == (found.image_tokens, found.unknown)
    assert f"{expected} tokens at res_level" in found.rule


@pytest.mark.parametrize(
    ("model", "settings"),
    [(VISION, {}), (OLDER, {}), (PLUS, {}), *((PLUS, {"res_level": level}) for level in range(4))],
)
def test_image_tokens_are_what_the_emulator_bills(inside, model, settings):
    """The emulator has formulas of its own, so that one mistake cannot hide in both."""
    items = [_picture(30, 40), _picture(333, 777), "text", _picture(1920, 1080)]

    found = estimate_cost(items, model, **settings)
    billed = inside.client(model, **settings).embed(items).usage

    assert billed.image_tokens == found.image_tokens


@pytest.mark.parametrize(
    "model",
    ["qwen3-vl-embedding", "qwen2.5-vl-embedding", "tongyi-embedding-vision-plus", "multimodal-embedding-v1"],
)
def test_a_model_whose_formula_no_page_gives_has_unknown_images(model):
    found = estimate_cost([_sized(100, 100), "text", Video.from_url(FILM)], model)

    assert (0, (0, 0), 2) == (found.image_tokens, found.video_tokens, found.unknown)
    assert (found.text_tokens, None) == found.tokens
    assert found.price is not None
    assert found.price[1] is None
    assert "images are not counted: no page says" in found.rule.lower()


UNSIZED: dict[str, Item] = {
    "url": Image.from_url(PICTURE),
    "unreadable-header": Image.from_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20)),
    "fused-with-text": Fused("red", Image.from_url(PICTURE)),
}


@pytest.mark.parametrize("item", UNSIZED.values(), ids=UNSIZED)
def test_an_image_of_unknown_size_on_ark_is_bounded_by_the_cap(item):
    found = estimate_cost([item], VISION)

    assert (0, 1) == (found.image_tokens, found.unknown)
    assert (found.text_tokens, found.text_tokens + 1312) == found.tokens


def test_an_item_with_several_unknown_images_is_one_unknown_item():
    item = Fused(Image.from_url(PICTURE), Image.from_url(PICTURE), _sized(28, 28))

    found = estimate_cost([item], VISION)

    assert (1, 1) == (found.image_tokens, found.unknown)
    assert (1, 1 + 2 * 1312) == found.tokens


# Videos.

VIDEOS: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "nothing-set": ({}, WINDOW),
    "fps-alone": ({"fps": 2}, WINDOW),
    "most-tokens": ({"max_video_tokens": 20_480}, (5 * 16, 20_480)),
    "fewest-frames": ({"min_frames": 16, "min_frame_tokens": 128}, (16 * 128, 204_800)),
    "largest-frame": ({"max_frame_tokens": 640}, (5 * 16, 204_800)),
    "all": (
        {"max_video_tokens": 10_240, "min_frames": 10, "min_frame_tokens": 20, "max_frame_tokens": 128},
        (200, 10_240),
    ),
}


@pytest.mark.parametrize(("knobs", "expected"), VIDEOS.values(), ids=VIDEOS)
def test_a_video_on_ark_is_a_documented_range(knobs, expected):
    found = estimate_cost([Video.from_bytes(MP4, **knobs)], VISION)

    assert (expected, 0) == (found.video_tokens, found.unknown)
    assert expected == found.tokens


def test_ranges_of_videos_add_up():
    items = [Video.from_url(FILM), Fused("red", Video.from_url(FILM), Video.from_bytes(MP4))]

    found = estimate_cost(items, OLDER)

    assert (3 * WINDOW[0], 3 * WINDOW[1]) == found.video_tokens
    assert "10,240 to 81,920" in found.rule


def test_what_the_emulator_bills_for_a_video_is_in_the_range(inside):
    items: list[Item] = [Video.from_url(FILM), Video.from_bytes(MP4 + bytes(1000), fps=0.2)]

    low, high = estimate_cost(items, VISION).video_tokens
    billed = inside.client(VISION).embed(items).usage.image_tokens

    assert low <= billed <= high


# Price and time.


def test_text_and_media_have_their_own_price():
    found = estimate_cost(["天" * 999, _sized(1920, 1080), Video.from_url(FILM)], VISION)
    row = get_model_info(VISION)

    assert (1000, 1312) == (found.text_tokens, found.image_tokens)
    assert (
        pytest.approx((0.0007 + 1.8 * (1312 + 10_240) / 1e6, 0.0007 + 1.8 * (1312 + 81_920) / 1e6))
        == found.price
    )
    assert (row.price.currency, row.price.as_of, row) == (found.currency, found.as_of, found.model_info)


@pytest.mark.parametrize(("route", "rate"), [(None, 0.5), ("native", 0.5), ("openai", 0.5), ("batch", 0.25)])
def test_the_price_is_that_of_the_route(route, rate):
    found = estimate_cost(["天" * 999] * 100, TEXT, route=route)

    assert pytest.approx((0.1 * rate, 0.1 * rate)) == found.price
    assert ("batch" == route) == ("Batch price" in found.rule)


@pytest.mark.parametrize("model", ["doubao-embedding-vision-241215", "skylark-embedding-vision-251215"])
def test_a_row_without_a_price_gives_none(model):
    found = estimate_cost(["text"], model)

    assert (None, None, None) == (found.price, found.currency, found.as_of)
    assert "price" not in found.rule


def test_nothing_costs_nothing():
    found = estimate_cost([], VISION)

    assert (0, 0, (0, 0), (0.0, 0.0)) == (found.items, found.requests, found.tokens, found.price)


LIMITS: dict[str, tuple[str, list[Item], float | None]] = {
    "requests": ("multimodal-embedding-v1", ["text"] * 240, 60 * 12 / 120),
    "tokens": (OLDER, ["天" * 1199] * 1000, 60.0),
    "most-tokens-of-videos": (OLDER, [Video.from_url(FILM)] * 10, 60 * 10 * 81_920 / 1_200_000),
    "no-limit-published": (TEXT, ["text"] * 240, None),
}


@pytest.mark.parametrize(("model", "items", "expected"), LIMITS.values(), ids=LIMITS)
def test_the_time_is_that_of_the_tighter_published_limit(model, items, expected):
    assert pytest.approx(expected) == estimate_cost(items, model).seconds_at_limit


# Names and refusals.


def test_an_endpoint_id_is_counted_like_the_row_it_stands_for():
    found = estimate_cost([_sized(1280, 720)], "ep-20260101-abcde", base_model=VISION)

    assert (1176, "ep-20260101-abcde") == (found.image_tokens, found.model_info.name)
    assert estimate_cost([_sized(1280, 720)], VISION).price == found.price


def test_a_model_of_tomorrow_has_no_price():
    found = estimate_cost(["text"] * 3, "doubao-embedding-vision-990101", provider="ark")

    assert (3, None) == (found.requests, found.price)


REFUSALS: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "unknown-model": (["text"], {"model": "nobody"}, ConfigError, "not in the table"),
    "bare-text": ("text", {"model": TEXT}, InputError, "must be a list"),
    "second-item": (["text", _sized(5, 5)], {"model": VISION}, InputError, "item 1: image is 5x5"),
    "media-for-text": ([_sized(50, 50)], {"model": TEXT}, InputError, "item 0: .*embeds text"),
    "route": (["text"], {"model": VISION, "route": "batch"}, ConfigError, "no route 'batch'"),
    "level": (["text"], {"model": VISION, "res_level": 1}, ConfigError, "does not support res_level"),
    "local-video": ([Video.from_bytes(MP4)], {"model": PLUS}, InputError, "public URL only"),
}


@pytest.mark.parametrize(("items", "settings", "kind", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_a_client_refuses_is_refused(items, settings, kind, words):
    with pytest.raises(kind, match=words):
        estimate_cost(items, **settings)


def test_a_local_video_counts_where_it_will_be_uploaded():
    found = estimate_cost([Video.from_bytes(MP4)], PLUS, upload=True)

    assert (1, 1) == (found.requests, found.unknown)


# What a call did cost.

ARK_TEXT = "doubao-embedding-large-text-250515"
# The pages' own numbers where they print some; (model, usage, total, text, image).
SAMPLES: dict[str, tuple[str, dict[str, Any], int, int, int]] = {
    "ark-text-and-image": (
        OLDER,
        {
            "prompt_tokens": 528,
            "total_tokens": 528,
            "prompt_tokens_details": {"text_tokens": 31, "image_tokens": 497},
        },
        528,
        31,
        497,
    ),
    "ark-video-image-and-text": (
        OLDER,
        {
            "prompt_tokens": 13_987,
            "total_tokens": 13_987,
            "prompt_tokens_details": {"text_tokens": 187, "image_tokens": 13_800},
        },
        13_987,
        187,
        13_800,
    ),
    "ark-text-model": (ARK_TEXT, {"prompt_tokens": 8, "total_tokens": 8}, 8, 8, 0),
    "dashscope-text": (TEXT, {"total_tokens": 27}, 27, 27, 0),
    "tongyi": (
        PLUS,
        {
            "input_tokens": 10,
            "input_tokens_details": {"image_tokens": 896, "text_tokens": 7},
            "output_tokens": 3,
            "total_tokens": 906,
        },
        906,
        7,
        896,
    ),
    "tongyi-text-only": (
        "tongyi-embedding-vision-flash",
        {
            "input_tokens": 10,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 10},
            "output_tokens": 1,
            "total_tokens": 11,
        },
        11,
        10,
        0,
    ),
    "qwen3-vl": (
        "qwen3-vl-embedding",
        {"input_tokens": 43, "image_tokens": 1247, "total_tokens": 1290},
        1290,
        43,
        1247,
    ),
    "qwen2.5-vl": ("qwen2.5-vl-embedding", {"input_tokens": 10, "image_tokens": 896}, 906, 10, 896),
    "v1": (
        "multimodal-embedding-v1",
        {"input_tokens": 12, "image_tokens": 896, "image_count": 1, "duration": 3.5},
        908,
        12,
        896,
    ),
    "v1-2025-image-and-text": (
        "multimodal-embedding-v1",
        {"input_tokens": 10, "image_tokens": 896},
        906,
        10,
        896,
    ),
    "v1-2025-text": ("multimodal-embedding-v1", {"input_tokens": 12, "image_tokens": 0}, 12, 12, 0),
    "v1-2024-image": (
        "multimodal-embedding-v1",
        {"input_tokens": 0, "image_count": 1, "duration": 0},
        0,
        0,
        0,
    ),
}


def _flat(usage: dict[str, Any], times: int) -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, value in usage.items():
        within = (
            {f"{key}.{name}": number for name, number in value.items()} if isinstance(value, dict) else {}
        )
        flat.update(within or {key: value})
    return {key: times * number for key, number in flat.items()}


@pytest.mark.parametrize(("model", "usage", "total", "text", "image"), SAMPLES.values(), ids=SAMPLES)
def test_usage_sums_every_key_by_modality(inside, model, usage, total, text, image):
    inside.emulator.reply_with(lambda request, response: {**response.json, "usage": usage})
    client = inside.client(model)

    once = client.embed(["text"]).usage
    client.embed(["text"])
    client.embed(["text"])

    assert Usage(1, total, text, image, _flat(usage, 1)) == once
    assert Usage(3, 3 * total, 3 * text, 3 * image, _flat(usage, 3)) == client.usage


def test_usage_of_the_compatible_route_is_text(inside):
    usage = {"prompt_tokens": 184, "total_tokens": 184}
    inside.emulator.reply_with(lambda request, response: {**response.json, "usage": usage})

    found = inside.client(TEXT, route="openai").embed(["text"]).usage

    assert Usage(1, 184, 184, 0, usage) == found


UNTOLD = {
    "none": None,
    "empty": {},
    "words": {"total_tokens": "many", "input_tokens": True},
    "negative": {"total_tokens": -1},
}


@pytest.mark.parametrize("usage", UNTOLD.values(), ids=UNTOLD)
@pytest.mark.parametrize("model", [VISION, TEXT, PLUS])
def test_a_reply_without_usable_usage_counts_as_a_request(inside, model, usage):
    inside.emulator.reply_with(lambda request, response: {**response.json, "usage": usage})

    assert Usage(requests=1) == inside.client(model).embed(["text"]).usage


class TestRerank:
    DOCUMENTS = ("a green forest", "蓝色海景", "red shoes")

    def test_tokens_are_query_times_documents_plus_documents(self):
        query, documents = text_tokens("a blue sea"), sum(map(text_tokens, self.DOCUMENTS))

        found = estimate_rerank_cost([("a blue sea", self.DOCUMENTS)] * 2, "qwen3-rerank")

        assert (2, 6) == (found.requests, found.items)
        assert (2 * (3 * query + documents),) * 2 == found.tokens
        assert (found.tokens[0] * 0.5 / 1e6,) * 2 == found.price
        assert found.seconds_at_limit == pytest.approx(60 * 2 / 5_400)

    @pytest.mark.parametrize(
        ("query", "documents"),
        [(Image.from_url("https://e.com/a.png"), ["b"]), ("a", ["b", Video.from_url("https://e.com/a.mp4")])],
        ids=["query", "document"],
    )
    def test_what_media_count_is_unknown_and_never_nothing(self, query, documents):
        found = estimate_rerank_cost([(query, documents)])

        assert (1, None, None) == (found.unknown, found.tokens[1], found.price[1])
        assert "images and videos are not counted: no page says" in found.rule

    def test_no_documents_cost_nothing(self):
        found = estimate_rerank_cost([("a", [])], "qwen3-rerank")

        assert (0, (0, 0)) == (found.requests, found.tokens)

    @pytest.mark.parametrize(
        ("settings", "documents", "kind", "words"),
        [
            ({"model": "gte-rerank"}, ["b"], ConfigError, "use qwen3-rerank"),
            (
                {"model": "gte-rerank-v2", "instruct": "x"},
                ["b"],
                InputError,
                "does not support an instruction",
            ),
            ({"model": "qwen3-rerank"}, ["b"] * 501, InputError, "at most 500"),
        ],
        ids=["stopped", "instruct", "limit"],
    )
    def test_what_would_be_refused_is_refused(self, settings, documents, kind, words):
        with pytest.raises(kind, match=words):
            estimate_rerank_cost([("a", documents)], **settings)
