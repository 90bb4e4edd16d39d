"""
OpenAI-compatible Batch of DashScope: files, batches, and the result files of a batch.

Page: alibabacloud.com/help/en/model-studio/batch-interfaces-compatible-with-openai. All lines are answered by the
emulator's compatible route when the batch is created; the clock decides when the results become visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import orjson

from volc_dashscope.emulator.batch_lines import Lines, check
from volc_dashscope.emulator.dashscope import DashScope, body_of
from volc_dashscope.emulator.exchange import Refusal, Request, Response, reply
from volc_dashscope.emulator.uploads import multipart

ENDPOINTS = ("/v1/embeddings", "/v1/chat/ds-test")
_MAX_BYTES = 500 * 1024 * 1024
_WINDOW_HOURS = (24, 336)


@dataclass(frozen=True, slots=True)
class File:
    """One stored file."""

    id: str
    name: str
    data: bytes
    created: float
    purpose: str = "batch"


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch; `errors` are those of the whole file, which then fails."""

    id: str
    key: str
    source: str
    endpoint: str
    window: str
    metadata: Mapping[str, Any]
    created: float
    seconds: float
    lines: Lines
    errors: list[dict[str, Any]] = field(default_factory=list)
    canceled: float | None = None

    def status(self, now: float) -> str:
        """Return the status at a time: a quarter validating, a half in progress, a quarter finalizing."""
        if self.canceled is not None:
            return "cancelling" if now < self.canceled + self.seconds / 4 else "cancelled"
        share = 1.0 if self.seconds <= 0 else (now - self.created) / self.seconds
        if share < 0.25:
            return "validating"
        if self.errors:
            return "failed"
        return "in_progress" if share < 0.75 else "finalizing" if share < 1 else "completed"


class Batches:
    """All files and batches of one emulator; each batch runs for `seconds`."""

    def __init__(self, service: DashScope, seconds: float, errors_in_output: bool) -> None:
        self._service = service
        self._seconds = seconds
        self._errors_in_output = errors_in_output
        self._lock = Lock()
        self._files: dict[str, File] = {}
        self._batches: dict[str, Batch] = {}

    def upload(self, request: Request) -> Response:
        """Answer `POST /files`."""
        form = multipart(request)
        if "file" not in form:
            raise _bad("Required parameter file is missing.")
        if form.get("purpose") not in (b"batch", b"file-extract"):
            raise _bad("purpose should be batch.")
        if len(form["file"]) > _MAX_BYTES:
            raise _bad("File is larger than 500 MB.")
        stored = File(f"file-batch-{request.id}", form.get("filename") or "file", form["file"], request.now)
        self._store(stored)
        return reply(_file(stored))

    def file(self, request: Request) -> Response:
        """Answer `GET /files/{id}`."""
        return reply(_file(self._stored(request.path.rsplit("/", 1)[-1], request.now)))

    def content(self, request: Request) -> Response:
        """Answer `GET /files/{id}/content`; uploaded files cannot be read back."""
        stored = self._stored(request.path.split("/")[-2], request.now)
        if not stored.id.startswith(("file-batch_output-", "file-batch_error-")):
            raise _bad("Only files beginning with file-batch_output can be downloaded.")
        return Response(headers={"content-type": "application/octet-stream"}, body=stored.data)

    def create(self, request: Request) -> Response:
        """Answer `POST /batches`."""
        body = body_of(request)
        endpoint, window = body.get("endpoint"), body.get("completion_window")
        if endpoint not in ENDPOINTS:
            raise _bad("endpoint is invalid.")
        if not _fits(window):
            raise _bad("completion_window should be between 24h and 336h.")
        source = self._stored(str(body.get("input_file_id")), request.now)
        metadata = body.get("metadata") or {}
        if len(metadata.get("ds_name") or "") > 100 or len(metadata.get("ds_description") or "") > 200:
            raise _bad("ds_name or ds_description is too long.")
        errors = check(source.data, endpoint)
        lines = Lines.run(self._service, request, [] if errors else source.data.splitlines())
        if self._errors_in_output:
            lines = lines.merged()
        batch = Batch(
            f"batch_{request.id}",
            request.key,
            source.id,
            endpoint,
            str(window),
            metadata,
            request.now,
            self._seconds,
            lines,
            errors,
        )
        self._keep(batch)
        payload = _batch(batch, request.now)
        return reply({**payload, "status": "validating", "output_file_id": None, "error_file_id": None})

    def get(self, request: Request) -> Response:
        """Answer `GET /batches/{id}`."""
        return reply(_batch(self._known(request, request.path.rsplit("/", 1)[-1]), request.now))

    def cancel(self, request: Request) -> Response:
        """Answer `POST /batches/{id}/cancel`."""
        batch = self._known(request, request.path.split("/")[-2])
        if batch.status(request.now) not in ("validating", "in_progress", "finalizing"):
            raise _bad("Batch cannot be cancelled in its present status.")
        batch = replace(batch, canceled=request.now)
        self._keep(batch)
        return reply({**_batch(batch, request.now), "status": "cancelling"})

    def list(self, request: Request) -> Response:
        """Answer `GET /batches`, newest first."""
        query = request.query
        with self._lock:
            mine = [batch for batch in reversed(self._batches.values()) if batch.key == request.key]
        if query.get("status"):
            mine = [batch for batch in mine if batch.status(request.now) in query["status"].split(",")]
        if query.get("ds_name"):
            mine = [batch for batch in mine if query["ds_name"] in (batch.metadata.get("ds_name") or "")]
        if query.get("input_file_ids"):
            mine = [batch for batch in mine if batch.source in query["input_file_ids"].split(",")]
        names = [batch.id for batch in mine]
        if query.get("after") in names:
            mine = mine[names.index(query["after"]) + 1 :]
        limit = min(100, request.whole("limit", 20))
        rows = [_batch(batch, request.now) for batch in mine[:limit]]
        payload = {
            "object": "list",
            "data": rows,
            "first_id": rows[0]["id"] if rows else None,
            "last_id": rows[-1]["id"] if rows else None,
            "has_more": len(mine) > limit,
        }
        return reply(payload)

    def _store(self, stored: File) -> None:
        with self._lock:
            self._files[stored.id] = stored

    def _keep(self, batch: Batch) -> None:
        """Remember a batch and its two result files."""
        with self._lock:
            self._batches[batch.id] = batch
        for kind, lines in (("output", batch.lines.done), ("error", batch.lines.failed)):
            if lines:
                data = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
                name = f"file-batch_{kind}-{batch.id}"
                self._store(File(name, f"{batch.id}_{kind}.jsonl", data, batch.created, "batch_output"))

    def _stored(self, name: str, now: float) -> File:
        with self._lock:
            stored = self._files.get(name)
            batch = self._batches.get(name.split("-", 2)[-1]) if stored else None
        if stored is None or (batch is not None and batch.status(now) != "completed"):
            raise Refusal(404, "NotFound", f"File {name} does not exist.", kind="invalid_request_error")
        return stored

    def _known(self, request: Request, name: str) -> Batch:
        with self._lock:
            batch = self._batches.get(name)
        if batch is None or batch.key != request.key:
            raise Refusal(404, "NotFound", f"Batch {name} does not exist.", kind="invalid_request_error")
        return batch


