"""Copies: pickled, deep-copied, in workers. The live object is never touched."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from typing import Any

import pytest
from canary import KEY
from li_samples import samples
from llama_index.core import Settings, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.rate_limiter import SlidingWindowRateLimiter, TokenBucketRateLimiter
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from samples import LLAMA_INDEX, settings_of

from llama_index_ext import ArkMultiModalEmbedding, MultiModalNodeEmbedder
from volc_dashscope import ConfigError

WAYS = {"pickle": lambda thing: pickle.loads(pickle.dumps(thing)), "deepcopy": copy.deepcopy}
EACH_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
SETTINGS = {
    "dimensions": 1024,
    "instruct": "Find it",
    "target_modality": "image",
    "max_concurrency": 3,
    "requests_per_minute": 500.0,
    "embed_batch_size": 7,
    "num_workers": 2,
    "media_root": "/tmp",
}


@EACH_WAY
def test_a_copy_keeps_role_dimensions_and_limits(way):
    embed_model = ArkMultiModalEmbedding(api_key=KEY, **SETTINGS)

    twin = way(embed_model)

    assert SETTINGS == {name: getattr(twin, name) for name in SETTINGS}
    assert settings_of(embed_model) == settings_of(twin)


@EACH_WAY
@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_an_explicit_key_travels(emulate, embed_model_of, kind, way):
    mount = emulate(socket=True)
    twin = way(embed_model_of(kind, mount))

    VectorStoreIndex([TextNode(text="a")], embed_model=twin)
    twin.close()

    assert f"Bearer {KEY}" == mount.emulator.ledger[0].headers["authorization"]


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_a_key_of_the_environment_is_looked_up_where_the_copy_arrives(monkeypatch, kind):
    name = f"{kind.provider_name.upper()}_API_KEY"
    monkeypatch.setenv(name, "sk-here")

    data = pickle.dumps(kind())

    assert b"sk-here" not in data
    monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match=name):
        pickle.loads(data)


@EACH_WAY
def test_the_live_object_is_not_touched(inside, embed_model_of, emulate, way):
    """Core's own `__getstate__` deletes from the live object what cannot be pickled."""
    handler = LlamaDebugHandler(print_trace_on_end=False)
    handler.lock = threading.Lock()
    manager = CallbackManager([handler])
    embed_model = embed_model_of(ArkMultiModalEmbedding, emulate(socket=True), callback_manager=manager)
    before = dict(embed_model.__dict__)

    twin = way(embed_model)

    assert before == embed_model.__dict__
    assert manager is embed_model.callback_manager
    assert [] == twin.callback_manager.handlers


@EACH_WAY
@pytest.mark.parametrize(
    "limiter",
    [
        TokenBucketRateLimiter(requests_per_minute=90),
        SlidingWindowRateLimiter(requests_per_minute=90, request_burst=3),
    ],
    ids=["bucket", "window"],
)
def test_cores_limiters_travel_with_their_limits(way, limiter):
    """They hold a lock, which cannot be pickled; core would drop them in silence."""
    embed_model = ArkMultiModalEmbedding(api_key=KEY, rate_limiter=limiter)

    twin = way(embed_model)

    assert limiter is embed_model.rate_limiter
    assert limiter.model_dump() == twin.rate_limiter.model_dump()


def test_a_deep_copy_shares_limiter_and_cache():
    """In one process both have to count and remember together."""
    limiter = TokenBucketRateLimiter(requests_per_minute=90)
    embed_model = ArkMultiModalEmbedding(api_key=KEY, rate_limiter=limiter, cache={})

    twin = copy.deepcopy(embed_model)

    assert (limiter, embed_model.cache) == (twin.rate_limiter, twin.cache)
    assert embed_model.cache is twin.cache


def test_what_cannot_be_pickled_is_an_error_and_not_dropped():
    class Own:
        lock = None

        def __init__(self) -> None:
            self.lock = threading.Lock()

        def acquire(self) -> None: ...

        async def aacquire(self) -> None: ...

    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(ArkMultiModalEmbedding(api_key=KEY, limiter=Own()))


