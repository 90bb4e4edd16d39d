"""Headers, MIME types, data URIs and fenced files, against real files and hostile ones."""

from __future__ import annotations

import os
import socket
import struct
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from volc_dashscope._media import (
    HEAD_BYTES,
    LocalFile,
    agrees,
    data_uri,
    label_url,
    measure,
    open_fenced,
    parse_data_uri,
    sniff,
)
from volc_dashscope.errors import InputError

IMAGES = ("jpeg", "png", "gif", "webp", "bmp", "tiff", "ico", "dib", "icns", "sgi", "jpeg2000")
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def _picture(mode: str = "RGB", size: tuple[int, int] = (37, 23)) -> Pillow.Image:
    return Pillow.effect_noise(size, 60).convert(mode)


def _written(format: str, mode: str = "RGB", size: tuple[int, int] = (37, 23), **options: Any) -> bytes:
    buffer = BytesIO()
    _picture(mode, size).save(buffer, format=format, **options)
    return buffer.getvalue()


def _large_exif() -> bytes:
    exif = Pillow.Exif()
    exif[0x010E] = "x" * 60_000
    return _written("JPEG", exif=exif, icc_profile=b"p" * 200_000)


def _tiff(order: str, big: bool, *, far: int = 0, kind: int = 4) -> bytes:
    """A header and one directory, 37 x 23, `far` bytes into the file."""
    prefix = b"II" if order == "<" else b"MM"
    value = {3: "H", 4: "I", 16: "Q"}[kind]
    room = 8 if big else 4
    entries = b""
    tags = ((254, 0), (256, 37), (257, 23), (258, 8), (259, 1), (262, 1), (273, 8))
    for tag, side in tags:
        field = struct.pack(order + value, side).ljust(room, b"\0")
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, 1) + field
    if big:
        head = prefix + struct.pack(order + "HHHQ", 43, 8, 0, 16 + far)
        return head + bytes(far) + struct.pack(order + "Q", len(tags)) + entries + bytes(8)
    head = prefix + struct.pack(order + "HI", 42, 8 + far)
    return head + bytes(far) + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def _bmp_header(layout: str, *fields: int) -> bytes:
    header = struct.pack(layout, *fields)
    return b"BM" + struct.pack("<IHHI", 14 + len(header), 0, 0, 14 + len(header)) + header + bytes(8)


def _old_icns(*names: bytes) -> bytes:
    blocks = b"".join(name + struct.pack(">I", 8 + 10) + bytes(10) for name in names)
    return b"icns" + struct.pack(">I", 8 + len(blocks)) + blocks


def _siz_with_offset() -> bytes:
    """A codestream whose image area starts at 5, 3 of its reference grid."""
    return b"\xff\x4f\xff\x51" + struct.pack(">HHIIIIIIIIHBBB", 41, 0, 42, 26, 5, 3, 42, 26, 0, 0, 1, 7, 1, 1)


def _jpx() -> bytes:
    """A box of 64-bit length before the header box, as JPX allows."""
    header = struct.pack(">I4sIIHBBBB", 22, b"ihdr", 23, 37, 3, 7, 7, 0, 0)
    return (
        b"\0\0\0\x0cjP  \r\n\x87\n"
        + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jpx ", 0, b"jpx ")
        + struct.pack(">I4sQ", 1, b"rreq", 24)
        + bytes(8)
        + struct.pack(">I4s", 8 + len(header), b"jp2h")
        + header
    )


