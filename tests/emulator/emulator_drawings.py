"""Pictures made on the spot."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import Any

from PIL import Image


def picture(kind: str = "png", size: tuple[int, int] = (32, 32), color: str = "red", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind, **options)
    return out.getvalue()


def uri(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{b64encode(data).decode()}"
