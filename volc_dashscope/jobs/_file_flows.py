"""
File jobs of `text-embedding-async-*` as flows: submit, poll, cancel, download; and the reading of their result.

Page: help.aliyun.com/zh/model-studio/text-embedding-batch-api, as of 2026-11-21. Jobs and results live 24 hours.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from volc_dashscope._config import is_encrypted_or_local
from volc_dashscope._limits.rate_limiter import RequestCost
from volc_dashscope._media import label_url, source_of_url
from volc_dashscope._paths import checked_path
from volc_dashscope._request.exchange import RetryContext, Step, exchange
from volc_dashscope._request.items import all_as_sent, items_of
from volc_dashscope._request.validation import check_items
from volc_dashscope._types import Flow, Reply, Request, RequestSpec
from volc_dashscope.errors import BadReplyError, ConfigError, EmbeddingError, InputError, RequestError
from volc_dashscope.jobs._job import Job, JobResult
from volc_dashscope.jobs._results import LARGEST_RESULT, ResultCollector, ResultFiles, entries
from volc_dashscope.jobs._waiting import (
    checked_id,
    failure,
    may_have_been_accepted,
    submit_context,
    unfinished,
    wait,
)
from volc_dashscope.models import MIB
from volc_dashscope.providers import dashscope, parsing
from volc_dashscope.results import Usage

# "1 submit per second."
_SUBMITS_PER_MINUTE = 60
_MAX_BYTES = 200 * MIB
# No page names the keys of a result line, nor says whether they are at its top level or in its "output", where public
# user code reads them: both forms and several spellings are read (unsourced, verify live). The emulator writes
# those of the synchronous reply. A line without any of them is an error.
_NUMBER_KEYS = (
    "text_index",
    "index",
    "line_number",
    "lineNumber",
    "line_no",
    "line_num",
    "line",
    "line_index",
)
_VECTOR_KEYS = ("embedding", "vector", "embeddings")
_EXPIRED = (403, 404)


class FileFlows:
    """The flows of file jobs."""

    # Unsourced A51: a line of an async result has the keys of the synchronous reply; other spellings are
    # tried. Settled by a job of three lines.
    def __init__(self, context: RetryContext) -> None:
        self._context = context
        self._submit_context = submit_context(context, _SUBMITS_PER_MINUTE)

    def submit(self, url: str, spec: RequestSpec) -> Flow[Job]:
        """Start a job for the lines of a file."""
        source = source_of_url(url, "image").url
        if source is None:
            raise InputError("a file job needs the URL of a file, not a data URI")
        # The service refuses other names after a minute in its queue: "File type should be txt".
        if not source.partition("?")[0].endswith(".txt"):
            raise InputError(f"a file job needs the URL of a .txt file, got {label_url(source)}")
        step = Step(
            lambda: dashscope.job_request(source, spec), lambda reply: _job(reply, spec), RequestCost()
        )
        try:
            return (yield from exchange(step, self._submit_context))
        except EmbeddingError as error:
            if not may_have_been_accepted(error):
                raise
            error.args = (
                f"{str(error).rstrip('.')}; not sent again, because the job may have been accepted and would be "
                "billed twice",
            )
            raise

    def get(self, job_id: str, spec: RequestSpec) -> Flow[Job]:
        """Return the state of a job."""
        url = f"{spec.base_url}/tasks/{checked_id(job_id)}"
        step = Step(lambda: Request("GET", url, spec.headers), lambda reply: _job(reply, spec, job_id))
        return (yield from exchange(step, self._context))

    def cancel(self, job_id: str, spec: RequestSpec) -> Flow[Job]:
        """Cancel a job that has not started."""
        url = f"{spec.base_url}/tasks/{checked_id(job_id)}/cancel"
        step = Step(
            lambda: Request("POST", url, spec.headers),
            lambda reply: dashscope.answer(reply, spec, f"the cancellation of job {job_id}"),
        )
        yield from exchange(step, self._context)
        return (yield from self.get(job_id, spec))

    def wait(self, job_id: str, spec: RequestSpec, timeout: float | None) -> Flow[Job]:
        """Poll until a job has ended: after 1, 2, 4, then every 8 seconds, as the vendor's SDK does."""
        return (
            yield from wait(lambda: self.get(job_id, spec), self._context, timeout=timeout, pauses=(1.0, 8.0))
        )

    def fetch(self, job_id: str, spec: RequestSpec, files: ResultFiles) -> Flow[Job]:
        """Download the result of a job that has ended."""
        job = yield from self.get(job_id, spec)
        if not job.ended:
            raise unfinished(job)
        if job.status != "SUCCEEDED":
            raise failure(job, spec)
        url = job.result_url
        if url is None or not is_encrypted_or_local(url):
            raise BadReplyError(
                f"{dashscope.NAME} returned no https link to the result of job {job.id}",
                provider=dashscope.NAME,
                request_id=job.request_id,
            )
        # The link is signed; it leads to a storage host, which must not get the key.
        request = Request(
            "GET", url, {"Accept": "*/*"}, keyless=True, into=files.output, largest=LARGEST_RESULT
        )
        yield from exchange(
            Step(lambda: request, lambda reply: _fetched(reply, job, spec, files)), self._context
        )
        return job