@EACH_WAY
def test_a_node_embedder_is_copied_with_its_model(way):
    whole = MultiModalNodeEmbedder(
        embed_model=ArkMultiModalEmbedding(api_key=KEY, **SETTINGS), fuse="never", on_error="skip"
    )

    twin = way(whole)

    assert ("never", "skip", 1024) == (twin.fuse, twin.on_error, twin.embed_model.dimension)
    assert whole.embed_model is not twin.embed_model


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda made: made.model_copy()])
def test_a_copied_node_embedder_lists_its_own_skipped_nodes(emulate, embed_model_of, copied):
    embed_model = embed_model_of(ArkMultiModalEmbedding, emulate(socket=True))
    made = MultiModalNodeEmbedder(embed_model=embed_model, on_error="skip")
    made([TextNode(id_="one", text="")])

    again = copied(made)
    again([TextNode(id_="two", text="")])

    assert (["one"], ["two"]) == (list(made.skipped), list(again.skipped))


def test_a_node_embedder_does_not_lose_a_model_that_cannot_be_pickled(inside, embed_model_of):
    whole = MultiModalNodeEmbedder(embed_model=embed_model_of(ArkMultiModalEmbedding, inside))

    with pytest.raises(ConfigError, match=r"your own HTTP client"):
        pickle.dumps(whole)
    assert whole.embed_model.dimension == 2048


def test_cores_cache_is_refused_in_favour_of_ours():
    """It is keyed by the bare text: a query would get a document's vector, and one model another's."""
    with pytest.raises(ConfigError, match="cache="):
        ArkMultiModalEmbedding(api_key=KEY, embeddings_cache=SimpleKVStore())
    with pytest.raises(ConfigError, match="cache="):
        ArkMultiModalEmbedding(api_key=KEY, embeddings_cache={})


def test_cores_cache_cannot_be_slipped_in_later():
    embed_model = ArkMultiModalEmbedding(api_key=KEY)

    with pytest.raises(ConfigError, match="cache="):
        embed_model.embeddings_cache = SimpleKVStore()
    assert embed_model.embeddings_cache is None


def test_our_cache_keeps_a_query_apart_from_a_document(inside, embed_model_of):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, cache={})
    index = VectorStoreIndex([TextNode(text="shoe")], embed_model=embed_model)

    index.as_retriever().retrieve("shoe")
    index.as_retriever().retrieve("shoe")

    assert 2 == len(inside.emulator.ledger)


def test_settings_take_it_for_every_index(inside, embed_model_of, pictures):
    Settings.embed_model = embed_model_of(ArkMultiModalEmbedding, inside)

    pipeline = IngestionPipeline(transformations=[MultiModalNodeEmbedder(embed_model=Settings.embed_model)])
    index = VectorStoreIndex(pipeline.run(nodes=samples(pictures)))

    assert 1 == len(index.as_retriever(similarity_top_k=1).retrieve("rent"))


async def test_everything_synchronous_works_inside_a_running_loop(mount, embed_model_of, pictures):
    """As in a notebook."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount)

    nodes = IngestionPipeline(transformations=[MultiModalNodeEmbedder(embed_model=embed_model)]).run(
        nodes=samples(pictures)
    )
    index = VectorStoreIndex([*nodes, TextNode(text="a green tree")], embed_model=embed_model)

    assert (
        "a green tree" == index.as_retriever(similarity_top_k=1).retrieve("green tree")[0].node.get_content()
    )


async def test_use_async_works_inside_a_running_loop(inside, embed_model_of):
    """Core then runs a loop of its own in a thread, and closes it without telling what lives in it."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)

    index = VectorStoreIndex([TextNode(text="a green tree")], embed_model=embed_model, use_async=True)

    assert (
        "a green tree" == index.as_retriever(similarity_top_k=1).retrieve("green tree")[0].node.get_content()
    )


def test_one_integration_serves_many_event_loops(emulate, embed_model_of, pictures):
    embed_model = embed_model_of(ArkMultiModalEmbedding, emulate(socket=True))
    pipeline = IngestionPipeline(transformations=[MultiModalNodeEmbedder(embed_model=embed_model)])

    rows: list[Any] = [
        [node.embedding for node in asyncio.run(pipeline.arun(nodes=samples(pictures)))] for _ in range(2)
    ]

    assert rows[0] == rows[1]
