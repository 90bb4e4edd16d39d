"""
Many texts at half the price or in one file, when the vectors may take hours: DashScope's two kinds of job.

    FileJobs, AsyncFileJobs      `text-embedding-async-*`: a text file behind a URL, one text a line
    BatchJobs, AsyncBatchJobs    the OpenAI-compatible Batch: a JSONL file, half price, up to 14 days

A job lives at the service. Its id is all that is needed to go on with it, also in another process.
"""

from __future__ import annotations

from volc_dashscope.jobs._batch_jobs import AsyncBatchJobs, BatchJobs
from volc_dashscope.jobs._file_jobs import AsyncFileJobs, FileJobs
from volc_dashscope.jobs._job import Job, JobResult

__all__ = ["AsyncBatchJobs", "AsyncFileJobs", "BatchJobs", "FileJobs", "Job", "JobResult"]
