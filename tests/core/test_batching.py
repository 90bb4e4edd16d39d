"""Items become requests within the model's limits, in order, with nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from files import clip, mp4, picture, png
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from specs import row_named, spec_of

from volc_dashscope import (
    BadReplyError,
    Frames,
    Fused,
    Image,
    InputError,
    Item,
    ModelInfo,
    Video,
    list_models,
)
from volc_dashscope._limits.rate_limiter import RequestCost
from volc_dashscope._request.batching import BatchOperation, LearnedLength, plan, request_key, tokens
from volc_dashscope._request.validation import check_item
from volc_dashscope._types import Batch, Reply, Rows
from volc_dashscope.inputs import parts
from volc_dashscope.models.tokens import text_tokens
from volc_dashscope.providers import codec

ROWS = [row for row in list_models() if row.ready and row.endpoint != "async"]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def _planned(items: list[Item], row: ModelInfo) -> list[Batch]:
    return list(plan(enumerate(items), spec_of(row)))


def _sizes(items: list[Item], row: ModelInfo) -> list[int]:
    return [len(batch) for batch in _planned(items, row)]


@every_row
def test_texts_fill_the_batch_of_the_card(row: ModelInfo) -> None:
    texts = ["a"] * (2 * row.batch + 1)

    assert [row.batch, row.batch, 1] == _sizes(texts, row)


@every_row
def test_nothing_makes_no_request(row: ModelInfo) -> None:
    assert [] == _planned([], row)


@pytest.mark.parametrize(
    ("name", "items", "sizes"),
    [
        pytest.param("qwen3-vl-embedding", [picture()] * 12, [5, 5, 2], id="5 images"),
        pytest.param("qwen3-vl-embedding", [clip()] * 3, [1, 1, 1], id="1 video"),
        pytest.param("qwen3-vl-embedding", ["a", picture(), clip()] * 2, [5, 1], id="a mix, until the video"),
        pytest.param(
            "qwen3-vl-embedding", ["a", Fused("a", picture()), "b"], [1, 1, 1], id="fusion is a flag"
        ),
        pytest.param("multimodal-embedding-v1", [picture()] * 3, [1, 1, 1], id="1 image"),
        pytest.param("tongyi-embedding-vision-plus", [picture()] * 21, [20, 1], id="20 elements"),
        pytest.param(
            "tongyi-embedding-vision-plus-2026-03-06",
            [Frames([picture()] * 30)] * 3,
            [2, 1],
            id="frames are images",
        ),
        pytest.param(
            "tongyi-embedding-vision-plus-2026-03-06",
            [Fused("a", picture()), "b", picture()],
            [3],
            id="fusion is an object",
        ),
        pytest.param("tongyi-embedding-vision-plus-2026-03-06", [clip()] * 9, [8, 1], id="8 videos"),
        pytest.param(
            "doubao-embedding-vision-251215", ["a", picture(), "b"], [1, 1, 1], id="one vector each"
        ),
    ],
)
def test_a_request_ends_where_a_limit_of_the_model_is(name: str, items: list[Item], sizes: list[int]) -> None:
    assert sizes == _sizes(items, row_named(name))


def test_a_request_ends_where_its_tokens_do() -> None:
    # 1 + 4096 / 4 tokens each; the page advises 4096 in one request.
    assert [3, 3, 1] == _sizes(["word" * 1024] * 7, row_named("doubao-embedding-large-text-250515"))


MIB = 1024 * 1024
# One element of a request is one image, video or text of any size.
WIDE = replace(
    row_named("tongyi-embedding-vision-plus-2026-03-06"),
    batch=50,
    max_images=None,
    max_videos=None,
    batch_images=None,
)


def test_tokens_may_fill_a_request_to_the_last_one() -> None:
    # 1 + 4092 / 4 = 1024 tokens each.
    assert [4, 1] == _sizes(["word" * 1023] * 5, row_named("doubao-embedding-large-text-250515"))


def test_every_text_of_a_fused_item_counts_its_tokens() -> None:
    row = replace(WIDE, request_tokens=4096)
    item = Fused("word" * 511, "word" * 511)

    assert [4, 1] == _sizes([item] * 5, row)


@pytest.mark.parametrize(
    ("item", "sizes"),
    [
        pytest.param(Image.from_bytes(png(size=8 * MIB)), [4, 1], id="images"),
        pytest.param(Video.from_bytes(mp4(size=8 * MIB)), [4, 1], id="videos"),
        pytest.param(Frames([Image.from_bytes(png(size=4 * MIB))] * 2), [4, 1], id="frames"),
        pytest.param(
            Fused(Image.from_bytes(png(size=4 * MIB)), Image.from_bytes(png(size=4 * MIB))),
            [4, 1],
            id="two images",
        ),
        pytest.param(
            Fused(Video.from_bytes(mp4(size=4 * MIB)), Video.from_bytes(mp4(size=4 * MIB))),
            [4, 1],
            id="two videos",
        ),
        pytest.param(
            Fused(Image.from_bytes(png(size=8 * MIB)), picture(), clip()), [4, 1], id="and media by URL"
        ),
    ],
)
def test_files_may_fill_a_request_to_its_last_byte(item: Item, sizes: list[int]) -> None:
    """A request holds 32 MiB of files; what is behind a URL has no bytes in it."""
    assert sizes == _sizes([item] * 5, WIDE)


@pytest.mark.parametrize(
    ("mebibytes", "sizes"),
    [(20, [4, 1]), (8, [4, 1]), (6, [5])],
    ids=["more than its pixels", "as many as its pixels", "fewer"],
)
def test_a_picture_that_will_be_smaller_fills_a_request_by_its_pixels(
    mebibytes: int, sizes: list[int]
) -> None:
    """Sent as 2048x1024 pixels of four bytes at most, 8 MiB."""
    large = Image.from_bytes(png(4096, 2048, size=mebibytes * MIB))

    batches = plan(enumerate([large] * 5), spec_of(WIDE, max_image_pixels=2048 * 1024))

    assert sizes == [len(batch) for batch in batches]


@pytest.mark.parametrize(
    ("item", "limits"),
    [
        pytest.param(Fused(picture(), picture()), {"max_images": 4}, id="images"),
        pytest.param(Fused(clip(), clip()), {"max_videos": 4}, id="videos"),
        pytest.param(Fused("a", picture()), {"max_images": 20, "batch_images": 2}, id="images of a batch"),
        pytest.param(Fused("a", picture()), {"batch": 4}, id="elements"),
    ],
)
def test_all_parts_of_an_item_count(item: Item, limits: dict[str, int]) -> None:
    assert [2, 2, 1] == _sizes([item] * 5, replace(WIDE, **limits))


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        pytest.param({"fusion": "always"}, [1, 1], id="one vector a request"),
        pytest.param({"fusion": "always", "endpoint": "text"}, [2], id="texts are not fused"),
        pytest.param({}, [2], id="fused in one element"),
    ],
)
def test_where_a_request_is_one_vector_every_item_is_alone(changes: dict[str, str], sizes: list[int]) -> None:
    assert sizes == _sizes(["a", "b"], replace(WIDE, **changes))  # type: ignore[arg-type]


def test_an_item_of_a_model_with_one_item_a_request_shares_it_with_none() -> None:
    assert None is request_key("a", row_named("doubao-embedding-vision-251215"))
    assert None is request_key("a", replace(WIDE, batch=1))
    assert () == request_key("a", replace(WIDE, batch=2))


def test_a_text_longer_than_the_advice_goes_alone() -> None:
    long = "word" * 5000

    assert [1, 1, 1] == _sizes(["a", long, "b"], row_named("doubao-embedding-large-text-250515"))


@pytest.mark.parametrize(("more", "sizes"), [(0, [2]), (1, [1, 1])], ids=["32 MiB", "one byte more"])
def test_a_byte_more_than_the_limit_begins_another_request(more: int, sizes: list[int]) -> None:
    images = [Image.from_bytes(png(size=16 * MIB + each)) for each in (0, more)]

    assert sizes == _sizes(list(images), WIDE)


def test_a_request_ends_before_its_files_fill_the_memory() -> None:
    large = Image.from_bytes(png(size=7 * 1024 * 1024))

    assert [4, 4, 1] == _sizes([large] * 9, row_named("tongyi-embedding-vision-plus-2026-03-06"))


@pytest.mark.parametrize(
    ("items", "sizes"),
    [
        pytest.param([clip(fps=0.5), clip(fps=0.5)], [2], id="the same"),
        pytest.param([clip(fps=0.5), clip(fps=0.25)], [1, 1], id="two rates"),
        pytest.param([clip(fps=0.5), clip()], [1, 1], id="a rate and none"),
        pytest.param([clip(fps=0.5), "a", clip(fps=0.5)], [1, 1, 1], id="a text between"),
        pytest.param([Fused("a", clip(fps=0.5)), clip(fps=0.25)], [1, 1], id="inside a fused item"),
    ],
)
def test_items_with_different_request_parameters_never_share_a_request(
    items: list[Item], sizes: list[int]
) -> None:
    assert sizes == _sizes(items, row_named("tongyi-embedding-vision-plus-2026-03-06"))


def test_items_are_read_only_as_far_as_the_next_request_needs() -> None:
    read: list[int] = []

    def items() -> Iterator[tuple[int, Item]]:
        for index in range(100):
            read.append(index)
            yield index, "a"

    next(plan(items(), spec_of(row_named("text-embedding-v4"))))

    assert list(range(10)) == read


def test_where_a_request_is_one_vector_no_item_is_read_ahead() -> None:
    read: list[int] = []

    def items() -> Iterator[tuple[int, Item]]:
        for index in range(100):
            read.append(index)
            yield index, "a"

    next(plan(items(), spec_of(row_named("doubao-embedding-vision-251215"))))

    assert [0] == read


@pytest.mark.parametrize("name", ["text-embedding-v4", "qwen3-vl-embedding"], ids=["texts", "media"])
def test_every_request_holds_its_own_items(name: str) -> None:
    batches = _planned(["a", "b", "c", "d", "e"], replace(row_named(name), batch=2))

    assert [Batch((0, 1), ("a", "b")), Batch((2, 3), ("c", "d")), Batch((4,), ("e",))] == batches


@pytest.mark.parametrize(
    ("name", "batches"),
    [
        pytest.param("text-embedding-v4", [Batch((3, 9), ("a", "b"))], id="in one request"),
        pytest.param("qwen3-vl-embedding", [Batch((3, 9), ("a", "b"))], id="in one request of media"),
        pytest.param(
            "doubao-embedding-vision-251215", [Batch((3,), ("a",)), Batch((9,), ("b",))], id="one vector each"
        ),
    ],
)
def test_positions_need_not_follow_each_other(name: str, batches: list[Batch]) -> None:
    assert batches == list(plan([(3, "a"), (9, "b")], spec_of(row_named(name))))


@pytest.mark.parametrize(("size", "halves"), [(2, (1, 1)), (5, (2, 3)), (10, (5, 5))])
def test_the_halves_of_a_batch_are_the_batch(size: int, halves: tuple[int, int]) -> None:
    (batch,) = _planned([str(number) for number in range(size)], row_named("text-embedding-v4"))

    left, right = batch.halves()

    assert halves == (len(left), len(right))
    assert (batch.positions, batch.items) == (left.positions + right.positions, left.items + right.items)


@pytest.mark.parametrize(
    ("item", "row", "expected"),
    [
        pytest.param("word" * 10, "text-embedding-v4", text_tokens("word" * 10), id="text"),
        pytest.param(
            Image.from_bytes(png(1280, 720)), "doubao-embedding-vision-251215", 1176, id="ark image"
        ),
        pytest.param(Image.from_bytes(png(1280, 720)), "qwen3-vl-embedding", 0, id="dashscope image"),
        pytest.param(picture(), "doubao-embedding-vision-251215", 0, id="size not known"),
        pytest.param(
            Fused("word", Image.from_bytes(png(28, 28))), "doubao-embedding-vision-251215", 2 + 1, id="fused"
        ),
        pytest.param(
            Fused(Image.from_bytes(png(28, 56)), "word", Image.from_bytes(png(28, 28)), "wordword"),
            "doubao-embedding-vision-251215",
            2 + 2 + 1 + 3,
            id="several of each",
        ),
        pytest.param(Fused("word", clip()), "doubao-embedding-vision-251215", 2, id="video"),
    ],
)
def test_the_cost_of_an_item_is_estimated_by_the_documented_formulas(
    item: Item, row: str, expected: int
) -> None:
    assert expected == tokens(item, row_named(row))


# Any mix of items on any card.

texts = st.one_of(st.sampled_from(["a", "天很蓝", "word" * 300, "word" * 1100]))
images = st.builds(picture, st.integers(0, 3))
clips = st.builds(clip, st.integers(0, 3), fps=st.sampled_from([None, None, 0.5, 1.0]))
frames = st.sampled_from([1, 3, 8, 63, 64]).map(lambda number: Frames([picture(n) for n in range(number)]))
any_part = st.one_of(texts, images, clips, frames)
fused = st.lists(any_part, min_size=1, max_size=4).map(lambda whole: Fused(*whole))
mixes = st.lists(st.one_of(any_part, fused), min_size=1, max_size=50)


def _accepted(items: list[Item], row: ModelInfo) -> list[Item]:
    """Return the items that the model takes at all."""
    kept = []
    for item in items:
        try:
            check_item(item, spec_of(row))
        except InputError:
            continue
        kept.append(item)
    return kept


def _pieces(batch: Batch) -> dict[str, int]:
    """Count what the services count: texts, images (those of frames too), videos."""
    count = {"text": 0, "image": 0, "video": 0}
    for item in batch.items:
        for part in parts(item):
            if isinstance(part, Frames):
                count["image"] += len(part.images)
            else:
                count["text" if isinstance(part, str) else part.kind] += 1
    return count


def _rates(item: Item) -> set[float | None]:
    return {part.fps for part in parts(item) if isinstance(part, Video)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(mixes)
def test_any_mix_of_items_is_planned_within_every_limit(row: ModelInfo, items: list[Item]) -> None:
    items = _accepted(items, row)
    assume(items)

    batches = _planned(items, row)

    assert list(range(len(items))) == [position for batch in batches for position in batch.positions]
    assert items == [item for batch in batches for item in batch.items]
    limits = {"text": row.max_texts, "image": row.max_images, "video": row.max_videos}
    for batch in batches:
        assert len(batch) <= row.batch
        for kind, number in _pieces(batch).items():
            limit = limits[kind]
            assert limit is None or number <= limit, (kind, number)
        if row.request_tokens is not None and len(batch) > 1:
            assert row.request_tokens >= sum(
                text_tokens(part) for item in batch.items for part in parts(item) if isinstance(part, str)
            )
        if len(batch) > 1 and row.fusion == "flag":
            assert {1} == {len(parts(item)) for item in batch.items}
        keys = {request_key(item, row) for item in batch.items}
        rates = set().union(*(_rates(item) for item in batch.items))
        assert len(keys) == 1
        assert len(batch) == 1 or len(rates) <= 1


def test_a_card_of_ones_own_is_obeyed() -> None:
    row = replace(row_named("text-embedding-v4"), batch=3)

    assert [3, 3, 1] == _sizes(["a"] * 7, row)


# A batch as an operation.

UNKNOWN = row_named("doubao-embedding-vision-251215").renamed("ep-1")
UNKNOWN = replace(UNKNOWN, known=False, dimensions=(), default_dimension=None)


def _answered(length: int, value: object = None) -> Reply:
    vector = [0.5] * length if value is None else value
    return Reply(200, {}, orjson.dumps({"data": {"embedding": vector}}))


def _operation(length: LearnedLength, **settings: Any) -> BatchOperation:
    spec = replace(spec_of(UNKNOWN), **settings)
    return BatchOperation(Batch((0,), ("a",)), spec, codec("ark", foreign=False), length)


def test_a_batch_costs_one_request_and_the_tokens_of_all_its_items() -> None:
    row = row_named("text-embedding-v4")
    batch = Batch((0, 1, 2), ("word", "wordword", "a"))

    operation = BatchOperation(batch, spec_of(row), codec("dashscope", foreign=False), LearnedLength())

    assert RequestCost(1, 2 + 3 + 1) == operation.cost


def test_a_picture_costs_the_tokens_of_its_models_formula() -> None:
    batch = Batch((0,), (Image.from_bytes(png(1280, 720)),))

    operation = BatchOperation(
        batch,
        spec_of(row_named("doubao-embedding-vision-251215")),
        codec("ark", foreign=False),
        LearnedLength(),
    )

    assert RequestCost(1, 1176) == operation.cost


def test_a_batch_is_written_by_its_service() -> None:
    operation = _operation(LearnedLength())

    assert codec("ark", foreign=False).build(Batch((0,), ("a",)), spec_of(UNKNOWN)) == operation.build()


def test_the_first_reply_of_an_unknown_model_sets_the_length() -> None:
    learned = LearnedLength()

    rows = _operation(learned).read(_answered(8))

    assert isinstance(rows, Rows)
    assert 8 == learned.value


@pytest.mark.parametrize(("length", "kind"), [(8, Rows), (4, BadReplyError)])
def test_a_reply_is_held_to_the_length_that_another_thread_has_learnt(length: int, kind: type) -> None:
    """The request was written before any reply had come."""
    outcome = _operation(LearnedLength(8)).read(_answered(length))

    assert kind is type(outcome)


@pytest.mark.parametrize("settings", [{"learned": 4}, {"dimension": 4}], ids=["learnt", "asked for"])
def test_a_length_that_is_known_already_decides(settings: dict[str, int]) -> None:
    learned = LearnedLength(8)

    outcome = _operation(learned, **settings).read(_answered(4))

    assert isinstance(outcome, Rows)
    assert 8 == learned.value


def test_a_reply_without_dense_vectors_sets_no_length() -> None:
    learned = LearnedLength()
    sparse = {"data": {"embedding": [0.5], "sparse_embedding": [{"index": 1, "value": 0.5}]}}

    outcome = _operation(learned, output_type="sparse").read(Reply(200, {}, orjson.dumps(sparse)))

    assert isinstance(outcome, Rows)
    assert None is learned.value


def test_a_bad_reply_sets_no_length() -> None:
    learned = LearnedLength()

    outcome = _operation(learned).read(_answered(0, value="?"))

    assert isinstance(outcome, BadReplyError)
    assert None is learned.value
