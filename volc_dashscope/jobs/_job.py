"""A job and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from volc_dashscope.errors import EmbeddingError
from volc_dashscope.results import FloatArray, Usage

_SUCCEEDED = frozenset({"SUCCEEDED", "completed"})
_ENDS = _SUCCEEDED | {"FAILED", "CANCELED", "failed", "expired", "cancelled"}


@dataclass(frozen=True, slots=True)
class Job:
    """
    The last known state of a job.

    ```python
    jobs = BatchJobs("text-embedding-v4")
    jobs.write(["a red shoe", "a blue hat"], "lines.jsonl")
    job = jobs.submit("lines.jsonl")
    print(job.ended, jobs.wait(job.id).status)
    ```
    ```text
    False completed
    ```

    Attributes:
        id: Id of the job; enough to continue with it in another process.
        status: As the service spells it: PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED (file jobs), or validating,
            in_progress, finalizing, completed, failed, expired, cancelling, cancelled (Batch).
        counts: Lines by outcome ("total", "completed", "failed"), as far as the service states them.
        code: The service's error code, if the job failed.
        message: The service's error message, likewise.
        usage: What was billed, if the service states it before the result is read.
        request_id: The id to quote to the service's support.
        input_file_id: The file that was sent, of a Batch job.
        output_file_id: The file of results.
        error_file_id: The file of failed lines.
        result_url: The result of a file job; the link is signed and short-lived.
    """

    id: str
    status: str
    counts: Mapping[str, int] = field(default_factory=dict)
    code: str | None = None
    message: str | None = None
    usage: Usage = field(default_factory=Usage)
    request_id: str | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    result_url: str | None = field(default=None, repr=False)

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.status in _ENDS

    @property
    def failed(self) -> bool:
        """Whether it has ended without any result. A cancelled or expired job may have finished some lines."""
        files = (self.output_file_id, self.error_file_id)
        return self.ended and self.status not in _SUCCEEDED and files == (None, None)


@dataclass(frozen=True, slots=True, eq=False)
class JobResult:
    """
    The vectors of one job.

    ```python
    jobs = BatchJobs("text-embedding-v4")
    jobs.write(["a red shoe", "a blue hat"], "lines.jsonl")
    result = jobs.collect(jobs.wait(jobs.submit("lines.jsonl").id).id)
    print(result.vectors.shape, dict(result.errors))
    ```
    ```text
    (2, 1024) {}
    ```

    Attributes:
        vectors: float32, shape (n, dimension), row i for line i of the file; NaN where the line failed.
        errors: Error by line, for each row that is NaN.
        usage: What the job was billed.
        request_ids: Ids of the job and its lines at the service, each once.
        job: The job when its result was read.
    """

    vectors: FloatArray
    errors: Mapping[int, EmbeddingError]
    usage: Usage
    request_ids: tuple[str, ...]
    job: Job

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        rows, width = self.vectors.shape
        return f"JobResult({rows} x {width}, {len(self.errors)} failed, {self.usage.total_tokens} tokens)"
