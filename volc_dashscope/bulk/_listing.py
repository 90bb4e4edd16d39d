"""Lists the lines of a file and the files of a folder, whatever they contain."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO

from volc_dashscope.bulk._records import Kind
from volc_dashscope.errors import ConfigError, InputError

# No model takes a text as long as this, so a longer line is not kept in memory.
LONGEST_LINE = 16 * 1024 * 1024
# Files between two calls of `watch`: calling it for each file would cost more than the listing.
SCAN_STEP = 100
# fmt: off
_IMAGES = frozenset((
    ".jpg", ".jpeg", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ico", ".icns", ".sgi",
    ".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jpx",
))
# fmt: on
_VIDEOS = frozenset([".mp4", ".m4v", ".mov", ".avi", ".mpg", ".mpeg", ".webm", ".mkv", ".flv"])
_SAMPLE = 1024 * 1024
# Of the letters beyond ASCII, so many must be in GB2312, which has all that is common in Chinese; two bytes of
# another encoding that happen to be a letter of GBK are mostly rare ones.
_COMMON = 0.9
# EUC-KR and EUC-JP have the same bytes as GB2312. Hangul is in the rows from 0xB0 to 0xC8 only; Hanzi are there by
# their sound, and two of five are in a row behind. Japanese has kana, which GB2312 has too.
_FIRST_HANZI, _NO_HANGUL, _KANA = 0xB0, 0xC9, (0xA4, 0xA5)
_FEW = 0.1
# A line of Chinese in GBK is hardly ever valid UTF-8.
_UTF8_LINES = 0.2


def lines(path: Path, encoding: str | None = None) -> Iterator[tuple[int, str | InputError]]:
    """Yield the number and content of each line, or the reason why it cannot be read."""
    name = encoding or "utf-8"
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
                text = line.removesuffix(b"\n").removesuffix(b"\r").decode(name)
            except UnicodeError:
                yield row, InputError(f"the line is not {'UTF-8' if encoding is None else encoding}")
            else:
                yield row, text.removeprefix("\ufeff") if row == 0 else text


def _skip_line(file: IO[bytes]) -> None:
    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def media_files(
    folder: Path, listed: Callable[[int], object] | None = None
) -> Iterator[tuple[str, Kind | InputError]]:
    """Yield the images and videos in a folder and below, as `files`, with their kind or the problem."""
    for name, problem in files(folder, listed):
        kind = problem or kind_of(name)
        if kind is not None:
            yield name, kind


def kinds_inside(folder: Path, media: Iterable[tuple[str, Kind | InputError]]) -> Iterator[Kind]:
    """
    Yield the kinds of the images and videos in a folder itself, in no order, and then of `media`.

    Most callers need the first one only, and a large folder is then not listed to its end.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            kind = None if entry.name.startswith(".") else kind_of(entry.name)
            if kind is not None and not _is_folder(entry):
                yield kind
    yield from (kind for _, kind in media if not isinstance(kind, InputError))


def files(
    folder: Path, listed: Callable[[int], object] | None = None
) -> Iterator[tuple[str, InputError | None]]:
    """
    Yield the names of the files in a folder and below, sorted, without hidden files and links to folders.

    Names are relative and have "/"; a `Path` for each would take most of the time. A subfolder that cannot be listed is
    one entry with its problem.

    Args:
        listed: Called with the number of names read so far, every hundred names. A folder is read to its end before
            its first file is yielded, which takes long where it has many files or is on another machine.

    Raises:
        InputError: The folder itself cannot be listed.
    """
    read = _Names(listed)
    try:
        entries = read(folder)
    except OSError as error:
        raise unreadable(folder, error) from error
    yield from _below(entries, "", read)


def _below(
    entries: list[os.DirEntry[str]], inside: str, read: _Names
) -> Iterator[tuple[str, InputError | None]]:
    for entry in entries:
        name = inside + entry.name
        if entry.is_dir(follow_symlinks=False):
            try:
                below = read(entry.path)
            except OSError as error:
                yield name, InputError(f"the folder cannot be listed: {error.strerror}")
            else:
                yield from _below(below, f"{name}/", read)
        elif not _is_folder(entry):
            yield name, None


