"""The pictures of a gallery and of the page: drawn as they are meant, and never more than that."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from paintings import painted
from PIL import Image as Pillow

from volc_dashscope.search.gallery import Hit, Ranking, write_gallery


def _drawn(tmp_path: Path, data: bytes) -> Pillow.Image | None:
    """The picture that a gallery shows of a file, or None if it shows a film."""
    path = tmp_path / "a.png"
    path.write_bytes(data)
    page = tmp_path / "page.html"
    write_gallery(
        page, title="t", note="n", rankings=[Ranking("red", None, [Hit(1, 0.5, path, caption="a picture")])]
    )
    found = re.search(
        r'src="data:image/webp;base64,([^"]+)" width="(\d+)" height="(\d+)"', page.read_text("utf-8")
    )
    if found is None:
        assert 'class="film"' in page.read_text("utf-8")
        return None
    opened = Pillow.open(BytesIO(b64decode(found[1])))
    assert opened.size == (int(found[2]), int(found[3]))
    return opened


def _damaged_png() -> bytes:
    whole = painted("red", (64, 64))
    at = whole.index(b"IDAT")
    return whole[:at] + b"\x01\x02\x03\x04" + whole[at + 4 :]


def _too_many_pixels() -> bytes:
    buffer = BytesIO()
    Pillow.new("1", (15_000, 10_000)).save(buffer, "PNG")
    return buffer.getvalue()


# Painted in the test: every worker loads this file, and only one runs it.
UNDRAWN: dict[str, Callable[[], bytes]] = {
    "damaged chunk": _damaged_png,
    "cut off": lambda: painted("red", (640, 640), "BMP")[:5000],
    "mode of an unknown kind": lambda: b"\x01\xda\x00\x07" + bytes(600),
    "a program for Ghostscript": lambda: (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    ),
    "too many pixels": _too_many_pixels,
}


@pytest.mark.parametrize("data", UNDRAWN.values(), ids=UNDRAWN)
def test_what_cannot_be_drawn_does_not_end_a_search_that_is_paid_for(tmp_path, data):
    assert _drawn(tmp_path, data()) is None


def test_a_photograph_stands_upright(tmp_path):
    turned = Pillow.Exif()
    turned[0x0112] = 6  # the camera was held upright

    assert (160, 320) == _drawn(tmp_path, painted("red", (640, 320), "JPEG", exif=turned)).size


def test_what_is_transparent_stays_so(tmp_path):
    buffer = BytesIO()
    Pillow.new("RGBA", (32, 32), (255, 0, 0, 0)).save(buffer, "PNG")

    assert 0 == _drawn(tmp_path, buffer.getvalue()).convert("RGBA").getpixel((5, 5))[3]


def test_sixteen_bits_of_grey_are_not_white(tmp_path):
    buffer = BytesIO()
    Pillow.new("I;16", (32, 32), 0x8000).save(buffer, "PNG")

    assert abs(128 - _drawn(tmp_path, buffer.getvalue()).convert("L").getpixel((5, 5))) < 3
