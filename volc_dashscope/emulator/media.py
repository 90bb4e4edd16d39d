"""
Reads data URIs: their MIME type, bytes, real format and size in pixels.

Independent of the client's own code, so that one mistake cannot hide in both. Nothing is decoded.
"""

from __future__ import annotations

import binascii
import re
import struct
from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import urlsplit

from volc_dashscope.emulator import tokens
from volc_dashscope.models import MediaRule

# Media type -> format, after the tables of the Ark guide (82379/1409291) and the DashScope page.
MIME = {
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/png": "png",
    "image/apng": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "image/x-ms-bmp": "bmp",
    "image/tiff": "tiff",
    "image/ico": "ico",
    "image/x-icon": "ico",
    "image/vnd.microsoft.icon": "ico",
    "image/icns": "icns",
    "image/sgi": "sgi",
    "image/jp2": "jpeg2000",
    "image/jpeg2000": "jpeg2000",
    "video/mp4": "mp4",
    "video/avi": "avi",
    "video/x-msvideo": "avi",
    "video/quicktime": "mov",
    "video/mov": "mov",
}
EXTENSIONS = {
    **dict.fromkeys(("jpg", "jpeg"), "jpeg"),
    **dict.fromkeys(("png", "apng"), "png"),
    **dict.fromkeys(("tif", "tiff"), "tiff"),
    **dict.fromkeys(("j2c", "j2k", "jp2", "jpc", "jpf", "jpx"), "jpeg2000"),
    **dict.fromkeys(("mpg", "mpeg"), "mpeg"),
    **{name: name for name in ("gif", "webp", "bmp", "ico", "dib", "icns", "sgi", "heic", "avif", "svg")},
    **{name: name for name in ("mp4", "mov", "avi", "flv", "mkv", "webm")},
}
VIDEO_FORMATS = frozenset({"mp4", "mov", "avi", "flv", "mkv", "webm", "mpeg"})
_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)
_ICNS_SIDES = {
    **{b"icp4": 16, b"icp5": 32, b"icp6": 64, b"ic07": 128, b"ic08": 256, b"ic09": 512, b"ic10": 1024},
    **{
        b"ic11": 32,
        b"ic12": 64,
        b"ic13": 256,
        b"ic14": 512,
        b"is32": 16,
        b"il32": 32,
        b"ih32": 48,
        b"it32": 128,
    },
}


@dataclass(frozen=True, slots=True)
class Header:
    """A file's real format and size; zero by zero when the header does not say."""

    format: str
    width: int = 0
    height: int = 0


def data_uri(url: str) -> tuple[str, bytes] | None:
    """Return media type and bytes of a base64 data URI, or None if it is not a proper one."""
    match = _DATA_URI.match(url)
    if match is None:
        return None
    try:
        return match[1], b64decode(url[match.end() :], validate=True)
    except (binascii.Error, ValueError):
        return None


def url_format(url: str) -> str:
    """Return the format a URL's extension claims, or an empty string; a video's in capitals as it stands there."""
    name = url.partition("?")[0].partition("#")[0].rsplit("/", 1)[-1]
    extension = name.rpartition(".")[2]
    claimed = EXTENSIONS.get(extension.lower(), "")
    return extension if claimed in VIDEO_FORMATS and not extension.islower() else claimed


def header(data: bytes) -> Header | None:
    """Return the format and size of a file by its first bytes; None for an unknown format."""
    try:
        return _image(data) or _video(data)
    except (struct.error, IndexError):
        return None


def same(claimed: str, real: str) -> bool:
    """Whether a claimed format agrees with the real one; a DIB travels as `image/bmp`."""
    return claimed == real or (claimed, real) == ("bmp", "dib")


def _image(data: bytes) -> Header | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Header("png", *struct.unpack_from(">II", data, 16))
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return Header("gif", *struct.unpack_from("<HH", data, 6))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return _rare_image(data)


def _rare_image(data: bytes) -> Header | None:
    if data.startswith(b"BM"):
        return _bitmap("bmp", data[14:])
    if data.startswith(b"\x28\0\0\0"):
        return _bitmap("dib", data)
    if data.startswith((b"II*\0", b"MM\0*")):
        return _tiff(data)
    if data.startswith(b"\0\0\1\0"):
        return Header("ico", data[6] or 256, data[7] or 256)
    if data.startswith(b"icns"):
        return _icns(data)
    if data.startswith(b"\x01\xda"):
        return Header("sgi", *struct.unpack_from(">HH", data, 6))
    return _jpeg2000(data)


