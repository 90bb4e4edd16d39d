"""The emulator answers in the shapes of the vendors' pages; where it does not is listed, and the list may only shrink."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from promise import ROOT, Breakage

from volc_dashscope.emulator import Emulator

BREAKAGES = [
    Breakage(
        "volc_dashscope/emulator/app.py",
        'return response.with_headers({"x-request-id": request.id}), service.name',
        'body = response.body.replace(b\'"embedding":\', b\'"vector":\')\n        return replace(response, body=body).with_headers({"x-request-id": request.id}), service.name',
        "test_a_sample_sent_to_the_emulator_has_the_shape_of_its_page",
    ),
    Breakage(
        "volc_dashscope/emulator/app.py",
        "response = apply_fault(fault, request, service, answer) if fault else answer(request)",
        "response = replace(answer(request), status=202)",
        "test_a_sample_sent_to_the_emulator_has_the_shape_of_its_page",
    ),
    Breakage(
        "tests/promises/test_emulator_honesty.py",
        "MOST_LINES" + " = 49",
        "MOST_LINES" + " = 48",
        "test_the_list_of_differences_only_shrinks",
    ),
    Breakage(
        "volc_dashscope/emulator/ark.py",
        'data["sparse_embedding"] = _sparse(content)',
        'data["sparse"] = _sparse(content)',
        "test_a_sample_sent_to_the_emulator_has_the_shape_of_its_page",
    ),
    Breakage(
        "volc_dashscope/emulator/emulator.py",
        ", not a model:",
        ":",
        "test_the_emulator_says_what_it_is",
    ),
]
FIXTURES, TAPES = ROOT / "tests" / "wire" / "fixtures", ROOT / "tests" / "cassettes"
# By sample: lines of its shape that the page has and the emulator has not, or the other way round, and the reason.
# This table may only shrink: an entry that differs no more has to go, and there never are more than `MOST`.
PRINTED_BY_SDK = {"- .code: text", "- .message: text", "- .status_code: number"}
NEWER_USAGE = {
    "+ .usage.input_tokens_details.image_tokens: number",
    "+ .usage.input_tokens_details.text_tokens: number",
    "+ .usage.input_tokens_details: object",
    "+ .usage.output_tokens: number",
    "+ .usage.total_tokens: number",
    "- .usage.image_tokens: number",
}
SDK = "the sample is what the vendor's SDK prints, which adds these to the body"
NEWER = "the later edition of the page has these keys, for this model"
ONE = "this preview of the guide has a list of one; the API page and everything else has an object (C1)"
DIFFERENCES: dict[str, tuple[set[str], str]] = {
    "fixture ark/guide-image-text": (
        {
            "- .created: text",
            "+ .created: number",
            "- .data: list",
            "- .data[]: object",
            "- .data[].embedding: list",
            "- .data[].embedding[]: number",
            "- .data[].object: text",
            "+ .data: object",
            "+ .data.embedding: list",
            "+ .data.embedding[]: number",
            "+ .data.object: text",
        },
        ONE,
    ),
    "fixture dashscope/media-four-kinds": (NEWER_USAGE, NEWER),
    "fixture dashscope/media-image-v1": (
        {*PRINTED_BY_SDK, "+ .usage.image_tokens: number"},
        f"{SDK}; {NEWER}",
    ),
    "fixture dashscope/media-text-sdk": (PRINTED_BY_SDK | NEWER_USAGE, f"{SDK}; {NEWER}"),
    "fixture dashscope/text-v3": (PRINTED_BY_SDK, SDK),
    "cassette docs/dashscope-media-image-v1 0": (
        {*PRINTED_BY_SDK, "+ .usage.image_tokens: number"},
        f"{SDK}; {NEWER}",
    ),
    "cassette docs/dashscope-media-text-sdk 0": (PRINTED_BY_SDK | NEWER_USAGE, f"{SDK}; {NEWER}"),
    "cassette docs/dashscope-text-v3 0": (PRINTED_BY_SDK, SDK),
}
# Samples printed without the other half: the request that brings the reply about, or nothing for a request whose
# reply no page prints, and which has to be answered all the same.
CAT = [{"type": "text", "text": "a cat"}]
ARK_URL, OPENAI = (
    "https://ark.cn-beijing.volces.com/api/v3",
    "https://dashscope.aliyuncs.com/compatible-mode/v1",
)
MEDIA_URL = (
    "https://dashscope.aliyuncs.com/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding"
)
VISION = "doubao-embedding-vision-250615"
BROUGHT_ABOUT: dict[str, tuple[str, dict[str, Any]]] = {
    "ark/error-not-a-string": (
        f"{ARK_URL}/embeddings",
        {"model": "doubao-embedding-text-240715", "input": CAT},
    ),
    "ark/error-wrong-api": (f"{ARK_URL}/embeddings", {"model": VISION, "input": ["a cat"]}),
    "ark/sparse": (
        f"{ARK_URL}/embeddings/multimodal",
        {"model": VISION, "input": CAT, "sparse_embedding": {"type": "enabled"}},
    ),
    "ark/text": (f"{ARK_URL}/embeddings", {"model": "doubao-embedding-text-240715", "input": ["a", "b"]}),
    "dashscope/error-compatible-batch": (
        f"{OPENAI}/embeddings",
        {"model": "text-embedding-v4", "input": ["a"] * 11},
    ),
    "dashscope/error-compatible-key": (f"{OPENAI}/embeddings", {"model": "text-embedding-v4", "input": "a"}),
    "dashscope/media-details": (
        MEDIA_URL,
        {
            "model": "tongyi-embedding-vision-plus",
            "input": {"contents": [{"text": "a cat"}, {"image": "https://example.com/red.png"}]},
        },
    ),
}
MOST = 8
MOST_LINES = 49


def _samples() -> dict[str, tuple[dict[str, Any], int, Any]]:
    """Every printed request with its reply, and every cassette's: url and body, status, body."""
    found = {}
    for path in sorted(FIXTURES.glob("*/*.json")):
        page = json.loads(path.read_text("utf-8"))
        name, request, reply = f"{path.parent.name}/{path.stem}", page.get("request"), page.get("reply")
        if request is None:
            url, body = BROUGHT_ABOUT[name]
            request = {"url": url, "body": body}
        answered = reply or {"status": 200, "body": None}
        found[f"fixture {name}"] = (
            {"url": request["url"], "body": request["body"]},
            answered["status"],
            answered["body"],
        )
    for path in sorted(TAPES.glob("*/*.yaml")):
        for number, played in enumerate(yaml.safe_load(path.read_text("utf-8"))["interactions"]):
            request, response = played["request"], played["response"]
            found[f"cassette {path.parent.name}/{path.stem} {number}"] = (
                {"url": request["uri"], "body": json.loads(request["body"])},
                response["status"]["code"],
                json.loads(response["body"]["string"]),
            )
    return found


