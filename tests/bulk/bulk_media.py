"""Media made on the spot: pictures a decoder takes, and a video that is nothing but its first box."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def picture(side: int = 32, kind: str = "PNG") -> bytes:
    """Return a picture of one colour."""
    buffer = BytesIO()
    Image.new("RGB", (side, side), "red").save(buffer, kind)
    return buffer.getvalue()


def png(side: int = 32) -> bytes:
    """Return a PNG."""
    return picture(side)


def gif() -> bytes:
    """Return a GIF, which few models take."""
    return picture(kind="GIF")


def mp4() -> bytes:
    """Return the first box of an MP4."""
    return b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".ljust(64, b"\0")
