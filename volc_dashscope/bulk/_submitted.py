"""Files of texts that were handed to the service as jobs, and what is known of each; kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from volc_dashscope._types import TextType
from volc_dashscope.bulk._vectors import settle
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.jobs import BatchJobs, FileJobs, Job, JobResult
from volc_dashscope.results import Usage

_NAME = "errands.json"


@dataclass(slots=True)
class SubmittedFile:
    """
    One file and its job.

    Attributes:
        file: Name of the file in the folder.
        count: Lines in it.
        job: Id of its job, or None.
        submitting: A submission was begun. Without an id, nobody knows whether it arrived.
        spent: Requests, tokens, text tokens and image tokens, once its result has been read.
    """

    file: str
    count: int
    job: str | None = None
    submitting: bool = False
    spent: tuple[int, int, int, int] = (0, 0, 0, 0)


class SubmittedFiles:
    """All files of one output, in order."""

    def __init__(self, folder: Path, jobs: BatchJobs | FileJobs, text_type: TextType | None) -> None:
        self._folder, self._jobs, self._text_type = folder, jobs, text_type
        self._errands: list[SubmittedFile] = []
        self.written = (folder / _NAME).exists()
        if self.written:
            found = orjson.loads((folder / _NAME).read_bytes())
            self._errands = [SubmittedFile(**{**fields, "spent": tuple(fields["spent"])}) for fields in found]

    def __iter__(self) -> Iterator[SubmittedFile]:
        return iter(self._errands)

    @property
    def usage(self) -> Usage:
        """What the results that were read have cost."""
        return Usage.total(Usage(*errand.spent) for errand in self._errands)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the jobs."""
        return tuple(errand.job for errand in self._errands if errand.job is not None)

    def write(self, chunks: Iterable[list[str]]) -> None:
        """Write the request files. None counts until all are there."""
        for stray in self._folder.glob("lines-*"):
            stray.unlink()
        suffix = "txt" if isinstance(self._jobs, FileJobs) else "jsonl"
        for number, texts in enumerate(chunks):
            path = self._folder / f"lines-{number:06}.{suffix}"
            self._jobs.write(texts, path)
            # What one Batch file cannot hold goes into further ones beside it.
            files = [path] if isinstance(self._jobs, FileJobs) else self._jobs.files(path)
            counts = [len(texts)] if len(files) == 1 else [_lines(file) for file in files]
            self._errands += map(SubmittedFile, (file.name for file in files), counts)
        self._save()
        self.written = True

    def submit(self, file_url: str | None) -> bool:
        """
        Start a job for each file that has none, and return whether all have one.

        Raises:
            ConfigError: An earlier submission was cut off; it may have arrived, and would be paid twice.
        """
        for errand in self._errands:
            if errand.job is not None:
                continue
            if errand.submitting:
                raise ConfigError(
                    f"the submission of {errand.file} was cut off, and may have arrived. Look for its job in the "
                    f'console; write its id as "job" of {errand.file} into {self._folder.name}/{_NAME}, or set '
                    f'"submitting" to false there to submit it again'
                )
            if isinstance(self._jobs, FileJobs) and file_url is None:
                return False
            errand.submitting = True
            self._save()
            try:
                errand.job = self._submitted(errand, file_url).id
            except EmbeddingError as error:
                # A refusal is certain; anything else may have been carried out.
                errand.submitting = error.status is None and not isinstance(error, InputError)
                raise
            finally:
                self._save()
        return True

    def ended(self, *, wait: bool) -> bool:
        """Return whether every job has ended; with `wait`, when they have."""
        jobs = [self._jobs.wait(name) if wait else self._jobs.get(name) for name in self.ids]
        return all(job.ended for job in jobs)

    def collect(self, errand: SubmittedFile) -> JobResult:
        """
        Fetch a result, and note what it cost.

        Raises:
            EmbeddingError: The job failed as a whole; the next run submits its file again.
        """
        assert errand.job is not None
        job = self._jobs.get(errand.job)
        try:
            if isinstance(self._jobs, FileJobs):
                result = self._jobs.collect(errand.job, count=errand.count)
            else:
                result = self._jobs.collect(errand.job)
        except EmbeddingError:
            if job.ended and job.status in ("FAILED", "CANCELED", "failed", "cancelled"):
                errand.job, errand.submitting = None, False
                self._save()
            raise
        usage = result.usage
        errand.spent = (usage.requests, usage.total_tokens, usage.text_tokens, usage.image_tokens)
        self._save()
        return result

    def _submitted(self, errand: SubmittedFile, file_url: str | None) -> Job:
        if isinstance(self._jobs, BatchJobs):
            return self._jobs.submit(self._folder / errand.file)
        assert file_url is not None
        return self._jobs.submit(file_url.replace("{name}", errand.file), text_type=self._text_type)

    def _save(self) -> None:
        rows: list[dict[str, Any]] = [
            {
                "file": errand.file,
                "count": errand.count,
                "job": errand.job,
                "submitting": errand.submitting,
                "spent": list(errand.spent),
            }
            for errand in self._errands
        ]
        fresh = self._folder / f"{_NAME}.new"
        fresh.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        settle(fresh, self._folder / _NAME)


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
