"""
What is finished of a row group, before the group is: one entry a row, appended as replies arrive.

An entry is with the operating system when `write` returns, so that it outlives a killed process; `sync` takes it
to the disk. A torn entry at the end is what the killed process was writing; it is cut off.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO
from zlib import crc32

from volc_dashscope.results import Usage

# Offset of the row in its group, kind, spend so far (four numbers), length of the content.
_HEAD = struct.Struct("<IBqqqqI")
Entry = tuple[int, int, bytes, Usage]
_CHECK = struct.Struct("<I")
VECTOR, ERROR = 0, 1


class Journal:
    """One group's entries."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)

    def entries(self) -> Iterator[Entry]:
        """Yield offset, kind, content and spend of what an earlier process wrote."""
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            end = yield from _sound(file)
        os.ftruncate(self._file, end)

    def write(self, offset: int, kind: int, content: bytes, usage: Usage) -> None:
        """Append one entry."""
        spent = (usage.requests, usage.total_tokens, usage.text_tokens, usage.image_tokens)
        entry = _HEAD.pack(offset, kind, *spent, len(content)) + content
        entry += _CHECK.pack(crc32(entry))
        written = 0
        while written < len(entry):
            written += os.write(self._file, entry[written:])

    def sync(self) -> None:
        """Wait until the entries are on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file; it stays."""
        os.close(self._file)

    def drop(self) -> None:
        """Close and remove the file: its group is safe elsewhere."""
        self.close()
        self.path.unlink()


def offsets(path: Path) -> set[int]:
    """Return which rows of its group a journal has, and leave it alone."""
    with path.open("rb") as file:
        return {offset for offset, *_ in _sound(file)}


def _sound(file: IO[bytes]) -> Generator[Entry, None, int]:
    """Yield entries and return where the last whole one ends."""
    end, size = 0, os.fstat(file.fileno()).st_size
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        offset, kind, requests, total, text, image, length = _HEAD.unpack(head)
        content = file.read(min(length, size))
        check = file.read(_CHECK.size)
        if len(check) < _CHECK.size or crc32(head + content) != _CHECK.unpack(check)[0]:
            break
        end = file.tell()
        yield offset, kind, content, Usage(requests, total, text, image)
    return end
