"""Files of texts that were submitted to the service as jobs, and their state, kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from volc_dashscope._types import TextType
from volc_dashscope.bulk._storage import checksum, digest_of, reading, write_bytes, writing
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError, RequestError
from volc_dashscope.jobs import BatchJobs, FileJobs, Job, JobResult
from volc_dashscope.jobs._waiting import may_have_been_accepted
from volc_dashscope.results import Usage

_NAME = "jobs.json"


@dataclass(slots=True)
class SubmittedFile:
    """
    One file and its job.

    Attributes:
        file: Name of the file in the folder.
        count: Lines in it.
        job: Id of its job, or None.
        submitting: A submission was started. Without an id it is unknown whether it arrived.
        spent: Requests, tokens, text tokens and image tokens, once its result has been read.
        digest: SHA-256 of the file, as it was written.
    """

    file: str
    count: int
    job: str | None = None
    submitting: bool = False
    spent: tuple[int, int, int, int] = (0, 0, 0, 0)
    digest: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return JSON with a checksum of all but `job` and `submitting`, which users may be asked to edit."""
        fixed = {"file": self.file, "count": self.count, "spent": list(self.spent), "digest": self.digest}
        return {**fixed, "job": self.job, "submitting": self.submitting, "checksum": checksum(fixed)}

    @classmethod
    def from_json(cls, found: Any) -> SubmittedFile:
        """
        Return the file of its JSON.

        Raises:
            ValueError: It is not what `as_json` returned.
        """
        fields = {name: found.get(name) for name in cls.__slots__} if isinstance(found, dict) else {}
        made = cls(**{**fields, "spent": tuple(fields.get("spent") or ())})  # type: ignore[arg-type]
        job_fits = made.job is None or isinstance(made.job, str)
        if made.as_json() != found or not job_fits or not isinstance(made.submitting, bool):
            raise ValueError("its checksum does not match")
        return made


class SubmittedFiles:
    """All files of one output, in order."""

    def __init__(self, folder: Path, jobs: BatchJobs | FileJobs, text_type: TextType | None) -> None:
        self._folder, self._jobs, self._text_type = folder, jobs, text_type
        self._files: list[SubmittedFile] = []
        self.written = (folder / _NAME).exists()
        if self.written:
            self._files = _read(folder / _NAME)

    def __iter__(self) -> Iterator[SubmittedFile]:
        return iter(self._files)

    @property
    def usage(self) -> Usage:
        """The usage of the results that were read."""
        return Usage.total(Usage(*file.spent) for file in self._files)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the jobs."""
        return tuple(file.job for file in self._files if file.job is not None)

    def write(self, chunks: Iterable[list[str]]) -> None:
        """Write the request files. They are used only when all are written."""
        with writing(self._folder):
            for stray in self._folder.glob("lines-*"):
                stray.unlink()
        suffix = "txt" if isinstance(self._jobs, FileJobs) else "jsonl"
        for number, texts in enumerate(chunks):
            path = self._folder / f"lines-{number:06}.{suffix}"
            with writing(path):
                self._jobs.write(texts, path)
            # Further files next to it hold what does not fit into one Batch file.
            files = [path] if isinstance(self._jobs, FileJobs) else self._jobs.files(path)
            counts = [len(texts)] if len(files) == 1 else [_lines(file) for file in files]
            self._files += [
                SubmittedFile(file.name, count, digest=digest_of(file))
                for file, count in zip(files, counts, strict=True)
            ]
        self._save()
        self.written = True

    def submit(self, file_url: str | None) -> bool:
        """
        Start a job for each file that has none, and return whether all have one.

        Raises:
            ConfigError: An earlier submission was interrupted; it may have arrived, and would be paid twice.
        """
        for file in self._files:
            if file.job is not None:
                continue
            if file.submitting:
                raise ConfigError(
                    f"the submission of {file.file} was interrupted and may have been accepted. Look for its job in "
                    f'the console; write its id as "job" of {file.file} into {self._folder.name}/{_NAME}, or set '
                    f'"submitting" to false there to submit it again'
                )
            if isinstance(self._jobs, FileJobs) and file_url is None:
                return False
            file.submitting = True
            self._save()
            try:
                file.job = self._submitted(file, file_url).id
            except EmbeddingError as error:
                # A refused submission started no job. After an unreadable reply, or a gateway's time-out, the job may
                # have been accepted.
                file.submitting = may_have_been_accepted(error)
                raise
            finally:
                self._save()
        return True

    def ended(self, *, wait: bool) -> bool:
        """
        Return whether every job has ended; with `wait`, return when they have.

        A job that the service no longer has counts as ended: `collect` raises for it, and the results of the others are
        saved.
        """
        return all(self._ended(name, wait=wait) for name in self.ids)

    def collect(self, file: SubmittedFile) -> JobResult:
        """
        Download a result, and store its usage.

        Raises:
            EmbeddingError: The job failed as a whole, and the next run submits its file again; or its result could not
                be downloaded, and the next run tries that again; or the service no longer has it, and the user decides.
        """
        assert file.job is not None
        job = None
        try:
            job = self._jobs.get(file.job)
            if isinstance(self._jobs, FileJobs):
                result = self._jobs.collect(file.job, count=file.count)
            else:
                result = self._jobs.collect(file.job)
        except EmbeddingError as error:
            if _is_gone(error):
                error.account = False  # the results of the other files are there
                error.args = (
                    f"{error}. {file.file}, which was sent as job {file.job}, is not submitted again automatically, "
                    "because it would be billed again. If key, region and workspace are those of its submission, "
                    f'set "job" of {file.file} to null and "submitting" to false in {self._folder.name}/{_NAME} and '
                    "run the same command again",
                )
            elif job is not None and job.failed:
                file.job, file.submitting = None, False
                self._save()
            raise
        usage = result.usage
        file.spent = (usage.requests, usage.total_tokens, usage.text_tokens, usage.image_tokens)
        self._save()
        return result

    def _ended(self, name: str, *, wait: bool) -> bool:
        try:
            return (self._jobs.wait(name) if wait else self._jobs.get(name)).ended
        except RequestError as error:
            if not _is_gone(error):
                raise
            return True

    def _submitted(self, file: SubmittedFile, file_url: str | None) -> Job:
        self._check(file)
        if isinstance(self._jobs, BatchJobs):
            return self._jobs.submit(self._folder / file.file)
        assert file_url is not None
        return self._jobs.submit(file_url.replace("{name}", file.file), text_type=self._text_type)

    def _check(self, file: SubmittedFile) -> None:
        path = self._folder / file.file
        with reading(path):
            digest = digest_of(path)
        if digest != file.digest:
            raise InputError(
                f"{file.file} in {self._folder.name!r} was changed after it was written, and was not submitted. Start "
                "again with restart (--restart)"
            )

    def _save(self) -> None:
        rows = [file.as_json() for file in self._files]
        write_bytes(self._folder / _NAME, orjson.dumps(rows, option=orjson.OPT_INDENT_2))


def _is_gone(error: EmbeddingError) -> bool:
    """Return whether the service does not have the job or its result: it keeps those of file jobs for 24 hours."""
    return isinstance(error, RequestError) and (error.code == "UNKNOWN" or error.status in (403, 404))


def _read(path: Path) -> list[SubmittedFile]:
    try:
        found = orjson.loads(path.read_bytes())
        return [SubmittedFile.from_json(entry) for entry in found]
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path.name} in {path.parent.name!r} is damaged or cannot be read; it contains the ids of jobs that may "
            "be paid for. Restore it, or start again with restart (--restart)"
        ) from error


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
