"""Pictures made on the spot."""

from __future__ import annotations

import io
from base64 import b64encode

from PIL import Image


def picture(kind: str = "png", size: tuple[int, int] = (32, 32), color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()


def uri(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{b64encode(data).decode()}"
