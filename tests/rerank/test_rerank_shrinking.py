"""`max_image_pixels` of a reranker: query and documents are made smaller before they are sent."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from io import BytesIO

import pytest
from paintings import painted
from PIL import Image as Pillow

from volc_dashscope import (
    AsyncReranker,
    ConfigError,
    Image,
    InputError,
    Reranker,
    estimate_rerank_cost,
)
from volc_dashscope.emulator import Emulator

KEY, VL, MOST = "rerank-key-of-the-tests", "qwen3-vl-rerank", 10_000
LARGE = painted("red", (400, 100))


def sizes(emulator):
    """The sizes of the pictures of the last request: of the query, then of the documents."""
    sent = emulator.ledger.requests[-1].body["input"]
    uris = [each["image"] for each in (sent["query"], *sent["documents"])]
    return [Pillow.open(BytesIO(b64decode(uri.partition(",")[2]))).size for uri in uris]


@pytest.fixture(params=["sync", "async"])
def rank(request):
    """Return a function that reranks with either class, and the emulator it asks."""
    emulator = Emulator()

    def sync(query, documents, **settings):
        with Reranker(VL, api_key=KEY, http_client=emulator.http_client(), **settings) as reranker:
            return reranker.rerank(query, documents)

    async def later(query, documents, settings):
        async with (
            emulator.http_async_client() as client,
            AsyncReranker(VL, api_key=KEY, http_async_client=client, **settings) as reranker,
        ):
            return await reranker.rerank(query, documents)

    def awaited(query, documents, **settings):
        return asyncio.run(later(query, documents, settings))

    return (sync if request.param == "sync" else awaited), emulator


def test_query_and_documents_are_shrunk_and_small_ones_sent_as_they_are(rank):
    reranked, emulator = rank
    query, small = Image.from_bytes(LARGE), Image.from_bytes(painted("blue", (40, 40)))

    found = reranked(query, [Image.from_bytes(LARGE), small], max_image_pixels=MOST)

    assert [(200, 50), (200, 50), (40, 40)] == sizes(emulator)
    assert {0, 1} == {one.index for one in found}
    assert small in [one.document for one in found]


def test_without_the_setting_they_are_sent_as_they_are(rank):
    reranked, emulator = rank

    reranked(Image.from_bytes(LARGE), [Image.from_bytes(LARGE)])

    assert [(400, 100)] * 2 == sizes(emulator)


@pytest.mark.parametrize(("place", "named", "index"), [(0, "the query", None), (2, "document 1", 1)])
def test_a_file_that_changed_is_named_as_the_caller_knows_it(rank, tmp_path, place, named, index):
    reranked, emulator = rank
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file in files:
        file.write_bytes(LARGE)
    query, *documents = map(Image.from_path, files)
    files[place].write_bytes(painted("green", (500, 100)))

    with pytest.raises(InputError, match=f"^{named}: ") as caught:
        reranked(query, documents, max_image_pixels=MOST)

    assert (index, []) == (caught.value.index, emulator.ledger.requests)


def test_scores_of_shrunk_pictures_are_kept_apart(rank):
    reranked, emulator = rank
    cache: dict[str, bytes] = {}

    for most in (None, MOST, MOST):
        reranked("red", [Image.from_bytes(LARGE)], max_image_pixels=most, cache=cache)

    assert 2 == len(emulator.ledger.requests)


def test_a_text_model_has_no_such_setting():
    with pytest.raises(ConfigError, match="qwen3-rerank does not accept images; leave out max_image_pixels"):
        Reranker("qwen3-rerank", api_key=KEY, max_image_pixels=MOST)


def test_a_picture_over_the_model_s_limit_fits_when_shrunk():
    large = Image.from_bytes(painted("red", (400, 100)) + bytes(10 * 2**20))

    with pytest.raises(InputError, match=r"document 0: .* accepts at most"):
        estimate_rerank_cost([("red", [large])])
    assert 1 == estimate_rerank_cost([("red", [large])], max_image_pixels=MOST).requests
