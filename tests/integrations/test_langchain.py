"""`ArkEmbeddings` and `DashScopeEmbeddings` beyond LangChain's own suites."""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from canary import KEY
from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from paintings import data_uri, painted
from samples import ARK, LANGCHAIN, PICTURE_URL, V4, VIDEO_URL, VL

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from volc_dashscope import BulkError, ConfigError, Fused, Image, InputError, ServiceError

LISTS = {
    "embed_documents": (["red", "blue", "green"], ["a text", "b", "红"]),
    "embed_image": ([data_uri(painted("red")), data_uri(painted("blue")), PICTURE_URL],),
    "embed_images": ([data_uri(painted("red")), data_uri(painted("blue")), PICTURE_URL],),
    "embed_video": ([VIDEO_URL, "https://example.com/dog.mp4", "https://example.com/sea.mp4"],),
}
LIST_METHODS = [name for plain in LISTS for name in (plain, f"a{plain}")]


def _call(embed_model: Any, name: str, *arguments: Any) -> Any:
    made = getattr(embed_model, name)(*arguments)
    return asyncio.run(made) if inspect.isawaitable(made) else made


@pytest.mark.parametrize("kind", LANGCHAIN)
@pytest.mark.parametrize("name", LIST_METHODS)
def test_a_list_comes_back_in_order_as_python_floats(inside, embed_model_of, kind, name):
    embed_model = embed_model_of(kind, inside)
    given = LISTS[name.removeprefix("a")][0]

    together = _call(embed_model, name, given)
    alone = [_call(embed_model, name, [one])[0] for one in given]

    assert alone == together
    assert 3 == len({tuple(row) for row in together})
    assert {list} == {type(row) for row in together}
    assert {float} == {type(number) for row in together for number in row}
    assert {embed_model.dimension} == {len(row) for row in together}


@pytest.mark.parametrize("kind", LANGCHAIN)
@pytest.mark.parametrize("name", LIST_METHODS)
@pytest.mark.parametrize("empty", [[], (), np.array([], dtype=str)], ids=["list", "tuple", "array"])
def test_nothing_in_is_nothing_out_and_no_request(inside, embed_model_of, kind, name, empty):
    embed_model = embed_model_of(kind, inside)

    assert [] == _call(embed_model, name, empty)
    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_stores_can_pass_uris_by_name(kind):
    """Chroma, LanceDB, SingleStore and AlloyDB call `embed_image(uris=...)`."""
    names = ["embed_image", "embed_images", "embed_video", "aembed_image", "aembed_images", "aembed_video"]

    assert {"uris"} == {list(inspect.signature(getattr(kind, name)).parameters)[1] for name in names}


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_stores_call_either_name_of_embed_image(inside, embed_model_of, kind):
    embed_model = embed_model_of(kind, inside)

    assert embed_model.embed_image(uris=[data_uri(painted())]) == embed_model.embed_images(
        uris=[data_uri(painted())]
    )


@pytest.mark.parametrize(
    "texts",
    [np.array(["red", "blue"]), ("red", "blue"), (text for text in ("red", "blue"))],
    ids=["array", "tuple", "generator"],
)
def test_texts_may_be_any_iterable_of_str(inside, embed_model_of, texts):
    embed_model = embed_model_of(DashScopeEmbeddings, inside, model=V4)

    rows = embed_model.embed_documents(texts)

    assert embed_model.embed_documents(["red", "blue"]) == rows
    assert ["red", "blue"] == inside.emulator.ledger.texts[:2]


@pytest.mark.parametrize("name", LIST_METHODS)
@pytest.mark.parametrize("wrong", ["red", None, b"red"], ids=["str", "None", "bytes"])
def test_one_thing_where_a_list_belongs_is_an_input_error(inside, embed_model_of, name, wrong):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    with pytest.raises(InputError, match="must be a list"):
        _call(embed_model, name, wrong)
    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("uris", [[PICTURE_URL, "no-such.png"], [PICTURE_URL, 7], [PICTURE_URL, "data:x"]])
def test_a_bad_uri_is_named_by_its_index_before_anything_is_sent(inside, embed_model_of, uris):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    with pytest.raises(InputError, match="item 1") as caught:
        embed_model.embed_image(uris)

    assert (1, 0) == (caught.value.index, len(inside.emulator.ledger))


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_the_model_goes_by_either_name(kind):
    model = ARK if kind is ArkEmbeddings else V4

    assert model == kind(api_key=KEY, model=model).model == kind(api_key=KEY, model_name=model).model


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_an_endpoint_id_works_with_like(inside, embed_model_of, kind):
    base_model = ARK if kind is ArkEmbeddings else VL
    embed_model = embed_model_of(
        kind, inside, model="ep-2025-abc" if kind is ArkEmbeddings else VL, base_model=base_model
    )

    assert embed_model.dimension == len(embed_model.embed_query("a"))


@pytest.mark.parametrize(
    "uri",
    [
        "http://h.com/a.png",
        "https://h.com/a.png",
        "HTTPS://h.com/a.png",
        "oss://b/a.png",
        data_uri(painted()),
    ],
    ids=["http", "https", "upper case", "oss", "data"],
)
def test_a_uri_with_a_scheme_opens_no_file(inside, embed_model_of, audit, uri):
    embed_model = embed_model_of(DashScopeEmbeddings, inside)

    # The emulator refuses some; what matters is that it was sent as a URL.
    with suppress(ServiceError):
        embed_model.embed_image([uri])

    assert [uri] == [part["image"] for part in inside.emulator.ledger[0].body["input"]["contents"]]
    assert [] == [name for name in audit.files_opened if name.endswith("a.png")]


