"""Atomic writes, checksums, and errors that name the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from volc_dashscope.errors import ConfigError

_CHUNK_BYTES = 1024 * 1024


def check_name(path: Path, what: str) -> None:
    """
    Refuse a path that pyarrow cannot open, because it accepts only UTF-8.

    Raises:
        ConfigError: A name in the path is in another encoding.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{what} {str(path)!r} has a name that is not UTF-8, which Parquet files need; rename it"
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """
    Turn errors of writing into a `ConfigError` with the file: a full disk, a read-only or missing folder.

    Raises:
        ConfigError: With the path and the system's own reason.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{str(path)!r} cannot be written: {error.strerror or error}; finished rows are kept"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """
    Turn errors of reading into a `ConfigError` with the file.

    Raises:
        ConfigError: With the path and the system's own reason.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error


def replace_file(temporary: Path, path: Path) -> None:
    """Replace a file by a finished one, so that a crash leaves the old or the new one."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, if the system can."""
    with suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_bytes(path: Path, content: Any) -> None:
    """Write a file atomically."""
    temporary = path.with_name(f"{path.name}.new")
    with writing(path):
        temporary.write_bytes(content)
        replace_file(temporary, path)


def write_checked(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with a checksum of its content."""
    write_bytes(path, orjson.dumps({**value, "checksum": checksum(value)}))


def read_checked(path: Path) -> dict[str, Any] | None:
    """Return what `write_checked` wrote, or None if it is damaged or cannot be read."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    if not isinstance(found, dict):
        return None
    stored = found.pop("checksum", None)
    return found if stored == checksum(found) else None


def checksum(value: object) -> int:
    """Return the CRC-32 of a value as JSON."""
    return crc32(orjson.dumps(value))


def digest_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's content."""
    # Unbuffered, since each read is large.
    with open(path, "rb", buffering=0) as file:
        return digest_of_open(file)


def digest_of_open(file: Any, *, max_bytes: float = inf) -> str:
    """Return the SHA-256 of an open binary file, or of its first `max_bytes`, rounded up to a whole chunk."""
    digest = sha256()
    while max_bytes > 0 and (chunk := file.read(_CHUNK_BYTES)):
        digest.update(chunk)
        max_bytes -= len(chunk)
    return digest.hexdigest()
