"""
A half-finished output: a folder beside it that holds all that is paid for.

    out.parquet.partial/
        manifest.json         what was asked for; another model or dimension may not go on with it
        group-000000.parquet  a finished row group
        group-000000.json     its checksum, its number of rows and failures, and what the job had cost by then
        group-000001.journal  rows of a group that is not finished

A group's file and then its note are written whole and renamed, and only then its journal is removed: whatever the
moment of a crash, each finished row is in the journal, or in a group that has a note, or in both the same.

A group whose content does not fit the checksum of its note is dropped and embedded again (`DamagedGroupError`,
`forget`): a disk that flips a byte costs one group, and never a wrong vector. A damaged note or manifest is
refused by name instead, because the rows themselves may be sound and are paid for.

This module is long because the files of the folder are safe only by the order in which they are written and removed.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from volc_dashscope.bulk._identity import Identity
from volc_dashscope.bulk._journal import ERROR, VECTOR, Journal, offsets
from volc_dashscope.bulk._manifest import begin_manifest, read_manifest
from volc_dashscope.bulk._records import Record
from volc_dashscope.bulk._storage import read_checked, write_bytes, write_checked, writing
from volc_dashscope.bulk._vectors import group_content, merge
from volc_dashscope.errors import ConfigError
from volc_dashscope.results import FloatArray, Usage

_SYNC_SECONDS = 5.0
_log = logging.getLogger("volc_dashscope")


class DamagedGroupError(ConfigError):
    """A finished row group is not what was written. `number` says which."""

    def __init__(self, message: str, *, number: int) -> None:
        super().__init__(message)
        self.number = number


class PartialOutput:
    """
    The folder of one output, locked while it is open.

    A folder that holds no row yet is begun anew, whatever it was begun with.

    Args:
        output: The file it will become.
        identity: Everything that shapes the rows. What is there must have been begun with the same.
        dimension: Length of a row, or None until the first tells.
        group_rows: Rows of a group, when it is begun; None for as many as are about 16 MB.

    Attributes:
        usage: What was billed for the rows that are here, as far as they know.
        rows: How many are finished.
        failed: How many of them are errors.
        damaged: Names of files that were damaged, whose rows are embedded again.

    Raises:
        ConfigError: It was begun with something else, another process is at it, or a file cannot be read or written.
    """

    def __init__(
        self, output: Path, identity: Identity, dimension: int | None, group_rows: int | None = None
    ) -> None:
        self.folder = partial_folder(output)
        self.dimension = dimension
        self.usage = Usage()
        self.rows = self.failed = 0
        self.damaged: list[str] = []
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)
        self._lock = _locked(self.folder)
        try:
            manifest = self._manifest(identity, group_rows)
            self.group_rows: int = manifest["group_rows"]
            self.identity: dict[str, Any] = identity.as_json(manifest["identity"])
            self._finished: dict[int, UsageNote] = {}
            self._open: dict[int, _Group] = {}
            self._load()
        except BaseException:
            self.close()
            raise

    def wants(self, record: Record) -> bool:
        """Take note of a row, in order, and return whether it still has to be embedded."""
        number, offset = divmod(record.row, self.group_rows)
        if number in self._finished:
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
        """
        Turn the groups into the output.

        Raises:
            DamagedGroupError: A group is not what was written; `forget` it and embed its rows again.
        """
        merge(self.groups(), output, self.dimension or 1, facts)

    def groups(self, *, failed: bool = False) -> Iterator[Any]:
        """Yield the content of the finished groups, in order; with `failed`, only of those with failed rows."""
        for number, note in sorted(self._finished.items()):
            if note.failed or not failed:
                yield self._content(number, note)

    def forget(self, damage: DamagedGroupError) -> None:
        """
        Drop a damaged group, so that its rows are wanted again.

        Raises:
            ConfigError: The same group was damaged before in this run: the disk keeps nothing.
        """
        path = self._path(damage.number)
        self._report_damage(path.name)
        if self.damaged.count(path.name) > 1:
            raise ConfigError(f"{damage}, a second time; look at the disk") from damage
        note = self._finished.pop(damage.number)
        self.rows -= note.rows
        self.failed -= note.failed
        with writing(path):
            path.unlink(missing_ok=True)
            note_path(path).unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove the folder: the output is there."""
        self.close()
        discard(self.folder)

    def close(self) -> None:
        """Flush what is open to the disk and release the folder. Closing twice is allowed."""
        for group in getattr(self, "_open", {}).values():
            # An earlier error, such as a full disk, is what the caller has to see.
            with suppress(ConfigError):
                group.journal.sync()
            group.journal.close()
        self._open = {}
        self._lock.close()

    def _manifest(self, identity: Identity, group_rows: int | None) -> dict[str, Any]:
        if (self.folder / "manifest.json").exists():
            if not is_empty(self.folder):
                manifest = read_manifest(self.folder)
                identity.refuse_other(manifest["identity"], f"the half-finished output {self.folder.name!r}")
                return manifest
            with writing(self.folder):
                for stray in (*self.folder.glob("group-*"), *self.folder.glob("lines-*")):
                    stray.unlink()
                (self.folder / "jobs.json").unlink(missing_ok=True)
        return begin_manifest(self.folder, identity, self.dimension, group_rows)

    def _load(self) -> None:
        for path in sorted(self.folder.glob("group-*.parquet")):
            number = _number(path)
            if not note_path(path).exists():
                # The note was not written yet, so that the journal has all rows; or somebody removed it.
                if not path.with_suffix(".journal").exists():
                    self._report_damage(path.name)
                continue
            note = self._finished[number] = UsageNote.read(path)
            self.rows += note.rows
            self.failed += note.failed
            self.usage = _most(self.usage, note.usage)
            self.dimension = self.dimension or note.dimension
        for path in sorted(self.folder.glob("group-*.journal")):
            # Of a finished group it is what a crash has left between writing one and removing the other.
            if _number(path) not in self._finished:
                self._open[_number(path)] = self._resumed(_number(path))

    def _resumed(self, number: int) -> _Group:
        group = _Group(Journal(self._path(number).with_suffix(".journal")))
        for offset, kind, content, usage in group.journal.entries():
            row = content.decode() if kind == ERROR else np.frombuffer(content, dtype="<f4")
            if offset not in group.finished:
                self._keep(group, offset, row)
            self.usage = _most(self.usage, usage)
        if group.journal.damaged:
            self._report_damage(group.journal.path.name)
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
        vectors = group.vectors
        if vectors is None:
            vectors = np.zeros((size, self.dimension or 0), dtype=np.float32)
        content = group_content(number * self.group_rows, group.ids, vectors[:size], group.errors)
        note = UsageNote(
            usage=self.usage,
            rows=size,
            failed=len(group.errors),
            dimension=self.dimension,
            digest=sha256(content).hexdigest(),
        )
        write_bytes(self._path(number), content)
        note.write(self._path(number))
        self._finished[number] = note
        del self._open[number]
        group.journal.drop()

    def _content(self, number: int, note: UsageNote) -> bytes:
        path = self._path(number)
        try:
            content = path.read_bytes()
        except OSError as error:
            words = f"{path.name} in {self.folder.name!r} cannot be read: {error.strerror}"
            raise DamagedGroupError(words, number=number) from error
        if sha256(content).hexdigest() != note.digest:
            raise DamagedGroupError(f"{path.name} in {self.folder.name!r} is damaged", number=number)
        return content

    def _path(self, number: int) -> Path:
        return self.folder / f"group-{number:06}.parquet"

    def _report_damage(self, name: str) -> None:
        self.damaged.append(name)
        _log.warning("%s in %s is damaged; its rows are embedded again", name, self.folder.name)


