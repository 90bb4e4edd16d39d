"""Lines of a file and files of a folder, one after the other, whatever is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO

from volc_dashscope.bulk._records import Kind
from volc_dashscope.errors import InputError

# A line longer than this is no text that a model takes, and not worth the memory.
LONGEST_LINE = 16 * 1024 * 1024
# fmt: off
_IMAGES = frozenset((
    ".jpg", ".jpeg", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ico", ".icns", ".sgi",
    ".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jpx",
))
# fmt: on
_VIDEOS = frozenset([".mp4", ".m4v", ".mov", ".avi", ".mpg", ".mpeg", ".webm", ".mkv", ".flv"])


def lines(path: Path) -> Iterator[tuple[int, str | InputError]]:
    """Yield the number and content of each line, or why it has none."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error
    with file:
        for row in count():
            line = file.readline(LONGEST_LINE)
            if not line:
                return
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                _skip_line(file)
                yield row, InputError(f"the line is longer than {LONGEST_LINE:,} bytes")
                continue
            try:
                text = (
                    line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8-sig" if row == 0 else "utf-8")
                )
            except UnicodeDecodeError:
                yield row, InputError("the line is not UTF-8")
            else:
                yield row, text


def _skip_line(file: IO[bytes]) -> None:
    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def media_files(folder: Path) -> Iterator[tuple[Path, Kind]]:
    """Yield the images and videos in a folder and below, and which they are, sorted."""
    return ((path, kind) for path in files(folder) if (kind := kind_of(path)) is not None)


def files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below, sorted; no hidden ones, and no links to folders."""
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda e: e.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from files(Path(entry.path))
        elif not entry.is_dir():
            yield Path(entry.path)


def kind_of(path: Path) -> Kind | None:
    """Return what a file is by its name."""
    suffix = path.suffix.lower()
    return "image" if suffix in _IMAGES else "video" if suffix in _VIDEOS else None


def encodes(name: str) -> bool:
    """Return whether UTF-8 can carry a name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def unreadable(path: Path, error: OSError) -> InputError:
    """Make the error for a source that cannot be opened."""
    return InputError(f"source {path.name!r} cannot be read: {error.strerror}")