HERE = (37, 23)
FILES: dict[str, tuple[str, tuple[int, int], Callable[[], bytes]]] = {
    "jpeg": ("jpeg", HERE, lambda: _written("JPEG")),
    "jpeg-progressive": ("jpeg", HERE, lambda: _written("JPEG", progressive=True)),
    "jpeg-grey": ("jpeg", HERE, lambda: _written("JPEG", "L")),
    "jpeg-cmyk": ("jpeg", HERE, lambda: _written("JPEG", "CMYK")),
    "jpeg-exif-and-icc-first": ("jpeg", HERE, _large_exif),
    "jpeg-fill-bytes": ("jpeg", HERE, lambda: b"\xff\xd8\xff\xff" + _written("JPEG")[2:]),
    "png": ("png", HERE, lambda: _written("PNG")),
    "png-alpha": ("png", HERE, lambda: _written("PNG", "RGBA")),
    "gif": ("gif", HERE, lambda: _written("GIF", "P")),
    "webp-lossy": ("webp", HERE, lambda: _written("WEBP", quality=50)),
    "webp-lossless": ("webp", HERE, lambda: _written("WEBP", lossless=True)),
    "webp-alpha": ("webp", HERE, lambda: _written("WEBP", "RGBA", quality=50)),
    "webp-lossless-alpha": ("webp", HERE, lambda: _written("WEBP", "RGBA", lossless=True)),
    "webp-extended": ("webp", HERE, lambda: _written("WEBP", icc_profile=b"p" * 40)),
    "webp-wide": ("webp", (16000, 2), lambda: _written("WEBP", size=(16000, 2), lossless=True)),
    "bmp": ("bmp", HERE, lambda: _written("BMP")),
    "bmp-top-down": ("bmp", HERE, lambda: _bmp_header("<IiiHHIIiiII", 40, 37, -23, 1, 24, *(0,) * 6)),
    "bmp-core": ("bmp", HERE, lambda: _bmp_header("<IHHHH", 12, 37, 23, 1, 24)),
    "bmp-v5": ("bmp", HERE, lambda: _bmp_header("<IiiHH108x", 124, 37, 23, 1, 32)),
    "dib": ("dib", HERE, lambda: _written("DIB")),
    "dib-core": ("dib", HERE, lambda: struct.pack("<IHHHH4x", 12, 37, 23, 1, 24)),
    "dib-top-down": ("dib", HERE, lambda: struct.pack("<IiiHH24x", 40, 37, -23, 1, 24)),
    "tiff": ("tiff", HERE, lambda: _written("TIFF")),
    "tiff-deflate": ("tiff", HERE, lambda: _written("TIFF", compression="tiff_deflate")),
    "tiff-pillow-big": ("tiff", HERE, lambda: _written("TIFF", big_tiff=True)),
    "tiff-big-endian": ("tiff", HERE, lambda: _tiff(">", False)),
    "tiff-big-endian-short": ("tiff", HERE, lambda: _tiff(">", False, kind=3)),
    "tiff-far-directory": ("tiff", HERE, lambda: _tiff("<", False, far=3_000_000)),
    "bigtiff": ("tiff", HERE, lambda: _tiff("<", True)),
    "bigtiff-big-endian": ("tiff", HERE, lambda: _tiff(">", True, kind=16)),
    "bigtiff-far-directory": ("tiff", HERE, lambda: _tiff(">", True, far=3_000_000)),
    "ico-largest-of-three": (
        "ico",
        (64, 64),
        lambda: _written("ICO", "RGBA", (64, 64), sizes=[(16, 16), (64, 64), (32, 32)]),
    ),
    "ico-256-is-zero": ("ico", (256, 256), lambda: _written("ICO", "RGBA", (256, 256), sizes=[(256, 256)])),
    "icns": ("icns", (1024, 1024), lambda: _written("ICNS", "RGBA", (64, 64))),
    "icns-old": ("icns", (48, 48), lambda: _old_icns(b"is32", b"s8mk", b"ih32", b"il32")),
    "icns-16x12": ("icns", (16, 12), lambda: _old_icns(b"icm8")),
    "sgi": ("sgi", HERE, lambda: _written("SGI")),
    "sgi-grey": ("sgi", HERE, lambda: _written("SGI", "L")),
    "jpeg2000-jp2": ("jpeg2000", HERE, lambda: _written("JPEG2000")),
    "jpeg2000-codestream": ("jpeg2000", HERE, lambda: _written("JPEG2000", no_jp2=True)),
    "jpeg2000-offset": ("jpeg2000", HERE, _siz_with_offset),
    "jpeg2000-jpx": ("jpeg2000", HERE, _jpx),
}
# Each file is written once, and not for each of the many examples that damage it.
FILES = {name: (format, size, cache(make)) for name, (format, size, make) in FILES.items()}


@pytest.mark.parametrize("name", FILES)
def test_size_and_format_come_from_the_header(name: str) -> None:
    format, size, make = FILES[name]
    data = make()

    found = sniff(data[:HEAD_BYTES])

    assert (format, size) == (found.format if found else None, measure(data, format))


