"""
File jobs of DashScope (`text-embedding-async-*`): submit, poll, cancel, list, download.

Page: help.aliyun.com/zh/model-studio/text-embedding-batch-api. The emulator fetches no URL: the input file is
an upload (`oss://…`). No page names the keys of a result line; these are `text_index` and `embedding`, after
the synchronous reply.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from threading import Lock
from typing import Any

import orjson

from volc_dashscope.emulator import tokens
from volc_dashscope.emulator.dashscope import DashScope, body_of, invalid, parameters
from volc_dashscope.emulator.encoding import embedded
from volc_dashscope.emulator.exchange import Refusal, Request, Response, reply
from volc_dashscope.emulator.uploads import Uploads
from volc_dashscope.emulator.vectors import TextPart
from volc_dashscope.models import ModelInfo

_LIFETIME = 24 * 3600.0
_BEIJING = timezone(timedelta(hours=8))
_MAX_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Its result is computed at submission; the clock decides when it becomes visible."""

    id: str
    model: str
    key: str
    submitted: float
    seconds: float
    code: str = ""
    message: str = ""
    result: bytes = b""
    tokens: int = 0
    canceled: bool = False

    def status(self, now: float) -> str:
        """Return the status at a time: PENDING and RUNNING take half of the job's seconds each."""
        if self.canceled:
            return "CANCELED"
        if now < self.submitted + self.seconds / 2:
            return "PENDING"
        if now < self.submitted + self.seconds:
            return "RUNNING"
        return "FAILED" if self.code else "SUCCEEDED"


class Jobs:
    """All jobs of one emulator; each runs for `seconds`."""

    def __init__(self, service: DashScope, uploads: Uploads, seconds: float) -> None:
        self._service = service
        self._uploads = uploads
        self._seconds = seconds
        self._lock = Lock()
        self._jobs: dict[str, Job] = {}

    def submit(self, request: Request) -> Response:
        """Answer the native text path with `X-DashScope-Async: enable`."""
        body = body_of(request)
        row = self._service.lookup(body)
        if row.endpoint != "async":
            raise Refusal(403, "AccessDenied", "current user api does not support asynchronous calls.")
        content = body.get("input")
        url = content.get("url") if isinstance(content, dict) else None
        if not isinstance(url, str) or not url:
            raise invalid("Required parameter input.url is missing.")
        role = parameters(body).get("text_type") or "document"
        job = self._run(Job(request.id, row.name, request.key, request.now, self._seconds), row, url, role)
        with self._lock:
            self._jobs[job.id] = job
        output = {"task_status": "PENDING", "task_id": job.id}
        return reply({"output": output, "request_id": request.id})

    def poll(self, request: Request) -> Response:
        """Answer `GET /tasks/{id}`; an id that does not exist is UNKNOWN under status 200."""
        job = self._find(request, request.path.rsplit("/", 1)[-1])
        if job is None:
            output: dict[str, Any] = {"task_id": request.path.rsplit("/", 1)[-1], "task_status": "UNKNOWN"}
            return reply({"request_id": request.id, "output": output})
        payload: dict[str, Any] = {"request_id": request.id, "output": _output(job, request)}
        if payload["output"]["task_status"] == "SUCCEEDED":
            payload["usage"] = {"total_tokens": job.tokens}
        return reply(payload)

    def cancel(self, request: Request) -> Response:
        """Answer `POST /tasks/{id}/cancel`, which works for PENDING jobs only."""
        job = self._find(request, request.path.split("/")[-2])
        if job is None or job.status(request.now) != "PENDING":
            message = "Failed to cancel the task, please confirm if the task is in PENDING status."
            raise Refusal(400, "UnsupportedOperation", message)
        with self._lock:
            self._jobs[job.id] = replace(job, canceled=True)
        return reply({"request_id": request.id})

    def list(self, request: Request) -> Response:
        """Answer `GET /tasks`."""
        page, size = request.whole("page_no", 1), request.whole("page_size", 10)
        with self._lock:
            mine = [job for job in self._jobs.values() if job.key == request.key]
        status, model = request.query.get("status"), request.query.get("model_name")
        rows = [
            {"model_name": job.model, **_output(job, request)}
            for job in mine
            if status in (None, job.status(request.now)) and model in (None, job.model)
        ]
        payload = {
            "request_id": request.id,
            "tasks": rows[(page - 1) * size : page * size],
            "total": len(rows),
            "total_page": -(-len(rows) // size),
            "page_no": page,
            "page_size": size,
        }
        return reply(payload)

    def download(self, request: Request) -> Response:
        """Answer `GET /results/{id}.txt.gz`: JSON lines in gzip."""
        with self._lock:
            job = self._jobs.get(request.path.rsplit("/", 1)[-1].removesuffix(".txt.gz"))
        if job is None or job.status(request.now) != "SUCCEEDED" or request.now > job.submitted + _LIFETIME:
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
        return Response(headers={"content-type": "application/gzip"}, body=job.result)

    def _find(self, request: Request, name: str) -> Job | None:
        """Return a job of this key that is not a day old."""
        with self._lock:
            job = self._jobs.get(name)
        known = job is not None and job.key == request.key and request.now <= job.submitted + _LIFETIME
        return job if known else None

    def _run(self, job: Job, row: ModelInfo, url: str, role: str) -> Job:
        # Unsourced A52: empty lines of a file job keep their numbers, and results may come in any order.
        # Settled by a job of three lines.
        """Return the job with its result; empty lines are skipped and keep their number (older page)."""
        if not url.partition("?")[0].endswith(".txt"):
            return replace(job, code="InvalidFile.TypeNotTxt", message="File type should be txt")
        data = self._uploads.get(url, job.submitted)
        if data is None:
            return replace(
                job, code="BadRequest.InputDownloadFailed", message="Failed to download the input file."
            )
        lines = data.decode("utf-8-sig", "replace").splitlines()
        if len(lines) > row.batch or len(data) > _MAX_BYTES:
            return replace(
                job, code="InvalidFile.TooLarge", message=f"File exceeds {row.batch} lines or 200 MB."
            )
        long = any(row.max_tokens is not None and tokens.exceeds(line, row.max_tokens) for line in lines)
        if long:
            return replace(job, code="InvalidParameter", message=f"A line exceeds {row.max_tokens} tokens.")
        size = row.default_dimension or 0
        rows = [
            {"text_index": number, "embedding": embedded([TextPart(line)], row, size, role=role)}
            for number, line in enumerate(lines)
            if line.strip()
        ]
        option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
        result = gzip.compress(b"".join(orjson.dumps(entry, option=option) for entry in rows), mtime=0)
        return replace(job, result=result, tokens=sum(map(tokens.text, lines)))


def _output(job: Job, request: Request) -> dict[str, Any]:
    status = job.status(request.now)
    output: dict[str, Any] = {"task_id": job.id, "task_status": status, "submit_time": _time(job.submitted)}
    if status in ("RUNNING", "SUCCEEDED", "FAILED"):
        output["scheduled_time"] = _time(job.submitted + job.seconds / 2)
    if status in ("SUCCEEDED", "FAILED"):
        output["end_time"] = _time(job.submitted + job.seconds)
    if status == "SUCCEEDED":
        output["url"] = f"{request.origin}/results/{job.id}.txt.gz"
    if status == "FAILED":
        output |= {"code": job.code, "message": job.message}
    return output


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, _BEIJING).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
