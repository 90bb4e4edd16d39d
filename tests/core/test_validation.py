"""What does not fit the model is refused before a byte is sent: each limit of each row, at it and one past it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import pytest
from files import clip, gif, mp4, picture, png
from specs import row_named, spec_of

from volc_dashscope import (
    ConfigError,
    Frames,
    Fused,
    Image,
    InputError,
    Item,
    ModelInfo,
    Video,
    list_models,
)
from volc_dashscope._config import find_model_info
from volc_dashscope._request.items import Refused
from volc_dashscope._request.validation import (
    check_call,
    check_item,
    check_items,
    check_settings,
    most_characters,
)
from volc_dashscope._types import RequestSpec
from volc_dashscope.models import TEXT

MIB = 1024 * 1024
ROWS = [row for row in list_models() if row.ready]


def rows(which: Callable[[ModelInfo], bool]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", list(filter(which, ROWS)), ids=lambda row: row.name)


every_row = rows(lambda row: True)


class Limit(NamedTuple):
    """
    One limit of one row.

    Attributes:
        make: Makes an item of some size, in the limit's unit.
        most: The last size that fits.
        past: The first that does not.
        seen, allowed: What the error must say.
    """

    row: ModelInfo
    name: str
    make: Callable[[int], Item]
    most: int
    past: int
    seen: str
    allowed: str


def _taken(item: Item, spec: RequestSpec) -> bool:
    try:
        check_item(item, spec)
    except InputError:
        return False
    return True


def _allowed(spec: RequestSpec) -> bool:
    try:
        check_settings(spec)
    except (ConfigError, InputError):
        return False
    return True


def _letters(size: int) -> Item:
    return "a" * size


def _image(size: int) -> Item:
    return Image.from_bytes(png(64, 64, size=size))


def _video(size: int) -> Item:
    return Video.from_bytes(mp4(size=size))


def _frames(number: int) -> Item:
    return Frames([picture()] * number)


def _fused(part: Callable[[], Any], number: int) -> Item:
    return Fused(*(part() for _ in range(number)))


def _strip(width: int, height: int) -> Item:
    return Image.from_bytes(png(width, height))


def _limits() -> Iterator[Limit]:
    for row in ROWS:
        yield from _limits_of_text(row)
        yield from _limits_of_media(row)
        yield from _limits_of_parts(row)


def _limits_of_text(row: ModelInfo) -> Iterator[Limit]:
    if row.max_tokens is not None and not row.truncates:
        # The bound that no tokenizer goes below: twelve letters a token.
        past = 12 * (row.max_tokens + 1)
        yield Limit(
            row, "tokens", _letters, past - 1, past, f"{row.max_tokens + 1:,} tokens", f"{row.max_tokens:,}"
        )
    if row.max_text_bytes is not None:
        most = row.max_text_bytes
        plain = replace(row, max_tokens=None)
        yield Limit(plain, "text bytes", _letters, most, most + 1, f"{most + 1:,} bytes", f"{most:,}")


def _limits_of_media(row: ModelInfo) -> Iterator[Limit]:
    for kind, rule, make in (("image", row.image, _image), ("video", row.video, _video)):
        if rule is None or not rule.inline:
            continue
        most, uri = rule.max_bytes, row.max_data_uri_bytes
        alone = replace(row, max_data_uri_bytes=None, max_request_bytes=None)
        yield Limit(alone, f"{kind} bytes", make, most, most + 1, f"{most + 1:,} bytes", f"{most:,}")
        if uri is not None:
            # Base64 is four letters for three bytes, after a prefix of at most 40.
            fits = (uri - 40) // 4 * 3
            large = replace(row, **{kind: replace(rule, max_bytes=2 * uri)})
            yield Limit(large, f"{kind} data URI", make, fits, fits + 1, f"{fits + 1:,} bytes", f"{uri:,}")
    image = row.image
    if image is not None and image.min_side:
        least = image.min_side
        for name, make in (
            ("width", lambda side: _strip(side, 100)),
            ("height", lambda side: _strip(100, side)),
        ):
            yield Limit(row, f"least {name}", make, least, least - 1, f"{least - 1}", f"{least} pixels")
    if image is not None and image.max_pixels:
        most, side = image.max_pixels, 5_999
        yield Limit(
            row,
            "pixels",
            partial(_strip, side),
            most // side,
            most // side + 1,
            f"{side}x{most // side + 1}",
            f"{most:,}",
        )


def _limits_of_parts(row: ModelInfo) -> Iterator[Limit]:
    if row.max_frames is not None:
        most = row.max_frames
        yield Limit(row, "frames", _frames, most, most + 1, f"{most + 1} frames", f"{most}")
    if row.fusion is None:
        return
    if row.fusion == "object":
        yield Limit(
            row,
            "texts",
            partial(_fused, lambda: "a"),
            1,
            2,
            "2 parts of kind text",
            "at most one of each kind",
        )
        return
    kinds = (
        ("text", row.max_texts, lambda: "a"),
        ("image", row.max_images, picture),
        ("video", row.max_videos, clip),
    )
    for kind, most, part in kinds:
        if most is not None and kind in row.modalities:
            yield Limit(
                row,
                f"{kind}s",
                partial(_fused, part),
                most,
                most + 1,
                f"{most + 1} parts of kind {kind}",
                f"{most}",
            )
    if row.fusion == "flag":
        most = row.batch
        yield Limit(
            row, "elements", partial(_fused, lambda: "a"), most, most + 1, f"{most + 1} parts", f"{most}"
        )


LIMITS = list(_limits())
every_limit = pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.row.name}: {limit.name}")


@every_limit
def test_an_item_at_the_limit_is_taken(limit: Limit) -> None:
    assert _taken(limit.make(limit.most), spec_of(limit.row))


@every_limit
def test_an_item_past_the_limit_is_refused_with_both_numbers(limit: Limit) -> None:
    item = limit.make(limit.past)

    with pytest.raises(InputError) as caught:
        check_item(item, spec_of(limit.row))

    said = str(caught.value)
    assert limit.seen in said
    assert limit.allowed in said
    assert limit.row.name in said


@every_row
@pytest.mark.parametrize(
    ("kind", "item"),
    [("image", picture()), ("video", clip()), ("frames", Frames([picture()]))],
    ids=["image", "video", "frames"],
)
def test_a_kind_of_content_is_taken_where_the_row_has_it(row: ModelInfo, kind: str, item: Item) -> None:
    if kind in row.modalities:
        check_item(item, spec_of(row))
        return

    with pytest.raises(InputError, match=f"{row.name} embeds .*, not {kind}"):
        check_item(item, spec_of(row))


@rows(lambda row: row.image is not None)
def test_a_file_format_is_taken_where_the_row_has_it(row: ModelInfo) -> None:
    assert row.image is not None
    if "gif" in row.image.formats:
        check_item(Image.from_bytes(gif()), spec_of(row))
        return

    with pytest.raises(InputError, match=r"image format gif; .* accepts .*jpeg.*png"):
        check_item(Image.from_bytes(gif()), spec_of(row))


@rows(lambda row: row.video is not None and not row.video.inline)
def test_a_local_video_is_refused_where_only_urls_are_taken(row: ModelInfo) -> None:
    with pytest.raises(InputError, match="accepts a video by public URL only"):
        check_item(Video.from_bytes(mp4()), spec_of(row))


def test_a_local_video_may_go_into_storage_where_there_is_one() -> None:
    qwen = row_named("qwen3-vl-embedding")
    assert qwen.video is not None
    ark = replace(VISION, video=replace(qwen.video, inline=False))
    for row in (replace(qwen, video=replace(qwen.video, inline=False)), ark):
        with pytest.raises(InputError, match="by public URL only") as caught:
            check_item(Video.from_bytes(mp4()), spec_of(row))

        assert ("upload=True" in str(caught.value)) is (row.provider == "dashscope")

    check_item(Video.from_bytes(mp4()), spec_of(qwen, upload=True))


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(Fused("a" * 400_000, picture()), id="a long text"),
        pytest.param(Fused("a", Image.from_bytes(gif())), id="an odd picture"),
        pytest.param(Frames([picture(), Image.from_bytes(gif())]), id="an odd frame"),
        pytest.param(Fused("a", clip(fps=2)), id="an odd rate"),
    ],
)
def test_every_part_of_an_item_is_checked(item: Item) -> None:
    row = replace(SNAPSHOT, image=replace(SNAPSHOT.image, formats=frozenset({"png"})), max_tokens=32_000)

    assert _taken(Fused("a", picture(), clip(fps=1)), spec_of(row))
    assert not _taken(item, spec_of(row))


@rows(lambda row: row.multimodal)
def test_parts_are_fused_where_the_model_can(row: ModelInfo) -> None:
    item = Fused("red", picture())
    if row.fusion is not None:
        check_item(item, spec_of(row))
        return

    with pytest.raises(InputError, match="cannot fuse several parts into one vector"):
        check_item(item, spec_of(row))


def test_frames_count_as_images_beside_an_image() -> None:
    row = "tongyi-embedding-vision-plus-2026-03-06"
    check_item(Fused(picture(), Frames([picture()] * 63)), spec_of(row))

    with pytest.raises(InputError, match=r"65 parts of kind image; .* at most 64"):
        check_item(Fused(picture(), Frames([picture()] * 64)), spec_of(row))


def test_a_request_larger_than_the_service_takes_is_refused() -> None:
    ark = spec_of("doubao-embedding-vision-251215")
    large = Image.from_bytes(png(64, 64, size=10 * 1024 * 1024 - 1))
    check_item(Fused(*[large] * 4), ark)

    with pytest.raises(
        InputError, match=r"the request for this item has 69,9\d\d,\d\d\d bytes; .* at most 67,108,864"
    ):
        check_item(Fused(*[large] * 5), ark)


def test_a_text_that_the_service_cuts_may_be_far_too_long_for_the_model() -> None:
    assert _taken("a" * 100_000, spec_of("multimodal-embedding-v1"))


def _unknown(**settings: Any) -> RequestSpec:
    return spec_of(
        find_model_info("tomorrow", provider="dashscope", base_model=None, model_info=None), **settings
    )


@pytest.mark.parametrize(
    "spec",
    [spec_of("multimodal-embedding-v1"), spec_of("skylark-embedding-vision-251215"), _unknown()],
    ids=["cut by the service", "no limit printed", "unknown model"],
)
def test_a_text_without_a_printed_limit_has_one_of_ours(spec: RequestSpec) -> None:
    with pytest.raises(InputError, match="this library accepts at most 16,777,216"):
        check_item("a" * (16 * 1024 * 1024 + 1), spec)


@pytest.mark.parametrize("text", ["a" * (16 * MIB), "天" * (16 * MIB // 3)], ids=["letters", "characters"])
def test_a_text_of_exactly_our_limit_is_taken(text: str) -> None:
    assert _taken(text, _unknown())
    assert not _taken(text + "天", _unknown())


def test_the_length_of_a_text_is_counted_in_bytes() -> None:
    row = replace(row_named("text-embedding-v4"), max_text_bytes=6)
    check_item("天" * 2, spec_of(row))

    with pytest.raises(InputError, match=r"text of 9 bytes; text-embedding-v4 accepts at most 6"):
        check_item("天" * 3, spec_of(row))


@pytest.mark.parametrize(
    ("max_text_bytes", "max_tokens", "most"),
    [(None, None, 16 * MIB), (None, 100, 100), (6, None, 6), (6, 100, 6), (100, 6, 6)],
)
def test_a_plain_text_of_so_many_characters_fits(
    max_text_bytes: int | None, max_tokens: int | None, most: int
) -> None:
    row = replace(row_named("text-embedding-v4"), max_text_bytes=max_text_bytes, max_tokens=max_tokens)

    assert most == most_characters(spec_of(row))
    assert _taken("a" * most, spec_of(row))


# What a request holds, to the byte.

VISION = row_named("doubao-embedding-vision-251215")
SNAPSHOT = row_named("tongyi-embedding-vision-plus-2026-03-06")


@pytest.mark.parametrize(("size", "encoded"), [(3000, 4040), (3001, 4044), (3002, 4044), (3003, 4044)])
@pytest.mark.parametrize("limit", ["max_request_bytes", "max_data_uri_bytes"])
@pytest.mark.parametrize("make", [_image, _video], ids=["image", "video"])
def test_a_file_counts_as_its_data_uri(
    make: Callable[[int], Item], limit: str, size: int, encoded: int
) -> None:
    """Four letters for three bytes, begun or not, and forty for what stands before them."""
    assert _taken(make(size), spec_of(replace(VISION, **{limit: encoded})))
    assert not _taken(make(size), spec_of(replace(VISION, **{limit: encoded - 1})))


@pytest.mark.parametrize(
    ("item", "upload", "size"),
    [
        pytest.param(
            Fused("天a", _image(3000), _image(6000)), False, 4 + 4040 + 8040, id="all in the request"
        ),
        pytest.param(Fused("天a", _image(3000), _image(6000)), True, 8040, id="all but the text in storage"),
        pytest.param(Fused(_image(6000), picture(), clip()), False, 8040, id="beside URLs"),
        pytest.param(Frames([_image(3000)] * 3), False, 3 * 4040, id="frames"),
    ],
)
def test_an_item_is_as_large_as_what_is_sent_at_once(item: Item, upload: bool, size: int) -> None:
    row = replace(SNAPSHOT, fusion="flag")

    assert _taken(item, spec_of(replace(row, max_request_bytes=size), upload=upload))
    assert not _taken(item, spec_of(replace(row, max_request_bytes=size - 1), upload=upload))


@pytest.mark.parametrize("upload", [False, True])
def test_what_is_behind_a_url_has_no_bytes_in_the_request(upload: bool) -> None:
    assert _taken(picture(), spec_of(replace(SNAPSHOT, max_request_bytes=1), upload=upload))


def test_a_data_uri_that_is_too_long_may_go_into_storage() -> None:
    row = replace(SNAPSHOT, max_data_uri_bytes=4000)

    assert not _taken(_image(3000), spec_of(row))
    assert _taken(_image(3000), spec_of(row, upload=True))


SHRUNK = {
    "bytes": replace(SNAPSHOT, image=replace(SNAPSHOT.image, max_bytes=100)),
    "data URI": replace(SNAPSHOT, max_data_uri_bytes=100),
    "request": replace(SNAPSHOT, max_request_bytes=100),
}


@pytest.mark.parametrize("row", SHRUNK.values(), ids=SHRUNK)
def test_the_bytes_of_a_picture_that_will_be_smaller_are_not_known_yet(row: ModelInfo) -> None:
    """It has 4,096 pixels."""
    assert _taken(_image(3000), spec_of(row, max_image_pixels=4095))
    assert not _taken(_image(3000), spec_of(row, max_image_pixels=4096))


def test_a_picture_is_measured_as_it_will_be_sent() -> None:
    row = replace(SNAPSHOT, image=replace(SNAPSHOT.image, max_pixels=4000))

    assert not _taken(_image(0), spec_of(row))
    assert _taken(_image(0), spec_of(row, max_image_pixels=4000))


def test_an_item_without_a_printed_limit_has_one_of_ours() -> None:
    large = Image.from_bytes(png(64, 64, size=50 * 1024 * 1024))
    check_item(Frames([large]), _unknown())
    check_item(Frames([large] * 2), _unknown(upload=True))

    with pytest.raises(
        InputError,
        match=r"item has 139,\d\d\d,\d\d\d bytes; this library accepts at most 134,217,728$",
    ):
        check_item(Frames([large] * 2), _unknown())


def test_a_lone_surrogate_is_named_by_its_place() -> None:
    with pytest.raises(InputError, match="lone surrogate at position 1,"):
        check_item("a\ud800", spec_of("text-embedding-v4"))


@pytest.mark.parametrize(("make", "kind"), [(_image, "image"), (_video, "video")], ids=["image", "video"])
def test_a_file_that_is_too_large_is_called_by_its_kind(make: Callable[[int], Item], kind: str) -> None:
    rule = replace(VISION.image, max_bytes=100)

    with pytest.raises(InputError, match=f"^{kind} of 3,000 bytes; {VISION.name} accepts at most 100$"):
        check_item(make(3000), spec_of(replace(VISION, **{kind: replace(rule, formats={"png", "mp4"})})))


@pytest.mark.parametrize("most", [None, 100])
def test_a_picture_of_unknown_size_is_judged_by_its_bytes(most: int | None) -> None:
    headless = Image.from_bytes(b"\x89PNG\r\n\x1a\n".ljust(3000, b"\0"))

    assert _taken(headless, spec_of(replace(VISION, max_request_bytes=4040), max_image_pixels=most))
    assert not _taken(headless, spec_of(replace(VISION, max_request_bytes=4039), max_image_pixels=most))


def test_media_behind_a_url_are_the_services_to_judge() -> None:
    assert _taken(Image.from_url("https://pictures.example/huge.gif"), spec_of("multimodal-embedding-v1"))


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        pytest.param("", "empty text", id="empty"),
        pytest.param("a\ud800", "lone surrogate", id="surrogate"),
        pytest.param(b"bytes", "got bytes", id="bytes"),
        pytest.param(None, "got NoneType", id="none"),
        pytest.param(7, "got int", id="number"),
        pytest.param(["a"], "got list", id="list"),
        pytest.param({"text": "a"}, "got dict", id="dict"),
    ],
)
@every_row
def test_what_is_no_item_is_no_item_for_any_model(row: ModelInfo, item: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_item(item, spec_of(row))


def test_an_oss_url_belongs_to_one_of_the_services() -> None:
    image = Image.from_url("oss://bucket/cat.png")
    check_item(image, spec_of("qwen3-vl-embedding"))

    with pytest.raises(InputError, match="oss:// URLs work with DashScope models only"):
        check_item(image, spec_of("doubao-embedding-vision-251215"))


@pytest.mark.parametrize(
    ("row", "fps", "bounds"),
    [
        pytest.param("doubao-embedding-vision-251215", 0.2, None, id="ark, slowest"),
        pytest.param("doubao-embedding-vision-251215", 5, None, id="ark, fastest"),
        pytest.param("doubao-embedding-vision-251215", 0.19, "0.2 to 5", id="ark, too slow"),
        pytest.param("doubao-embedding-vision-251215", 5.1, "0.2 to 5", id="ark, too fast"),
        pytest.param("doubao-embedding-vision-250615", 1, "does not support fps", id="ark, older"),
        pytest.param("qwen3-vl-embedding", 0, None, id="dashscope, none"),
        pytest.param("qwen3-vl-embedding", 1, None, id="dashscope, all"),
        pytest.param("qwen3-vl-embedding", 1.01, "0 to 1", id="dashscope, too many"),
    ],
)
def test_a_sampling_rate_is_within_the_range_of_the_row(row: str, fps: float, bounds: str | None) -> None:
    if bounds is None:
        check_item(clip(fps=fps), spec_of(row))
        return

    with pytest.raises(InputError, match=bounds):
        check_item(clip(fps=fps), spec_of(row))


KNOBS = {
    "max_video_tokens": (10_240, 204_800),
    "min_frame_tokens": (16, 128),
    "max_frame_tokens": (128, 640),
    "min_frames": (5, 16),
}


@pytest.mark.parametrize(("knob", "bounds"), KNOBS.items(), ids=KNOBS)
def test_a_sampling_field_is_within_the_range_of_the_page(knob: str, bounds: tuple[int, int]) -> None:
    low, high = bounds
    ark = spec_of("doubao-embedding-vision-251215")
    for value in bounds:
        check_item(Video.from_url("https://v.example/a.mp4", **{knob: value}), ark)

    for value in (low - 1, high + 1):
        with pytest.raises(InputError, match=f"{knob} {value}; .* accepts {low:,} to {high:,}"):
            check_item(Video.from_url("https://v.example/a.mp4", **{knob: value}), ark)


@rows(lambda row: "video" in row.modalities and not row.video_knobs)
@pytest.mark.parametrize("knob", KNOBS)
def test_a_sampling_field_is_refused_where_it_does_not_exist(row: ModelInfo, knob: str) -> None:
    with pytest.raises(InputError, match=f"does not support {knob}"):
        check_item(Video.from_url("https://v.example/a.mp4", **{knob: 10}), spec_of(row))


def test_the_lowest_index_is_raised() -> None:
    with pytest.raises(InputError, match=r"^item 2: empty text") as caught:
        check_items(["a", "b", "", "c", ""], spec_of("text-embedding-v4"))

    assert 2 == caught.value.index


def test_an_index_counts_from_the_first_of_a_longer_list() -> None:
    with pytest.raises(InputError, match=r"^item 8: empty text") as caught:
        check_items(["a", ""], spec_of("text-embedding-v4"), first=7)

    assert 8 == caught.value.index


def test_an_item_that_an_integration_has_refused_is_passed_over() -> None:
    refused = Refused(InputError("a picture that is gone")).as_item()
    check_items([refused, "a"], spec_of("text-embedding-v4"))

    with pytest.raises(InputError, match=r"^item 1: empty text"):
        check_items([refused, ""], spec_of("text-embedding-v4"))


def test_the_message_does_not_hold_the_text() -> None:
    with pytest.raises(InputError) as caught:
        check_items(["canary " * 100_000], spec_of("text-embedding-v4"))

    assert "canary" not in str(caught.value)


# Settings.


@every_row
def test_every_dimension_of_a_row_may_be_asked_for(row: ModelInfo) -> None:
    allowed = [dimension for dimension in row.dimensions if _allowed(spec_of(row, dimension=dimension))]

    assert list(row.dimensions) == allowed


@every_row
def test_another_dimension_is_refused_with_those_the_row_has(row: ModelInfo) -> None:
    with pytest.raises(ConfigError) as caught:
        check_settings(spec_of(row, dimension=3073))

    allowed = ", ".join(map(str, row.dimensions))
    assert f"dimensions=3073; {row.name} accepts {allowed}" == str(caught.value)


@pytest.mark.parametrize("dimension", [0, -1, 1024.0, "1024", True], ids=repr)
def test_a_dimension_is_a_positive_whole_number(dimension: Any) -> None:
    with pytest.raises(ConfigError, match="positive integer"):
        check_settings(spec_of("text-embedding-v4", dimension=dimension))


@every_row
@pytest.mark.parametrize("route", ["native", "openai", "batch", "async"])
def test_a_route_is_taken_where_the_row_has_it(row: ModelInfo, route: str) -> None:
    if route in row.routes:
        check_settings(spec_of(row, route=route))
        return

    with pytest.raises(ConfigError, match=f"has no route '{route}'; its routes are {row.routes[0]}"):
        check_settings(spec_of(row, route=route))


@every_row
def test_an_instruction_is_taken_where_the_row_has_one(row: ModelInfo) -> None:
    spec = spec_of(row, instruct="Find shoes")
    if row.instruct:
        check_settings(spec)
        return

    with pytest.raises(InputError, match="does not support an instruction"):
        check_settings(spec)


@every_row
@pytest.mark.parametrize("name", ["target_modality", "query_instructions", "document_instructions"])
def test_the_words_of_arks_instruction_belong_to_arks_vision_models(row: ModelInfo, name: str) -> None:
    spec = spec_of(row, **{name: "text"})
    if row.provider == "ark" and row.endpoint == "multimodal" and row.instruct:
        check_settings(spec)
        return

    with pytest.raises(InputError, match=r"does not support an instruction|is for Ark's vision models only"):
        check_settings(spec)


@pytest.mark.parametrize("value", ["", "  ", 7], ids=["empty", "blank", "number"])
def test_an_instruction_is_a_text(value: Any) -> None:
    with pytest.raises(InputError, match="must be a str that is not blank, got "):
        check_settings(spec_of("text-embedding-v4", instruct=value))


@every_row
def test_sparse_output_is_given_where_the_row_has_it(row: ModelInfo) -> None:
    spec = spec_of(row, output_type="dense&sparse")
    if row.sparse:
        check_call(spec)
        return

    with pytest.raises(InputError, match="does not support sparse vectors"):
        check_call(spec)


@every_row
def test_token_vectors_are_given_where_the_row_has_them(row: ModelInfo) -> None:
    spec = spec_of(row, output_type="multi")
    if row.multi_vector:
        check_call(spec)
        return

    with pytest.raises(InputError, match="does not support multi-vectors"):
        check_call(spec)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        pytest.param({"output_type": "sparse", "route": "openai"}, "dense vectors only", id="sparse"),
        pytest.param({"output_type": "colbert"}, "must be 'dense', 'sparse'", id="unknown output"),
        pytest.param({"text_type": "passage"}, "'query', 'document' or None", id="unknown role"),
    ],
)
def test_a_call_asks_for_what_there_is(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_call(spec_of("text-embedding-v4", **settings))


def test_the_openai_route_has_no_instruction() -> None:
    with pytest.raises(InputError, match="instruct cannot be sent with route='openai'"):
        check_settings(spec_of("text-embedding-v4", instruct="Find shoes", route="openai"))


def test_sparse_vectors_of_ark_are_for_text_only() -> None:
    spec = spec_of("doubao-embedding-vision-251215", output_type="dense&sparse")
    check_item("a", spec)

    check_item(Fused("a", "b"), spec)

    with pytest.raises(InputError, match="sparse vectors for text only"):
        check_item(picture(), spec)


def test_sparse_vectors_of_media_are_dashscopes_to_judge() -> None:
    row = replace(row_named("qwen3-vl-embedding"), sparse=True)

    assert _taken(picture(), spec_of(row, output_type="dense&sparse"))


LEVELS = {"res_level": (0, 3), "max_video_frames": (1, 64)}


@pytest.mark.parametrize(("name", "bounds"), LEVELS.items(), ids=LEVELS)
def test_a_level_is_within_the_range_of_the_row(name: str, bounds: tuple[int, int]) -> None:
    row = "tongyi-embedding-vision-plus-2026-03-06"
    low, high = bounds
    for value in bounds:
        check_settings(spec_of(row, **{name: value}))

    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=f"{name}={value}; .* accepts {low} to {high}"):
            check_settings(spec_of(row, **{name: value}))


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("value", [True, 2.0, "2"], ids=repr)
def test_a_level_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}={value!r}; "):
        check_settings(spec_of("tongyi-embedding-vision-plus-2026-03-06", **{name: value}))


@pytest.mark.parametrize("value", [True, 2.0, "2", 0, -1], ids=repr)
def test_the_most_pixels_are_a_whole_number_from_one(value: Any) -> None:
    check_settings(spec_of(VISION, max_image_pixels=1))

    with pytest.raises(ConfigError, match=f"max_image_pixels must be a whole number from 1, got {value!r}"):
        check_settings(spec_of(VISION, max_image_pixels=value))


@every_row
def test_the_most_pixels_are_for_models_that_take_images(row: ModelInfo) -> None:
    spec = spec_of(row, max_image_pixels=1000)
    if "image" in row.modalities:
        check_settings(spec)
        return

    with pytest.raises(ConfigError, match=f"{row.name} does not accept images; leave out max_image_pixels"):
        check_settings(spec)


@rows(lambda row: row.res_level is None and row.max_video_frames is None)
@pytest.mark.parametrize("name", LEVELS)
def test_a_level_is_refused_where_it_does_not_exist(row: ModelInfo, name: str) -> None:
    with pytest.raises(ConfigError, match=f"does not support {name}"):
        check_settings(spec_of(row, **{name: 2}))


@every_row
def test_uploads_are_for_media_of_dashscope(row: ModelInfo) -> None:
    spec = spec_of(row, upload=True)
    if row.provider == "dashscope" and row.modalities != TEXT:
        check_settings(spec)
        return

    reason = "embeds text only" if row.provider == "dashscope" else "is served by ark"
    with pytest.raises(
        ConfigError, match=f"upload=True works with media of DashScope models only; {row.name} {reason}"
    ):
        check_settings(spec)


def test_a_name_outside_the_table_is_allowed_everything() -> None:
    free = replace(
        row_named("doubao-embedding-vision-251215"), known=False, dimensions=(), fps=None, video_knobs=False
    )

    assert _allowed(spec_of(free, dimension=77, res_level=9, max_video_frames=999))
    assert _allowed(spec_of(free, dimension=1))
    assert _taken(clip(fps=99), spec_of(free))
