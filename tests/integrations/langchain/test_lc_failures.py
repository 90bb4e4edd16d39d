"""A failed call is no vector, and what it finished is not paid for twice."""

from __future__ import annotations

import asyncio
import inspect
import math
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from paintings import data_uri, painted
from samples import PICTURE_URL, V4

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, media
from volc_dashscope import BulkError, EmbeddingError, Image

TEXTS = [f"text {number}" for number in range(6)]


def _call(embed_model: Any, name: str, given: Any) -> Any:
    made = getattr(embed_model, name)(given)
    return asyncio.run(made) if inspect.isawaitable(made) else made


@pytest.mark.parametrize("name", ["embed_documents", "aembed_documents"])
def test_the_retry_sends_only_what_failed(inside, embed_model_of, name):
    embed_model = embed_model_of(ArkEmbeddings, inside, max_retries=0, max_concurrency=1)
    inside.emulator.fail(None, None, "500", None, "500", None)

    with pytest.raises(BulkError, match="2 of 6"):
        _call(embed_model, name, TEXTS)
    first = len(inside.emulator.ledger)
    rows = _call(embed_model, name, TEXTS)

    assert (6, 8) == (first, len(inside.emulator.ledger))
    assert ["text 2", "text 4"] == sorted(inside.emulator.ledger.texts[6:])
    assert [embed_model.embed_documents([text])[0] for text in TEXTS] == rows


def test_the_retry_of_batches_sends_only_the_batch_that_failed(inside, embed_model_of):
    embed_model = embed_model_of(DashScopeEmbeddings, inside, model=V4, max_retries=0, max_concurrency=1)
    texts = [f"text {number}" for number in range(25)]
    inside.emulator.fail(None, "500", None)

    with pytest.raises(BulkError, match="10 of 25"):
        embed_model.embed_documents(texts)
    embed_model.embed_documents(texts)

    assert 4 == len(inside.emulator.ledger)
    assert texts[10:20] == inside.emulator.ledger[3].texts


def test_a_picture_that_was_finished_is_not_sent_again(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside, max_retries=0, max_concurrency=1)
    given = [media(Image.from_url(PICTURE_URL)), {"image": data_uri(painted("red"))}, "a text"]
    inside.emulator.fail(None, None, "500")

    with pytest.raises(BulkError):
        embed_model.embed_documents(given)
    embed_model.embed_documents(given)

    assert 4 == len(inside.emulator.ledger)
    assert ["a text"] == inside.emulator.ledger[3].texts


def test_what_was_kept_is_given_once(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside, max_retries=0, max_concurrency=1)
    inside.emulator.fail(None, "500")

    with pytest.raises(BulkError):
        embed_model.embed_documents(["a", "b"])
    for _ in range(2):
        embed_model.embed_documents(["a"])

    assert 3 == len(inside.emulator.ledger)


def test_rows_are_kept_for_their_role_only(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside, max_retries=0, max_concurrency=1)
    inside.emulator.fail(None, "500")

    with pytest.raises(BulkError):
        embed_model.embed_documents(["a", "b"])
    embed_model.embed_query("a")

    assert 3 == len(inside.emulator.ledger)


@pytest.mark.parametrize(("keep", "expected"), [(0, 6 + 6), (4096 * 2, 6 + 4), (64 * 1024 * 1024, 6 + 1)])
def test_how_much_is_kept_is_bounded_in_bytes(inside, embed_model_of, keep, expected):
    # A row of 1024 numbers is 4096 bytes.
    embed_model = embed_model_of(
        ArkEmbeddings, inside, dimensions=1024, max_retries=0, max_concurrency=1, partial_results_bytes=keep
    )
    inside.emulator.fail(None, None, None, None, None, "500")

    with pytest.raises(BulkError):
        embed_model.embed_documents(TEXTS)
    embed_model.embed_documents(TEXTS)

    assert expected == len(inside.emulator.ledger)


FAULTS = ["500", "429", "401", "reset", "truncated", "missing", "short"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["embed_documents", "aembed_documents"])
def test_a_fault_is_an_error_and_never_a_hole(inside, embed_model_of, fault, name):
    embed_model = embed_model_of(DashScopeEmbeddings, inside, model=V4, max_retries=0, max_concurrency=1)
    texts = [f"text {number}" for number in range(25)]
    inside.emulator.fail(None, fault)

    with pytest.raises(EmbeddingError):
        _call(embed_model, name, texts)
    rows = _call(embed_model, name, texts)

    assert 25 == len(rows)
    assert {1024} == {len(row) for row in rows}
    assert all(math.isfinite(number) for row in rows for number in row)


def test_a_store_that_failed_is_filled_by_adding_again(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside, max_retries=0, max_concurrency=1)
    store = InMemoryVectorStore(embed_model)
    documents = [Document(text) for text in TEXTS]
    inside.emulator.fail(None, None, None, "500")

    with pytest.raises(BulkError):
        store.add_documents(documents)
    empty = len(store.store)
    store.add_documents(documents)

    assert (0, 6, 7) == (empty, len(store.store), len(inside.emulator.ledger))