@pytest.mark.parametrize("name", FILES)
def test_size_of_a_file_on_disk_equals_size_of_its_bytes(name: str, tmp_path: Path) -> None:
    format, size, make = FILES[name]
    path = tmp_path / "picture"
    path.write_bytes(make())

    found = LocalFile.of(path, "image", None)

    assert (format, size) == (found.media.format, found.pixels)


@pytest.mark.parametrize(
    "name",
    [
        "bmp-core",
        "bmp-top-down",
        "bmp-v5",
        "bigtiff",
        "dib-core",
        "dib-top-down",
        "icns-old",
        "jpeg2000-jpx",
        "jpeg2000-offset",
        "tiff-big-endian",
        "tiff-big-endian-short",
        "tiff-far-directory",
    ],
)
def test_pillow_reads_the_same_size_from_a_hand_made_header(name: str) -> None:
    _, size, make = FILES[name]

    with Pillow.open(BytesIO(make())) as picture:
        found = picture.size

    assert size == found


VIDEOS = {
    "mp4": ("mp4", b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"),
    "mp4-mp42": ("mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),
    "mov": ("mov", b"\0\0\0\x14ftypqt  \0\0\0\0qt  "),
    "mov-before-ftyp": ("mov", b"\0\0\0\x08wide\0\x10\0\0mdat"),
    "avi": ("avi", b"RIFF\0\0\1\0AVI LIST"),
    "mpeg-program": ("mpeg", b"\0\0\x01\xba\x44\0\x04\0\x04\x01"),
    "mpeg-elementary": ("mpeg", b"\0\0\x01\xb3\x14\0\xf0\x23"),
    "webm": ("webm", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webmB\x87\x81\x04"),
    "webm-long-size": ("webm", b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x01\0\0\0\0\0\0\x04webm"),
    "mkv": ("mkv", b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroskaB\x87\x81\x04"),
    "flv": ("flv", b"FLV\x01\x05\0\0\0\x09\0\0\0\0"),
}


@pytest.mark.parametrize(("format", "head"), VIDEOS.values(), ids=VIDEOS)
def test_videos_are_recognised(format: str, head: bytes) -> None:
    found = sniff(head)

    assert (format, "video") == (found and found.format, found and found.kind)


STRANGERS = {
    "nothing": b"",
    "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
    "pdf": b"%PDF-1.7\n",
    "text-starting-BM": b"BMW builds cars, and this is a text that says so at some length.",
    "text-like-an-atom": b"The moov atom is described below",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "avif": b"\0\0\0\x1cftypavif\0\0\0\0mif1avif",
    "audio-m4a": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42",
    "wave": b"RIFF\x24\0\0\0WAVEfmt ",
    "cursor": b"\0\0\x02\0\x01\0\x20\x20\0\0\0\0\0\0\0\x01\0\0\x16\0\0\0",
    "true-type": b"\0\x01\0\0\0\x0f\0\x80\0\x03\0\x70GDEF\0\0\0\0\0\0",
    "ico-pointing-into-itself": b"\0\0\x01\0\x02\0\x20\x20\0\0\x01\0\x18\0\0\0\x01\0\x16\0\0\0",
    "zeros": bytes(64),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(57),
}


@pytest.mark.parametrize("head", STRANGERS.values(), ids=STRANGERS)
def test_other_content_is_not_recognised(head: bytes) -> None:
    assert None is sniff(head)


def test_the_first_bytes_decide_for_a_polyglot() -> None:
    gif = _written("GIF", "P")
    polyglot = gif + _written("PNG", size=(99, 98)) + b"<html>"

    found = sniff(polyglot)

    assert ("gif", HERE) == (found and found.format, measure(polyglot, "gif"))


def test_a_thumbnail_inside_exif_is_not_the_image() -> None:
    exif = b"Exif\0\0" + _written("JPEG", size=(8, 8))
    whole = _written("JPEG")
    data = whole[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + whole[2:]

    assert HERE == measure(data, "jpeg")


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_in_its_header_has_the_true_size_or_none(name: str) -> None:
    format, size, make = FILES[name]
    data = make()

    found = {measure(data[:end], format) for end in range(min(len(data), 400))}

    # The directory of an icon lists sizes one by one: cut short, the largest may be a smaller one.
    assert found <= {size, None} or format in ("ico", "icns")


@pytest.mark.parametrize("format", ["png", "gif", "bmp", "dib", "sgi", "webp"])
def test_a_size_of_zero_is_no_size(format: str) -> None:
    heads = {
        "png": PNG_MAGIC + b"\0\0\0\x0dIHDR" + bytes(8),
        "gif": b"GIF89a" + bytes(4),
        "bmp": _bmp_header("<IiiHH", 40, 0, 0, 1, 24),
        "dib": struct.pack("<IiiHH", 40, 0, 7, 1, 24),
        "sgi": b"\x01\xda\x00\x01\0\x03" + bytes(6),
        "webp": b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + bytes(4),
    }

    assert None is measure(heads[format], format)


def test_an_unknown_format_has_no_size() -> None:
    assert None is measure(b"anything", "svg")


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=600), format=st.sampled_from(IMAGES))
def test_arbitrary_bytes_never_raise(data: bytes, format: str) -> None:
    sniff(data)
    found = measure(data, format)

    assert found is None or min(found) > 0


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from([name for name in FILES if "far" not in name]),
    patches=st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=8)), max_size=6),
)
def test_damaged_headers_never_raise(name: str, patches: list[tuple[int, bytes]]) -> None:
    format, _, make = FILES[name]
    data = bytearray(make()[:4000])
    for offset, patch in patches:
        data[offset : offset + len(patch)] = patch

    sniff(bytes(data))
    found = measure(bytes(data), format)

    assert found is None or min(found) > 0


