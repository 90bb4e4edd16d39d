"""Roles and instructions, cell by cell: what each kind of model gets for query, document and neither."""

from __future__ import annotations

import pytest

from volc_dashscope.errors import InputError
from volc_dashscope.inputs import Fused, Image, Video

TASK = "Find me an everyday image that matches the given caption"
IMAGE = Image.from_url("https://example.com/picture.png")
CLIP = Video.from_url("https://example.com/clip.mp4")

NEWEST = (
    "doubao-embedding-vision-251215",
    "skylark-embedding-vision-251215",
    "doubao-embedding-vision",
)
OLDER = (
    "doubao-embedding-vision-250615",
    "doubao-embedding-vision-250328",
    "doubao-embedding-vision-241215",
    "skylark-embedding-vision-250615",
)
ANY_QUERY = "Target_modality: text/image/video.\nInstruction:Compress the text into one word.\nQuery:"
TASK_QUERY = f"Target_modality: text/image/video.\nInstruction:{TASK}\nQuery:"
DOCUMENT = "Instruction:Compress the text into one word.\nQuery:"


# Ark, from 251215 on.


@pytest.mark.parametrize("model", NEWEST)
@pytest.mark.parametrize(
    ("text_type", "instruct", "expected"),
    [
        ("query", None, ANY_QUERY),
        ("query", TASK, TASK_QUERY),
        ("document", None, DOCUMENT),
        ("document", TASK, DOCUMENT),
        (None, None, ANY_QUERY),
        (None, TASK, TASK_QUERY),
    ],
    ids=["query", "query-task", "document", "document-task", "alike", "alike-task"],
)
def test_ark_gets_the_template_of_the_role(edge, model, text_type, instruct, expected):
    edge.embed(model, "blue sea", instruct=instruct, call={"text_type": text_type})

    assert (expected, [{"type": "text", "text": "blue sea"}]) == (
        edge.body["instructions"],
        edge.body["input"],
    )


@pytest.mark.parametrize(
    ("item", "modality"),
    [
        ("text", "text"),
        (IMAGE, "image"),
        (CLIP, "video"),
        (Fused("text", IMAGE), "text and image"),
        (Fused(IMAGE, "text"), "text and image"),
        (Fused("text", CLIP), "text and video"),
        (Fused(CLIP, IMAGE), "image and video"),
        (Fused(CLIP, IMAGE, "text"), "text and image and video"),
        (Fused("one", "two"), "text"),
        (Fused(IMAGE, IMAGE), "image"),
    ],
    ids=[
        "text",
        "image",
        "video",
        "text-image",
        "image-text",
        "text-video",
        "video-image",
        "all",
        "two-texts",
        "two-images",
    ],
)
@pytest.mark.parametrize(
    ("text_type", "template"),
    [
        ("document", "Instruction:Compress the {} into one word.\nQuery:"),
        ("query", "Target_modality: text/image/video.\nInstruction:Compress the {} into one word.\nQuery:"),
        (None, "Target_modality: text/image/video.\nInstruction:Compress the {} into one word.\nQuery:"),
    ],
    ids=["document", "query", "alike"],
)
def test_ark_gets_the_modality_of_the_item(edge, item, modality, text_type, template):
    edge.embed("doubao-embedding-vision-251215", item, call={"text_type": text_type})

    assert template.format(modality) == edge.body["instructions"]


def test_each_item_of_a_call_has_its_own_modality(edge):
    edge.embed("doubao-embedding-vision-251215", "text", IMAGE, Fused("text", IMAGE), max_concurrency=1)

    assert [
        f"Instruction:Compress the {modality} into one word.\nQuery:"
        for modality in ("text", "image", "text and image")
    ] == [body["instructions"] for body in edge.bodies]


