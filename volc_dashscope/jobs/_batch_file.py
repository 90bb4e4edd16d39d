"""
The files of a Batch: JSONL in, JSONL out.

Page: alibabacloud.com/help/en/model-studio/batch-interfaces-compatible-with-openai, as of 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from volc_dashscope._paths import checked_path
from volc_dashscope._request.items import all_as_sent, items_of
from volc_dashscope._request.validation import check_items
from volc_dashscope._types import Reply, RequestSpec
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError, RequestError
from volc_dashscope.jobs._job import Job, JobResult
from volc_dashscope.jobs._results import ResultCollector, ResultFiles, entries
from volc_dashscope.models import MIB
from volc_dashscope.providers import dashscope, parsing
from volc_dashscope.providers.error_table import sanitize_id

ENDPOINT = "/v1/embeddings"
MAX_LINES = 50_000
MAX_BYTES = 500 * MIB
MAX_LINE_BYTES = 6 * MIB


def parts(path: str | Path) -> list[Path]:
    """Return the files that `write` made for a path, in order."""
    found: list[Path] = []
    place = checked_path(path, "path")
    while (part := _part(place, len(found))).exists():
        found.append(part)
    return found


def write(texts: Iterable[str], path: str | Path, spec: RequestSpec) -> int:
    """
    Write texts as request lines and return their number; further files take what one file cannot hold.

    Lines are numbered from 0 in each file.

    Raises:
        InputError: A text is empty or too long, or a file exists. No file is left.
        ConfigError: The path is of no file, or cannot be written.
    """
    items, _ = all_as_sent(items_of(texts, name="texts"), spec)
    if not items:
        raise InputError("no texts; a file needs at least one line")
    check_items(items, spec)
    place = checked_path(path, "path")
    made: list[Path] = []
    try:
        for lines in _files(map(str, items), spec):
            part = _part(place, len(made))
            with part.open("xb") as file:
                made.append(part)
                file.write(lines)
        # The next file of an earlier, longer run would be taken for one of this run.
        if _part(place, len(made)).exists():
            raise FileExistsError(_part(place, len(made)))
    except BaseException as error:
        for part in made:
            part.unlink()
        if isinstance(error, FileExistsError):
            message = f"file {_part(place, len(made)).name!r} already exists; remove it or use another path"
            raise InputError(message) from error
        if isinstance(error, OSError):
            raise ConfigError(f"file {place.name!r} cannot be written: {error.strerror}") from error
        raise
    return len(items)


def load(path: str | Path, spec: RequestSpec) -> bytes:
    """
    Return the content of a file of request lines.

    Raises:
        InputError: It is missing, too large, or not one that `write` made for this model and dimension.
    """
    place = checked_path(path, "path")
    try:
        if place.exists() and not place.is_file():
            raise InputError(
                f"file {place.name!r} is a folder, a pipe or a device; pass a file that write() made"
            )
        size = place.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"file {place.name!r} has {size:,} bytes; a Batch accepts at most {MAX_BYTES:,}")
        data = place.read_bytes()
    except OSError as error:
        raise InputError(f"file {place.name!r} cannot be read: {error.strerror}") from error
    # Split at line ends only: splitlines() also splits at characters that JSON allows inside a text.
    lines = data.removesuffix(b"\n").split(b"\n")
    if len(lines) > MAX_LINES:
        raise InputError(
            f"file {place.name!r} has {len(lines):,} lines; a Batch accepts at most {MAX_LINES:,}"
        )
    for number, line in enumerate(lines):
        if not _is_ours(line, number, spec):
            raise InputError(
                f"line {number} of {place.name!r} was not written by write() for {spec.model} "
                f"with dimension {spec.expected}",
                index=number,
            )
    return data


def read(job: Job, spec: RequestSpec, files: ResultFiles) -> JobResult:
    """Return the vectors of the downloaded files; a failed line may be in either (live report, 2026-09)."""
    collector = ResultCollector(job, spec)
    try:
        for file in (files.output, files.errors):
            for entry in entries(file, MAX_LINES):
                _collect_line(entry, collector, spec)
    except parsing.Malformed as reason:
        raise collector.broken(str(reason)) from reason
    numbers = collector.numbers
    count = job.counts.get("total") or max(numbers, default=-1) + 1
    if numbers and max(numbers) >= count:
        raise collector.broken(f"it has line {max(numbers)} of {count}")
    absent = files.refused or RequestError(
        f"the job is {job.status} and its files do not contain this line", provider=dashscope.NAME
    )
    return collector.result(count, absent)


def _part(path: Path, number: int) -> Path:
    return path if number == 0 else path.with_name(f"{path.stem}.{number + 1}{path.suffix}")


def _files(texts: Iterable[str], spec: RequestSpec) -> Iterator[bytearray]:
    """Yield the content of each file."""
    content, number = bytearray(), 0
    for index, text in enumerate(texts):
        line = _line(text, number, spec)
        if len(line) > MAX_LINE_BYTES:
            message = f"item {index} makes a line of {len(line):,} bytes; a Batch accepts at most {MAX_LINE_BYTES:,}"
            raise InputError(message, index=index)
        if number == MAX_LINES or len(content) + len(line) > MAX_BYTES:
            yield content
            content, number = bytearray(), 0
            line = _line(text, number, spec)
        content += line
        number += 1
    yield content


def _line(text: str, number: int, spec: RequestSpec) -> bytes:
    body = dashscope.line_body(text, spec)
    entry = {"custom_id": str(number), "method": "POST", "url": ENDPOINT, "body": body}
    return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)


def _is_ours(line: bytes, number: int, spec: RequestSpec) -> bool:
    try:
        text = orjson.loads(line)["body"]["input"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
    return isinstance(text, str) and line + b"\n" == _line(text, number, spec)


def _collect_line(entry: dict[str, Any], collector: ResultCollector, spec: RequestSpec) -> None:
    name = entry.get("custom_id")
    number = (
        int(name) if isinstance(name, str) and name.isascii() and name.isdigit() and len(name) < 6 else -1
    )
    if not 0 <= number < MAX_LINES:
        raise parsing.Malformed("a custom_id is not the number of a line; was the file made by write()?")
    response = entry.get("response")
    response = response if isinstance(response, dict) else {}
    body = response.get("body")
    body = body if isinstance(body, dict) else {}
    collector.note(response.get("request_id"))
    status, problem = response.get("status_code"), entry.get("error")
    if status == 200 and not problem and not body.get("error"):
        try:
            vector = parsing.in_order(body.get("data"), 1, "index")[0].get("embedding")
        except parsing.Malformed:
            vector = None
        collector.add(number, vector, sanitize_id(body.get("model")))
        collector.usage += parsing.usage(body.get("usage"), text=("prompt_tokens", "total_tokens"), image=())
    else:
        status = status if isinstance(status, int) and not isinstance(status, bool) else 400
        collector.fail(number, _refusal(number, Reply(status, {}, b""), problem, response, spec))


def _refusal(
    number: int, reply: Reply, problem: Any, response: dict[str, Any], spec: RequestSpec
) -> EmbeddingError:
    """Return the error of a line, whose key is `code` or, in the page's own script, `error_code`."""
    body, request_id = response.get("body"), response.get("request_id")
    body = body if isinstance(body, dict) else {}
    answer = next(
        (found for found in (problem, body.get("error"), body) if isinstance(found, dict) and found), {}
    )
    message = {
        "code": answer.get("code") or answer.get("error_code"),
        "message": answer.get("message") or answer.get("error_message"),
    }
    request_id = request_id if isinstance(request_id, str) else None
    error = dashscope.refusal(message, request_id, reply, spec, f"line {number}")
    error.index = number
    return error
