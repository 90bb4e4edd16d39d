"""Detects the format of media from the first bytes, and names its MIME type."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Literal

from volc_dashscope.errors import InputError

Kind = Literal["image", "video"]

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class MediaType:
    """
    A format this library can name.

    Attributes:
        format: Canonical name, as `MediaRule.formats` lists it ("jpeg", "mp4", ...).
        mime: The type sent in a data URI.
        kind: "image" or "video".
    """

    format: str
    mime: str
    kind: Kind


# MIME types as the Ark guide prints them (https://www.volcengine.com/docs/82379/1409291); the formats only
# DashScope takes (mpeg, webm, mkv, flv) have their usual ones.
_MIMES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "ico": "image/x-icon",
    "dib": "image/bmp",
    "icns": "image/icns",
    "sgi": "image/sgi",
    "jpeg2000": "image/jp2",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "avi": "video/avi",
    "mpeg": "video/mpeg",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "flv": "video/x-flv",
}
_TYPES = {
    name: MediaType(name, mime, "image" if mime.startswith("image/") else "video")
    for name, mime in _MIMES.items()
}

# Other spellings in use, by canonical MIME type.
_SPELLINGS = {
    "image/jpeg": ("image/jpg", "image/pjpeg"),
    "image/png": ("image/x-png", "image/apng", "image/vnd.mozilla.apng"),
    "image/bmp": ("image/x-bmp", "image/x-ms-bmp", "image/dib"),
    "image/tiff": ("image/tif", "image/x-tiff"),
    "image/x-icon": ("image/ico", "image/vnd.microsoft.icon"),
    "image/icns": ("image/x-icns",),
    "image/sgi": ("image/x-sgi", "image/x-rgb"),
    "image/jp2": ("image/jpeg2000", "image/jpx", "image/jpf", "image/j2k", "image/j2c", "image/jpc"),
    "video/mp4": ("video/x-m4v", "application/mp4"),
    "video/quicktime": ("video/mov",),
    "video/avi": ("video/x-msvideo", "video/msvideo", "video/vnd.avi"),
    "video/mpeg": ("video/mpg", "video/x-mpeg"),
    "video/x-matroska": ("video/mkv", "video/matroska"),
    "video/x-flv": ("video/flv",),
}
_CANONICAL = {spelling: mime for mime, spellings in _SPELLINGS.items() for spelling in spellings}
_MIME = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,80}", re.IGNORECASE)
_NO_CLAIM = frozenset({"application/octet-stream", "binary/octet-stream"})

_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0\x08\0\0\0", "tiff"),
    (b"MM\0+\0\x08\0\0", "tiff"),
    (b"icns", "icns"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"\0\0\x01\xba", "mpeg"),
    (b"\0\0\x01\xb3", "mpeg"),
    (b"FLV\x01", "flv"),
)
_RIFF = {b"WEBP": "webp", b"AVI ": "avi"}
_DIB_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_DIB_DEPTHS = frozenset({0, 1, 2, 4, 8, 16, 24, 32})
_DOCTYPE = re.compile(rb"\x42\x82.{1,8}?(webm|matroska)", re.DOTALL)
# ISO base media files that hold no video the services take: still images, camera raw, audio.
_NOT_VIDEO = frozenset(
    {
        b"avif",
        b"avis",
        b"crx ",
        b"heic",
        b"heim",
        b"heis",
        b"heix",
        b"hevc",
        b"hevx",
        b"miaf",
        b"mif1",
        b"msf1",
    }
    | {b"M4A ", b"M4B ", b"M4P "}
)
_OLD_QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def sniff(head: bytes) -> MediaType | None:
    """Return the format of a file by its first bytes (`HEAD_BYTES` are enough), or None."""
    name = next((name for signature, name in _SIGNATURES if head.startswith(signature)), None)
    name = name or _riff(head) or _matroska(head) or _bmp(head) or _boxes(head) or _loose(head)
    return _TYPES[name] if name else None


def recognise(head: bytes, kind: Kind, mime: str | None) -> MediaType:
    """
    Return the format of an image or a video.

    Raises:
        InputError: The bytes are something else, or not what `mime` says.
    """
    media = sniff(head)
    if media is None or media.kind != kind:
        known = ", ".join(name for name, known in _TYPES.items() if known.kind == kind)
        actual = f"they are {_article(media.kind)} ({media.format})" if media else _describe(head)
        raise InputError(f"the bytes are not {_article(kind)} in a known format: {actual}; known are {known}")
    if mime is not None and not agrees(mime, media):
        declared = repr(mime) if _MIME.fullmatch(mime) else "not valid"
        raise InputError(f"the MIME type is {declared}, but the bytes are {media.format} ({media.mime})")
    return media


def agrees(mime: str, media: MediaType) -> bool:
    """Return whether a MIME type, in any usual spelling, means this format or says nothing."""
    plain = mime.partition(";")[0].strip().lower()
    return plain in _NO_CLAIM or _CANONICAL.get(plain, plain) == media.mime


def _article(kind: Kind) -> str:
    return "an image" if kind == "image" else "a video"


def _describe(head: bytes) -> str:
    if not head:
        return "there are no bytes"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return "they look like HTML or XML (an error page, or SVG)"
    if head.startswith(b"%PDF-"):
        return "they are a PDF document"
    if head[4:8] == b"ftyp":
        return "they are HEIF, AVIF, camera raw or audio"
    return "their first bytes match no known format"


def _riff(head: bytes) -> str | None:
    return _RIFF.get(head[8:12]) if head.startswith(b"RIFF") else None


def _matroska(head: bytes) -> str | None:
    found = _DOCTYPE.search(head, 0, 512) if head.startswith(b"\x1aE\xdf\xa3") else None
    if found is None:
        return None
    return "webm" if found[1] == b"webm" else "mkv"


def _bmp(head: bytes) -> str | None:
    return "bmp" if head.startswith(b"BM") and _dib(head[14:]) else None


def _boxes(head: bytes) -> str | None:
    if len(head) < 12:
        return None
    size, name, brand = struct.unpack_from(">I4s4s", head)
    if name == b"ftyp" and size >= 16:
        return None if brand in _NOT_VIDEO else "mov" if brand == b"qt  " else "mp4"
    # QuickTime files older than `ftyp`. ASCII text read as such a header has a size of half a gigabyte or more.
    return "mov" if name in _OLD_QUICKTIME and (size < 2 or 8 <= size < 1 << 29) else None


def _loose(head: bytes) -> str | None:
    """Return the format where the signature is so short that the fields after it are checked too."""
    if len(head) >= 22 and head.startswith(b"\0\0\x01\0"):
        (count,) = struct.unpack_from("<H", head, 4)
        (offset,) = struct.unpack_from("<I", head, 18)
        return "ico" if count and head[9] in (0, 255) and offset >= 6 + 16 * count else None
    if len(head) >= 12 and head.startswith(b"\x01\xda"):
        storage, depth, dimension = struct.unpack_from(">BBH", head, 2)
        return "sgi" if storage in (0, 1) and depth in (1, 2) and dimension in (1, 2, 3) else None
    return "dib" if _dib(head) else None


def _dib(head: bytes) -> bool:
    if len(head) < 16:
        return False
    (size,) = struct.unpack_from("<I", head)
    planes, depth = struct.unpack_from("<HH", head, 8 if size == 12 else 12)
    return size in _DIB_HEADERS and planes == 1 and depth in _DIB_DEPTHS
