"""Reads the lines of a result file as vectors by line number, without trusting them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import orjson

from volc_dashscope._request.assembly import ReplyModel
from volc_dashscope._types import RequestSpec
from volc_dashscope.errors import BadReplyError, EmbeddingError
from volc_dashscope.jobs._job import Job, JobResult
from volc_dashscope.providers import dashscope
from volc_dashscope.providers.parsing import Malformed, stack
from volc_dashscope.results import FloatArray, Usage

# 100,000 vectors of 1536 floats are 2 GB of text, as are 50,000 of 2048; gzip halves that.
LARGEST_RESULT = 8 * 1024**3
_LONGEST_LINE = 8 * 1024**2


class ResultFiles:
    """Temporary files for results: on disk, because a full one is too large for memory."""

    def __enter__(self) -> ResultFiles:
        self._stack = ExitStack()
        # On a full disk, closing a file may fail once more; the code that wrote to it has already reported that.
        self._stack.enter_context(suppress(OSError))
        self.output: IO[bytes] = self._stack.enter_context(TemporaryFile())
        self.errors: IO[bytes] = self._stack.enter_context(TemporaryFile())
        # Why the error file that the job names could not be downloaded.
        self.refused: EmbeddingError | None = None
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


class ResultCollector:
    """Collects the rows and errors of a job by line number."""

    def __init__(self, job: Job, spec: RequestSpec) -> None:
        self._job = job
        self._spec = spec
        self._rows: dict[int, FloatArray] = {}
        self._errors: dict[int, EmbeddingError] = {}
        self._request_ids: dict[str, None] = {}
        self._model = ReplyModel(foreign=spec.foreign)
        self.usage = Usage()

    @property
    def numbers(self) -> set[int]:
        """The numbers of lines with a row or an error."""
        return self._rows.keys() | self._errors.keys()

    def note(self, request_id: Any) -> None:
        """Store a request id."""
        if isinstance(request_id, str) and request_id:
            self._request_ids[request_id] = None

    def add(self, number: int, value: Any, model: str | None = None) -> None:
        """Store the vector of a line; a second vector for the same line is an error, since either may be wrong."""
        try:
            if number in self._rows or number in self._errors:
                raise Malformed("the line appears twice")
            if fault := self._model.mismatch(model):
                raise Malformed(fault)
            self._rows[number] = stack([value], self._spec)[0]
        except Malformed as reason:
            self._rows.pop(number, None)
            self._errors[number] = self.broken(f"line {number}: {reason}", number)

    def fail(self, number: int, error: EmbeddingError) -> None:
        """Store the error of a line; the error file may repeat an error of the result file."""
        if self._rows.pop(number, None) is not None:
            error = self.broken(f"line {number}: it has a vector and an error", number)
        self._errors.setdefault(number, error)

    def broken(self, reason: str, number: int | None = None) -> BadReplyError:
        """Return the error for a result that breaks its format."""
        return BadReplyError(
            f"{dashscope.NAME} gave job {self._job.id} a result that breaks its format: {reason}",
            provider=dashscope.NAME,
            request_id=self._job.request_id,
            index=number,
        )

    def result(self, count: int, missing: EmbeddingError, *, first: int = 0) -> JobResult:
        """
        Return what was collected.

        Args:
            count: Lines of the input.
            missing: The error of lines with neither a row nor an error.
            first: Number of the first line in the result file.
        """
        table = np.empty((count, self._spec.expected or 0), dtype=np.float32)
        errors: dict[int, EmbeddingError] = {}
        for number in range(count):
            row = self._rows.pop(number + first, None)
            table[number] = np.nan if row is None else row
            if row is None:
                errors[number] = self._errors.get(number + first) or _numbered(missing, number)
        self.note(self._job.request_id)
        return JobResult(table, errors, self.usage, tuple(self._request_ids), self._job)


def _numbered(error: EmbeddingError, number: int) -> EmbeddingError:
    copy = type(error)(f"line {number}: {error}", provider=error.provider, index=number)
    copy.__cause__ = error
    return copy


def entries(file: IO[bytes], max_lines: int) -> Iterator[dict[str, Any]]:
    """
    Yield the JSON objects of a JSONL file, which may be compressed.

    Args:
        max_lines: The largest number of lines it may have.

    Raises:
        Malformed: It is cut short, too large, or holds something else.
    """
    file.seek(0)
    compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    lines: IO[bytes] = gzip.GzipFile(fileobj=file) if compressed else file  # type: ignore[assignment]
    size = number = 0
    try:
        while line := lines.readline(_LONGEST_LINE + 1):
            size += len(line)
            number += 1
            if len(line) > _LONGEST_LINE or size > LARGEST_RESULT or number > max_lines + 1:
                raise Malformed("it is larger than any result of this service")
            if line.strip():
                yield _object(line, number)
    except (OSError, EOFError, zlib.error) as error:
        raise Malformed("it does not decompress; it may be cut short") from error


def _object(line: bytes, number: int) -> dict[str, Any]:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"line {number} of the file is not JSON") from error
    if not isinstance(entry, dict):
        raise Malformed(f"line {number} of the file is not a JSON object")
    return entry