@pytest.mark.parametrize(
    ("item", "text_type", "settings", "expected"),
    [
        (
            "text",
            None,
            {"target_modality": "text", "instruct": "Retrieve semantically similar text"},
            "Target_modality: text.\nInstruction:Retrieve semantically similar text\nQuery:",
        ),
        (
            "text",
            "query",
            {"target_modality": "image"},
            "Target_modality: image.\nInstruction:Compress the text into one word.\nQuery:",
        ),
        (IMAGE, "document", {}, "Instruction:Compress the image into one word.\nQuery:"),
        (
            IMAGE,
            "query",
            {"target_modality": "text"},
            "Target_modality: text.\nInstruction:Compress the image into one word.\nQuery:",
        ),
        (
            "text",
            "query",
            {"target_modality": "text/image", "instruct": "根据这个问题，找到能回答这个问题的相应文本或图片"},
            "Target_modality: text/image.\nInstruction:根据这个问题，找到能回答这个问题的相应文本或图片\nQuery:",
        ),
    ],
    ids=["similarity", "text-to-image", "image-in-store", "image-to-text", "question"],
)
def test_the_guides_ready_made_instructions_can_be_made(edge, item, text_type, settings, expected):
    edge.embed("doubao-embedding-vision-251215", item, call={"text_type": text_type}, **settings)

    assert expected == edge.body["instructions"]


@pytest.mark.parametrize(
    ("text_type", "expected"),
    [("query", "Q {as is}\\n"), ("document", "D\n"), (None, "Q {as is}\\n")],
    ids=["query", "document", "alike"],
)
def test_instructions_of_the_user_are_sent_verbatim(edge, text_type, expected):
    edge.embed(
        "doubao-embedding-vision-251215",
        IMAGE,
        instruct="not used",
        query_instructions="Q {as is}\\n",
        document_instructions="D\n",
        call={"text_type": text_type},
    )

    assert expected == edge.body["instructions"]


# Ark, 250615 and older.


@pytest.mark.parametrize("model", OLDER)
@pytest.mark.parametrize("text_type", ["query", "document", None])
def test_older_vision_models_get_no_instruction(edge, model, text_type):
    edge.embed(model, "blue sea", call={"text_type": text_type})

    assert {
        "model": model,
        "input": [{"type": "text", "text": "blue sea"}],
        "encoding_format": "base64",
    } == edge.body


# Ark, text models.


@pytest.mark.parametrize(
    ("model", "instruct", "text_type", "expected"),
    [
        ("doubao-embedding-large-text-250515", None, "query", "blue sea"),
        ("doubao-embedding-large-text-250515", TASK, "query", f"Instruct: {TASK}\nQuery: blue sea"),
        ("doubao-embedding-large-text-250515", TASK, "document", "blue sea"),
        ("doubao-embedding-large-text-250515", TASK, None, "blue sea"),
        ("doubao-embedding-text-240715", None, "query", "blue sea"),
        ("doubao-embedding-large-text-240915", None, "document", "blue sea"),
    ],
    ids=["query", "query-task", "document-task", "alike-task", "no-prefix-query", "no-prefix-document"],
)
def test_ark_text_models_get_the_task_as_a_prefix_of_queries(edge, model, instruct, text_type, expected):
    edge.embed(model, "blue sea", instruct=instruct, call={"text_type": text_type})

    assert {"model": model, "input": [expected], "encoding_format": "base64"} == edge.body


# DashScope text.


@pytest.mark.parametrize("model", ["text-embedding-v4", "qwen3.7-text-embedding"])
@pytest.mark.parametrize(
    ("text_type", "instruct", "expected"),
    [
        ("query", None, {"text_type": "query"}),
        ("query", TASK, {"text_type": "query", "instruct": TASK}),
        ("document", None, {"text_type": "document"}),
        ("document", TASK, {"text_type": "document"}),
        (None, None, {}),
        (None, TASK, {}),
    ],
    ids=["query", "query-task", "document", "document-task", "alike", "alike-task"],
)
def test_dashscope_text_gets_the_role_beside_the_input(edge, model, text_type, instruct, expected):
    edge.embed(model, "blue sea", instruct=instruct, call={"text_type": text_type})

    assert {"model": model, "input": {"texts": ["blue sea"]}, "parameters": expected} == edge.body


@pytest.mark.parametrize("model", ["text-embedding-v1", "text-embedding-v2", "text-embedding-v3"])
@pytest.mark.parametrize("text_type", ["query", "document"])
def test_older_dashscope_text_models_get_the_role_too(edge, model, text_type):
    edge.embed(model, "blue sea", call={"text_type": text_type})

    assert {"text_type": text_type} == edge.body["parameters"]


