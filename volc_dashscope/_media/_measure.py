"""
Width and height of an image, and the length of a video, from its header.

The bytes may be hostile: every loop is bounded, every field is read by `struct`, which fails on a short read, and the
answer to anything unreadable is None.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

Size = tuple[int, int]
Reader = Callable[[int, int], bytes]
"""Takes an offset and a count; returns that many bytes, or fewer where the file ends."""

# A JPEG of 10 MB whose SOF comes last has about 160 full segments before it; a TIFF has a few dozen tags.
_MAX_STEPS = 4096
_SEGMENT = struct.Struct(">BBH")
_STANDALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ICNS_SIZES: Mapping[bytes, Size] = {
    **dict.fromkeys((b"icm#", b"icm4", b"icm8"), (16, 12)),
    **dict.fromkeys((b"ics#", b"ics4", b"ics8", b"is32", b"icp4", b"ic04"), (16, 16)),
    b"icsb": (18, 18),
    b"sb24": (24, 24),
    **dict.fromkeys((b"ICON", b"ICN#", b"icl4", b"icl8", b"il32", b"icp5", b"ic05", b"ic11"), (32, 32)),
    b"icsB": (36, 36),
    **dict.fromkeys((b"ich#", b"ich4", b"ich8", b"ih32", b"SB24"), (48, 48)),
    **dict.fromkeys((b"icp6", b"ic12"), (64, 64)),
    **dict.fromkeys((b"it32", b"ic07"), (128, 128)),
    **dict.fromkeys((b"ic08", b"ic13"), (256, 256)),
    **dict.fromkeys((b"ic09", b"ic14"), (512, 512)),
    b"ic10": (1024, 1024),
}


def measure(data: bytes | Reader, format: str) -> Size | None:
    """
    Return width and height in pixels, or None if the header cannot be read.

    Args:
        data: The file's bytes, or a function that reads them (a TIFF directory may be anywhere in the file).
        format: Canonical name, as `sniff` gives it.
    """
    parse = _PARSERS.get(format)
    if parse is None:
        return None
    try:
        size = parse(_reader(data) if isinstance(data, bytes) else data)
    except struct.error:
        return None
    return size if size and min(size) > 0 else None


def duration(data: bytes | Reader, format: str) -> float | None:
    """
    Return the length of an MP4, MOV or AVI in seconds, or None if its header does not say.

    Args:
        data: The file's bytes, or a function that reads them (`moov` may come after all frames).
        format: Canonical name, as `sniff` gives it.
    """
    parse = _LENGTHS.get(format)
    if parse is None:
        return None
    with suppress(struct.error):
        return parse(_reader(data) if isinstance(data, bytes) else data)
    return None


def _reader(data: bytes) -> Reader:
    return lambda offset, count: data[offset : offset + count]


def _unpack(layout: str, at: Reader, offset: int) -> tuple[Any, ...]:
    return struct.unpack(layout, at(offset, struct.calcsize(layout)))


def _jpeg(at: Reader) -> Size | None:
    offset = 2
    for _ in range(_MAX_STEPS):
        # No segment that says anything ends with its marker, so that the length can be read with it.
        prefix, marker, length = _SEGMENT.unpack(at(offset, 4))
        if prefix != 0xFF or marker in (0x00, 0xD9, 0xDA):
            return None
        if marker == 0xFF:
            offset += 1
        elif marker in _STANDALONE:
            offset += 2
        elif marker in _FRAME_HEADERS:
            height, width = _unpack(">HH", at, offset + 5)
            return width, height
        else:
            offset += 2 + length
    return None


def _png(at: Reader) -> Size | None:
    chunk, width, height = _unpack(">4sII", at, 12)
    return (width, height) if chunk == b"IHDR" else None


def _gif(at: Reader) -> Size | None:
    width, height = _unpack("<HH", at, 6)
    return width, height


def _webp(at: Reader) -> Size | None:
    chunk = at(12, 4)
    if chunk == b"VP8 ":
        start, width, height = _unpack("<3sHH", at, 23)
        return (width & 0x3FFF, height & 0x3FFF) if start == b"\x9d\x01\x2a" else None
    if chunk == b"VP8L":
        signature, bits = _unpack("<BI", at, 20)
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) if signature == 0x2F else None
    if chunk == b"VP8X":
        low, high, tall, taller = _unpack("<HBHB", at, 24)
        return low + (high << 16) + 1, tall + (taller << 16) + 1
    return None


def _bmp(at: Reader) -> Size | None:
    return _dib(at, 14)


def _dib(at: Reader, start: int = 0) -> Size | None:
    (header,) = _unpack("<I", at, start)
    width, height = _unpack("<HH" if header == 12 else "<ii", at, start + 4)
    # A negative height means rows from the top down.
    return width, abs(height)


def _tiff(at: Reader) -> Size | None:
    order = "<" if at(0, 2) == b"II" else ">"
    (version,) = _unpack(order + "H", at, 2)
    big = version == 43
    (start,) = _unpack(order + ("Q" if big else "I"), at, 8 if big else 4)
    (count,) = _unpack(order + ("Q" if big else "H"), at, start)
    first, step, value_at = (start + 8, 20, 12) if big else (start + 2, 12, 8)
    layouts = {1: "B", 3: "H", 4: "I", 16: "Q"}
    sides: dict[int, int] = {}
    for index in range(min(count, _MAX_STEPS)):
        entry = first + index * step
        tag, kind = _unpack(order + "HH", at, entry)
        if tag in (256, 257) and kind in layouts:
            (sides[tag],) = _unpack(order + layouts[kind], at, entry + value_at)
        if len(sides) == 2:
            return sides[256], sides[257]
    return None


def _ico(at: Reader) -> Size | None:
    (count,) = _unpack("<H", at, 4)
    entries = at(6, 16 * min(count, _MAX_STEPS))
    # A side of 256 does not fit the byte and is written as 0.
    sizes = [(entries[i] or 256, entries[i + 1] or 256) for i in range(0, len(entries) - 15, 16)]
    return max(sizes, key=_area, default=None)


def _icns(at: Reader) -> Size | None:
    offset, sizes = 8, []
    for _ in range(_MAX_STEPS):
        block = at(offset, 8)
        if len(block) < 8:
            break
        name, length = struct.unpack(">4sI", block)
        if name in _ICNS_SIZES:
            sizes.append(_ICNS_SIZES[name])
        offset += max(length, 8)
    return max(sizes, key=_area, default=None)


def _sgi(at: Reader) -> Size | None:
    width, height = _unpack(">HH", at, 6)
    return width, height


def _jpeg2000(at: Reader) -> Size | None:
    if at(0, 2) == b"\xff\x4f":
        right, bottom, left, top = _unpack(">IIII", at, 8)
        return right - left, bottom - top
    offset = 0
    for _ in range(_MAX_STEPS):
        length, name = _unpack(">I4s", at, offset)
        body = 8
        if length == 1:
            (length,) = _unpack(">Q", at, offset + 8)
            body = 16
        if name == b"ihdr":
            height, width = _unpack(">II", at, offset + body)
            return width, height
        # `jp2h` is the box around `ihdr`: skip its header only.
        offset += body if name == b"jp2h" else max(length, body)
        if length == 0 and name != b"jp2h":
            return None
    return None


class _Boxes:
    """The boxes of an ISO base media file. All loops share one budget of steps, which nesting cannot multiply."""

    def __init__(self, at: Reader) -> None:
        self.at, self._left = at, _MAX_STEPS

    def inside(self, start: int, end: float) -> Iterator[tuple[bytes, int, float]]:
        """Yield the name, the start of the content and the end of each box; stop at an impossible length."""
        while start + 8 <= end and self._left > 0:
            self._left -= 1
            head = self.at(start, 8)
            if len(head) < 8:
                return
            length, name = struct.unpack(">I4s", head)
            body = start + 8
            if length == 1:
                (length,) = _unpack(">Q", self.at, body)
                body += 8
            # Length 0 is "to the end of the file".
            stop = end if length == 0 else start + length
            if not body <= stop:
                return
            yield name, body, min(stop, end)
            if stop >= end:
                return
            start += length

    def first(self, name: bytes, start: int, end: float) -> tuple[int, float] | None:
        """Return the start and end of the content of the first box with this name."""
        return next(((body, stop) for found, body, stop in self.inside(start, end) if found == name), None)

    def length(self, body: int, end: float) -> float | None:
        """Return the seconds in the content of an `mvhd` or `mdhd` box; 0 and all ones mean unknown."""
        scale_and_duration = self._scale_and_duration(body, end)
        if scale_and_duration is None:
            return None
        scale, duration, unknown = scale_and_duration
        return duration / scale if scale and duration not in (0, unknown) else None

    def scale(self, body: int, end: float) -> int:
        """Return the ticks a second of an `mvhd` box, or 0."""
        found = self._scale_and_duration(body, end)
        return found[0] if found else 0

    def _scale_and_duration(self, body: int, end: float) -> tuple[int, int, int] | None:
        (version,) = _unpack(">B", self.at, body)
        # Version and flags, two dates, then these.
        layout, skip, unknown = (">II", 12, 2**32 - 1) if version == 0 else (">IQ", 20, 2**64 - 1)
        if version > 1 or body + skip + struct.calcsize(layout) > end:
            return None
        scale, duration = _unpack(layout, self.at, body + skip)
        return scale, duration, unknown


def _movie(at: Reader) -> float | None:
    boxes = _Boxes(at)
    moov = boxes.first(b"moov", 0, math.inf)
    if moov is None:
        return None
    header: tuple[int, float] | None = None
    extends: tuple[int, float] | None = None
    tracks: list[tuple[int, float]] = []
    for name, body, end in boxes.inside(*moov):
        if name == b"mvhd":
            header = header or (body, end)
        elif name == b"mvex":
            extends = extends or (body, end)
        elif name == b"trak":
            tracks.append((body, end))
    if extends is not None:
        # A fragmented file: its headers describe the first fragment at most.
        return _fragmented(boxes, header, extends)
    stated = boxes.length(*header) if header else None
    return stated if stated is not None else _longest(boxes, tracks)


def _fragmented(boxes: _Boxes, header: tuple[int, float] | None, extends: tuple[int, float]) -> float | None:
    whole = boxes.first(b"mehd", *extends)
    scale = boxes.scale(*header) if header else 0
    if whole is None or not scale:
        return None
    (version,) = _unpack(">B", boxes.at, whole[0])
    if version > 1:
        return None
    (ticks,) = _unpack(">I" if version == 0 else ">Q", boxes.at, whole[0] + 4)
    return ticks / scale or None


def _longest(boxes: _Boxes, tracks: list[tuple[int, float]]) -> float | None:
    """Return the length of the longest track that holds pictures."""
    found: list[float] = []
    for track in tracks:
        media = boxes.first(b"mdia", *track)
        if media is None:
            continue
        parts = {name: (body, end) for name, body, end in boxes.inside(*media)}
        if b"mdhd" not in parts or b"hdlr" not in parts:
            continue
        if boxes.at(parts[b"hdlr"][0] + 8, 4) == b"vide":
            stated = boxes.length(*parts[b"mdhd"])
            found += [stated] if stated is not None else []
    return max(found, default=None)


def _avi(at: Reader) -> float | None:
    lists, header, avih = _unpack("<4s4x4s4s", at, 12)
    if (lists, header, avih) != (b"LIST", b"hdrl", b"avih"):
        return None
    microseconds, frames = _unpack("<I12xI", at, 32)
    return microseconds * frames / 1e6 or None


def _area(size: Size) -> int:
    return size[0] * size[1]


_PARSERS: Mapping[str, Callable[[Reader], Size | None]] = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "bmp": _bmp,
    "dib": _dib,
    "tiff": _tiff,
    "ico": _ico,
    "icns": _icns,
    "sgi": _sgi,
    "jpeg2000": _jpeg2000,
}
_LENGTHS: Mapping[str, Callable[[Reader], float | None]] = {"mp4": _movie, "mov": _movie, "avi": _avi}
