"""The lines of a batch file: the file is checked first, then each line is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from volc_dashscope.emulator.dashscope import DashScope
from volc_dashscope.emulator.exchange import Refusal, Request

TEST_MODEL = "batch-test-model"
TEST_URL = "/v1/chat/ds-test"
_MAX_LINES = 50_000
_MAX_LINE_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lines:
    """Result lines of the output file and of the error file."""

    total: int
    done: list[dict[str, Any]]
    failed: list[dict[str, Any]]

    def merged(self) -> Lines:
        """Return the same lines with the failures in the output file and counted as done (live, 2026-09)."""
        return Lines(self.total, [*self.done, *self.failed], [])

    @classmethod
    def run(cls, service: DashScope, request: Request, lines: Sequence[bytes]) -> Lines:
        """Answer every line."""
        results = [_answer(service, request, orjson.loads(line)) for line in lines if line.strip()]
        done = [result for result in results if result["error"] is None]
        return cls(len(results), done, [result for result in results if result["error"] is not None])


def check(data: bytes, endpoint: str) -> list[dict[str, Any]]:
    """Return the errors that fail a whole file; the first of each line."""
    lines = [line for line in data.splitlines() if line.strip()]
    if not lines or len(lines) > _MAX_LINES:
        return [_error("invalid_file", f"The file should hold 1 to {_MAX_LINES} lines.", None)]
    errors: list[dict[str, Any]] = []
    names: set[str] = set()
    models: set[str] = set()
    for number, line in enumerate(lines, 1):
        try:
            entry = orjson.loads(line)
            name, model, url = str(entry["custom_id"]), entry["body"]["model"], entry["url"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            errors.append(_error("invalid_json_line", "This line is not a valid request.", number))
            continue
        if len(line) > _MAX_LINE_BYTES:
            errors.append(_error("line_too_long", "This line is larger than 6 MB.", number))
        elif name in names:
            errors.append(_error("duplicate_custom_id", f"The custom_id {name} is not unique.", number))
        elif models and model not in models:
            errors.append(_error("mismatched_model", "All lines of a file should name one model.", number))
        elif url != endpoint:
            code = "mismatched_test_url" if model == TEST_MODEL else "mismatched_url"
            errors.append(_error(code, f"The url {url} does not match the endpoint {endpoint}.", number))
        names.add(name)
        models.add(model)
    return errors


def _error(code: str, message: str, line: int | None) -> dict[str, Any]:
    return {"code": code, "message": message, "param": None, "line": line}


def _answer(service: DashScope, request: Request, entry: dict[str, Any]) -> dict[str, Any]:
    """Return one result line; an error appears both in `error` and in the body of the response."""
    embedding_request = replace(request, path="/compatible-mode/v1/embeddings", json=entry["body"])
    result: dict[str, Any] = {"id": f"{request.id}-{entry['custom_id']}", "custom_id": entry["custom_id"]}
    problem = None
    if entry["body"].get("model") == TEST_MODEL:
        status, body = 200, {"object": "chat.completion", "model": TEST_MODEL, "choices": []}
        if entry["url"] != TEST_URL:
            problem = {"code": "mismatched_test_url", "message": f"Use {TEST_URL} with this model."}
    else:
        try:
            response = service.compatible(embedding_request)
        except Refusal as refusal:
            response = service.refuse(embedding_request, refusal)
            problem = {"code": refusal.code, "message": refusal.message}
        status, body = response.status, response.json
    result["response"] = {"status_code": status, "request_id": request.id, "body": body}
    return {**result, "error": problem}
