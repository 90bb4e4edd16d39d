"""
A half-finished output: a folder beside it that holds all that is paid for.

    out.parquet.partial/
        manifest.json         what was asked for; another model or dimension may not go on with it
        group-000000.parquet  a finished row group
        group-000001.journal  rows of a group that is not finished

A group's file is written whole and renamed, and only then its journal is removed: whatever the moment of a crash,
each finished row is in exactly one of the two, or in both the same.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from volc_dashscope.bulk._journal import ERROR, VECTOR, Journal, offsets
from volc_dashscope.bulk._manifest import begin_manifest, read_manifest, refuse_other, write_json
from volc_dashscope.bulk._records import Record
from volc_dashscope.bulk._vectors import dimension_of, merge, rows_of, write_part
from volc_dashscope.errors import ConfigError
from volc_dashscope.results import FloatArray, Usage

_SYNC_SECONDS = 5.0


class PartialOutput:
    """
    The folder of one output, locked while it is open.

    Args:
        output: The file it will become.
        identity: Everything that shapes the rows. What is there must have been begun with the same.
        dimension: Length of a row, or None until the first tells.
        group_rows: Rows of a group, when it is begun; None for as many as are about 16 MB.

    Attributes:
        usage: What was billed for the rows that are here, as far as they know.
        rows: How many are finished.
        failed: How many of them are errors.

    Raises:
        ConfigError: It was begun with something else, or another process is at it.
    """

    def __init__(
        self, output: Path, identity: Mapping[str, Any], dimension: int | None, group_rows: int | None = None
    ) -> None:
        self.folder = draft_folder(output)
        self.dimension = dimension
        self.usage = Usage()
        self.rows = self.failed = 0
        fresh = not (self.folder / "manifest.json").exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder)
        try:
            manifest = (
                begin_manifest(self.folder, identity, dimension, group_rows)
                if fresh
                else read_manifest(self.folder)
            )
            refuse_other(manifest["identity"], identity, f"the half-finished output {self.folder.name!r}")
            self.group_rows: int = manifest["group_rows"]
            self._parts = {_number(path): path for path in self.folder.glob("group-*.parquet")}
            self._open: dict[int, _Group] = {}
            self._tally()
        except BaseException:
            self.close()
            raise

    def wants(self, record: Record) -> bool:
        """Take note of a row, in order, and return whether it still has to be embedded."""
        number, offset = divmod(record.row, self.group_rows)
        if number in self._parts:
            return False
        group = self._open.get(number)
        if group is None:
            group = self._open[number] = self._resumed(number)
        group.ids.append(record.id)
        wanted = offset not in group.finished
        self._commit(number)
        return wanted

    def put(self, row: int, outcome: FloatArray | str, usage: Usage) -> None:
        """Save a row's vector, or its error, and what the whole job has cost by now."""
        number, offset = divmod(row, self.group_rows)
        group = self._open[number]
        self.usage = usage
        self._keep(group, offset, outcome)
        content = outcome.encode() if isinstance(outcome, str) else outcome.astype("<f4").tobytes()
        group.journal.write(offset, ERROR if isinstance(outcome, str) else VECTOR, content, usage)
        if time.monotonic() - group.synced > _SYNC_SECONDS:
            group.journal.sync()
            group.synced = time.monotonic()
        self._commit(number)

    def end(self) -> None:
        """Close the last group: the source has no more rows."""
        for number in list(self._open):
            self._commit(number, last=True)
        if self._open:
            raise AssertionError(f"groups {list(self._open)} have rows that were not finished")

    def finish(self, output: Path, facts: Mapping[str, Any]) -> None:
        """Turn the groups into the output."""
        parts = [path for _, path in sorted(self._parts.items())]
        merge(parts, output, self.dimension or 1, facts)

    def drop(self) -> None:
        """Remove the folder: the output is there."""
        self.close()
        discard(self.folder)

    def close(self) -> None:
        """Take what is open to the disk and let others at it. Closing twice is allowed."""
        for group in getattr(self, "_open", {}).values():
            group.journal.sync()
            group.journal.close()
        self._open = {}
        self._lock.close()

    def parts(self) -> list[Path]:
        """Return the files of the finished groups, in order."""
        return [path for _, path in sorted(self._parts.items())]

    def _tally(self) -> None:
        for path in self._parts.values():
            facts = UsageNote.of(path)
            self.rows += rows_of(path)
            self.failed += facts.failed
            self.usage = _most(self.usage, facts.usage)
            self.dimension = self.dimension or dimension_of(path)
        for path in self.folder.glob("group-*.journal"):
            # Of a finished group it is what a crash has left between writing one and removing the other.
            if _number(path) not in self._parts:
                self._open[_number(path)] = self._resumed(_number(path))

    def _resumed(self, number: int) -> _Group:
        group = _Group(Journal(self.folder / f"group-{number:06}.journal"))
        for offset, kind, content, usage in group.journal.entries():
            row = content.decode() if kind == ERROR else np.frombuffer(content, dtype="<f4")
            if offset not in group.finished:
                self._keep(group, offset, row)
            self.usage = _most(self.usage, usage)
        return group

    def _keep(self, group: _Group, offset: int, outcome: FloatArray | str) -> None:
        group.finished.add(offset)
        self.rows += 1
        if isinstance(outcome, str):
            group.errors[offset] = outcome
            self.failed += 1
            return
        self.dimension = self.dimension or len(outcome)
        if group.vectors is None:
            group.vectors = np.zeros((self.group_rows, self.dimension), dtype=np.float32)
        group.vectors[offset] = outcome

    def _commit(self, number: int, *, last: bool = False) -> None:
        """Write a group's file when every row of it is finished."""
        group = self._open[number]
        size = len(group.ids) if last else self.group_rows
        if len(group.ids) < size or len(group.finished) < size:
            return
        path = self.folder / f"group-{number:06}.parquet"
        vectors = group.vectors
        if vectors is None:
            vectors = np.zeros((size, self.dimension or 0), dtype=np.float32)
        # Before the group's own file: a crash between them leaves a note that is written again.
        UsageNote(self.usage, len(group.errors)).note(path)
        write_part(path, number * self.group_rows, group.ids, vectors[:size], group.errors)
        self._parts[number] = path
        del self._open[number]
        group.journal.drop()