def read(
    job: Job,
    spec: RequestSpec,
    files: ResultFiles,
    *,
    count: int | None = None,
    first_line: int | None = None,
) -> JobResult:
    """
    Return the vectors of a downloaded result.

    Args:
        count: Lines of the input file, to notice missing lines at its end.
        first_line: Number of the file's first line in the result, 0 or 1; None to infer it.
    """
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise InputError(f"count must be the number of lines of the file, got {count!r}")
    if first_line not in (None, 0, 1):
        raise InputError(f"first_line must be 0, 1 or None, got {first_line!r}")
    collector = ResultCollector(job, spec)
    try:
        for entry in entries(files.output, spec.model_info.batch):
            line = _flat(entry)
            number = _number(line, spec.model_info.batch)
            collector.note(line.get("request_id"))
            vector = next((line[key] for key in _VECTOR_KEYS if line.get(key) is not None), None)
            if vector is None and (line.get("code") or line.get("error")):
                refusal = dashscope.refusal(line, job.request_id, Reply(200, {}, b""), spec, f"line {number}")
                collector.fail(number, refusal)
            else:
                collector.add(number, vector)
        numbers = collector.numbers
        first = _first(numbers, count) if first_line is None else first_line
        if numbers and (min(numbers) < first or (count is not None and max(numbers) >= count + first)):
            raise parsing.Malformed("it has more lines than the input")
    except parsing.Malformed as reason:
        raise collector.broken(str(reason)) from reason
    collector.usage = job.usage
    lines = count if count is not None else max(numbers, default=first - 1) + 1 - first
    absent = RequestError("it has no vector: empty lines are skipped", provider=dashscope.NAME)
    return collector.result(lines, absent, first=first)


def write(texts: Iterable[str], path: str | Path, spec: RequestSpec) -> int:
    """
    Write texts as the lines of a new file and return their number.

    Raises:
        InputError: A text is empty, too long, or not one line; there are too many; or the file exists. Nothing
            is written.
    """
    items, _ = all_as_sent(items_of(texts, name="texts"), spec)
    check_items(items, spec)
    if len(items) > spec.model_info.batch:
        raise InputError(
            f"{len(items):,} texts; a file of {spec.model_info.name} has at most {spec.model_info.batch:,} lines"
        )
    lines = []
    for index, text in enumerate(map(str, items)):
        # The service skips an empty line, and reads a text of two lines as two texts.
        if not text.strip() or len(text.splitlines()) != 1:
            raise InputError(f"item {index}: the text must be one line that is not blank", index=index)
        lines.append(text)
    data = "\n".join([*lines, ""]).encode()
    place = checked_path(path, "path")
    if not data or len(data) > _MAX_BYTES:
        raise InputError(f"a file of {len(data):,} bytes; a file job accepts 1 to {_MAX_BYTES:,}")
    if place.suffix != ".txt":
        raise InputError(
            f"a file job accepts .txt files only; call the file {place.stem + '.txt'!r}, not {place.name!r}"
        )
    try:
        with place.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise InputError(f"file {place.name!r} already exists; remove it or use another path") from error
    except OSError as error:
        raise ConfigError(f"file {place.name!r} cannot be written: {error.strerror}") from error
    return len(lines)


