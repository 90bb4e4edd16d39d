"""
The finished rows of an incomplete row group: one entry per row; the entries of one reply are appended together.

The operating system has the entries when `write` returns, so they survive a killed process; `sync` flushes them to the
disk. Each entry has a checksum. Reading skips damaged bytes and continues at the next valid entry, so that one bad
byte costs one row and not all that follow. Bytes after the last valid entry (an interrupted write) are removed before
the next entry is appended.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from zlib import crc32

from volc_dashscope.bulk._storage import reading, writing
from volc_dashscope.results import Usage

# Offset of the row in its group, kind, usage so far (four numbers), length of the content.
_HEADER = struct.Struct("<IBqqqqI")
Entry = tuple[int, int, bytes, Usage]
_CHECKSUM = struct.Struct("<I")
VECTOR, ERROR = 0, 1
# Longer than any entry: if no valid entry begins within it, none follows.
_SEARCH_BYTES = 1024 * 1024


class Journal:
    """
    One group's entries.

    Attributes:
        damaged: Bytes that `entries` found outside valid entries.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        with writing(path):
            self._file = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644
            )

    def entries(self) -> Iterator[Entry]:
        """Yield the offset, kind, content and usage of each entry of an earlier process."""
        with reading(self.path):
            content = self.path.read_bytes()
        end, valid_bytes = yield from _valid_entries(content)
        self.damaged = len(content) - valid_bytes
        with writing(self.path):
            os.ftruncate(self._file, end)

    def write(self, kind: int, contents: Iterable[tuple[int, bytes]], usage: Usage) -> None:
        """Append an entry for each (offset, content), all in one system call."""
        spent = (usage.requests, usage.total_tokens, usage.text_tokens, usage.image_tokens)
        entries: list[bytes] = []
        for offset, content in contents:
            entry = _HEADER.pack(offset, kind, *spent, len(content)) + content
            entries += (entry, _CHECKSUM.pack(crc32(entry)))
        left = memoryview(b"".join(entries))
        with writing(self.path):
            while left:
                left = left[os.write(self._file, left) :]

    def sync(self) -> None:
        """Wait until the entries are on the disk."""
        with writing(self.path):
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file; it stays."""
        os.close(self._file)

    def drop(self) -> None:
        """Close and remove the file, after its group is saved."""
        self.close()
        self.path.unlink()


def offsets(path: Path) -> set[int]:
    """Return which rows of its group a journal has, without changing it."""
    with reading(path):
        content = path.read_bytes()
    return {offset for offset, *_ in _valid_entries(content)}


def _valid_entries(content: bytes) -> Generator[Entry, None, tuple[int, int]]:
    """Yield the entries with a correct checksum; return where the last one ends, and their bytes in all."""
    place = end = valid_bytes = 0
    while place + _HEADER.size + _CHECKSUM.size <= len(content) and place - end < _SEARCH_BYTES:
        offset, kind, requests, total, text, image, length = _HEADER.unpack_from(content, place)
        stop = place + _HEADER.size + length
        # The length is checked first: in a search after a damaged entry, most offsets fail here.
        if (
            kind not in (VECTOR, ERROR)
            or stop + _CHECKSUM.size > len(content)
            or crc32(content[place:stop]) != _CHECKSUM.unpack_from(content, stop)[0]
        ):
            place += 1
            continue
        yield offset, kind, content[place + _HEADER.size : stop], Usage(requests, total, text, image)
        valid_bytes += stop + _CHECKSUM.size - place
        place = end = stop + _CHECKSUM.size
    return end, valid_bytes
