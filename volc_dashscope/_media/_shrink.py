"""
Shrinks a picture, for a client that sets `max_image_pixels` and for pages that show many.

The only module here that decodes a picture, so Pillow is imported inside the function that needs it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from volc_dashscope._media._measure import Size
from volc_dashscope._media._sources import Inline, Source

if TYPE_CHECKING:
    from PIL import Image

# No side gets shorter than this: models refuse a side of fewer than 15 pixels, and a long, narrow picture that a
# model takes as it is must not become one that it refuses.
_SHORTEST_SIDE = 32
# Pillow's documentation calls 95 the most that makes sense, and the default of 75 leaves visible blocks.
_QUALITY = 90
# A JPEG is decoded at a half, a quarter or an eighth of its size, as long as that is this much larger than the result:
# that is faster, and the filter still has pixels to average.
_DRAFT = 1.5
# By our format names. Others (HEIC, ...) are sent as they are, because Pillow alone cannot read them.
_DECODERS = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "bmp": "BMP",
    "dib": "DIB",
    "tiff": "TIFF",
    "gif": "GIF",
    "ico": "ICO",
    "icns": "ICNS",
    "sgi": "SGI",
    "jpeg2000": "JPEG2000",
}
# A file of a few kilobytes may be a picture that fills the memory.
_MAX_PIXELS = 100_000_000
_GREY = ("1", "L", "LA", "La")
# Errors that decoders raise for damaged files.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error)


def shrunk_size(size: Size, max_pixels: int | None) -> Size:
    """Return width and height after shrinking to `max_pixels`: the same proportions, and never larger."""
    width, height = size
    if max_pixels is None or width * height <= max_pixels:
        return size
    scale = max(math.sqrt(max_pixels / (width * height)), _SHORTEST_SIDE / min(size))
    if scale >= 1:
        return size
    shortest = min(_SHORTEST_SIDE, *size)
    return max(shortest, int(width * scale)), max(shortest, int(height * scale))


def shrink(source: Source, max_pixels: int) -> Source:
    """
    Return a picture with at most `max_pixels`, as bytes; or the source itself.

    The result is upright and has no EXIF data. Transparency and colour profile are kept. JPEG, PNG and WebP keep their
    format; other formats become PNG if transparent, else JPEG. URLs, pictures of unknown size or with few enough
    pixels, animations, and files that Pillow cannot read are returned unchanged.

    Raises:
        InputError: The file changed since it was given.
    """
    if (
        source.media is None
        or source.pixels is None
        or shrunk_size(source.pixels, max_pixels) == source.pixels
    ):
        return source
    small = _smaller(source.read(), source.media.format, max_pixels)
    return source if small is None else Inline.of(small, "image")


class Thumbnail(NamedTuple):
    """A small WebP with its size."""

    data: bytes
    width: int
    height: int


def thumbnail(file: BinaryIO, side: int) -> Thumbnail | None:
    """Return a picture upright and at most that wide and high, or None if Pillow cannot read it by itself."""
    from PIL import Image, ImageOps

    try:
        # Pillow reads these with its own code; for other formats it may start programs or read other files.
        with _opened(file, _DECODERS.values()) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                return None
            opened.draft("RGB", (side * 2, side * 2))
            upright = ImageOps.exif_transpose(opened)
            if upright.mode.startswith("I;16"):  # which Pillow would cut to its lowest 256 of 65,536 greys
                upright = upright.convert("I").point(lambda grey: grey / 256)
            small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (*_DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    small.thumbnail((side, side))
    buffer = BytesIO()
    small.save(buffer, "WEBP", quality=85)
    return Thumbnail(buffer.getvalue(), *small.size)


def _smaller(data: bytes, kind: str, max_pixels: int) -> bytes | None:
    from PIL import Image, ImageOps

    if kind not in _DECODERS:
        return None
    try:
        with _opened(BytesIO(data), (_DECODERS[kind],)) as opened:
            # The second picture of a JPEG is a preview or depth, never a later one.
            if kind != "jpeg" and getattr(opened, "is_animated", False):
                return None
            size, whole = shrunk_size(opened.size, max_pixels), opened.size
            opened.draft(None, (math.ceil(size[0] * _DRAFT), math.ceil(size[1] * _DRAFT)))
            ImageOps.exif_transpose(opened, in_place=True)
            if (opened.width < opened.height) != (whole[0] < whole[1]):
                size = size[1], size[0]
            return _encoded(opened, _mode(opened, kind), size, kind)
    # Some formats have further sizes inside, which Pillow compares with its limit itself.
    except (*_DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def _opened(file: BinaryIO, formats: Iterable[str]) -> Image.Image:
    """
    Open a picture, as `Image.open` does, but without its warning about many pixels, which would be printed.

    Raises:
        OSError: It is of none of the formats, or so large that `Image.open` refuses it too.
    """
    from PIL import Image

    Image.preinit()
    beginning = file.read(16)
    for name in formats:
        if name not in Image.OPEN:
            Image.init()
        make, accept = Image.OPEN[name]
        with suppress(SyntaxError, IndexError, TypeError, struct.error):  # then it is of another format
            if accept is not None and accept(beginning) is not True:
                continue
            file.seek(0)
            opened = make(file, "")
            if opened.width * opened.height > 2 * (Image.MAX_IMAGE_PIXELS or math.inf):
                raise OSError("too many pixels")
            return opened
    raise OSError("no known format")


def _mode(picture: Image.Image, kind: str) -> str:
    """Return the Pillow mode in which a picture can be resized and saved."""
    if picture.mode.startswith("I"):  # 16 bits a pixel
        return "I"
    if picture.has_transparency_data:
        return "LA" if picture.mode in _GREY else "RGBA"
    if picture.mode in _GREY:
        return "L"
    return "CMYK" if picture.mode == "CMYK" and kind == "jpeg" else "RGB"


def _encoded(picture: Image.Image, mode: str, size: Size, kind: str) -> bytes:
    from PIL import Image

    # A profile describes the colours of its own mode.
    profile = picture.info.get("icc_profile") if (picture.mode == "CMYK") == (mode == "CMYK") else None
    plain = picture if picture.mode == mode else picture.convert(mode)
    small = plain.resize(size, Image.Resampling.LANCZOS)
    buffer = BytesIO()
    if mode == "I":
        small.convert("I;16").save(buffer, "PNG", icc_profile=profile)
    elif kind == "webp":
        small.save(buffer, "WEBP", quality=_QUALITY, icc_profile=profile)
    elif kind == "png" or mode in ("LA", "RGBA"):
        small.save(buffer, "PNG", icc_profile=profile)
    else:
        small.save(buffer, "JPEG", quality=_QUALITY, icc_profile=profile)
    return buffer.getvalue()
