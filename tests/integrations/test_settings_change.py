"""A setting of an integration changed after it was made takes effect, or is refused; it is never ignored."""

from __future__ import annotations

import copy
import pickle

import pytest
from canary import KEY
from llama_index.core.schema import NodeWithScore, TextNode

import langchain_volc_dashscope as lc
import llama_index_ext as li
from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding, MultiModalNodeEmbedder
from volc_dashscope import ConfigError, InputError
from volc_dashscope.emulator import Emulator

INTEGRATIONS = {
    "langchain": (DashScopeEmbeddings, "embed_query"),
    "llama_index": (DashScopeMultiModalEmbedding, "get_query_embedding"),
}


@pytest.fixture(params=INTEGRATIONS)
def embed_model(request, inside):
    """An integration for text-embedding-v4 and how to ask it for one vector."""
    kind, ask = INTEGRATIONS[request.param]
    made = kind(model="text-embedding-v4", **inside.settings("dashscope"))
    return made, ask


def test_a_dimension_set_later_is_asked_for(embed_model):
    made, ask = embed_model

    made.dimensions = 64

    assert (64, 64) == (made.dimension, len(getattr(made, ask)("text")))


def test_a_setting_the_model_does_not_have_is_refused_and_changed_back(embed_model):
    made, ask = embed_model

    with pytest.raises(ConfigError):
        made.dimensions = 65

    assert (None, 1024) == (made.dimensions, len(getattr(made, ask)("text")))


def test_a_copy_with_an_update_has_it(embed_model):
    made, ask = embed_model

    copied = made.model_copy(update={"dimensions": 128})

    assert (128, 1024) == (len(getattr(copied, ask)("text")), len(getattr(made, ask)("text")))


RERANK = {
    "langchain": (lc.DashScopeRerank, lambda made: made.rerank(["a", "b"], "a")),
    "llama_index": (
        li.DashScopeRerank,
        lambda made: made.postprocess_nodes([NodeWithScore(node=TextNode(text="a"))], query_str="a"),
    ),
}


@pytest.fixture(params=RERANK)
def reranker(request):
    """A reranker, and a function that reranks by it and returns the body of the request."""
    kind, call = RERANK[request.param]
    emulator = Emulator()

    def sent(made):
        call(made)
        return emulator.ledger.requests[-1].body

    return kind(model="qwen3-vl-rerank", api_key=KEY, http_client=emulator.http_client()), sent


def test_a_setting_of_a_reranker_set_later_is_sent(reranker):
    made, sent = reranker

    made.model = "qwen3.7-text-rerank"
    made.instruct = "Prefer prices."

    body = sent(made)
    assert ("qwen3.7-text-rerank", "Prefer prices.") == (body["model"], body["parameters"]["instruct"])


def test_a_copy_of_a_reranker_with_an_update_has_it(reranker):
    made, sent = reranker

    copied = made.model_copy(update={"instruct": "Prefer prices."})

    assert "Prefer prices." == sent(copied)["parameters"]["instruct"]
    assert "instruct" not in sent(made)["parameters"]


def test_a_setting_a_reranker_does_not_have_is_refused_and_changed_back(reranker):
    made, sent = reranker

    with pytest.raises(ConfigError):
        made.model = "gte-rerank"

    assert "qwen3-vl-rerank" == made.model == sent(made)["model"]


# Without a check, core would cut a list into no batch at all and return no vector.
WRONG = {
    "a negative batch size": ("llama_index", "embed_batch_size", -1),
    "a batch size over core's": ("llama_index", "embed_batch_size", 5000),
    "no batch size": ("llama_index", "embed_batch_size", None),
    "a batch size as a word": ("llama_index", "embed_batch_size", "many"),
    "fewer workers than none": ("llama_index", "num_workers", -1),
    "half a worker": ("llama_index", "num_workers", 2.5),
    "a role there is none of": ("langchain", "text_type", "qeury"),
    "what to do with tokens": ("langchain", "unknown_media", "skip"),
    "a limiter that is none": ("langchain", "rate_limiter", 3),
    "a bar that is none": ("langchain", "show_progress_bar", "many"),
    "a folder that is none": ("langchain", "media_root", 3),
}


@pytest.mark.parametrize(("package", "name", "value"), WRONG.values(), ids=WRONG)
def test_what_is_no_value_of_a_setting_is_refused_when_it_is_set(package, name, value, inside):
    kind, _ = INTEGRATIONS[package]
    made = kind(model="text-embedding-v4", **inside.settings("dashscope"))
    before = getattr(made, name)

    with pytest.raises(ConfigError):
        setattr(made, name, value)

    assert before == getattr(made, name)


