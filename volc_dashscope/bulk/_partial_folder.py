"""The folder of a partial output: its manifest, the notes of its groups, its lock and its removal."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from volc_dashscope.bulk._identity import Identity
from volc_dashscope.bulk._journal import offsets
from volc_dashscope.bulk._storage import read_checked, write_checked, writing
from volc_dashscope.errors import ConfigError
from volc_dashscope.results import Usage

# A row group is in memory while it fills, and readers load it whole.
_GROUP_BYTES = 16 * 1024 * 1024
_GROUP_ROWS = (256, 65_536)
_VERSION = 2


def read_manifest(folder: Path) -> dict[str, Any]:
    """
    Return the settings and source that a partial output was started with.

    Raises:
        ConfigError: manifest.json is damaged, or of another version of this library.
    """
    found = read_checked(folder / "manifest.json")
    if found is None:
        raise ConfigError(
            f"manifest.json in {folder.name!r} is damaged or cannot be read; restore it, or start again with "
            "restart (--restart), which drops rows that are paid for"
        )
    if found.get("version") != _VERSION:
        raise ConfigError(
            f"{folder.name!r} was made by another version of volc-dashscope; finish it with that version, or remove it"
        )
    return found


def begin_manifest(
    folder: Path, identity: Identity, dimension: int | None, group_rows: int | None
) -> dict[str, Any]:
    """Write the manifest of a new output, and return it."""
    least, most = _GROUP_ROWS
    rows = group_rows or max(least, min(most, _GROUP_BYTES // (4 * (dimension or 1024))))
    manifest = {"version": _VERSION, "identity": identity.as_json(), "group_rows": rows}
    write_checked(folder / "manifest.json", manifest)
    return manifest


def note_model(folder: Path, name: str) -> None:
    """Add the model that replies name to the manifest."""
    write_checked(folder / "manifest.json", {**read_manifest(folder), "model": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageNote:
    """
    The note beside a group's file.

    Attributes:
        usage: Usage of the job when the group was written.
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
        """Write the note beside the group's file."""
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
    """Return the path of a group's note."""
    return path.with_suffix(".json")


def partial_folder(output: Path) -> Path:
    """Return the folder of a partial output."""
    return output.with_name(f"{output.name}.partial")


def is_empty(folder: Path) -> bool:
    """Return whether a partial output holds nothing that was paid for: no row, and no job at the service."""
    if any(folder.glob("group-*.parquet")) or any(offsets(path) for path in folder.glob("group-*.journal")):
        return False
    jobs = folder / "jobs.json"
    if not jobs.exists():
        return True
    try:
        found = orjson.loads(jobs.read_bytes())
        return not any(file["job"] or file["submitting"] for file in found)
    except (OSError, ValueError, TypeError, KeyError):
        return False  # what cannot be read is not deleted


def finished_rows(folder: Path) -> Callable[[int], bool]:
    """Return a function that says whether a row of a partial output is finished. The output is not changed."""
    if not (folder / "manifest.json").exists():
        return lambda row: False
    size = read_manifest(folder)["group_rows"]
    whole = {number_of(path) for path in folder.glob("group-*.parquet") if note_path(path).exists()}
    rows_by_group = {number_of(path): offsets(path) for path in folder.glob("group-*.journal")}
    return lambda row: row // size in whole or row % size in rows_by_group.get(row // size, ())


def discard(folder: Path) -> None:
    """Remove a partial output, unless another process works on it."""
    clean_up(folder)
    if folder.is_dir():
        with lock_folder(folder), writing(folder):
            # Renamed first: an interrupted removal must not leave a folder that seems to lack rows.
            folder.rename(_gone(folder))
        clean_up(folder)


def clean_up(folder: Path) -> None:
    """Finish the removal of a partial output that a crash interrupted."""
    shutil.rmtree(_gone(folder), ignore_errors=True)


def _gone(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.done")


def lock_folder(folder: Path) -> IO[bytes]:
    with writing(folder / "lock"):
        file = (folder / "lock").open("wb")
    with suppress(ImportError):  # Windows has no fcntl: nothing is locked there
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise ConfigError(
                    f"another process is working on {folder.name!r}; wait until it ends, or use another output"
                ) from error
            raise ConfigError(
                f"{str(folder)!r} cannot be locked: {error.strerror}; write the output to another file system"
            ) from error
    return file


def number_of(path: Path) -> int:
    return int(path.stem.partition("-")[2])
