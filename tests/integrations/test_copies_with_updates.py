"""`model_copy(update=...)` takes what the constructor takes, by the same names; nothing else, and nothing silently."""

from __future__ import annotations

import pytest
from canary import KEY

import langchain_volc_dashscope as lc
import llama_index_ext as li
from volc_dashscope import ConfigError

OTHER_KEY = "sk-another-key-of-the-same-service"
KINDS = {
    "langchain-ark": (lc.ArkEmbeddings, "doubao-embedding-text-240715"),
    "langchain-dashscope": (lc.DashScopeEmbeddings, "text-embedding-v4"),
    "langchain-rerank": (lc.DashScopeRerank, "qwen3.7-text-rerank"),
    "llama_index-ark": (li.ArkMultiModalEmbedding, "doubao-embedding-text-240715"),
    "llama_index-dashscope": (li.DashScopeMultiModalEmbedding, "text-embedding-v4"),
    "llama_index-ark-sparse": (li.ArkSparseEmbedding, "doubao-embedding-vision-250615"),
    "llama_index-dashscope-sparse": (li.DashScopeSparseEmbedding, "text-embedding-v3"),
    "llama_index-rerank": (li.DashScopeRerank, "qwen3.7-text-rerank"),
}


@pytest.fixture(params=KINDS)
def kind(request):
    """A class of either framework."""
    return KINDS[request.param][0]


@pytest.mark.parametrize(("kind", "model"), KINDS.values(), ids=KINDS)
def test_the_model_goes_by_the_constructor_s_names(kind, model):
    field = "model_name" if "model_name" in kind.model_fields else "model"
    names = ["model"] if kind is li.DashScopeRerank else ["model", "model_name"]

    copies = [kind(api_key=KEY).model_copy(update={name: model}) for name in names]

    assert {model} == {getattr(copied, field) for copied in copies}


def test_the_key_goes_by_the_constructor_s_name_and_is_hidden(kind):
    copied = kind(api_key=KEY).model_copy(update={"api_key": OTHER_KEY})

    field = next(name for name in kind.model_fields if name.endswith("api_key"))
    assert OTHER_KEY == getattr(copied, field).get_secret_value()
    assert OTHER_KEY not in f"{copied!r} {vars(copied)} {copied.model_dump()}"


def test_a_name_there_is_none_of_is_refused(kind):
    with pytest.raises(ConfigError, match="has no max_retry=; did you mean max_retries="):
        kind(api_key=KEY).model_copy(update={"max_retry": 2})


def test_a_wrong_value_is_refused_and_the_original_stays(kind):
    made = kind(api_key=KEY)

    with pytest.raises(ConfigError, match="max_concurrency must be a valid integer, got str"):
        made.model_copy(update={"max_concurrency": "many"})

    assert 8 == made.max_concurrency


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (lc.ArkEmbeddings, "unknown_media", "skip"),
        (lc.ArkEmbeddings, "text_type", "qeury"),
        (li.ArkMultiModalEmbedding, "embed_batch_size", -5),
        (li.ArkMultiModalEmbedding, "num_workers", -1),
        (li.ArkMultiModalEmbedding, "embeddings_cache", {}),
    ],
)
def test_a_value_that_only_the_framework_s_class_checks_is_refused(kind, name, value):
    with pytest.raises(ConfigError, match=name):
        kind(api_key=KEY).model_copy(update={name: value})


def test_a_node_embedder_refuses_what_its_constructor_refuses():
    made = li.MultiModalNodeEmbedder(embed_model=li.ArkMultiModalEmbedding(api_key=KEY))

    for update in ({"fuse": "allways"}, {"on_error": "ignore"}, {"fusing": "auto"}):
        with pytest.raises(ConfigError):
            made.model_copy(update=update)


def test_settings_that_only_fit_together_can_be_changed_together():
    """Neither length is one of both models."""
    made = lc.DashScopeEmbeddings(model="qwen3-vl-embedding", dimensions=2560, api_key=KEY)

    copied = made.model_copy(update={"dimensions": 64, "model": "text-embedding-v4"})

    assert (64, 2560) == (copied.dimension, made.dimension)


def test_a_name_of_the_constructor_set_later_is_answered_with_the_attribute_s():
    with pytest.raises(ConfigError, match="ArkEmbeddings has no api_key=; use ark_api_key="):
        lc.ArkEmbeddings(api_key=KEY).api_key = OTHER_KEY