class _Group:
    """Rows of one group while not all of them are finished."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.ids: list[str] = []
        self.finished: set[int] = set()
        self.errors: dict[int, str] = {}
        self.vectors: FloatArray | None = None
        self.synced = time.monotonic()


class UsageNote:
    """A note beside a group's file: what the job had cost when it was written, and how many rows are errors."""

    def __init__(self, usage: Usage, failed: int) -> None:
        self.usage, self.failed = usage, failed

    def note(self, path: Path) -> None:
        usage = self.usage
        numbers = [usage.requests, usage.total_tokens, usage.text_tokens, usage.image_tokens, self.failed]
        write_json(path.with_suffix(".json"), numbers)

    @classmethod
    def of(cls, path: Path) -> UsageNote:
        *spent, failed = orjson.loads(path.with_suffix(".json").read_bytes())
        return cls(Usage(*spent), failed)


def draft_folder(output: Path) -> Path:
    """Return the folder of an output that is not finished."""
    return output.with_name(f"{output.name}.partial")


def finished_rows(folder: Path) -> Callable[[int], bool]:
    """Return what tells whether a row is finished in a draft, which is left alone."""
    if not (folder / "manifest.json").exists():
        return lambda row: False
    size = read_manifest(folder)["group_rows"]
    whole = {_number(path) for path in folder.glob("group-*.parquet")}
    some = {_number(path): offsets(path) for path in folder.glob("group-*.journal")}
    return lambda row: row // size in whole or row % size in some.get(row // size, ())


def discard(folder: Path) -> None:
    """Remove a draft that nobody is at, if there is one."""
    sweep(folder)
    if folder.is_dir():
        with _locked(folder):
            # Renamed first: a crash halfway through must not leave a draft that seems to lack rows.
            folder.rename(_gone(folder))
        sweep(folder)


def sweep(folder: Path) -> None:
    """Remove what a crash left of a draft that was being removed."""
    shutil.rmtree(_gone(folder), ignore_errors=True)


def _gone(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.done")


def _locked(folder: Path) -> IO[bytes]:
    file = (folder / "lock").open("wb")
    with suppress(ImportError):  # Windows has no fcntl; there, take care yourself
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise ConfigError(f"another process is working on {folder.name!r}") from error
    return file


def _number(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _most(left: Usage, right: Usage) -> Usage:
    return Usage(
        max(left.requests, right.requests),
        max(left.total_tokens, right.total_tokens),
        max(left.text_tokens, right.text_tokens),
        max(left.image_tokens, right.image_tokens),
    )