BOMBS = {
    "jpeg-tiny-segments": ("jpeg", b"\xff\xd8" + b"\xff\xe0\0\x02" * 2_000_000),
    "jpeg-fill": ("jpeg", b"\xff\xd8" + b"\xff" * 8_000_000),
    "jpeg-zero-length": ("jpeg", b"\xff\xd8" + b"\xff\xe0\0\0" * 2_000_000),
    "tiff-many-entries": ("tiff", b"II*\0\x08\0\0\0\xff\xff" + bytes(8_000_000)),
    "bigtiff-endless": ("tiff", b"II+\0\x08\0\0\0\x10" + bytes(7) + b"\xff" * 8 + bytes(8_000_000)),
    "bigtiff-offset-beyond-all": ("tiff", b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(4000)),
    "ico-65535-entries": ("ico", b"\0\0\x01\0\xff\xff" + b"\x01" * 8_000_000),
    "icns-empty-blocks": ("icns", b"icns\0\0\0\0" + b"zzzz\0\0\0\0" * 1_000_000),
    "jp2-empty-boxes": ("jpeg2000", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x08free" * 1_000_000),
    "jp2-nested-headers": ("jpeg2000", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\0jp2h" * 1_000_000),
    "jp2-long-boxes": ("jpeg2000", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x01free" + b"\xff" * 8),
}


@pytest.mark.parametrize("place", ["memory", "disk"])
@pytest.mark.parametrize(("format", "data"), BOMBS.values(), ids=BOMBS)
def test_adversarial_headers_are_given_up_on_quickly(
    format: str, data: bytes, place: str, tmp_path: Path
) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(data)
    with path.open("rb") as file:

        def at(offset: int, count: int) -> bytes:
            if offset >= len(data):
                return b""
            file.seek(offset)
            return file.read(count)

        spent = []
        for _ in range(3):
            began = time.process_time()
            measure(data if place == "memory" else at, format)
            spent.append(time.process_time() - began)

    assert min(spent) < 0.05


@pytest.mark.parametrize(
    ("mime", "format", "expected"),
    [
        ("image/jpg", "jpeg", True),
        ("IMAGE/JPEG; q=1", "jpeg", True),
        ("image/bmp", "dib", True),
        ("image/vnd.microsoft.icon", "ico", True),
        ("video/x-msvideo", "avi", True),
        ("application/octet-stream", "png", True),
        ("image/png", "jpeg", False),
        ("image/x-icon", "icns", False),
        ("video/mp4", "mov", False),
        ("", "png", False),
    ],
)
def test_usual_spellings_of_a_mime_type_agree(mime: str, format: str, expected: bool) -> None:
    heads = {name: make() for name, (_, _, make) in FILES.items() if name in IMAGES}
    heads.update({name: head for name, (_, head) in VIDEOS.items()})
    heads["ico"] = FILES["ico-256-is-zero"][2]()
    media = sniff(heads[format][:HEAD_BYTES])

    assert media is not None
    assert expected == agrees(mime, media)


@given(st.binary(min_size=1, max_size=200))
def test_a_data_uri_comes_back_as_it_was(data: bytes) -> None:
    uri = data_uri("image/png", b64encode(data)).decode()

    assert ("image/png", data) == parse_data_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/png;base64,",
        "data:image/png;base64,iVBO Rw0K",
        "data:image/png;base64,iVBORw0K\n",
        "data:image/png;base64,iVBORw0",
        "data:image/png;base64,iVBO_-0K",
        "data:image/png;base64,iVBO=w0K",
        "data:image/png;base64,中文中文",
        "data:image/png,iVBORw0K",
        "data:image/png;base64",
        "data:",
        "image/png;base64,iVBORw0K",
    ],
)
def test_a_data_uri_that_is_not_strict_base64_is_refused(uri: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_data_uri(uri)

    assert "iVBO" not in str(caught.value)


def test_parameters_of_a_data_uri_are_passed_over() -> None:
    uri = f"data:IMAGE/PNG;name=a.png;base64,{b64encode(PNG_MAGIC).decode()}"

    assert ("image/png", PNG_MAGIC) == parse_data_uri(uri)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/a/b.png?X-Amz-Signature=s3cr3t#frag", "https://host/a/b.png"),
        ("https://user:pass@host:8443/b.png", "https://host:8443/b.png"),
        ("oss://bucket/a/b.png", "oss://bucket/a/b.png"),
        ("https://host/a;sig=s3cr3t", "https://host/a"),
        (f"https://host/{'x' * 300}", f"https://host/{'x' * 86}…"),
    ],
)
def test_a_label_keeps_host_and_path_only(url: str, expected: str) -> None:
    assert expected == label_url(url)


