"""`FileJobs` and `AsyncFileJobs`, which run the flows of `_file_flows`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Literal

from volc_dashscope._lifecycle import AsyncLifecycle, SyncLifecycle
from volc_dashscope._types import TextType
from volc_dashscope.jobs import _file_flows
from volc_dashscope.jobs._file_flows import FileFlows
from volc_dashscope.jobs._job import Job, JobResult
from volc_dashscope.jobs._results import ResultFiles
from volc_dashscope.jobs._settings import Settings
from volc_dashscope.settings import documented

_DAY = 24 * 3600.0
FirstLine = Literal[0, 1]


class _FileSettings(Settings):
    _route = "async"
    _model = "text-embedding-async-v2"

    @cached_property
    def _flows(self) -> FileFlows:
        return FileFlows(self._context)

    def write(self, texts: Iterable[str], path: str | Path) -> int:
        """
        Write texts as the lines of a new .txt file, which you then upload to where the service can fetch it.

        Args:
            texts: One line each.
            path: The file; it must not exist.

        Returns:
            The number of lines, for `collect(count=...)`.

        Raises:
            InputError: A text is empty, too long or not one line, or there are too many. Nothing is written.
        """
        return _file_flows.write(texts, path, self._spec)


@documented
class FileJobs(_FileSettings, SyncLifecycle):
    """
    Embeds a file of texts that the service fetches from a URL, with the models `text-embedding-async-*`.

    ```python
    with FileJobs("text-embedding-async-v2") as jobs:
        count = jobs.write(["a red shoe", "a blue hat"], "texts-1.txt")
        job = jobs.submit(url)  # where you put the file: a public https address
        print(jobs.wait(job.id).status, jobs.collect(job.id, count=count).vectors.shape)
    ```
    ```text
    SUCCEEDED (2, 1536)
    ```
    """

    def submit(self, url: str, *, text_type: TextType | None = "document") -> Job:
        """
        Start a job for the lines of a file.

        Args:
            url: Where the service fetches the file: a public https URL ending in .txt, with one text per line.
            text_type: The role of all texts.

        Raises:
            EmbeddingError: It was refused, or the reply was lost. A request whose reply was lost is not sent again.
        """
        return self._run(self._flows.submit(url, self._spec_for(text_type=text_type)))

    def get(self, job_id: str) -> Job:
        """
        Return the state of a job.

        Args:
            job_id: `Job.id`, also of a job that another process submitted.

        Raises:
            RequestError: The service does not know the id.
        """
        return self._run(self._flows.get(job_id, self._spec))

    def cancel(self, job_id: str) -> Job:
        """
        Cancel a job; the service cancels only PENDING jobs.

        Args:
            job_id: As for `get`.

        Raises:
            RequestError: The service does not know the id, or the job is no longer PENDING.
        """
        return self._run(self._flows.cancel(job_id, self._spec))

    def wait(self, job_id: str, *, timeout: float | None = _DAY) -> Job:
        """
        Poll until the job has ended, and return it, whether it succeeded or failed.

        Args:
            job_id: As for `get`.
            timeout: Seconds to wait at most, by default a day; None for no limit.

        Raises:
            ServiceUnavailableError: It is still running and the next poll would be after `timeout` seconds.
        """
        return self._run(self._flows.wait(job_id, self._spec, timeout))

    def collect(
        self, job_id: str, *, count: int | None = None, first_line: FirstLine | None = None
    ) -> JobResult:
        """
        Download the vectors of a job that has succeeded, within 24 hours. Any process can do so, not only the one that
        submitted it.

        Args:
            job_id: As for `get`.
            count: Number of lines of the input file, so that lines missing at the end of the result are noticed.
            first_line: Number of the first line in the result; None to infer it.

        Raises:
            EmbeddingError: The job failed, with its code and message; it is still running; or its result has expired.
        """
        with ResultFiles() as files:
            job = self._run(self._flows.fetch(job_id, self._spec, files))
            return _file_flows.read(job, self._spec, files, count=count, first_line=first_line)


@documented
class AsyncFileJobs(_FileSettings, AsyncLifecycle):
    """
    As `FileJobs`, awaited.

    ```python
    async with AsyncFileJobs("text-embedding-async-v2") as jobs:
        job = await jobs.submit(url)
        print((await jobs.wait(job.id)).status)
    ```
    ```text
    SUCCEEDED
    ```
    """

    async def submit(self, url: str, *, text_type: TextType | None = "document") -> Job:
        """As `FileJobs.submit`, awaited."""
        return await self._arun(self._flows.submit(url, self._spec_for(text_type=text_type)))

    async def get(self, job_id: str) -> Job:
        """As `FileJobs.get`, awaited."""
        return await self._arun(self._flows.get(job_id, self._spec))

    async def cancel(self, job_id: str) -> Job:
        """As `FileJobs.cancel`, awaited."""
        return await self._arun(self._flows.cancel(job_id, self._spec))

    async def wait(self, job_id: str, *, timeout: float | None = _DAY) -> Job:
        """As `FileJobs.wait`, awaited."""
        return await self._arun(self._flows.wait(job_id, self._spec, timeout))

    async def collect(
        self, job_id: str, *, count: int | None = None, first_line: FirstLine | None = None
    ) -> JobResult:
        """As `FileJobs.collect`, awaited; a large result is read in a thread."""
        with ResultFiles() as files:
            job = await self._arun(self._flows.fetch(job_id, self._spec, files))
            return await asyncio.to_thread(
                _file_flows.read, job, self._spec, files, count=count, first_line=first_line
            )
