"""
Batch jobs as flows: submit, poll, cancel, download.

Page: alibabacloud.com/help/en/model-studio/batch-interfaces-compatible-with-openai, as of 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from volc_dashscope._request.exchange import RetryContext, Step, exchange
from volc_dashscope._request.temporary_storage import multipart
from volc_dashscope._types import Flow, Reply, Request, RequestSpec
from volc_dashscope.errors import EmbeddingError, InputError, RequestError
from volc_dashscope.jobs._batch_file import ENDPOINT
from volc_dashscope.jobs._job import Job
from volc_dashscope.jobs._results import LARGEST_RESULT, ResultFiles
from volc_dashscope.jobs._waiting import (
    checked_id,
    failure,
    may_have_been_accepted,
    submit_context,
    unfinished,
    wait,
)
from volc_dashscope.providers import dashscope, parsing

# "Poll no faster than once a minute."
_PAUSE = 60.0
_SHORTEST_HOURS, _LONGEST_HOURS = 24, 336
_METADATA = {"ds_name": 100, "ds_description": 200, "ds_batch_finish_callback": 2_048}


class BatchFlows:
    """The flows of Batch jobs."""

    def __init__(self, context: RetryContext) -> None:
        self._context = context
        self._submit_context = submit_context(context)

    def submit(self, data: bytes, spec: RequestSpec, plan: Mapping[str, object]) -> Flow[Job]:
        """Upload a file of request lines and create a batch for it."""
        digest = sha256(data).hexdigest()
        kind, form = multipart(
            {"purpose": "batch"},
            name=f"{digest[:32]}.jsonl",
            mime="application/jsonl",
            data=data,
            digest=digest,
        )
        upload = Request("POST", f"{spec.base_url}/files", {**spec.headers, "Content-Type": kind}, form)
        name = yield from exchange(Step(lambda: upload, lambda reply: _file_id(reply, spec)), self._context)
        body = orjson.dumps({"input_file_id": name, "endpoint": ENDPOINT, **plan})
        create = Request("POST", f"{spec.base_url}/batches", spec.headers, body)
        try:
            return (
                yield from exchange(
                    Step(lambda: create, lambda reply: _read(reply, spec)), self._submit_context
                )
            )
        except EmbeddingError as error:
            if not may_have_been_accepted(error):
                raise
            # The batch may exist although its reply was lost. Only this call knows the file, so a batch that
            # reads it is this one; a second batch would be billed as well.
            found = yield from self._of_file(name, spec)
            if not found:
                raise
            return found[0]

    def get(self, job_id: str, spec: RequestSpec) -> Flow[Job]:
        """Return the state of a job."""
        request = Request("GET", f"{spec.base_url}/batches/{checked_id(job_id)}", spec.headers)
        return (
            yield from exchange(
                Step(lambda: request, lambda reply: _read(reply, spec, job_id)), self._context
            )
        )

    def cancel(self, job_id: str, spec: RequestSpec) -> Flow[Job]:
        """Cancel a job; finished lines are kept."""
        request = Request("POST", f"{spec.base_url}/batches/{checked_id(job_id)}/cancel", spec.headers)
        return (
            yield from exchange(
                Step(lambda: request, lambda reply: _read(reply, spec, job_id)), self._context
            )
        )

    def wait(self, job_id: str, spec: RequestSpec, timeout: float | None) -> Flow[Job]:
        """Poll once a minute until a job has ended."""
        return (
            yield from wait(
                lambda: self.get(job_id, spec), self._context, timeout=timeout, pauses=(_PAUSE, _PAUSE)
            )
        )

    def fetch(self, job_id: str, spec: RequestSpec, files: ResultFiles) -> Flow[Job]:
        """Download the files of a job that has ended."""
        job = yield from self.get(job_id, spec)
        if not job.ended:
            raise unfinished(job)
        if job.output_file_id is None and job.error_file_id is None:
            raise failure(job, spec)
        if job.output_file_id is not None:
            yield from exchange(_content(job.output_file_id, spec, files.output), self._context)
        if job.error_file_id is not None:
            # The page says that only output files can be downloaded; its scripts download error files too.
            try:
                yield from exchange(_content(job.error_file_id, spec, files.errors), self._context)
            except RequestError as error:
                files.refused = error
        return job

    def _of_file(self, name: str, spec: RequestSpec) -> Flow[list[Job]]:
        request = Request("GET", f"{spec.base_url}/batches?input_file_ids={name}&limit=1", spec.headers)
        return (
            yield from exchange(
                Step(lambda: request, lambda reply: _listed(reply, spec, name)), self._context
            )
        )


def batch_options(completion_window: str, metadata: Mapping[str, str] | None) -> dict[str, object]:
    """
    Return the checked arguments of a batch.

    Raises:
        InputError: A window outside 24h..336h (1d..14d), or metadata the service does not take.
    """
    found = (
        re.fullmatch(r"(\d{1,3})([hd])", completion_window, re.ASCII)
        if isinstance(completion_window, str)
        else None
    )
    hours = int(found[1]) * (24 if found[2] == "d" else 1) if found else 0
    if not _SHORTEST_HOURS <= hours <= _LONGEST_HOURS:
        raise InputError(
            f'completion_window={completion_window!r}; a Batch accepts "24h" to "336h", or "1d" to "14d"'
        )
    plan: dict[str, object] = {"completion_window": completion_window}
    for name, value in (metadata or {}).items():
        if name not in _METADATA:
            raise InputError(f"metadata has the key {name!r}; a Batch accepts only {', '.join(_METADATA)}")
        if not isinstance(value, str) or not 1 <= len(value) <= _METADATA[name]:
            actual = f"{len(value)} characters" if isinstance(value, str) else type(value).__name__
            raise InputError(
                f"metadata {name!r} must be a str of 1 to {_METADATA[name]} characters, got {actual}"
            )
    if metadata:
        plan["metadata"] = dict(metadata)
    return plan


def _content(name: str, spec: RequestSpec, file: Any) -> Step[None]:
    url = f"{spec.base_url}/files/{name}/content"
    request = Request("GET", url, {**spec.headers, "Accept": "*/*"}, into=file, largest=LARGEST_RESULT)
    return Step(lambda: request, lambda reply: _fetched(reply, name, spec))


def _fetched(reply: Reply, name: str, spec: RequestSpec) -> EmbeddingError | None:
    if reply.status == 200:
        return None
    refused = dashscope.answer(reply, spec, f"file {name}")
    return refused if isinstance(refused, EmbeddingError) else None


def _file_id(reply: Reply, spec: RequestSpec) -> str | EmbeddingError:
    body = dashscope.answer(reply, spec, "the file of a batch")
    if isinstance(body, EmbeddingError):
        return body
    return _id(body, "id") or _bad_reply("the id of the file is missing", reply, "the file of a batch")


def _read(reply: Reply, spec: RequestSpec, job_id: str | None = None) -> Job | EmbeddingError:
    subject = f"job {job_id}" if job_id else "the batch"
    body = dashscope.answer(reply, spec, subject)
    if isinstance(body, EmbeddingError):
        return body
    return _job(body, reply, job_id) or _bad_reply("the id or status of the job is missing", reply, subject)


def _listed(reply: Reply, spec: RequestSpec, name: str) -> list[Job] | EmbeddingError:
    body = dashscope.answer(reply, spec, "the list of batches")
    if isinstance(body, EmbeddingError):
        return body
    rows = body.get("data")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    jobs = [_job(row, reply) for row in rows]
    # The filter asks for this file only; a service that ignores it may list batches of other files.
    return [job for job in jobs if job is not None and job.input_file_id == name]


def _job(body: dict[str, Any], reply: Reply, job_id: str | None = None) -> Job | None:
    found, status = _id(body, "id"), body.get("status")
    if found is None or not isinstance(status, str) or job_id not in (None, found):
        return None
    counts, errors = body.get("request_counts"), body.get("errors")
    problems = errors.get("data") if isinstance(errors, dict) else None
    problem = problems[0] if isinstance(problems, list) and problems and isinstance(problems[0], dict) else {}
    code, message, line = problem.get("code"), problem.get("message"), problem.get("line")
    return Job(
        found,
        status,
        counts={
            name: number
            for name, number in (counts.items() if isinstance(counts, dict) else ())
            if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 50_000
        },
        code=code if isinstance(code, str) else None,
        message=(f"line {line}: " if isinstance(line, int) else "") + f"{message}" if message else None,
        request_id=reply.headers.get("x-request-id"),
        input_file_id=_id(body, "input_file_id"),
        output_file_id=_id(body, "output_file_id"),
        error_file_id=_id(body, "error_file_id"),
    )


def _id(body: dict[str, Any], name: str) -> str | None:
    """Return an id from a reply that is safe in a URL's path."""
    value = body.get(name)
    try:
        return checked_id(value) if isinstance(value, str) else None
    except InputError:
        return None


def _bad_reply(reason: str, reply: Reply, subject: str) -> EmbeddingError:
    request_id = reply.headers.get("x-request-id")
    return parsing.bad_reply(dashscope.NAME, reason, dashscope.NO_ITEMS, reply, request_id, subject)