def test_a_uri_without_a_scheme_is_a_path(inside, embed_model_of, red_png):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    assert embed_model.embed_image([data_uri(painted("red"))]) == embed_model.embed_image([str(red_png)])
    assert embed_model.embed_image([data_uri(painted("red"))]) == embed_model.embed_image([red_png])


@pytest.mark.parametrize("given", ["/etc/passwd", "red.png", "https://h/a.png"])
def test_a_text_that_looks_like_a_uri_is_text(inside, embed_model_of, red_png, audit, monkeypatch, given):
    monkeypatch.chdir(red_png.parent)
    embed_model = embed_model_of(ArkEmbeddings, inside)

    embed_model.embed_documents([given])
    embed_model.embed_query(given)

    assert [given, given] == inside.emulator.ledger.texts
    assert [] == [name for name in audit.files_opened if name.endswith(given)]


@pytest.mark.parametrize("method", ["embed_image", "embed_video"])
def test_media_root_is_a_fence(inside, embed_model_of, tmp_path, method):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.png").write_bytes(painted())
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out.png")
    embed_model = embed_model_of(ArkEmbeddings, inside, media_root=str(tmp_path / "in"))

    for path in (tmp_path / "out.png", tmp_path / "in" / ".." / "out.png", tmp_path / "in" / "link.png"):
        with pytest.raises(InputError, match="outside root"):
            getattr(embed_model, method)([str(path)])
    assert 0 == len(inside.emulator.ledger)


def test_media_root_lets_in_what_is_inside(inside, embed_model_of, red_png):
    embed_model = embed_model_of(ArkEmbeddings, inside, media_root=str(red_png.parent))

    assert 1 == len(embed_model.embed_image([str(red_png)]))


OLD = "doubao-embedding-vision-250615"
BAD_SETTINGS = {
    "dimension": ({"dimensions": 7}, ConfigError),
    "key": ({"api_key": " "}, ConfigError),
    "key of another alphabet": ({"api_key": "密钥"}, ConfigError),
    "concurrency": ({"max_concurrency": 0}, ConfigError),
    "url": ({"base_url": "http://example.com"}, ConfigError),
    "empty instruct": ({"instruct": " "}, InputError),
    "another service's model": ({"model": V4}, ConfigError),
    "an instruction for a model without": (
        {"model": OLD, "instruct": "x"},
        InputError,
    ),
}


@pytest.mark.parametrize(("settings", "expected"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_are_errors_of_this_library(settings, expected):
    with pytest.raises(expected) as caught:
        ArkEmbeddings(**{"api_key": KEY, **settings})

    assert type(caught.value) is expected


def test_a_bad_text_is_named_by_its_index(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    with pytest.raises(InputError, match="item 1") as caught:
        embed_model.embed_documents(["a", "", "b", ""])

    assert (1, 0) == (caught.value.index, len(inside.emulator.ledger))


@pytest.mark.parametrize("name", ["embed_documents", "aembed_documents"])
def test_some_failures_of_many_are_a_bulk_error_that_keeps_the_rest(inside, embed_model_of, name):
    embed_model = embed_model_of(ArkEmbeddings, inside, max_retries=0, max_concurrency=1)
    inside.emulator.fail(None, "500")

    with pytest.raises(BulkError) as caught:
        _call(embed_model, name, ["a", "b", "c"])

    assert [1] == list(caught.value.failures)
    assert embed_model.embed_documents(["c"])[0] == caught.value.result.vectors[2].tolist()


def test_values_of_the_core_are_items_too(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    items = ["red", Image.from_url(PICTURE_URL), Fused("red", Image.from_url(PICTURE_URL))]

    rows = embed_model.embed_documents(items)

    assert rows == [embed_model.embed_documents([item])[0] for item in items]
    assert 3 == len({tuple(row) for row in rows})


def test_usage_adds_up_over_calls(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    embed_model.embed_documents(["a", "b"])
    embed_model.embed_query("c")

    assert (3, inside.emulator.ledger.tokens) == (embed_model.usage.requests, embed_model.usage.total_tokens)


class _Counter(BaseRateLimiter):
    """Lets everything pass and counts."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def acquire(self, *, blocking: bool = True) -> bool:
        self.calls.append(f"sync {blocking}")
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.calls.append(f"async {blocking}")
        return True


@pytest.mark.parametrize(("name", "expected"), [("embed_documents", "sync"), ("aembed_documents", "async")])
def test_langchains_rate_limiter_is_asked_once_for_each_request(inside, embed_model_of, name, expected):
    limiter = _Counter()
    embed_model = embed_model_of(ArkEmbeddings, inside, rate_limiter=limiter)

    _call(embed_model, name, ["a", "b", "c"])

    assert [f"{expected} True"] * 3 == limiter.calls


@pytest.mark.parametrize("name", ["embed_documents", "aembed_documents"])
def test_langchains_rate_limiter_slows_requests_down(inside, embed_model_of, name):
    limiter = InMemoryRateLimiter(requests_per_second=40, check_every_n_seconds=0.002, max_bucket_size=1)
    embed_model = embed_model_of(ArkEmbeddings, inside, rate_limiter=limiter)
    began = time.monotonic()

    _call(embed_model, name, ["a", "b", "c", "d", "e"])

    assert 4 / 40 <= time.monotonic() - began
