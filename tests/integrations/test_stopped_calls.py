"""What a call has paid for is not lost with it, whatever ends it: the retry pays for the rest only."""

from __future__ import annotations

import _thread
import asyncio
from collections import Counter
from typing import Any

import pytest
from paintings import painted
from samples import INTEGRATIONS, LANGCHAIN, LLAMA_INDEX, V4, VL, adocuments, documents

from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding, qdrant_sparse_fns
from llama_index_ext.batches import kept_on_failure, list_model
from volc_dashscope import BulkError, EmbeddingError
from volc_dashscope.emulator import Fault

# What a request takes.
SIZES = {"ark": 1, "dashscope": 10}


class Troubled:
    """A limiter of the user's, which fails at its fourth request."""

    def __init__(self) -> None:
        self.asked = 0

    def acquire(self) -> None:
        self.asked += 1
        if self.asked == 4:
            raise OSError("the limiter's database is gone")

    async def aacquire(self) -> None:
        self.acquire()


def _texts(kind: Any) -> list[str]:
    """Return the texts of six requests."""
    return [f"text {number}" for number in range(6 * SIZES[kind.provider_name])]


def _one_by_one(embed_model_of: Any, kind: Any, inside: Any, **settings: Any) -> Any:
    """Return an embedding that sends one request at a time, of LlamaIndex two for each of core's batches."""
    if kind in LLAMA_INDEX:
        settings["embed_batch_size"] = 2 * SIZES[kind.provider_name]
    if kind.provider_name == "dashscope":
        settings.setdefault("model", V4)
    return embed_model_of(kind, inside, max_concurrency=1, max_retries=0, **settings)


@pytest.mark.parametrize("kind", INTEGRATIONS)
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_rows_finished_before_a_failure_of_the_users_own_are_not_paid_again(
    inside, embed_model_of, kind, awaited
):
    embed_model, texts = _one_by_one(embed_model_of, kind, inside, limiter=Troubled()), _texts(kind)

    def embedded() -> list[list[float]]:
        return asyncio.run(adocuments(embed_model, texts)) if awaited else documents(embed_model, texts)

    with pytest.raises(OSError, match="database"):
        embedded()
    rows = embedded()

    assert len(inside.emulator.ledger) <= 6 + 1  # one batch of core's was in flight
    assert documents(embed_model, texts) == rows


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_rows_finished_before_ctrl_c_are_not_paid_again(emulate, embed_model_of, kind):
    asked = 0

    def press(request: Any) -> Fault | None:
        nonlocal asked
        asked += 1
        if asked != 4:
            return None
        _thread.interrupt_main()
        return Fault("slow", seconds=0.5)

    mount = emulate(faults=press)
    embed_model, texts = _one_by_one(embed_model_of, kind, mount), _texts(kind)
    with pytest.raises(KeyboardInterrupt):
        documents(embed_model, texts)
    documents(embed_model, texts)

    in_flight = texts[3 * len(texts) // 6 : 4 * len(texts) // 6]
    assert {text for text, times in Counter(mount.emulator.ledger.texts).items() if times > 1} <= {*in_flight}


@pytest.mark.parametrize("kind", INTEGRATIONS)
async def test_rows_finished_before_a_time_limit_are_not_paid_again(emulate, embed_model_of, kind):
    mount = emulate(latency=0.02)
    embed_model, texts = _one_by_one(embed_model_of, kind, mount), _texts(kind)
    task = asyncio.ensure_future(adocuments(embed_model, texts))
    while len(mount.emulator.ledger) < 4 and not task.done():
        await asyncio.sleep(0.001)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await adocuments(embed_model, texts)

    assert len(mount.emulator.ledger) <= 6 + 1  # what was in flight


@pytest.mark.parametrize("kind", INTEGRATIONS)
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_the_retry_of_a_long_list_sends_only_what_failed(inside, embed_model_of, kind, awaited):
    """Core of LlamaIndex cuts a list into batches, and throws away those before the one that fails."""
    embed_model, texts = _one_by_one(embed_model_of, kind, inside), _texts(kind)
    inside.emulator.fail(*[None] * 4, "400")

    def embedded() -> list[list[float]]:
        return asyncio.run(adocuments(embed_model, texts)) if awaited else documents(embed_model, texts)

    with pytest.raises(BulkError):
        embedded()
    embedded()

    assert 6 + 1 == len(inside.emulator.ledger)


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_the_retry_of_many_pictures_sends_only_what_failed(inside, embed_model_of, awaited):
    embed_model = _one_by_one(embed_model_of, DashScopeMultiModalEmbedding, inside, model=VL)
    pictures = [painted(colour) for colour in ("red", "blue", "green", "black", "white", "yellow")]
    embed_model.embed_batch_size = 2
    inside.emulator.fail(None, None, "400")

    def embedded() -> list[list[float]]:
        if awaited:
            return asyncio.run(embed_model.aget_image_embedding_batch(pictures))
        return embed_model.get_image_embedding_batch(pictures)

    with pytest.raises(BulkError):
        embedded()
    first = len(inside.emulator.ledger)
    embedded()

    assert (3, 4) == (first, len(inside.emulator.ledger))


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_finished_batches_of_one_model_are_not_completed_by_another(inside, embed_model_of, kind):
    embed_model, texts = _one_by_one(embed_model_of, kind, inside), _texts(kind)
    name = "m0"
    inside.emulator.reply_with(lambda request, response: {**response.json, "model": name})
    inside.emulator.fail(None, None, "400", "400")  # nothing but the first batch is finished
    with pytest.raises(BulkError):
        documents(embed_model, texts)

    name = "m1"
    with pytest.raises(BulkError, match="are from two models, 'm0' and 'm1'"):
        embed_model.embed_items(texts)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("kind", LLAMA_INDEX)
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_batches_of_one_list_are_of_one_model(inside, embed_model_of, kind, awaited, hybrid):
    embed_model, texts = _one_by_one(embed_model_of, kind, inside), _texts(kind)
    if hybrid:
        qdrant_sparse_fns(embed_model)
    names = iter([*["m0"] * 2, *["m1"] * 20])
    inside.emulator.reply_with(lambda request, response: {**response.json, "model": next(names)})

    def embedded() -> list[list[float]]:
        return asyncio.run(adocuments(embed_model, texts)) if awaited else documents(embed_model, texts)

    with pytest.raises(BulkError, match="are from two models, 'm0' and 'm1'"):
        embedded()
    failed = len(inside.emulator.ledger)
    rows = embedded()

    assert len(texts) == len(rows)
    assert failed + 6 == len(inside.emulator.ledger)


def test_another_model_that_is_used_meanwhile_is_not_compared(inside):
    with inside.client(V4) as client, inside.client(VL) as other, kept_on_failure(client):
        assert list_model(client) is list_model(client)
        assert list_model(other) is not list_model(client)


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_batches_of_pictures_are_of_one_model(inside, embed_model_of, awaited):
    pictures = [painted(colour) for colour in ("red", "green", "blue")]
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, embed_batch_size=1, max_concurrency=1)
    names = iter(["m0", "m1", "m1"])
    inside.emulator.reply_with(lambda request, response: {**response.json, "model": next(names)})

    def embedded() -> list[list[float]]:
        if awaited:
            return asyncio.run(embed_model.aget_image_embedding_batch(pictures))
        return embed_model.get_image_embedding_batch(pictures)

    with pytest.raises(EmbeddingError, match="are from two models, 'm0' and 'm1'"):
        embedded()