def _job(reply: Reply, spec: RequestSpec, job_id: str | None = None) -> Job | EmbeddingError:
    subject = f"job {job_id}" if job_id else "the job"
    body = dashscope.answer(reply, spec, subject)
    if isinstance(body, EmbeddingError):
        return body
    request_id = dashscope.request_id_of(body, reply)
    output = body.get("output")
    output = output if isinstance(output, dict) else {}
    found, status = output.get("task_id"), output.get("task_status")
    if status == "UNKNOWN" and job_id is not None:
        # The service answers 200 for an unknown id (the vendor's SDK 2.x treats it as missing).
        return RequestError(
            f"{dashscope.NAME} has no job {job_id}: it never existed, is older than 24 hours, or belongs to "
            f"another key or region [request id {request_id}]",
            provider=dashscope.NAME,
            status=reply.status,
            code="UNKNOWN",
            request_id=request_id,
        )
    if not isinstance(found, str) or not isinstance(status, str) or job_id not in (None, found):
        reason = "the task_id or task_status of the job is missing"
        return parsing.bad_reply(dashscope.NAME, reason, dashscope.NO_ITEMS, reply, request_id, subject)
    usage = parsing.usage(body.get("usage"), text=("total_tokens",), image=())
    link = _text(output, "url")
    return Job(
        found,
        status,
        code=_text(output, "code"),
        message=_text(output, "message"),
        usage=usage if status == "SUCCEEDED" else Usage(),
        request_id=request_id,
        # A printed sample of a failed job has "url": "null".
        result_url=None if link == "null" else link,
    )


def _fetched(reply: Reply, job: Job, spec: RequestSpec, files: ResultFiles) -> EmbeddingError | None:
    if reply.status == 200:
        # A job that succeeded has at least one line.
        empty = files.output.seek(0, os.SEEK_END) == 0
        subject = f"the result of job {job.id}"
        reason = "the body is empty"
        return (
            parsing.bad_reply(dashscope.NAME, reason, dashscope.NO_ITEMS, reply, job.request_id, subject)
            if empty
            else None
        )
    if reply.status in _EXPIRED:
        message = f"the result of job {job.id} no longer exists ({reply.status}); it is kept for 24 hours"
        return RequestError(message, provider=dashscope.NAME, status=reply.status, request_id=job.request_id)
    return dashscope.refusal({}, job.request_id, reply, spec, f"the result of job {job.id}")


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """
    Return a result line with the fields of its `output` at the top level.

    The output is the vector's object or, as in a synchronous reply, a list of one such object. A line number at the top
    level is that of the line; a nested one may count within the line.
    """
    output = entry.get("output")
    inner = output if isinstance(output, dict) else {}
    listed = inner.get("embeddings", entry.get("embeddings"))
    if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], dict):
        inner = {**{key: value for key, value in inner.items() if key != "embeddings"}, **listed[0]}
        entry = {key: value for key, value in entry.items() if key != "embeddings"}
    if any(key in entry for key in _NUMBER_KEYS):
        inner = {key: value for key, value in inner.items() if key not in _NUMBER_KEYS}
    return {**entry, **inner}


def _number(entry: dict[str, Any], most: int) -> int:
    number = next((entry[key] for key in _NUMBER_KEYS if key in entry), None)
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 10:
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
        keys = ", ".join(sorted(key[:40] for key in entry)[:10])
        raise parsing.Malformed(f"a line has no line number from 0 to {most} (its keys: {keys})")
    return number


def _first(numbers: set[int], count: int | None) -> int:
    """Return whether lines are counted from 0 or from 1, if the numbers leave no doubt."""
    if not numbers or 0 in numbers:
        return 0
    if count is not None and count in numbers:
        return 1
    raise parsing.Malformed(
        "no line has the number 0: lines may be counted from 1, or the first line was empty; "
        "pass count=, the number of lines of the file, or first_line=0 or 1"
    )


def _text(body: dict[str, Any], key: str) -> str | None:
    value = body.get(key)
    return value if isinstance(value, str) and value else None