class _Names:
    """Reads folders, and counts the names in them."""

    def __init__(self, listed: Callable[[int], object] | None) -> None:
        self._listed = listed
        self._number = 0

    def __call__(self, folder: str | Path) -> list[os.DirEntry[str]]:
        """Return the entries of a folder, sorted, without hidden ones."""
        with os.scandir(folder) as found:
            entries = found if self._listed is None else self._counted(found)
            return sorted(
                (entry for entry in entries if not entry.name.startswith(".")), key=lambda each: each.name
            )

    def _counted(self, entries: Iterable[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        assert self._listed is not None
        for entry in entries:
            self._number += 1
            if self._number % SCAN_STEP == 0:
                self._listed(self._number)
            yield entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link to itself; reading it raises the error.
        return False


def kind_of(path: str | Path) -> Kind | None:
    """Return the kind of a file by its name."""
    suffix = os.path.splitext(path)[1].lower()
    return "image" if suffix in _IMAGES else "video" if suffix in _VIDEOS else None


def is_utf8_name(name: str) -> bool:
    """Return whether a name can be encoded in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the error for a source that cannot be opened."""
    return InputError(f"source {path.name!r} cannot be read: {error.strerror}")


def detect_encoding(path: Path) -> str | None:
    """Return "gb18030" or "utf-16" if a file is in that encoding, and None for UTF-8 or if it is unclear."""
    try:
        with path.open("rb") as file:
            sample = file.read(_SAMPLE)
    except OSError:
        return None  # Reading it raises the error.
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if _decodes(sample, "utf-8"):
        return None
    foreign = [line for line in sample.splitlines() if not line.isascii()]
    if sum(_decodes(line, "utf-8") for line in foreign) > _UTF8_LINES * len(foreign):
        return None
    return "gb18030" if _decodes(sample, "gb18030") and _is_chinese(sample) else None


def encoding_of(place: Path, format: str, encoding: str | None) -> str | None:
    """
    Return the encoding of a source; None for UTF-8 and for formats without one.

    Args:
        encoding: What the user says it is; None to detect it.

    Raises:
        ConfigError: It is not a text encoding.
    """
    if format not in ("text", "jsonl", "csv"):
        if encoding is not None:
            raise ConfigError(
                f"source {place.name!r} is of format {format}, which has no encoding; leave out the encoding"
            )
        return None
    name = encoding or detect_encoding(place)
    if name is None:
        return None
    try:
        found = codecs.lookup(name).name
    except (LookupError, TypeError, ValueError):
        raise ConfigError(f"{name!r} is not a text encoding; examples: utf-8, gb18030") from None
    try:
        b"a".decode(found)
    except UnicodeDecodeError:
        pass  # of more than one byte a character
    except (LookupError, UnicodeError):
        raise ConfigError(f"{name!r} is not a text encoding; examples: utf-8, gb18030") from None
    if format != "csv" and found.startswith(("utf-16", "utf-32")):
        raise ConfigError(f"source {place.name!r} is in {found}; save it as UTF-8")
    return None if found in ("utf-8", "utf-8-sig") else found


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        # Incrementally, because the sample may end inside a character.
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(sample: bytes) -> bool:
    letters = [letter for letter in sample.decode("gb18030", errors="ignore") if not letter.isascii()]
    rows = "".join(letters).encode("gb2312", errors="ignore")[::2]
    hanzi = [row for row in rows if row >= _FIRST_HANZI]
    if not hanzi or len(rows) < _COMMON * len(letters):
        return False
    kana = sum(row in _KANA for row in rows)
    return kana <= _FEW * len(rows) and sum(row >= _NO_HANGUL for row in hanzi) >= _FEW * len(hanzi)