def _shape(value: Any, at: str = "") -> set[str]:
    if isinstance(value, dict):
        return {f"{at}: object"}.union(*(_shape(member, f"{at}.{key}") for key, member in value.items()))
    if isinstance(value, list):
        return {f"{at}: list"}.union(*(_shape(member, f"{at}[]") for member in value if member != "..."))
    if value is None or isinstance(value, bool):
        return {f"{at}: {value}"}
    return {f"{at}: {'number' if isinstance(value, int | float) else 'text'}"}


def _compared(name: str) -> set[str]:
    """Send a sample to the emulator and return where the answer's status and shape are not the page's."""
    request, status, body = SAMPLES[name]
    emulator = Emulator()
    if status == 429:
        emulator.fail("tpm" if "Tpm" in str(body) or "Allocat" in str(body) else "429")
    key = "sk-invalid" if status == 401 else "sk-good"
    parts = urlsplit(request["url"])
    with emulator.http_client() as client:
        answer = client.post(
            f"https://{parts.netloc}{parts.path}",
            json=request["body"],
            headers={"authorization": f"Bearer {key}"},
        )
    page, ours = _shape(body), _shape(answer.json() if body is not None else None)
    statuses = set() if status == answer.status_code else {f"status {status} is {answer.status_code}"}
    return {f"- {line}" for line in page - ours} | {f"+ {line}" for line in ours - page} | statuses


SAMPLES = _samples()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_sent_to_the_emulator_has_the_shape_of_its_page(name) -> None:
    listed, _ = DIFFERENCES.get(name, (set(), ""))

    assert listed == _compared(name)


def test_the_list_of_differences_only_shrinks() -> None:
    assert len(DIFFERENCES) <= MOST
    assert sum(len(lines) for lines, _ in DIFFERENCES.values()) <= MOST_LINES
    assert [] == [name for name in DIFFERENCES if name not in SAMPLES]
    assert [] == [name for name, (lines, reason) in DIFFERENCES.items() if not lines or not reason]


def test_the_emulator_says_what_it_is() -> None:
    assert "not a model" in (Emulator.__doc__ or "")
