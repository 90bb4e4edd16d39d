"""
The partial output: a folder beside the output with all finished rows.

    out.parquet.partial/
        manifest.json         the settings, the source and the replies' model; a run with others cannot continue it
        group-000000.parquet  a finished row group
        group-000000.json     its checksum, numbers of rows and failures, and the job's usage at that time
        group-000001.journal  rows of a group that is not finished

A group's file and then its note are written completely and renamed, and only then is its journal removed. So after a
crash at any moment each finished row is in the journal, in a group with a note, or equally in both.

A group whose content does not fit the checksum of its note is dropped and embedded again (`DamagedGroupError`,
`forget`): a disk that flips a byte costs one group, and never a wrong vector. A damaged note or manifest is
refused by name instead, because the rows themselves may be sound and are paid for.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from volc_dashscope.bulk._identity import Identity
from volc_dashscope.bulk._journal import ERROR, VECTOR, Journal
from volc_dashscope.bulk._partial_folder import (
    UsageNote,
    begin_manifest,
    discard,
    is_empty,
    lock_folder,
    note_model,
    note_path,
    number_of,
    partial_folder,
    read_manifest,
)
from volc_dashscope.bulk._storage import write_bytes, writing
from volc_dashscope.errors import ConfigError
from volc_dashscope.results import Usage

_SYNC_SECONDS = 5.0
# The outcome of a row, which only the output's format reads.
Outcome: TypeAlias = NDArray[Any]
# The same of several rows, also as one array of rows.
Outcomes: TypeAlias = Sequence[Outcome] | NDArray[Any]
_log = logging.getLogger("volc_dashscope")


class DamagedGroupError(ConfigError):
    """A finished row group is damaged; `number` is its number."""

    def __init__(self, message: str, *, number: int) -> None:
        super().__init__(message)
        self.number = number


class GroupRows(Protocol):
    """The finished rows of one group, in memory."""

    def put(self, offsets: Sequence[int], outcomes: Outcomes) -> None:
        """Store the outcomes of rows."""
        ...

    def content(self, first: int, labels: Sequence[Any], errors: Mapping[int, str]) -> bytes:
        """Return the group as the content of a file; `errors` has the rows without another outcome."""
        ...


class RowFormat(Protocol):
    """
    The format of an output's rows: vectors or scores.

    Attributes:
        dimension: Length of every vector; None if not known yet, or without vectors.
    """

    dimension: int | None

    def label(self, record: Any) -> Any:
        """Return the part of a record that is kept until its group is written."""
        ...

    def encode(self, outcomes: Outcomes) -> Iterable[bytes]:
        """Return the outcome of each row as bytes for the journal."""
        ...

    def decode(self, content: bytes) -> Outcome:
        """Return the outcome of the bytes that `encode` made of one row."""
        ...

    def group(self, size: int) -> GroupRows:
        """Return an empty group of that many rows."""
        ...

    def merge(self, groups: Iterable[bytes], output: Path, facts: Mapping[str, Any]) -> None:
        """Write the groups atomically into one file, with the facts in its metadata."""
        ...


class PartialOutput:
    """
    The folder of one output, locked while it is open.

    A folder without rows is started over, whatever settings it had.

    Args:
        output: The finished file.
        identity: Everything that shapes the rows; that of an existing folder must be the same.
        form: The format of its rows.
        group_rows: Rows of a group of a new folder; None for about 16 MB.

    Attributes:
        usage: What was billed for the rows, as far as they record it.
        rows: Number of finished rows.
        failed: Number of these that are errors.
        model: The model that the replies named, once one has.
        damaged: Names of files that were damaged, whose rows are embedded again.

    Raises:
        ConfigError: It was started with other settings, another process uses it, or a file cannot be read or written.
    """

    def __init__(
        self, output: Path, identity: Identity, form: RowFormat, group_rows: int | None = None
    ) -> None:
        self.folder = partial_folder(output)
        self._form = form
        self.usage = Usage()
        self.rows = self.failed = 0
        self.damaged: list[str] = []
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)
        self._lock = lock_folder(self.folder)
        try:
            manifest = self._manifest(identity, group_rows)
            self.group_rows: int = manifest["group_rows"]
            self.model: str | None = manifest.get("model")
            self.identity: dict[str, Any] = identity.as_json(manifest["identity"])
            self._finished: dict[int, UsageNote] = {}
            self._open: dict[int, _Group] = {}
            self._load()
        except BaseException:
            self.close()
            raise

    @property
    def dimension(self) -> int | None:
        """Length of a vector, or None before the first one."""
        return self._form.dimension

    def keep_model(self, name: str) -> None:
        """Note the model that replies name; the caller does so before it saves their rows."""
        if name != self.model:
            note_model(self.folder, name)
            self.model = name

    def wants(self, record: Any) -> bool:
        """Register the next row, and return whether it still has to be embedded."""
        size = self.group_rows
        number, offset = divmod(record.row, size)
        if number in self._finished:
            return False
        group = self._open.get(number)
        if group is None:
            group = self._open[number] = self._resumed(number)
        labels = group.labels
        labels.append(self._form.label(record))
        is_wanted = offset not in group.finished
        if len(labels) == size:
            self._commit(number)
        return is_wanted

    def put(self, rows: Sequence[int], outcomes: Outcomes | str, usage: Usage) -> None:
        """
        Save the outcomes of rows, or their error, and the usage of the whole job so far.

        Args:
            rows: In ascending order.
            outcomes: One for each row; or the error of all of them.
        """
        self.usage = usage
        start = 0
        while start < len(rows):
            number = rows[start] // self.group_rows
            first = number * self.group_rows
            stop = bisect_left(rows, first + self.group_rows, start)
            offsets = [row - first for row in rows[start:stop]]
            self._put(number, offsets, outcomes if isinstance(outcomes, str) else outcomes[start:stop])
            start = stop

    def _put(self, number: int, offsets: Sequence[int], outcomes: Outcomes | str) -> None:
        group = self._open[number]
        self._keep(group, offsets, outcomes)
        if isinstance(outcomes, str):
            group.journal.write(ERROR, [(offset, outcomes.encode()) for offset in offsets], self.usage)
        else:
            contents = self._form.encode(outcomes)
            group.journal.write(VECTOR, zip(offsets, contents, strict=True), self.usage)
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
        Write the output from the groups.

        Raises:
            DamagedGroupError: A group is damaged; `forget` it and embed its rows again.
        """
        self._form.merge(self.groups(), output, facts)

    def groups(self, *, failed: bool = False) -> Iterator[Any]:
        """Yield the content of the finished groups, in order; with `failed`, only of those with failed rows."""
        for number, note in sorted(self._finished.items()):
            if note.failed or not failed:
                yield self._content(number, note)

    def forget(self, damage: DamagedGroupError) -> None:
        """
        Delete a damaged group, so that its rows are embedded again.

        Raises:
            ConfigError: The same group was damaged before in this run, so the disk is not reliable.
        """
        path = self._path(damage.number)
        self._report_damage(path.name)
        if self.damaged.count(path.name) > 1:
            raise ConfigError(f"{damage} for the second time; check the disk") from damage
        note = self._finished.pop(damage.number)
        self.rows -= note.rows
        self.failed -= note.failed
        with writing(path):
            path.unlink(missing_ok=True)
            note_path(path).unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove the folder, after the output is written."""
        self.close()
        discard(self.folder)

    def close(self) -> None:
        """Flush open files to the disk and release the folder. Closing twice is allowed."""
        for group in getattr(self, "_open", {}).values():
            # The caller must see the earlier error, such as a full disk.
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
            number = number_of(path)
            if not note_path(path).exists():
                # The note was not written yet, and the journal has all rows; or the note was removed.
                if not path.with_suffix(".journal").exists():
                    self._report_damage(path.name)
                continue
            note = self._finished[number] = UsageNote.read(path)
            self.rows += note.rows
            self.failed += note.failed
            self.usage = _max_usage(self.usage, note.usage)
            if note.dimension is not None:
                self._form.dimension = common_length(self._form.dimension, note.dimension)
        for path in sorted(self.folder.glob("group-*.journal")):
            # The journal of a finished group is left by a crash between writing the group and removing the journal.
            if number_of(path) not in self._finished:
                self._open[number_of(path)] = self._resumed(number_of(path))

    def _resumed(self, number: int) -> _Group:
        journal = Journal(self._path(number).with_suffix(".journal"))
        group = _Group(journal, self._form.group(self.group_rows))
        for offset, kind, content, usage in group.journal.entries():
            if offset not in group.finished:
                self._keep(
                    group, [offset], content.decode() if kind == ERROR else [self._form.decode(content)]
                )
            self.usage = _max_usage(self.usage, usage)
        if group.journal.damaged:
            self._report_damage(group.journal.path.name)
        return group

    def _keep(self, group: _Group, offsets: Sequence[int], outcomes: Outcomes | str) -> None:
        group.finished.update(offsets)
        self.rows += len(offsets)
        if isinstance(outcomes, str):
            group.errors.update(dict.fromkeys(offsets, outcomes))
            self.failed += len(offsets)
        else:
            group.rows.put(offsets, outcomes)

    def _commit(self, number: int, *, last: bool = False) -> None:
        """Write a group's file when every row of it is finished."""
        group = self._open[number]
        size = len(group.labels) if last else self.group_rows
        if len(group.labels) < size or len(group.finished) < size:
            return
        content = group.rows.content(number * self.group_rows, group.labels, group.errors)
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
            message = f"{path.name} in {self.folder.name!r} cannot be read: {error.strerror}"
            raise DamagedGroupError(message, number=number) from error
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

    def __init__(self, journal: Journal, rows: GroupRows) -> None:
        self.journal = journal
        self.rows = rows
        self.labels: list[Any] = []
        self.finished: set[int] = set()
        self.errors: dict[int, str] = {}
        self.synced = time.monotonic()


def common_length(expected: int | None, found: int) -> int:
    """
    Return the length that all vectors of an output have.

    Raises:
        ConfigError: The model is not in the table, and its replies have another length than in an earlier run.
    """
    if expected not in (None, found):
        raise ConfigError(
            f"the half-finished output has vectors of dimension {found}, and the model's have {expected}; use another "
            "output, or start again with restart (--restart), which drops rows that are paid for"
        )
    return found


def _max_usage(left: Usage, right: Usage) -> Usage:
    return Usage(
        max(left.requests, right.requests),
        max(left.total_tokens, right.total_tokens),
        max(left.text_tokens, right.text_tokens),
        max(left.image_tokens, right.image_tokens),
    )
