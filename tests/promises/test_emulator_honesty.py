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
        "response = strike(fault, request, service, answer) if fault else answer(request)",
        "response = replace(answer(request), status=202)",
        "test_a_sample_sent_to_the_emulator_has_the_shape_of_its_page",
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
MOST = 8


def _samples() -> dict[str, tuple[dict[str, Any], int, Any]]:
    """Every printed request with its reply, and every cassette's: url and body, status, body."""
    found = {}
    for path in sorted(FIXTURES.glob("*/*.json")):
        page = json.loads(path.read_text("utf-8"))
        if "request" in page and "reply" in page:
            found[f"fixture {path.parent.name}/{path.stem}"] = (
                {"url": page["request"]["url"], "body": page["request"]["body"]},
                page["reply"]["status"],
                page["reply"]["body"],
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
    page, ours = _shape(body), _shape(answer.json())
    statuses = set() if status == answer.status_code else {f"status {status} is {answer.status_code}"}
    return {f"- {line}" for line in page - ours} | {f"+ {line}" for line in ours - page} | statuses


SAMPLES = _samples()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_sent_to_the_emulator_has_the_shape_of_its_page(name) -> None:
    listed, _ = DIFFERENCES.get(name, (set(), ""))

    assert listed == _compared(name)


def test_the_list_of_differences_only_shrinks() -> None:
    assert len(DIFFERENCES) <= MOST
    assert [] == [name for name in DIFFERENCES if name not in SAMPLES]
    assert [] == [name for name, (lines, reason) in DIFFERENCES.items() if not lines or not reason]


def test_the_emulator_says_what_it_is() -> None:
    assert "not a model" in (Emulator.__doc__ or "")
