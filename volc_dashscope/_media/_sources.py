"""Sources of media: a URL that the service fetches, bytes in memory, or a local file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from volc_dashscope._media._files import open_descriptor, open_fenced, show_path
from volc_dashscope._media._formats import HEAD_BYTES, Kind, MediaType, recognise, sniff
from volc_dashscope._media._measure import Reader, Size, duration, measure
from volc_dashscope._media._urls import check_url, label_url, local_path, parse_data_uri, scheme_of
from volc_dashscope._media._value import type_name
from volc_dashscope.errors import InputError

# What a `Path` leaves out of a path: repeated separators, one at the end, and components of one dot.
_SPARE = re.compile(r"/\.?(/|\Z)")


@dataclass(frozen=True, slots=True, repr=False)
class Remote:
    """A URL that the service fetches; its content is unknown."""

    url: str
    media: ClassVar[None] = None
    pixels: ClassVar[None] = None
    seconds: ClassVar[None] = None
    size_bytes: ClassVar[None] = None
    path: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_url(self.url)

    def __repr__(self) -> str:
        return f"Remote({self.label()})"

    @property
    def digest(self) -> str:
        return sha256(self.url.encode()).hexdigest()

    def read(self) -> bytes:
        raise InputError(f"{self.label()} is a URL; this library never fetches one")

    def label(self) -> str:
        return label_url(self.url)


@dataclass(frozen=True, slots=True, repr=False)
class Inline:
    """Bytes in memory, in a private attribute: tracers write the fields of dataclasses to their spans."""

    _data: bytes
    media: MediaType = field(compare=False)
    pixels: Size | None = field(compare=False)
    seconds: float | None = field(compare=False)
    _digest: str | None = field(default=None, init=False, compare=False)
    url: ClassVar[None] = None
    path: ClassVar[None] = None

    @classmethod
    def of(cls, data: bytes, kind: Kind, mime: str | None = None) -> Inline:
        """Return a source of bytes, with their format and size."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise InputError(f"expected bytes, got {type(data).__name__}")
        data = bytes(data)
        media = recognise(data[:HEAD_BYTES], kind, mime)
        return cls(data, media, measure(data, media.format), duration(data, media.format))

    def __repr__(self) -> str:
        return f"Inline({self.label()})"

    @property
    def size_bytes(self) -> int:
        return len(self._data)

    @property
    def digest(self) -> str:
        if self._digest is None:
            object.__setattr__(self, "_digest", sha256(self._data).hexdigest())
        return self._digest or ""

    def read(self) -> bytes:
        return self._data

    def label(self) -> str:
        return _label(self.media, self.pixels)


@dataclass(frozen=True, slots=True, repr=False)
class LocalFile:
    """
    A local file: checked when it is given, read just before it is sent.

    Paths are kept as text: a `Path` for each of 50,000 files took a tenth of the time of their preview.

    Attributes:
        location: The path of the file: absolute, with its links not yet followed.
        root: The directory it must stay in, or None.
        modified: Time of last change, so that values of a replaced file are not equal.
    """

    location: str
    root: str | None
    size_bytes: int
    modified: int
    media: MediaType
    pixels: Size | None
    seconds: float | None = field(compare=False)
    _digest: str | None = field(default=None, init=False, compare=False)
    url: ClassVar[None] = None

    @classmethod
    def of(cls, path: str | os.PathLike[str], kind: Kind, root: str | os.PathLike[str] | None) -> LocalFile:
        """Check the path, the kind of file and the header, without reading the rest."""
        place = _absolute(path)
        fence = None if root is None else _absolute(root)
        file, status = open_descriptor(place, fence)
        try:
            head = _read(file, min(HEAD_BYTES, status.st_size))
            try:
                media = recognise(head, kind, None)
            except InputError as exc:
                raise InputError(f"file {show_path(place)}: {exc}") from exc
            read = _reader(file, head, status.st_size)
            pixels = measure(read, media.format)
            seconds = duration(read, media.format)
        finally:
            os.close(file)
        return cls(place, fence, status.st_size, status.st_mtime_ns, media, pixels, seconds)

    def __repr__(self) -> str:
        return f"LocalFile({self.location!r}, {_label(self.media, self.pixels)})"

    @property
    def path(self) -> Path:
        return Path(self.location)

    @property
    def digest(self) -> str:
        if self._digest is None:
            object.__setattr__(self, "_digest", sha256(self.read()).hexdigest())
        return self._digest or ""

    def read(self) -> bytes:
        """
        Return the whole file, checked again: by its header, and by its digest if that was used.

        Raises:
            InputError: It is gone, outside `root`, or not the file that was checked.
        """
        with open_fenced(self.location, self.root) as file:
            data = file.read(self.size_bytes + 1)
        if len(data) != self.size_bytes:
            raise InputError(
                f"file {show_path(self.location)} changed its size after it was passed; create a new value"
            )
        # The model's limits were checked against the first header.
        header = sniff(data[:HEAD_BYTES]), measure(data, self.media.format)
        named = self._digest is not None
        if header != (self.media, self.pixels) or (named and self._digest != sha256(data).hexdigest()):
            raise InputError(
                f"file {show_path(self.location)} changed after it was passed; create a new value"
            )
        return data

    def label(self) -> str:
        return f"{os.path.basename(self.location)!r} ({_label(self.media, self.pixels)})"


Source = Remote | Inline | LocalFile


def source_of_url(url: str, kind: Kind) -> Remote | Inline:
    """Turn a URL into its source: a data URI is decoded, any other URL is kept as it is."""
    if not isinstance(url, str):
        raise InputError(f"expected a URL as str, got {type(url).__name__}")
    if scheme_of(url) != "data":
        return Remote(url)
    mime, data = parse_data_uri(url)
    return Inline.of(data, kind, mime)


def _absolute(path: str | os.PathLike[str]) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise InputError(f"expected a path as str or Path, got {type_name(path)}")
    plain = local_path(text)
    try:
        possible = b"\0" not in os.fsencode(plain)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise InputError("the path contains a character that is not allowed in file names")
    if os.sep == "/" and plain.startswith("/") and not _SPARE.search(plain):
        return plain
    return str(Path(plain).absolute())


def _label(media: MediaType, pixels: Size | None) -> str:
    return f"{media.mime} {pixels[0]}x{pixels[1]}" if pixels else media.mime


def _reader(file: int, head: bytes, size: int) -> Reader:
    """Return a function that reads any part of an open file whose first bytes are known."""

    def at(offset: int, count: int) -> bytes:
        if offset + count <= len(head):
            return head[offset : offset + count]
        if offset >= size:
            return b""
        os.lseek(file, offset, os.SEEK_SET)
        return _read(file, min(count, size - offset))

    return at


def _read(file: int, count: int) -> bytes:
    """Read so many bytes, or up to the end; some file systems return fewer at a time."""
    data = os.read(file, count)
    while len(data) < count and (more := os.read(file, count - len(data))):
        data += more
    return data