# Fenced files.


@pytest.fixture
def fence(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    (root / "deep").mkdir(parents=True)
    (root / "in.png").write_bytes(_written("PNG"))
    (tmp_path / "out.png").write_bytes(_written("PNG"))
    (tmp_path / "media-twin").mkdir()
    (tmp_path / "media-twin" / "out.png").write_bytes(_written("PNG"))
    (root / "escape.png").symlink_to(tmp_path / "out.png")
    (root / "inner.png").symlink_to(root / "in.png")
    (root / "up").symlink_to(tmp_path)
    return root


@pytest.mark.parametrize("path", ["in.png", "inner.png", "deep/../in.png", "up/media/in.png"])
def test_a_path_that_ends_inside_the_root_opens(fence: Path, path: str) -> None:
    with open_fenced(fence / path, fence) as file:
        head = file.read(8)

    assert PNG_MAGIC == head


@pytest.mark.parametrize(
    "path", ["../out.png", "escape.png", "up/out.png", "deep/../../out.png", "../media-twin/out.png"]
)
def test_a_path_that_ends_outside_the_root_is_refused(fence: Path, path: str) -> None:
    with pytest.raises(InputError, match="outside root"):
        open_fenced(fence / path, fence)


def test_a_missing_file_outside_the_root_looks_like_a_present_one(fence: Path) -> None:
    with pytest.raises(InputError, match="outside root"):
        open_fenced(fence / "../missing.png", fence)


def test_a_directory_swapped_for_a_link_meanwhile_never_leads_outside(fence: Path, tmp_path: Path) -> None:
    """Another thread replaces a directory of the path by a link out of the root and back, all the time."""
    now, parked = fence / "now", fence / "parked"
    now.mkdir()
    (now / "a").write_bytes(b"inside")
    (tmp_path / "a").write_bytes(b"outside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            now.rename(parked)
            now.symlink_to("..")
            now.unlink()
            parked.rename(now)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(3000):
            with suppress(InputError), open_fenced(now / "a", fence) as file:
                seen.add(file.read())
    finally:
        stop.set()
        swapper.join()
    # On a busy machine the thread may always be in between; now the directory is in its place again.
    with open_fenced(now / "a", fence) as file:
        seen.add(file.read())

    assert {b"inside"} == seen


def test_a_directory_moved_out_and_replaced_by_a_link_to_it_is_outside(fence: Path, tmp_path: Path) -> None:
    """Its path is known from the file before, and leads to the same directory; only that is elsewhere now."""
    (fence / "deep" / "a.png").write_bytes(_written("PNG"))
    with open_fenced(fence / "deep" / "a.png", fence) as file:
        head = file.read(8)

    (fence / "deep").rename(tmp_path / "moved")
    (fence / "deep").symlink_to(tmp_path / "moved")

    assert PNG_MAGIC == head
    with pytest.raises(InputError, match="outside root"):
        open_fenced(fence / "deep" / "a.png", fence)


def test_a_directory_replaced_by_a_link_out_of_the_root_is_outside(fence: Path, tmp_path: Path) -> None:
    (fence / "deep" / "out.png").write_bytes(_written("PNG"))
    with open_fenced(fence / "deep" / "out.png", fence) as file:
        head = file.read(8)

    (fence / "deep" / "out.png").unlink()
    (fence / "deep").rmdir()
    (fence / "deep").symlink_to(tmp_path)

    assert PNG_MAGIC == head
    with pytest.raises(InputError, match="outside root"):
        open_fenced(fence / "deep" / "out.png", fence)


def test_the_links_of_a_folder_are_followed_once_for_all_of_its_files(fence: Path) -> None:
    """`realpath` looks at every part of a path; one look at each file itself is enough."""
    paths = [fence / "deep" / f"{number}.png" for number in range(20)]
    for path in paths:
        path.write_bytes(_written("PNG"))
    looks = []

    def note(frame: object, event: str, called: object) -> None:
        if event == "c_call" and called is os.lstat:
            looks.append(called)

    sys.setprofile(note)
    try:
        for path in paths:
            open_fenced(path, fence).close()
    finally:
        sys.setprofile(None)

    assert len(paths) <= len(looks) < 2 * len(paths)


def test_a_root_reached_through_a_link_is_the_directory_behind_it(fence: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(fence)

    with open_fenced(link / "in.png", link) as file:
        head = file.read(8)

    assert PNG_MAGIC == head


def test_the_root_directory_of_the_system_holds_everything(fence: Path) -> None:
    with open_fenced(fence / "escape.png", Path("/")) as file:
        head = file.read(8)

    assert PNG_MAGIC == head


@pytest.mark.parametrize("root", ["in.png", "missing"])
def test_a_root_that_is_no_directory_is_refused(fence: Path, root: str) -> None:
    with pytest.raises(InputError, match="is not a directory"):
        open_fenced(fence / "in.png", fence / root)


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(InputError, match="is a FIFO; expected a regular file"):
        open_fenced(tmp_path / "pipe.png", None)


def test_a_socket_is_refused() -> None:
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{short}/s")

        with pytest.raises(InputError, match="is a socket"):
            open_fenced(Path(short, "s"), None)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/zero", "'/dev/zero' is a device"),
        ("/dev/null", "'/dev/null' is a device"),
        ("/", "'/' is a directory"),
        ("/nowhere/at/all.png", "'/nowhere/at/all.png' does not exist"),
        ("/proc/self/status", "'/proc/self/status' is empty"),
    ],
)
def test_what_is_not_a_regular_file_is_refused_with_its_reason(path: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        open_fenced(Path(path), None)

    assert reason in str(caught.value)


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    with pytest.raises(InputError, match="cannot be opened"):
        open_fenced(tmp_path / "a", None)


def test_content_passed_as_a_path_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        LocalFile.of("iVBORw0KGgo" * 900, "image", None)

    assert "iVBORw0KGgo" not in str(caught.value)


def test_no_descriptor_is_left_open_by_a_refusal(fence: Path) -> None:
    (fence / "page.png").write_bytes(b"<html>404</html>")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(InputError):
            LocalFile.of(fence / "page.png", "image", fence)

    assert before == len(os.listdir("/proc/self/fd"))
