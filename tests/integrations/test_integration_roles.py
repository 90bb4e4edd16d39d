"""The role table of the design, on the wire, through both frameworks."""

from __future__ import annotations

from typing import Any

import pytest
from samples import ARK, INTEGRATIONS, LANGCHAIN, PICTURE_URL, V4, VL, documents, images, query

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding
from volc_dashscope import Fused, Image

TASK = "Find the shoe"
DOCUMENT = "Instruction:Compress the text into one word.\nQuery:"
QUERY = "Target_modality: text/image/video.\nInstruction:Compress the text into one word.\nQuery:"
TOLD = f"Target_modality: image.\nInstruction:{TASK}\nQuery:"
OLD = "doubao-embedding-vision-250615"
ARK_TEXT = "doubao-embedding-large-text-250515"

ARK_ROLES = [
    pytest.param(ARK, {}, DOCUMENT, QUERY, id="plain"),
    pytest.param(ARK, {"instruct": TASK, "target_modality": "image"}, DOCUMENT, TOLD, id="instruct"),
    pytest.param(ARK, {"query_instructions": "Q", "document_instructions": "D"}, "D", "Q", id="verbatim"),
    pytest.param(OLD, {}, None, None, id="older model: nothing sent"),
]
DASHSCOPE_ROLES = [
    pytest.param(V4, {}, {"text_type": "document"}, {"text_type": "query"}, id="text"),
    pytest.param(
        V4,
        {"instruct": TASK},
        {"text_type": "document"},
        {"text_type": "query", "instruct": TASK},
        id="text with instruct",
    ),
    pytest.param(VL, {}, {}, {}, id="vision"),
    pytest.param(VL, {"instruct": TASK}, {}, {"instruct": TASK}, id="vision with instruct"),
]


def _bodies(emulator: Any) -> list[dict[str, Any]]:
    return [entry.body for entry in emulator.ledger]


@pytest.mark.parametrize("kind", [ArkEmbeddings, ArkMultiModalEmbedding])
@pytest.mark.parametrize(("model", "settings", "document", "asked"), ARK_ROLES)
def test_ark_gets_the_role_in_its_instructions(
    inside, embed_model_of, kind, model, settings, document, asked
):
    embed_model = embed_model_of(kind, inside, model=model, **settings)

    documents(embed_model, ["shoe"])
    query(embed_model, "shoe")

    assert [document, asked] == [body.get("instructions") for body in _bodies(inside.emulator)]


@pytest.mark.parametrize("kind", [ArkEmbeddings, ArkMultiModalEmbedding])
def test_ark_text_models_get_the_instruction_as_a_prefix_of_the_query_only(inside, embed_model_of, kind):
    embed_model = embed_model_of(kind, inside, model=ARK_TEXT, instruct=TASK)

    documents(embed_model, ["shoe"])
    query(embed_model, "shoe")

    assert [["shoe"], [f"Instruct: {TASK}\nQuery: shoe"]] == [
        body["input"] for body in _bodies(inside.emulator)
    ]


@pytest.mark.parametrize("kind", [DashScopeEmbeddings, DashScopeMultiModalEmbedding])
@pytest.mark.parametrize(("model", "settings", "document", "asked"), DASHSCOPE_ROLES)
def test_dashscope_gets_the_role_in_its_parameters(
    inside, embed_model_of, kind, model, settings, document, asked
):
    embed_model = embed_model_of(kind, inside, model=model, **settings)

    documents(embed_model, ["shoe"])
    query(embed_model, "shoe")

    assert [document, asked] == [body["parameters"] for body in _bodies(inside.emulator)]


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_images_are_documents(inside, embed_model_of, kind):
    embed_model = embed_model_of(kind, inside, instruct=TASK)

    images(embed_model, [PICTURE_URL])

    assert TASK not in str(_bodies(inside.emulator))


@pytest.mark.parametrize("kind", [ArkEmbeddings, ArkMultiModalEmbedding])
def test_ark_documents_say_which_modality_they_are(inside, embed_model_of, kind):
    embed_model = embed_model_of(kind, inside)

    images(embed_model, [PICTURE_URL])

    assert (
        "Instruction:Compress the image into one word.\nQuery:"
        == inside.emulator.ledger[0].body["instructions"]
    )


def test_a_fused_query_names_both_modalities(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    embed_model.embed_query(Fused("but blue", Image.from_url(PICTURE_URL)))

    expected = (
        "Target_modality: text/image/video.\nInstruction:Compress the text and image into one word.\nQuery:"
    )
    assert expected == inside.emulator.ledger[0].body["instructions"]


@pytest.mark.parametrize("kind", LANGCHAIN)
async def test_async_calls_send_the_same_bodies_as_sync_ones(inside, embed_model_of, kind):
    embed_model = embed_model_of(kind, inside, instruct=TASK)

    embed_model.embed_documents(["shoe"])
    embed_model.embed_query("shoe")
    embed_model.embed_image([PICTURE_URL])
    await embed_model.aembed_documents(["shoe"])
    await embed_model.aembed_query("shoe")
    await embed_model.aembed_image([PICTURE_URL])

    bodies = _bodies(inside.emulator)
    assert bodies[:3] == bodies[3:]
    assert bodies[0] != bodies[1]