class _Group:
    """Rows of one group while not all of them are finished."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.ids: list[str] = []
        self.finished: set[int] = set()
        self.errors: dict[int, str] = {}
        self.vectors: FloatArray | None = None
        self.synced = time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageNote:
    """
    What is kept beside a group's file.

    Attributes:
        usage: What the job had cost when the group was written.
        rows: Rows of the group.
        failed: How many of them are errors.
        dimension: Length of its vectors; None where all rows failed before the first vector.
        digest: SHA-256 of the group's file.
    """

    usage: Usage
    rows: int
    failed: int
    dimension: int | None
    digest: str

    def write(self, path: Path) -> None:
        """Write it beside the group's file."""
        usage = self.usage
        spent = [usage.requests, usage.total_tokens, usage.text_tokens, usage.image_tokens]
        facts = {"rows": self.rows, "failed": self.failed, "dimension": self.dimension, "digest": self.digest}
        write_checked(note_path(path), {"usage": spent, **facts})

    @classmethod
    def read(cls, path: Path) -> UsageNote:
        """
        Read the note of a group's file.

        Raises:
            ConfigError: It is damaged.
        """
        note = note_path(path)
        found = read_checked(note)
        if found is None:
            raise ConfigError(
                f"{note.name} in {note.parent.name!r} is damaged or cannot be read, and {path.name} cannot be "
                "checked without it; restore it, or remove it to have the rows of this group embedded again"
            )
        return cls(**{**found, "usage": Usage(*found["usage"])})


def note_path(path: Path) -> Path:
    """Return where the note of a group's file is."""
    return path.with_suffix(".json")


def partial_folder(output: Path) -> Path:
    """Return the folder of an output that is not finished."""
    return output.with_name(f"{output.name}.partial")


def is_empty(folder: Path) -> bool:
    """Return whether a half-finished output holds nothing that was paid for: no row, and no job at the service."""
    if any(folder.glob("group-*.parquet")) or any(offsets(path) for path in folder.glob("group-*.journal")):
        return False
    jobs = folder / "jobs.json"
    if not jobs.exists():
        return True
    try:
        found = orjson.loads(jobs.read_bytes())
        return not any(file["job"] or file["submitting"] for file in found)
    except (OSError, ValueError, TypeError, KeyError):
        return False  # who cannot read it does not throw it away


def finished_rows(folder: Path) -> Callable[[int], bool]:
    """Return what tells whether a row is finished in a half-finished output, which is left alone."""
    if not (folder / "manifest.json").exists():
        return lambda row: False
    size = read_manifest(folder)["group_rows"]
    whole = {_number(path) for path in folder.glob("group-*.parquet") if note_path(path).exists()}
    some = {_number(path): offsets(path) for path in folder.glob("group-*.journal")}
    return lambda row: row // size in whole or row % size in some.get(row // size, ())


def discard(folder: Path) -> None:
    """Remove a half-finished output that no process works on, if there is one."""
    clean_up(folder)
    if folder.is_dir():
        with _locked(folder), writing(folder):
            # Renamed first: a crash halfway through must not leave a folder that seems to lack rows.
            folder.rename(_gone(folder))
        clean_up(folder)


def clean_up(folder: Path) -> None:
    """Remove what a crash left of a half-finished output that was being removed."""
    shutil.rmtree(_gone(folder), ignore_errors=True)


def _gone(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.done")


def _locked(folder: Path) -> IO[bytes]:
    with writing(folder / "lock"):
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
