"""In hybrid use a list becomes two calls; a refusal is still about the item of the list that the caller passed."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from paintings import painted

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, media
from llama_index_ext import ArkMultiModalEmbedding, qdrant_sparse_fns
from volc_dashscope import BulkError, EmbeddingError, Image
from volc_dashscope.emulator.exchange import Response

RED = Image.from_bytes(painted("red"))
REFUSAL = {"error": {"code": "InputTextSensitiveContentDetected", "message": "no"}}


def _refuse_c(request, response):
    if orjson.loads(request.body)["input"][0].get("text") != "c":
        return None
    return Response(status=400, body=orjson.dumps(REFUSAL))


def _langchain(made):
    made.qdrant_sparse()
    return made


def _llama_index(made):
    qdrant_sparse_fns(made)
    return made


MIXED = {
    "langchain": (ArkEmbeddings, lambda made: _langchain(made).embed_documents([RED, "a", RED, "c"])),
    "langchain, awaited": (
        ArkEmbeddings,
        lambda made: asyncio.run(_langchain(made).aembed_documents([RED, "a", RED, "c"])),
    ),
    "langchain, sparse": (
        ArkEmbeddings,
        lambda made: made.qdrant_sparse().embed_documents([media(RED), "a", media(RED), "c"]),
    ),
    "llama_index": (
        ArkMultiModalEmbedding,
        lambda made: _llama_index(made).embed_items([RED, "a", RED, "c"]),
    ),
    "llama_index, awaited": (
        ArkMultiModalEmbedding,
        lambda made: asyncio.run(_llama_index(made).aembed_items([RED, "a", RED, "c"])),
    ),
    "llama_index, sparse": (
        ArkMultiModalEmbedding,
        lambda made: qdrant_sparse_fns(made)[0](["", "a", "", "c"]),
    ),
}


@pytest.mark.parametrize(("kind", "call"), MIXED.values(), ids=MIXED)
def test_a_refused_text_is_named_by_its_place_in_the_list(inside, embed_model_of, kind, call):
    made = embed_model_of(kind, inside)
    inside.emulator.reply_with(_refuse_c)

    with pytest.raises(BulkError, match=r"the first: ark refused item 3 ") as caught:
        call(made)

    assert {3: 3} == {place: error.index for place, error in caught.value.failures.items()}
    assert "ark refused item 3 " in str(caught.value.failures[3])


def test_the_only_text_is_named_by_its_place_in_the_list(inside, embed_model_of):
    sparse = embed_model_of(ArkEmbeddings, inside).qdrant_sparse()
    inside.emulator.reply_with(_refuse_c)

    with pytest.raises(EmbeddingError, match=r"^ark refused item 1 ") as caught:
        sparse.embed_documents([media(RED), "c"])

    assert 1 == caught.value.index


def test_a_refused_batch_is_named_by_the_places_of_its_texts(inside, embed_model_of):
    sparse = embed_model_of(
        DashScopeEmbeddings, inside, model="text-embedding-v4", max_retries=0
    ).qdrant_sparse()
    inside.emulator.fail("500")

    with pytest.raises(BulkError, match=r"the first: dashscope refused items 1 to 3 ") as caught:
        sparse.embed_documents(["", "a", "b", "c"])

    assert [1, 2, 3] == sorted(caught.value.failures)


def test_an_item_in_the_services_own_words_is_not_renumbered(inside, embed_model_of):
    def refuse(request, response):
        body = {"error": {"code": "AuthenticationError", "message": "the key may not read item 0"}}
        return Response(status=401, body=orjson.dumps(body))

    sparse = embed_model_of(ArkEmbeddings, inside).qdrant_sparse()
    inside.emulator.reply_with(refuse)

    with pytest.raises(EmbeddingError, match="the key may not read item 0"):
        sparse.embed_documents([media(RED), "c"])


@pytest.mark.parametrize("name", ["langchain", "langchain, awaited", "llama_index", "llama_index, awaited"])
def test_texts_and_pictures_of_two_models_are_no_list(inside, embed_model_of, name):
    """They are two calls, and their replies are compared as those of one; the retry has rows of one model."""
    kind, call = MIXED[name]
    made = embed_model_of(kind, inside, max_concurrency=1)
    names = iter(["m0", "m0", *["m1"] * 9])
    inside.emulator.reply_with(lambda request, response: {**response.json, "model": next(names)})

    with pytest.raises(BulkError, match="are from two models, 'm0' and 'm1'") as caught:
        call(made)
    failed = len(inside.emulator.ledger)
    call(made)

    assert [0, 2] == sorted(caught.value.failures)
    assert (3, 7) == (failed, len(inside.emulator.ledger))  # after a reply of m1, nothing is sent


@pytest.mark.parametrize("name", ["langchain", "langchain, awaited", "llama_index", "llama_index, awaited"])
def test_no_picture_is_paid_for_after_texts_of_two_models(inside, embed_model_of, name):
    kind, call = MIXED[name]
    made = embed_model_of(kind, inside, max_concurrency=1)
    names = iter(["m0", *["m1"] * 9])
    inside.emulator.reply_with(lambda request, response: {**response.json, "model": next(names)})

    with pytest.raises(BulkError, match="are from two models") as caught:
        call(made)

    assert 2 == len(inside.emulator.ledger)
    assert [0, 2, 3] == sorted(caught.value.failures)


def test_the_sparse_half_of_a_list_of_two_models_is_not_served_from_memory(inside, embed_model_of):
    made = embed_model_of(ArkEmbeddings, inside, max_concurrency=1)
    sparse = made.qdrant_sparse()
    names = iter(["m0", "m0", *["m1"] * 9])
    inside.emulator.reply_with(lambda request, response: {**response.json, "model": next(names)})

    with pytest.raises(BulkError, match="are from two models"):
        made.embed_documents([RED, "a", RED, "c"])
    sparse.embed_documents(["a", "c"])

    assert 3 + 2 == len(inside.emulator.ledger)