@pytest.mark.parametrize("text_type", ["query", "document", None])
def test_the_compatible_route_has_no_roles(edge, text_type):
    edge.embed("text-embedding-v4", "blue sea", route="openai", call={"text_type": text_type})

    assert {"model": "text-embedding-v4", "input": ["blue sea"], "encoding_format": "float"} == edge.body


# DashScope multimodal.


@pytest.mark.parametrize(
    "model",
    [
        "qwen3-vl-embedding",
        "qwen2.5-vl-embedding",
        "tongyi-embedding-vision-plus-2026-03-06",
        "tongyi-embedding-vision-flash",
        "multimodal-embedding-v1",
    ],
)
@pytest.mark.parametrize(
    ("text_type", "instruct", "expected"),
    [
        ("query", None, {}),
        ("query", TASK, {"instruct": TASK}),
        ("document", None, {}),
        ("document", TASK, {}),
        (None, None, {}),
        (None, TASK, {"instruct": TASK}),
    ],
    ids=["query", "query-task", "document", "document-task", "alike", "alike-task"],
)
def test_dashscope_multimodal_gets_the_task_and_never_a_role(edge, model, text_type, instruct, expected):
    edge.embed(model, IMAGE, instruct=instruct, call={"text_type": text_type})

    assert {
        "model": model,
        "input": {"contents": [{"image": "https://example.com/picture.png"}]},
        "parameters": expected,
    } == edge.body


# Where there is none.


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        *((model, {"instruct": TASK}) for model in OLDER),
        ("doubao-embedding-text-240715", {"instruct": TASK}),
        ("doubao-embedding-large-text-240915", {"instruct": TASK}),
        ("text-embedding-v1", {"instruct": TASK}),
        ("text-embedding-v3", {"instruct": TASK}),
        ("text-embedding-v4", {"instruct": TASK, "route": "openai"}),
        ("text-embedding-v4", {"target_modality": "image"}),
        ("qwen3-vl-embedding", {"query_instructions": "Q"}),
        ("doubao-embedding-large-text-250515", {"document_instructions": "D"}),
    ],
)
def test_an_instruction_a_model_or_route_has_none_of_is_refused_before_anything_is_sent(
    edge, model, settings
):
    with pytest.raises(InputError):
        edge.embed(model, "blue sea", **settings)

    assert [] == edge.requests


# Names outside the table.


@pytest.mark.parametrize("text_type", ["query", "document", None])
def test_an_unknown_ark_model_gets_no_instruction_unless_asked(edge, text_type):
    edge.embed("ep-1", "blue sea", provider="ark", call={"text_type": text_type})

    assert "instructions" not in edge.body


@pytest.mark.parametrize(
    ("settings", "text_type", "expected"),
    [
        ({"instruct": TASK}, "query", TASK_QUERY),
        (
            {"target_modality": "image"},
            "query",
            "Target_modality: image.\nInstruction:Compress the text into one word.\nQuery:",
        ),
        ({"query_instructions": "Q"}, "query", "Q"),
        ({"document_instructions": "D"}, "document", "D"),
    ],
    ids=["instruct", "target", "query", "document"],
)
def test_an_unknown_ark_model_gets_the_instruction_that_was_asked_for(edge, settings, text_type, expected):
    edge.embed("ep-1", "blue sea", provider="ark", call={"text_type": text_type}, **settings)

    assert expected == edge.body["instructions"]


def test_an_endpoint_like_the_newest_gets_its_instructions(edge):
    edge.embed("ep-1", "blue sea", base_model="doubao-embedding-vision-251215")

    assert ("ep-1", DOCUMENT) == (edge.body["model"], edge.body["instructions"])


def test_an_unknown_dashscope_model_gets_no_optional_field(edge):
    edge.embed("tomorrow-embedding", "blue sea", provider="dashscope", call={"on_error": "skip"})

    assert {
        "model": "tomorrow-embedding",
        "input": {"contents": [{"text": "blue sea"}]},
        "parameters": {},
    } == edge.body
