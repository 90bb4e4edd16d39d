"""
DashScope's two kinds of job: many texts in one file or at half the price, if the vectors may take hours.

    FileJobs, AsyncFileJobs      `text-embedding-async-*`: a text file behind a URL, one text a line
    BatchJobs, AsyncBatchJobs    the OpenAI-compatible Batch: a JSONL file, half price, up to 14 days

A job runs at the service. Its id is enough to continue with it, also in another process.
"""

from __future__ import annotations

from volc_dashscope.jobs._batch_jobs import AsyncBatchJobs, BatchJobs
from volc_dashscope.jobs._file_jobs import AsyncFileJobs, FileJobs
from volc_dashscope.jobs._job import Job, JobResult

__all__ = ["AsyncBatchJobs", "AsyncFileJobs", "BatchJobs", "FileJobs", "Job", "JobResult"]
