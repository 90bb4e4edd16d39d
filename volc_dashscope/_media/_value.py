"""The common base of `Image` and `Video`, and their JSON form."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import orjson

from volc_dashscope import _media
from volc_dashscope.errors import InputError


@dataclass(frozen=True, slots=True, repr=False)
class Media:
    """
    The common base of `Image` and `Video`, which users construct.

    ```python
    from volc_dashscope import Image

    print(Image.from_path("pictures/red_chair.png").format)
    ```
    ```text
    png
    ```

    Equal values have the same source: the same URL, the same bytes, or the same unchanged file.
    """

    source: _media.Source
    kind: ClassVar[_media.Kind]

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.source, (_media.Remote, _media.Inline, _media.LocalFile)):
            raise InputError(
                f"{name} cannot be made from {type(self.source).__name__} directly; use {name}.from_url, "
                f"{name}.from_path or {name}.from_bytes"
            )
        if self.source.media is not None and self.source.media.kind != self.kind:
            raise InputError(
                f"{self.source.label()} is not {'an' if self.kind == 'image' else 'a'} {self.kind}"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label()})"

    @property
    def url(self) -> str | None:
        """The URL the service fetches, or None if the bytes are sent."""
        return self.source.url

    @property
    def inline(self) -> bool:
        """Whether the bytes themselves are sent."""
        return self.source.url is None

    @property
    def path(self) -> Path | None:
        """The local file, as an absolute path."""
        return self.source.path

    @property
    def format(self) -> str | None:
        """Canonical format name by content, or None for a URL."""
        return self.source.media.format if self.source.media else None

    @property
    def mime(self) -> str | None:
        """MIME type by content, or None for a URL."""
        return self.source.media.mime if self.source.media else None

    @property
    def size_bytes(self) -> int | None:
        """Size of the file, or None for a URL."""
        return self.source.size_bytes

    @property
    def width(self) -> int | None:
        """Width in pixels, or None if unknown."""
        return self.source.pixels[0] if self.source.pixels else None

    @property
    def height(self) -> int | None:
        """Height in pixels, or None if unknown."""
        return self.source.pixels[1] if self.source.pixels else None

    @property
    def digest(self) -> str:
        """sha256, in hex, of the bytes that are sent, or of the URL. A file is read for it the first time."""
        return self.source.digest

    def read(self) -> bytes:
        """Return the bytes to send. A file is read here, and must be the one that was given."""
        return self.source.read()

    def label(self) -> str:
        """Return a name for messages: no bytes, no query string."""
        return self.source.label()


def json_value(media: Media) -> object:
    """
    Return the URL, or the bytes as a data URI that is already JSON. A file is read here, just before it is sent.

    Base64 needs no escaping, so a megabyte is copied into the body instead of being scanned.
    """
    if media.url is not None:
        return media.url
    encoded = _media.b64encode(media.read())
    return orjson.Fragment(_media.data_uri(media.mime or "", encoded, around=b'"'))


def mixed_digest(tag: str, members: Iterable[str]) -> str:
    """Return one digest of several strings in order; `tag` separates kinds."""
    mixed = [tag.encode()]
    for member in members:
        data = member.encode("utf-8", "surrogatepass")
        # The length separates ("ab", "c") from ("a", "bc").
        mixed += (b"%d:" % len(data), data)
    return sha256(b"".join(mixed)).hexdigest()


def type_name(value: object) -> str:
    """Name the type of a wrong value in a message, a Pillow image with its module: its class has our class's name."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}" if _is_pillow(value) else kind.__name__


def constructor_hint(value: object) -> str:
    """Return what a message adds about a value from which an item can be made, or an empty text."""
    if _is_pillow(value):
        return "; use Image.from_pil"
    if isinstance(value, bytes | bytearray | memoryview):
        return "; use Image.from_bytes or Video.from_bytes"
    if isinstance(value, os.PathLike):
        return "; use Image.from_path or Video.from_path"
    return ""


def _is_pillow(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "PIL"
