"""`text_type=` of the LangChain classes: one role for stores that mix the methods up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from samples import ARK, PICTURE_URL, V4, VIDEO_URL

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from volc_dashscope import ConfigError, Fused, Image

METHODS: dict[str, Callable[[Any], object]] = {
    "embed_documents": lambda model: model.embed_documents(["shoe"]),
    "embed_query": lambda model: model.embed_query("shoe"),
    "embed_contents": lambda model: model.embed_contents(["shoe"]),
    "aembed_documents": lambda model: asyncio.run(model.aembed_documents(["shoe"])),
    "aembed_query": lambda model: asyncio.run(model.aembed_query("shoe")),
    "aembed_contents": lambda model: asyncio.run(model.aembed_contents(["shoe"])),
    "qdrant documents": lambda model: model.qdrant_sparse().embed_documents(["shoe"]),
    "qdrant query": lambda model: model.qdrant_sparse().embed_query("shoe"),
    "milvus documents": lambda model: model.milvus_sparse().embed_documents(["shoe"]),
    "milvus query": lambda model: model.milvus_sparse().embed_query("shoe"),
}
ARK_METHODS: dict[str, Callable[[Any], object]] = {
    "embed_image": lambda model: model.embed_image([PICTURE_URL]),
    "embed_video": lambda model: model.embed_video([VIDEO_URL]),
    "aembed_image": lambda model: asyncio.run(model.aembed_image([PICTURE_URL])),
    "aembed_video": lambda model: asyncio.run(model.aembed_video([VIDEO_URL])),
    "fused query": lambda model: model.embed_query(Fused("blue", Image.from_url(PICTURE_URL))),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("role", "sent"), [("query", {"text_type": "query"}), ("document", {"text_type": "document"}), (None, {})]
)
def test_a_fixed_role_is_sent_by_every_method(inside, embed_model_of, method, role, sent):
    model = embed_model_of(DashScopeEmbeddings, inside, model=V4, text_type=role)

    METHODS[method](model)

    (entry,) = inside.emulator.ledger
    parameters = entry.body["parameters"]
    assert sent == {name: parameters[name] for name in parameters if name == "text_type"}


@pytest.mark.parametrize("method", ARK_METHODS)
@pytest.mark.parametrize(("role", "begins"), [("query", "Target_modality: "), ("document", "Instruction:")])
def test_a_fixed_role_reaches_media_too(inside, embed_model_of, method, role, begins):
    model = embed_model_of(ArkEmbeddings, inside, model=ARK, text_type=role)

    ARK_METHODS[method](model)

    (entry,) = inside.emulator.ledger
    assert entry.body["instructions"].startswith(begins)


@pytest.mark.parametrize("settings", [{}, {"text_type": "auto"}])
def test_auto_is_by_method(inside, embed_model_of, settings):
    model = embed_model_of(DashScopeEmbeddings, inside, model=V4, **settings)

    model.embed_documents(["shoe"])
    model.embed_query("shoe")

    roles = [entry.body["parameters"]["text_type"] for entry in inside.emulator.ledger]
    assert roles == ["document", "query"]


def test_a_role_given_to_the_call_wins(inside, embed_model_of):
    model = embed_model_of(DashScopeEmbeddings, inside, model=V4, text_type="query")

    model.embed_contents(["shoe"], text_type="document")
    model.embed_contents(["shoe"], text_type=None)

    assert [{"text_type": "document"}, {}] == [entry.body["parameters"] for entry in inside.emulator.ledger]


def test_documents_of_another_role_have_a_fingerprint_of_their_own(inside, embed_model_of):
    by_role = {
        role: embed_model_of(DashScopeEmbeddings, inside, model=V4, text_type=role).fingerprint
        for role in ("auto", "document", "query", None)
    }

    assert by_role["auto"] == by_role["document"]
    assert len(set(by_role.values())) == 3
    described = embed_model_of(DashScopeEmbeddings, inside, model=V4, text_type=None).describe()
    assert "text_type='none'" in described


def test_a_role_that_does_not_exist_is_refused(inside, embed_model_of):
    with pytest.raises(ConfigError, match="text_type"):
        embed_model_of(DashScopeEmbeddings, inside, model=V4, text_type="search")


def test_the_name_other_packages_have_for_it_is_answered_with_ours(inside, embed_model_of):
    with pytest.raises(ConfigError, match="has no input_type=; use text_type="):
        embed_model_of(DashScopeEmbeddings, inside, model=V4, input_type="query")
