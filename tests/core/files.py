"""Media that are nothing but a header and padding: enough for what is checked before sending."""

from __future__ import annotations

import struct
import zlib

from volc_dashscope import Image, Video


def png(width: int = 32, height: int = 32, *, size: int = 0) -> bytes:
    """Return a PNG header of these sides, padded to `size` bytes."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return data.ljust(size, b"\0")


def mp4(*, size: int = 0) -> bytes:
    """Return the first box of an MP4, padded to `size` bytes."""
    return b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".ljust(size, b"\0")


def gif(width: int = 32, height: int = 32) -> bytes:
    """Return the header of a GIF, a format that few models take."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0\x3b"


def picture(number: int = 0) -> Image:
    """Return a picture by URL, different for each number."""
    return Image.from_url(f"https://pictures.example/{number}.png")


def clip(number: int = 0, *, fps: float | None = None) -> Video:
    """Return a video by URL."""
    return Video.from_url(f"https://pictures.example/{number}.mp4", fps=fps)
