"""`BatchJobs` and `AsyncBatchJobs`, which run the flows of `_batch_flows`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from volc_dashscope._lifecycle import AsyncLifecycle, SyncLifecycle
from volc_dashscope.jobs import _batch_file
from volc_dashscope.jobs._batch_flows import BatchFlows, batch_options
from volc_dashscope.jobs._job import Job, JobResult
from volc_dashscope.jobs._results import ResultFiles
from volc_dashscope.jobs._settings import Settings
from volc_dashscope.settings import documented


class _BatchSettings(Settings):
    _route = "batch"
    _model = "text-embedding-v4"

    @cached_property
    def _flows(self) -> BatchFlows:
        return BatchFlows(self._context)

    def write(self, texts: Iterable[str], path: str | Path) -> int:
        """
        Write texts as the request lines of a new file and return their number.

        A file holds up to 50,000 lines and 500 MB; the rest is written to further files beside it, which `files(path)`
        lists. Lines are numbered from 0 in each file. No file is overwritten.

        Args:
            texts: One line each.
            path: The first file, ending in .jsonl.

        Raises:
            InputError: A text is empty or too long, or a file exists. No file is left.
        """
        return _batch_file.write(texts, path, self._spec)

    @staticmethod
    def files(path: str | Path) -> list[Path]:
        """Return the files that `write` made for a path, in order; each is one job."""
        return _batch_file.parts(path)


@documented
class BatchJobs(_BatchSettings, SyncLifecycle):
    """
    Embeds files of texts at half price through the OpenAI-compatible Batch.

    ```python
    with BatchJobs("text-embedding-v4") as jobs:
        jobs.write(["a red shoe", "a blue hat"], "lines.jsonl")
        job = jobs.submit("lines.jsonl")
        print(jobs.wait(job.id).status, jobs.collect(job.id).vectors.shape)
    ```
    ```text
    completed (2, 1024)
    ```
    """

    def submit(
        self,
        path: str | Path,
        *,
        completion_window: str = "24h",
        metadata: Mapping[str, str] | None = None,
    ) -> Job:
        """
        Upload a file that `write` made, and start a job for it.

        Args:
            path: One of the files that `files` lists.
            completion_window: "24h" to "336h", or "1d" to "14d"; lines not done by then expire and are not billed.
            metadata: `ds_name`, `ds_description`, `ds_batch_finish_callback` (a URL).

        Raises:
            InputError: The file is not one that `write` made with these settings. Nothing was sent.
            EmbeddingError: The service refused the file or the job, or the reply was lost.
        """
        options = batch_options(completion_window, metadata)
        return self._run(self._flows.submit(_batch_file.load(path, self._spec), self._spec, options))

    def get(self, job_id: str) -> Job:
        """
        Return the state of a job; the service allows one request per minute.

        Args:
            job_id: `Job.id`, also of a job that another process submitted.

        Raises:
            RequestError: The service does not know the id.
        """
        return self._run(self._flows.get(job_id, self._spec))

    def cancel(self, job_id: str) -> Job:
        """
        Cancel a job; lines that are finished are billed.

        Args:
            job_id: As for `get`.

        Raises:
            RequestError: The service does not know the id, or the job has ended.
        """
        return self._run(self._flows.cancel(job_id, self._spec))

    def wait(self, job_id: str, *, timeout: float | None = None) -> Job:
        """
        Poll once a minute until the job has ended, and return it, whether it succeeded or failed.

        Args:
            job_id: As for `get`.
            timeout: Seconds to wait at most; None for no limit.

        Raises:
            ServiceUnavailableError: It is still running and the next poll would be after `timeout` seconds.
        """
        return self._run(self._flows.wait(job_id, self._spec, timeout))

    def collect(self, job_id: str) -> JobResult:
        """
        Download the vectors of a job that has ended, and the errors of its failed lines, within 30 days. Any process
        can do so, not only the one that submitted it.

        Args:
            job_id: As for `get`.

        Raises:
            EmbeddingError: The whole job failed, with its code and message; or it is still running.
        """
        with ResultFiles() as files:
            job = self._run(self._flows.fetch(job_id, self._spec, files))
            return _batch_file.read(job, self._spec, files)


@documented
class AsyncBatchJobs(_BatchSettings, AsyncLifecycle):
    """
    As `BatchJobs`, awaited.

    ```python
    async with AsyncBatchJobs("text-embedding-v4") as jobs:
        jobs.write(["a red shoe", "a blue hat"], "lines.jsonl")
        job = await jobs.submit("lines.jsonl")
        print((await jobs.wait(job.id)).status)
    ```
    ```text
    completed
    ```
    """

    async def submit(
        self,
        path: str | Path,
        *,
        completion_window: str = "24h",
        metadata: Mapping[str, str] | None = None,
    ) -> Job:
        """As `BatchJobs.submit`, awaited; a large file is read in a thread."""
        options = batch_options(completion_window, metadata)
        data = await asyncio.to_thread(_batch_file.load, path, self._spec)
        return await self._arun(self._flows.submit(data, self._spec, options))

    async def get(self, job_id: str) -> Job:
        """As `BatchJobs.get`, awaited."""
        return await self._arun(self._flows.get(job_id, self._spec))

    async def cancel(self, job_id: str) -> Job:
        """As `BatchJobs.cancel`, awaited."""
        return await self._arun(self._flows.cancel(job_id, self._spec))

    async def wait(self, job_id: str, *, timeout: float | None = None) -> Job:
        """As `BatchJobs.wait`, awaited."""
        return await self._arun(self._flows.wait(job_id, self._spec, timeout))

    async def collect(self, job_id: str) -> JobResult:
        """As `BatchJobs.collect`, awaited; large files are read in a thread."""
        with ResultFiles() as files:
            job = await self._arun(self._flows.fetch(job_id, self._spec, files))
            return await asyncio.to_thread(_batch_file.read, job, self._spec, files)
