"""What a job is and what it brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from volc_dashscope.errors import EmbeddingError
from volc_dashscope.results import FloatArray, Usage

_ENDS = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "completed", "failed", "expired", "cancelled"})


@dataclass(frozen=True, slots=True)
class Job:
    """
    One job as the service last told of it.

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
        id: All that is needed to go on with it, also in another process.
        status: As the service spells it: PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED (file jobs), or validating,
            in_progress, finalizing, completed, failed, expired, cancelling, cancelled (Batch).
        counts: Lines by outcome ("total", "completed", "failed"), as far as the service tells.
        code: Why it failed, as the service spells it.
        message: The same in words.
        usage: What it cost, where the service tells before its result is read.
        request_id: The id to quote to the service's support.
        input_file_id: File of a Batch job: what was sent.
        output_file_id: What came out.
        error_file_id: The lines that failed.
        result_url: Where a file job's result is; the link is signed and short-lived.
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
        """Whether nothing will change any more."""
        return self.status in _ENDS


@dataclass(frozen=True, slots=True, eq=False)
class JobResult:
    """
    Vectors of one job.

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
        usage: What the job cost.
        request_ids: Ids the service gave the job or its lines, each once.
        job: The job as it was when its result was read.
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