def test_both_vectors_of_finished_batches_are_kept_in_hybrid_use(inside, embed_model_of):
    kind = DashScopeMultiModalEmbedding
    embed_model, texts = _one_by_one(embed_model_of, kind, inside), _texts(kind)
    of_documents, _ = qdrant_sparse_fns(embed_model)
    inside.emulator.fail(*[None] * 4, "400")

    with pytest.raises(BulkError):
        documents(embed_model, texts)
    documents(embed_model, texts)
    indices, _ = of_documents(texts)

    assert 6 + 1 == len(inside.emulator.ledger)
    assert len(texts) == len(indices)


def test_a_list_that_succeeds_leaves_nothing_behind(inside, embed_model_of):
    embed_model = _one_by_one(embed_model_of, DashScopeMultiModalEmbedding, inside)

    for _ in range(2):
        documents(embed_model, _texts(DashScopeMultiModalEmbedding))

    assert 2 * 6 == len(inside.emulator.ledger)


def test_a_file_that_is_gone_when_another_item_fails_hides_no_failure(emulate, embed_model_of, tmp_path):
    pictures = [tmp_path / f"{number}.png" for number in range(10)]
    for number, path in enumerate(pictures):
        path.write_bytes(painted((number, 0, 0)))

    def remove(request: Any) -> str | None:
        if len(mount.emulator.ledger) == 0:
            return None
        pictures[0].unlink()
        return "400"

    mount = emulate(faults=remove)
    embed_model = _one_by_one(embed_model_of, DashScopeEmbeddings, mount, model=VL)
    with pytest.raises(BulkError, match="5 of 10"):
        embed_model.embed_image([str(path) for path in pictures])


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_usage_counts_what_a_stopped_call_has_spent(inside, embed_model_of, kind):
    embed_model = _one_by_one(embed_model_of, kind, inside, limiter=Troubled())

    with pytest.raises(OSError, match="database"):
        embed_model.embed_documents(_texts(kind))

    assert sum(entry.tokens for entry in inside.emulator.ledger.requests) == embed_model.usage.total_tokens
