"""Core passes long lists in batches: an error names the item of the list, and nothing is sent if one cannot be."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from paintings import painted

from llama_index_ext import ArkMultiModalEmbedding, ArkSparseEmbedding
from volc_dashscope import BulkError, ContentError, InputError
from volc_dashscope.emulator.exchange import Response

SMALL = painted("red", size=(3, 3))
REFUSAL = {"error": {"code": "InputTextSensitiveContentDetected", "message": "no"}}
CALLS = {
    "texts": (ArkMultiModalEmbedding, lambda made, given: made.get_text_embedding_batch(given)),
    "texts, awaited": (
        ArkMultiModalEmbedding,
        lambda made, given: asyncio.run(made.aget_text_embedding_batch(given)),
    ),
    "texts, by workers": (
        ArkMultiModalEmbedding,
        lambda made, given: asyncio.run(_with_workers(made).aget_text_embedding_batch(given)),
    ),
    "sparse": (ArkSparseEmbedding, lambda made, given: made.get_text_embedding_batch(given)),
    "sparse, awaited": (
        ArkSparseEmbedding,
        lambda made, given: asyncio.run(made.aget_text_embedding_batch(given)),
    ),
}
IMAGES = {
    "images": lambda made, given: made.get_image_embedding_batch(given),
    "images, awaited": lambda made, given: asyncio.run(made.aget_image_embedding_batch(given)),
}


def _refuse_c(request, response):
    """Refuse the text "c", whenever its batch is sent."""
    if orjson.loads(request.body)["input"][0]["text"] != "c":
        return None
    return Response(status=400, body=orjson.dumps(REFUSAL))


def _with_workers(made):
    made.num_workers = 2
    return made


@pytest.mark.parametrize(("kind", "call"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("bad", ["", "\ud800", 5])
def test_a_bad_text_of_a_later_batch_is_named_by_its_place_before_anything_is_sent(
    inside, embed_model_of, kind, call, bad
):
    made = embed_model_of(kind, inside, embed_batch_size=2)

    with pytest.raises(InputError, match=r"^item 3: ") as caught:
        call(made, ["a", "b", "c", bad, "e"])

    assert (3, 0) == (caught.value.index, len(inside.emulator.ledger))


@pytest.mark.parametrize("call", IMAGES.values(), ids=IMAGES)
def test_a_bad_image_of_a_later_batch_is_named_by_its_place_before_anything_is_sent(
    inside, embed_model_of, call
):
    made = embed_model_of(ArkMultiModalEmbedding, inside, embed_batch_size=2)
    fine = painted("red")

    with pytest.raises(InputError, match=r"^item 3: image is 3x3") as caught:
        call(made, [fine, fine, fine, SMALL, fine])

    assert (3, 0) == (caught.value.index, len(inside.emulator.ledger))


@pytest.mark.parametrize(("kind", "call"), CALLS.values(), ids=CALLS)
def test_a_refusal_in_a_later_batch_says_which_items_of_the_list_it_counts(
    inside, embed_model_of, kind, call
):
    made = embed_model_of(kind, inside, embed_batch_size=2, max_concurrency=1)
    inside.emulator.reply_with(_refuse_c)

    with pytest.raises(
        BulkError, match=r"^items 2 to 3 of 5: 1 of 2 items failed; the first: ark refused item 0"
    ):
        call(made, ["a", "b", "c", "d", "e"])


@pytest.mark.parametrize(("kind", "call"), CALLS.values(), ids=CALLS)
def test_a_refusal_of_a_batch_of_one_has_the_place_in_the_list(inside, embed_model_of, kind, call):
    made = embed_model_of(kind, inside, embed_batch_size=2, max_concurrency=1)
    inside.emulator.reply_with(_refuse_c)

    with pytest.raises(ContentError, match=r"^ark refused item 2 ") as caught:
        call(made, ["a", "b", "c"])

    assert 2 == caught.value.index
