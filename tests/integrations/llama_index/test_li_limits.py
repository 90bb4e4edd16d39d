"""Core's rate limiter: one permit for one request, for texts, images and nodes alike."""

from __future__ import annotations

import time
from typing import Any

import pytest
from li_samples import samples
from llama_index.core import VectorStoreIndex
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.rate_limiter import BaseRateLimiter, TokenBucketRateLimiter
from llama_index.core.schema import TextNode
from paintings import painted
from samples import V4

from llama_index_ext import (
    ArkMultiModalEmbedding,
    DashScopeMultiModalEmbedding,
    MultiModalNodeEmbedder,
    fingerprint,
    query_bundle,
)


class Counter(BaseRateLimiter):
    """Lets everything pass and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def acquire(self, num_tokens: int = 0) -> None:
        self.asked.append("sync")

    async def async_acquire(self, num_tokens: int = 0) -> None:
        self.asked.append("async")


def texts(count: int) -> list[TextNode]:
    return [TextNode(text=f"text {number}") for number in range(count)]


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_texts_take_one_permit_a_request(inside, embed_model_of, mode, count):
    """Core asks once for a batch of texts, which here is several requests."""
    limiter = Counter()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, rate_limiter=limiter, embed_batch_size=4)

    index = VectorStoreIndex([], embed_model=embed_model)
    await index.ainsert_nodes(texts(count)) if mode == "async" else index.insert_nodes(texts(count))

    assert [mode] * count == limiter.asked
    assert count == len(inside.emulator.ledger)


async def test_a_request_of_many_texts_takes_one_permit(inside, embed_model_of):
    limiter = Counter()
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, inside, model=V4, rate_limiter=limiter)

    VectorStoreIndex(texts(10), embed_model=embed_model)

    assert (1, 1) == (len(limiter.asked), len(inside.emulator.ledger))


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_images_take_one_permit_a_request(inside, embed_model_of, pictures, mode):
    """Core asks no limiter for images."""
    limiter = Counter()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, rate_limiter=limiter)
    nodes = fingerprint(samples(pictures)[2:4])

    index = MultiModalVectorStoreIndex([], embed_model=embed_model, image_embed_model=embed_model)
    await index.ainsert_nodes(nodes) if mode == "async" else index.insert_nodes(nodes)

    assert [mode] * 2 == limiter.asked
    assert 2 == len(inside.emulator.ledger)


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_nodes_take_one_permit_a_request(inside, embed_model_of, pictures, mode):
    limiter = Counter()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, rate_limiter=limiter)
    pipeline = IngestionPipeline(transformations=[MultiModalNodeEmbedder(embed_model=embed_model)])

    await pipeline.arun(nodes=samples(pictures)) if mode == "async" else pipeline.run(nodes=samples(pictures))

    assert [mode] * 5 == limiter.asked


@pytest.mark.parametrize("query", ["text", "image"])
def test_a_query_takes_one_permit(inside, embed_model_of, query):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    index = VectorStoreIndex(texts(2), embed_model=embed_model)
    embed_model.rate_limiter = limiter = Counter()

    index.as_retriever().retrieve(
        "text" if query == "text" else query_bundle(image=painted(), embed_model=embed_model)
    )

    assert ["sync"] == limiter.asked


def test_a_retry_takes_a_permit_of_its_own(inside, embed_model_of):
    limiter = Counter()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, rate_limiter=limiter)
    inside.emulator.fail("500")

    VectorStoreIndex(texts(1), embed_model=embed_model)

    assert (2, 2) == (len(limiter.asked), len(inside.emulator.ledger))


def test_what_core_asked_for_in_vain_does_not_pile_up(inside, embed_model_of):
    """Texts served from the cache send nothing; the permits core took for them are not lent to later requests."""
    limiter = Counter()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, rate_limiter=limiter, cache={})
    for _ in range(3):
        VectorStoreIndex(texts(2), embed_model=embed_model)
    limiter.asked.clear()
    inside.emulator.ledger.clear()

    VectorStoreIndex([TextNode(text=f"new {number}") for number in range(5)], embed_model=embed_model)

    assert (5, 5) == (len(limiter.asked), len(inside.emulator.ledger))


def test_a_limiter_of_our_own_words_is_asked_as_well(inside, embed_model_of):
    class Own:
        asked = 0

        def acquire(self) -> None:
            self.asked += 1

        async def aacquire(self) -> None:
            raise AssertionError("the sync path asks the sync method")

    own, theirs = Own(), Counter()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, limiter=own, rate_limiter=theirs)

    VectorStoreIndex(texts(3), embed_model=embed_model)

    assert (3, 3) == (own.asked, len(theirs.asked))


def test_cores_bucket_slows_images_down(inside, embed_model_of, pictures):
    limiter = TokenBucketRateLimiter(requests_per_minute=1200)
    limiter._request_tokens = 1.0  # an almost empty bucket: twenty permits a second from now on
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, rate_limiter=limiter)
    began = time.monotonic()

    IngestionPipeline(transformations=[MultiModalNodeEmbedder(embed_model=embed_model)]).run(
        nodes=samples(pictures)
    )

    assert 4 / 20 - 0.05 <= time.monotonic() - began


async def test_cores_fan_out_keeps_to_max_concurrency(emulate, embed_model_of, pictures):
    """Core would send a hundred batches of images at once."""
    mount = emulate(latency=0.02)
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount, max_concurrency=3, embed_batch_size=1)
    nodes = fingerprint([node for _ in range(6) for node in samples(pictures)[2:4]])
    for number, node in enumerate(nodes):
        node.id_ = f"node {number}"

    index = MultiModalVectorStoreIndex([], embed_model=embed_model, image_embed_model=embed_model)
    await index.ainsert_nodes(nodes)

    assert (12, 3) == (len(mount.emulator.ledger), mount.emulator.ledger.in_flight_max)


async def test_num_workers_bounds_batches_of_texts_and_of_images(emulate, embed_model_of, pictures):
    mount = emulate(latency=0.02)
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount, num_workers=2, embed_batch_size=1)
    index: Any = MultiModalVectorStoreIndex([], embed_model=embed_model, image_embed_model=embed_model)

    await index.ainsert_nodes(texts(6))
    of_texts = mount.emulator.ledger.in_flight_max
    mount.emulator.ledger.clear()
    nodes = [
        node.model_copy(update={"id_": f"node {number}"})
        for number in range(3)
        for node in samples(pictures)[2:4]
    ]
    await index.ainsert_nodes(nodes)

    assert (2, 2) == (of_texts, mount.emulator.ledger.in_flight_max)


def test_the_sync_path_keeps_max_concurrency_in_flight(emulate, embed_model_of):
    mount = emulate(latency=0.05)
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount, max_concurrency=4)

    VectorStoreIndex(texts(16), embed_model=embed_model)

    assert (16, 4) == (len(mount.emulator.ledger), mount.emulator.ledger.in_flight_max)
