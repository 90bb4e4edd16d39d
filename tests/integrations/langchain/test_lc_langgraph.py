"""`langgraph_index`: what LangGraph's stores receive. The stores themselves are tried in tests/stores."""

from __future__ import annotations

import pytest

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, langgraph_index
from volc_dashscope import ConfigError, InputError

V4 = "text-embedding-v4"


def test_it_knows_the_length_before_any_request(inside, embed_model_of):
    index = langgraph_index(embed_model_of(DashScopeEmbeddings, inside, model=V4), fields=["text"])

    assert (index["dims"], index["fields"]) == (1024, ["text"])
    assert not list(inside.emulator.ledger)


def test_questions_and_memories_play_one_role(inside, embed_model_of):
    embed = langgraph_index(embed_model_of(DashScopeEmbeddings, inside, model=V4))["embed"]

    embed.embed_documents(["tea"])
    embed.embed_query("tea")

    assert [{}, {}] == [entry.body["parameters"] for entry in inside.emulator.ledger]


def test_a_role_that_was_chosen_stays(inside, embed_model_of):
    chosen = embed_model_of(DashScopeEmbeddings, inside, model=V4, text_type="document")

    assert langgraph_index(chosen)["embed"] is chosen


@pytest.mark.parametrize(
    ("kind", "settings", "postgres", "way_out"),
    [
        (ArkEmbeddings, {}, "vector", "2048 dimensions.*at most 2000 of a vector.*dimensions=1024.*halfvec"),
        (DashScopeEmbeddings, {}, "vector", "2560 dimensions.*at most 2000 of a vector.*dimensions=1024"),
    ],
)
def test_a_length_that_postgresql_cannot_index_is_named(
    inside, embed_model_of, kind, settings, postgres, way_out
):
    with pytest.raises(ConfigError, match=way_out):
        langgraph_index(embed_model_of(kind, inside, **settings), postgres=postgres)


@pytest.mark.parametrize(
    ("settings", "postgres", "length"), [({"dimensions": 1024}, "vector", 1024), ({}, "halfvec", 2560)]
)
def test_a_length_that_postgresql_can_index_is_named(inside, embed_model_of, settings, postgres, length):
    index = langgraph_index(embed_model_of(DashScopeEmbeddings, inside, **settings), postgres=postgres)

    assert index["dims"] == length
    assert index["ann_index_config"] == {"kind": "hnsw", "vector_type": postgres}


def test_a_model_of_unknown_length_is_refused(inside, embed_model_of):
    unknown = embed_model_of(DashScopeEmbeddings, inside, model="text-embedding-v9")

    with pytest.raises(ConfigError, match="pass dimensions="):
        langgraph_index(unknown)


@pytest.mark.parametrize("fields", ["text", {"text": 1}, {"text"}, [1]])
def test_one_path_or_what_is_no_path_is_refused(fields):
    """`list` would take a word apart, and the store would look for the letters."""
    with pytest.raises(InputError, match=r"fields must be a list|a path in fields must be str, got int"):
        langgraph_index(DashScopeEmbeddings(model="text-embedding-v4", api_key="k"), fields=fields)


@pytest.mark.parametrize(("embeddings", "postgres"), [("text-embedding-v4", None), (None, "bit")])
def test_other_embeddings_and_other_columns_are_refused(embeddings, postgres):
    made = embeddings or DashScopeEmbeddings(model="text-embedding-v4", api_key="k")

    with pytest.raises(ConfigError, match=r"must be"):
        langgraph_index(made, postgres=postgres)