def test_a_batch_size_of_zero_set_later_is_the_default_again(inside):
    made = DashScopeMultiModalEmbedding(model="text-embedding-v4", **inside.settings("dashscope"))
    default, made.embed_batch_size = made.embed_batch_size, 2

    made.embed_batch_size = 0

    assert default == made.embed_batch_size


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"max_concurrency": 16}, 4 * 10 * 16),
        ({"model_name": "qwen3-vl-embedding"}, None),
        ({"embed_batch_size": 7, "max_concurrency": 16}, 7),
        ({"embed_batch_size": 7, "max_concurrency": 16, "model_name": "text-embedding-v3"}, 7),
    ],
)
@pytest.mark.parametrize(
    "way", [lambda made: made, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))]
)
def test_the_default_batch_size_follows_what_it_is_made_from(changes, size, way):
    """A batch of 320 texts is 32 requests, which would leave half of 64 places empty."""
    made = way(DashScopeMultiModalEmbedding(model="text-embedding-v4", api_key=KEY))

    for name, value in changes.items():
        setattr(made, name, value)

    fresh = DashScopeMultiModalEmbedding(api_key=KEY, **{"model_name": "text-embedding-v4", **changes})
    assert (size or fresh.embed_batch_size) == made.embed_batch_size == fresh.embed_batch_size


def test_the_default_batch_size_of_a_copy_is_its_own(inside):
    made = DashScopeMultiModalEmbedding(model="text-embedding-v4", **inside.settings("dashscope"))

    copied = made.model_copy(update={"max_concurrency": 2})

    assert (4 * 10 * 2, 4 * 10 * 8) == (copied.embed_batch_size, made.embed_batch_size)


def test_fewer_workers_than_none_are_refused(inside):
    with pytest.raises(ConfigError):
        DashScopeMultiModalEmbedding(num_workers=-1, **inside.settings("dashscope"))


@pytest.mark.parametrize(
    ("name", "value"), [("fuse", "allways"), ("on_error", "ignore"), ("embed_model", "x")]
)
def test_what_is_no_value_of_a_node_embedders_setting_is_refused(name, value, inside):
    model = DashScopeMultiModalEmbedding(model="text-embedding-v4", **inside.settings("dashscope"))
    made = MultiModalNodeEmbedder(embed_model=model)

    with pytest.raises(ConfigError):
        setattr(made, name, value)


def test_fusing_is_refused_later_too_where_the_model_cannot(inside):
    model = DashScopeMultiModalEmbedding(model="text-embedding-v4", **inside.settings("dashscope"))
    made = MultiModalNodeEmbedder(embed_model=model)

    with pytest.raises(ConfigError, match=r"cannot fuse"):
        made.fuse = "always"

    assert "auto" == made.fuse


@pytest.mark.parametrize("package", INTEGRATIONS)
def test_a_key_set_later_is_used_and_not_shown(package, inside):
    kind, ask = INTEGRATIONS[package]
    made = kind(model="text-embedding-v4", **inside.settings("dashscope"))
    name = "dashscope_api_key" if package == "langchain" else "api_key"

    setattr(made, name, KEY)

    assert 1024 == len(getattr(made, ask)("text"))
    assert KEY not in f"{made!r} {vars(made)} {made.model_dump()}"


def test_usage_counts_on_over_a_change(embed_model):
    made, ask = embed_model
    getattr(made, ask)("text")
    before = made.usage

    made.max_retries = 2
    getattr(made, ask)("text")

    assert (2, 2 * before.total_tokens) == (made.usage.requests, made.usage.total_tokens)


def test_usage_of_a_reranker_counts_on_over_a_change(reranker):
    made, sent = reranker
    sent(made)

    made.max_retries = 2
    sent(made)

    assert 2 == made.usage.requests


def test_a_copy_with_an_update_counts_its_own_usage(embed_model):
    made, ask = embed_model
    getattr(made, ask)("text")

    copied = made.model_copy(update={"max_retries": 2})
    getattr(copied, ask)("text")

    assert (1, 1) == (made.usage.requests, copied.usage.requests)


HYBRID = {
    "langchain": lambda made: made.qdrant_sparse().embed_documents,
    "llama_index": lambda made: li.qdrant_sparse_fns(made)[0],
}


@pytest.mark.parametrize("package", INTEGRATIONS)
def test_another_model_without_sparse_vectors_still_gives_dense_ones(package, inside):
    """Only the hybrid store's second question is refused then."""
    kind, ask = INTEGRATIONS[package]
    made = kind(model="text-embedding-v4", **inside.settings("dashscope"))
    ask_sparse = HYBRID[package](made)

    field = "model" if package == "langchain" else "model_name"

    setattr(made, field, "qwen3-vl-embedding")

    assert 2560 == len(getattr(made, ask)("text"))
    with pytest.raises(InputError, match="does not support sparse vectors"):
        ask_sparse(["text"])
    # And back: one request for both again.
    setattr(made, field, "text-embedding-v4")
    before = made.usage.requests
    documents = "embed_documents" if package == "langchain" else "get_text_embedding_batch"
    getattr(made, documents)(["a", "b"])
    ask_sparse(["a", "b"])
    assert 1 == made.usage.requests - before
