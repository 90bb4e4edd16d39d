"""The emulator's replies to the vendors' SDKs have the shapes the pages print: key paths and JSON types."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dashscope
import pytest
from canary import KEY
from capture import Socket, shape
from dashscope.v2.errors import DashScopeError
from intent_types import LINK, PICTURE, TEXT
from vendors import APIS, Vendors, native_url
from volcenginesdkarkruntime._exceptions import ArkAPIError

from volc_dashscope.models import list_models

# The vendors' printed samples, each file with its page and date.
FIXTURES = Path(__file__).parents[1] / "wire" / "fixtures"
# What the vendor's SDK adds when it prints a reply.
ADDED_BY_SDK = ("status_code", "code", "message")


def part(text: str = TEXT) -> dict[str, Any]:
    return {"type": "text", "text": text}


PICTURE_PART = {"type": "image_url", "image_url": {"url": LINK}}
CONTENTS = [{"text": TEXT}, {"image": LINK}]
SPARSE = {"sparse_embedding": {"type": "enabled"}}
PLUS = "tongyi-embedding-vision-plus"
MANY = ["a"] * 11

# Sample, resource, arguments of the SDK; errors too, which the SDK raises or returns.
SAMPLES: list[tuple[str, str, Mapping[str, Any]]] = [
    ("ark/api-image-text", "ark.multimodal", {"input": [part(), PICTURE_PART]}),
    ("ark/sparse", "ark.multimodal", {"input": [part()], **SPARSE}),
    ("ark/text", "ark.text", {"input": [TEXT, "b"]}),
    ("ark/error-wrong-api", "ark.text", {"input": [TEXT], "model": "doubao-embedding-vision-250615"}),
    ("ark/error-not-a-string", "ark.text", {"input": [part()], "model": "doubao-embedding-text-240715"}),
    ("dashscope/text-v3", "dashscope.text", {"input": [TEXT]}),
    ("dashscope/text-everything", "dashscope.text", {"input": [TEXT], "output_type": "dense&sparse"}),
    ("dashscope/media-details", "dashscope.media", {"input": CONTENTS, "model": PLUS}),
    ("dashscope/media-four-kinds", "dashscope.media", {"input": CONTENTS}),
    ("dashscope/media-text-sdk", "dashscope.media", {"input": CONTENTS[:1]}),
    ("dashscope/media-image-v1", "dashscope.media", {"input": CONTENTS[1:]}),
    ("dashscope/compatible-v3", "openai", {"input": [TEXT, "b"]}),
    ("dashscope/error-compatible-batch", "openai", {"input": MANY, "model": "text-embedding-v4"}),
]
# Parts of samples that a later edition of the page, or every other source, contradicts.
OVERRULED = {
    "dashscope/media-four-kinds": (".usage", "newer page: usage has input_tokens_details, see USAGE"),
    "dashscope/media-text-sdk": (".usage", "as above"),
    "dashscope/media-image-v1": (".usage", "newer page adds image_tokens, see USAGE"),
}
ELSEWHERE = {
    "ark/guide-image-text": "contradiction C1: the preview's list of one; all else has an object",
    "dashscope/media-bad-key": "test_a_bad_key_is_refused_in_the_shape_of_the_page",
    "dashscope/error-compatible-key": "test_a_bad_key_is_refused_in_the_shape_of_the_page",
}


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def printed(name: str) -> set[str]:
    """Return the shape of a printed reply, without the dots in its vectors and what the SDK added to it."""
    found = sample(name)
    body = _without_dots(found["reply"]["body"])
    if "vendor's SDK" in found.get("note", ""):
        body = {key: value for key, value in body.items() if key not in ADDED_BY_SDK}
    return shape(body)


def _without_dots(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_dots(member) for member in value if member != "..."]
    return {key: _without_dots(member) for key, member in value.items()} if isinstance(value, dict) else value


def model_of(found: Mapping[str, Any]) -> str:
    asked = found.get("request", {}).get("body", {}).get("model")
    return str(asked or found["reply"]["body"].get("model"))


def _ignoring_refusals(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (ArkAPIError, DashScopeError) as refusal:
        return refusal


@pytest.mark.parametrize(("name", "door", "said"), SAMPLES, ids=[name for name, _, _ in SAMPLES])
def test_a_reply_has_the_shape_its_page_prints(
    socket: Socket, vendors: Vendors, name: str, door: str, said: Mapping[str, Any]
) -> None:
    found = sample(name)
    arguments = {"model": model_of(found), **said}
    _, seen = socket.during(lambda: _ignoring_refusals(lambda: vendors.call(APIS[door][0], door, arguments)))
    ignored = OVERRULED.get(name, ("(nothing)", ""))[0]
    expected = {line for line in printed(name) if not line.startswith(ignored)}
    actual = {line for line in shape(seen[-1].response.json) if not line.startswith(ignored)}

    assert found["reply"]["status"] == seen[-1].response.status
    assert expected == actual


def test_every_printed_reply_is_held_against_the_emulator() -> None:
    replies = {
        path.relative_to(FIXTURES).with_suffix("").as_posix()
        for path in FIXTURES.glob("*/*.json")
        if "reply" in json.loads(path.read_text(encoding="utf-8"))
    }

    assert replies == {name for name, _, _ in SAMPLES} | ELSEWHERE.keys()


# `usage` by model, from the table in the later edition of the multimodal page (reference/dashscope-api.md, 5.3).
_DETAILS = (
    "input_tokens input_tokens_details.image_tokens input_tokens_details.text_tokens "
    "output_tokens total_tokens"
)
USAGE = {
    "qwen3-vl-embedding": "input_tokens image_tokens total_tokens",
    "qwen2.5-vl-embedding": "input_tokens image_tokens",
    "tongyi-embedding-vision-plus-2026-03-06": _DETAILS,
    "tongyi-embedding-vision-flash-2026-03-06": _DETAILS,
    "tongyi-embedding-vision-plus": _DETAILS,
    "tongyi-embedding-vision-flash": _DETAILS,
    "multimodal-embedding-v1": "input_tokens image_tokens image_count duration",
}


@pytest.mark.parametrize("name", USAGE)
def test_usage_has_the_keys_of_its_model(socket: Socket, vendors: Vendors, name: str) -> None:
    said = {"model": name, "input": CONTENTS}
    reply, seen = socket.during(lambda: vendors.call("v2", "dashscope.media", said))
    expected = {f".{key}: number" for key in USAGE[name].split()}
    actual = {line for line in shape(seen[-1].response.json["usage"]) if not line.endswith(": object")}

    assert expected == actual
    assert seen[-1].response.json["usage"]["input_tokens"] == reply.usage.input_tokens


def test_usage_of_every_multimodal_row_is_known() -> None:
    rows = {
        row.name
        for row in list_models()
        if row.provider == "dashscope" and row.endpoint == "multimodal" and row.ready
    }

    assert rows == USAGE.keys()


# reference/ark-api.md, sections 4 and 4.2: what each form of a vector is in JSON.
FORMS = {
    "float": ({}, {".embedding: array", ".embedding[]: number"}),
    "base64": ({"encoding_format": "base64"}, {".embedding: string"}),
    "token vectors": (
        {"extra_body": {"multi_embedding": {"type": "enabled"}}},
        {
            ".embedding: array",
            ".embedding[]: number",
            ".multi_embedding: array",
            ".multi_embedding[]: array",
            ".multi_embedding[][]: number",
        },
    ),
    "compressed token vectors": (
        {"extra_body": {"multi_embedding": {"type": "enabled", "compression": "blosc2"}}},
        {".embedding: array", ".embedding[]: number", ".multi_embedding: string"},
    ),
}


@pytest.mark.parametrize(("said", "expected"), FORMS.values(), ids=[name.replace(" ", "_") for name in FORMS])
def test_a_vector_has_the_form_that_was_asked_for(
    socket: Socket, vendors: Vendors, said: Mapping[str, Any], expected: set[str]
) -> None:
    arguments = {"model": "doubao-embedding-vision-251215", "input": [part()], **said}
    _, seen = socket.during(lambda: vendors.call("ark", "ark.multimodal", arguments))

    assert expected | {": object", ".object: string"} == shape(seen[-1].response.json["data"])


def test_a_bad_key_is_refused_in_the_shape_of_the_page(socket: Socket, vendors: Vendors) -> None:
    bad = {"api_key": "sk-invalid"}
    native = {"model": PLUS, "input": [{"text": TEXT}], **bad}
    compatible = {
        "model": "text-embedding-v4",
        "input": [TEXT],
        "extra_headers": {"Authorization": "Bearer sk-invalid"},
    }
    refusal, exchanges = socket.during(lambda: vendors.call("classic", "dashscope.media", native))
    raised, said = socket.during(
        lambda: _ignoring_refusals(lambda: vendors.call(APIS["openai"][0], "openai", compatible))
    )

    assert printed("dashscope/media-bad-key") == shape(exchanges[-1].response.json)
    assert (401, "InvalidApiKey") == (refusal.status_code, refusal.code)
    assert printed("dashscope/error-compatible-key") == shape(said[-1].response.json)
    assert "invalid_api_key" == raised.code


# reference/dashscope-api.md, section 9: submit and poll of a file job.
SUBMITTED = {"output": {"task_status": "PENDING", "task_id": "0385dc79"}, "request_id": "x"}
DONE = {
    "request_id": "x",
    "output": {
        "task_id": "0385dc79",
        "task_status": "SUCCEEDED",
        "submit_time": "2025-02-20 14:37:13.328",
        "scheduled_time": "2025-02-20 14:37:13.352",
        "end_time": "2025-02-20 14:37:14.159",
        "url": "https://…",
    },
    "usage": {"total_tokens": 258},
}


@pytest.mark.parametrize("model", [row.name for row in list_models() if row.endpoint == "async"])
def test_a_file_job_is_submitted_and_polled_in_the_shapes_of_the_page(socket: Socket, model: str) -> None:
    url = socket.emulator.publish("texts.txt", b"a\nb\n")
    there = {"api_key": KEY, "base_address": native_url(socket.emulator.url)}
    job, submitted = socket.during(lambda: dashscope.BatchTextEmbedding.async_call(model, url, **there))
    with dashscope.v2.Client(api_key=KEY, base_url=native_url(socket.emulator.url)) as client:
        done, polled = socket.during(lambda: client.embeddings.jobs.fetch(job.output["task_id"]))

    assert (shape(SUBMITTED), "PENDING") == (shape(submitted[-1].response.json), job.output["task_status"])
    assert (shape(DONE), "SUCCEEDED", 2) == (
        shape(polled[-1].response.json),
        done.status,
        done.usage.total_tokens,
    )


def test_a_policy_for_an_upload_has_the_fields_the_page_names(socket: Socket, vendors: Vendors) -> None:
    said = {"model": "qwen3-vl-embedding", "input": [{"image": str(PICTURE)}]}
    _, seen = socket.during(lambda: vendors.call("v2", "dashscope.media", said))
    named = (
        "policy signature upload_dir upload_host expire_in_seconds max_file_size_mb oss_access_key_id "
        "x_oss_object_acl x_oss_forbid_overwrite"
    )

    assert set(named.split()) <= seen[0].response.json["data"].keys()
    assert [200, 200, 200] == [exchange.response.status for exchange in seen]