def _jpeg(data: bytes) -> Header:
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Header("jpeg", width, height)
        alone = marker in (0x01, 0xFF) or 0xD0 <= marker <= 0xD8
        at += (1 if marker == 0xFF else 2) if alone else 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return Header("jpeg")


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        return Header("webp", width, int.from_bytes(data[27:30], "little") + 1)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Header("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    width, height = struct.unpack_from("<HH", data, 26)
    return Header("webp", width & 0x3FFF, height & 0x3FFF)


def _icns(data: bytes) -> Header:
    """Walk the blocks; the largest picture is the one a model sees."""
    at, side = 8, 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(">4sI", data, at)
        side = max(side, _ICNS_SIDES.get(kind, 0))
        at += max(8, length)
    return Header("icns", side, side)


def _bitmap(name: str, info: bytes) -> Header:
    width, height = struct.unpack_from("<ii", info, 4)
    return Header(name, abs(width), abs(height))


def _tiff(data: bytes) -> Header:
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", data, 4)[0]
    size = {256: 0, 257: 0}
    for entry in range(struct.unpack_from(order + "H", data, start)[0]):
        at = start + 2 + 12 * entry
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag in size:
            size[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at + 8)[0]
    return Header("tiff", size[256], size[257])


def _jpeg2000(data: bytes) -> Header | None:
    if data.startswith(b"\xff\x4f\xff\x51"):
        right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
        return Header("jpeg2000", right - left, bottom - top)
    if not data.startswith(b"\0\0\0\x0cjP  \r\n\x87\n"):
        return None
    at = data.find(b"ihdr", 0, 4096)
    if at < 0:
        return Header("jpeg2000")
    height, width = struct.unpack_from(">II", data, at + 4)
    return Header("jpeg2000", width, height)


def _video(data: bytes) -> Header | None:
    if data[4:8] == b"ftyp":
        return Header("mov" if data[8:10] == b"qt" else "mp4")
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return Header("avi")
    return None


def objection(rule: MediaRule, kind: str, mime: str, data: bytes) -> str | None:
    """Return why a model refuses these bytes, or None."""
    real = header(data)
    # "视频格式需小写": the format of a video is written in lower case; nothing is said of pictures.
    claimed = MIME.get(mime if kind == "video" else mime.lower(), mime)
    if len(data) > rule.max_bytes:
        return f"{kind} of {len(data)} bytes exceeds the limit of {rule.max_bytes}"
    if real is None or (real.format in VIDEO_FORMATS) != (kind == "video"):
        return f"the bytes are no {kind} this model can read"
    if mime and not same(claimed, real.format):
        return f"the data URI says {mime} but the {kind} is {real.format}"
    if real.format not in rule.formats:
        return f"{kind} format {real.format} is not supported"
    if real.width and min(real.width, real.height) < rule.min_side:
        return f"image is {real.width}x{real.height}, each side must be at least {rule.min_side} pixels"
    if rule.max_pixels and real.width * real.height > rule.max_pixels:
        return f"image is {real.width}x{real.height}, more than {rule.max_pixels} pixels"
    return None


def picture_tokens(data: bytes) -> int:
    """Return the tokens of an image by its size; an image of unknown size counts like a link."""
    real = header(data)
    return tokens.image(real.width, real.height) if real and real.width else tokens.image(*tokens.LINK_SIZE)


def video_seconds(data: bytes) -> float:
    """Return the length of an MP4 or MOV by its `mvhd`; other videos count like a link."""
    at = data.find(b"mvhd") + 4
    long = data[at : at + 1] == b"\x01"
    try:
        scale, duration = struct.unpack_from(">IQ" if long else ">II", data, at + (20 if long else 12))
    except struct.error:
        return tokens.LINK_SECONDS
    known = at >= 4 and scale and duration
    return duration / scale if known else tokens.LINK_SECONDS


def unreachable(url: str) -> bool:
    """Return whether a link counts as unreachable: its host starts with `unreachable.`."""
    try:
        return (urlsplit(url).hostname or "").startswith("unreachable.")
    except ValueError:  # not a URL at all
        return True