def _bad(message: str) -> Refusal:
    return Refusal(400, "invalid_parameter_error", message, kind="invalid_request_error")


def _fits(window: Any) -> bool:
    """Return whether a completion window is 24h…336h or 1d…14d."""
    text = str(window)
    if not text[:-1].isdigit() or text[-1:] not in ("h", "d"):
        return False
    hours = int(text[:-1]) * (24 if text.endswith("d") else 1)
    return _WINDOW_HOURS[0] <= hours <= _WINDOW_HOURS[1]


def _file(stored: File) -> dict[str, Any]:
    return {
        "id": stored.id,
        "bytes": len(stored.data),
        "created_at": int(stored.created),
        "filename": stored.name,
        "object": "file",
        "purpose": stored.purpose,
        "status": "processed",
        "status_details": None,
    }


def _batch(batch: Batch, now: float) -> dict[str, Any]:
    status = batch.status(now)
    done, lines = status == "completed", batch.lines
    stamps = dict.fromkeys(
        ("in_progress", "expires", "finalizing", "completed", "failed", "expired", "cancelled")
    )
    ends = {f"{name}_at": None for name in stamps} | {"cancelling_at": batch.canceled and int(batch.canceled)}
    if status in ("completed", "failed", "cancelled"):
        ends[f"{status}_at"] = int((batch.canceled or batch.created) + batch.seconds)
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": batch.errors} if status == "failed" else None,
        "input_file_id": batch.source,
        "completion_window": batch.window,
        "status": status,
        "output_file_id": f"file-batch_output-{batch.id}" if done and lines.done else None,
        "error_file_id": f"file-batch_error-{batch.id}" if done and lines.failed else None,
        "created_at": int(batch.created),
        **ends,
        "request_counts": {
            "total": lines.total,
            "completed": len(lines.done) if done else 0,
            "failed": len(lines.failed) if done else 0,
        },
        "metadata": dict(batch.metadata),
    }
