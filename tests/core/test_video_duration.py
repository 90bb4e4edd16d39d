"""How long a video is, from its header or as the caller says: for estimates only, never sent, never in a key."""

from __future__ import annotations

import base64
import math
import pickle
import random
import struct
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from volc_dashscope import InputError, Video, estimate_cost
from volc_dashscope._media import duration
from volc_dashscope.inputs import digest

VISION, OLDER = "doubao-embedding-vision-251215", "doubao-embedding-vision-250615"
FILM = "https://host/film.mp4"
FTYP = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"
QUICKTIME = b"\0\0\0\x14ftypqt  \0\0\x02\0qt  "
WINDOW = (10 * 1024, 80 * 1024)
UNKNOWN_32, UNKNOWN_64 = 2**32 - 1, 2**64 - 1


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + name + body


def large(name: bytes, *content: bytes) -> bytes:
    """A box whose length is written in 64 bits."""
    body = b"".join(content)
    return struct.pack(">I4sQ", 1, name, 16 + len(body)) + body


def mvhd(duration: int, scale: int = 1000, *, version: int = 0, name: bytes = b"mvhd") -> bytes:
    layout = ">IIIII" if version == 0 else ">IQQIQ"
    return box(name, struct.pack(layout, version << 24, 0, 0, scale, duration) + bytes(80))


def trak(duration: int, scale: int, handler: bytes = b"vide") -> bytes:
    hdlr = box(b"hdlr", struct.pack(">II4s", 0, 0, handler) + bytes(13))
    return box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", mvhd(duration, scale, name=b"mdhd"), hdlr))


def mehd(duration: int, *, version: int = 0) -> bytes:
    return box(b"mehd", struct.pack(">II" if version == 0 else ">IQ", version << 24, duration))


def avi(microseconds: int, frames: int) -> bytes:
    header = struct.pack("<IIIII", microseconds, 0, 0, 0, frames).ljust(56, b"\0")
    chunk = b"avih" + struct.pack("<I", 56) + header
    return b"RIFF" + bytes(4) + b"AVI LIST" + bytes(4) + b"hdrl" + chunk


MDAT = box(b"mdat", bytes(5000))

READ: dict[str, tuple[bytes, float]] = {
    "movie-header": (FTYP + box(b"moov", mvhd(12_500)), 12.5),
    "64-bit-fields": (FTYP + box(b"moov", mvhd(12_500, version=1)), 12.5),
    "moov-after-mdat": (FTYP + MDAT + box(b"moov", mvhd(12_500)), 12.5),
    "64-bit-mdat": (FTYP + large(b"mdat", bytes(5000)) + box(b"moov", mvhd(12_500)), 12.5),
    "64-bit-moov": (FTYP + large(b"moov", mvhd(12_500)), 12.5),
    "moov-to-the-end": (FTYP + struct.pack(">I", 0) + b"moov" + mvhd(12_500), 12.5),
    "movie-header-is-not-first": (FTYP + box(b"moov", box(b"udta", bytes(900)), mvhd(12_500)), 12.5),
    "quicktime": (QUICKTIME + box(b"wide") + MDAT + box(b"moov", mvhd(600, 600)), 1.0),
    "quicktime-without-ftyp": (box(b"moov", mvhd(600, 600)), 1.0),
    "track-where-the-movie-has-none": (
        FTYP + box(b"moov", mvhd(0), trak(48_000, 48_000, b"soun"), trak(300, 100)),
        3.0,
    ),
    "track-where-the-movie-says-unknown": (FTYP + box(b"moov", mvhd(UNKNOWN_32), trak(300, 100)), 3.0),
    "longest-of-two-tracks": (FTYP + box(b"moov", mvhd(0), trak(300, 100), trak(900, 100)), 9.0),
    "fragmented": (FTYP + box(b"moov", mvhd(0), box(b"mvex", mehd(30_000))), 30.0),
    "fragmented-64-bit": (FTYP + box(b"moov", mvhd(0), box(b"mvex", mehd(30_000, version=1))), 30.0),
    "fragmented-and-its-header-tells-the-first-fragment": (
        FTYP + box(b"moov", mvhd(2_000), box(b"mvex", mehd(30_000))),
        30.0,
    ),
    "longest-32-bit": (FTYP + box(b"moov", mvhd(UNKNOWN_32 - 1, 1)), float(UNKNOWN_32 - 1)),
    "longest-64-bit": (
        FTYP + box(b"moov", mvhd(UNKNOWN_64 - 1, 1, version=1)),
        float(UNKNOWN_64 - 1),
    ),
    "avi": (avi(40_000, 250), 10.0),
}

HOSTILE: dict[str, bytes] = {
    "no-moov": FTYP + MDAT,
    "only-ftyp": FTYP,
    "empty-moov": FTYP + box(b"moov"),
    "timescale-0": FTYP + box(b"moov", mvhd(12_500, 0)),
    "timescale-0-everywhere": FTYP + box(b"moov", mvhd(12_500, 0), trak(300, 0)),
    "duration-0": FTYP + box(b"moov", mvhd(0), trak(0, 100)),
    "duration-unknown": FTYP + box(b"moov", mvhd(UNKNOWN_32)),
    "duration-unknown-64": FTYP + box(b"moov", mvhd(UNKNOWN_64, version=1)),
    "unknown-version": FTYP + box(b"moov", mvhd(12_500, version=2)),
    "sound-only": FTYP + box(b"moov", mvhd(0), trak(300, 100, b"soun")),
    "fragmented-without-a-whole": FTYP + box(b"moov", mvhd(2_000), box(b"mvex", box(b"trex", bytes(24)))),
    "fragmented-and-whole-is-0": FTYP + box(b"moov", mvhd(0), box(b"mvex", mehd(0))),
    "size-0-before-moov": FTYP + struct.pack(">I", 0) + b"mdat" + box(b"moov", mvhd(12_500)),
    "size-1-without-64-bits": FTYP + struct.pack(">I", 1) + b"mdat",
    "size-2": FTYP + struct.pack(">I", 2) + b"mdat" + box(b"moov", mvhd(12_500)),
    "64-bit-size-0": FTYP + struct.pack(">I4sQ", 1, b"mdat", 0) + box(b"moov", mvhd(12_500)),
    "64-bit-size-2^63": FTYP + struct.pack(">I4sQ", 1, b"mdat", 2**63) + box(b"moov", mvhd(12_500)),
    "64-bit-size-2^64-1": FTYP + struct.pack(">I4sQ", 1, b"mdat", UNKNOWN_64) + box(b"moov", mvhd(12_500)),
    "size-past-the-end": FTYP + struct.pack(">I", UNKNOWN_32) + b"mdat" + box(b"moov", mvhd(12_500)),
    "cut-in-the-header": (FTYP + box(b"moov", mvhd(12_500)))[: len(FTYP) + 30],
    "cut-in-a-box-name": FTYP + b"\0\0\0\x20mo",
    "header-longer-than-its-moov": FTYP + box(b"moov", mvhd(12_500)[:20]) + bytes(200),
    "track-longer-than-its-moov": FTYP + box(b"moov", mvhd(0), trak(300, 100)[:-40]),
    "avi-without-frames": avi(40_000, 0),
    "avi-without-a-rate": avi(0, 250),
    "avi-cut": avi(40_000, 250)[:44],
}


def _nested(depth: int, inner: bytes) -> bytes:
    for _ in range(depth):
        inner = box(b"moov", inner)
    return inner


HOSTILE["moov-in-moov"] = FTYP + _nested(500, mvhd(12_500))
HOSTILE["header-deep-inside"] = FTYP + box(b"moov", box(b"udta", _nested(200, mvhd(12_500))))


@pytest.mark.parametrize(("data", "expected"), READ.values(), ids=READ)
def test_the_length_comes_from_the_header(data, expected, tmp_path):
    path = tmp_path / "film.bin"
    path.write_bytes(data)

    assert expected == Video.from_bytes(data).seconds
    assert expected == Video.from_path(path).seconds
    assert (
        expected
        == Video.from_url("data:application/octet-stream;base64," + base64.b64encode(data).decode()).seconds
    )


READ_AS_MP4 = {name: found for name, found in READ.items() if b"ftypisom" in found[0]}


@pytest.mark.parametrize(("data", "expected"), READ_AS_MP4.values(), ids=READ_AS_MP4)
def test_a_file_that_was_cut_is_never_longer_than_the_whole(data, expected):
    found = [Video.from_bytes(data[:end]).seconds for end in range(len(FTYP), len(data), 7)]

    assert all(seconds is None or seconds <= expected for seconds in found)


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_header_that_cannot_be_read_leaves_the_length_unknown(data, tmp_path):
    path = tmp_path / "film.bin"
    path.write_bytes(data)

    assert (None, None) == (Video.from_bytes(data).seconds, Video.from_path(path).seconds)


def test_damaged_headers_give_a_length_or_none():
    rng = random.Random(5)
    found = []
    for data, _ in READ.values():
        for _ in range(60):
            damaged = bytearray(data[:4000])
            for _ in range(rng.randint(1, 6)):
                damaged[rng.randrange(12, len(damaged))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
            with suppress(InputError):  # no video any more
                found.append(Video.from_bytes(bytes(damaged)).seconds)

    assert len(found) > 500
    assert all(seconds is None or 0 < seconds < math.inf for seconds in found)


class CountedReads:
    """A file that counts how often it is read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.reads = data, 0

    def __call__(self, offset: int, count: int) -> bytes:
        self.reads += 1
        return self.data[offset : offset + count]


MANY: dict[str, bytes] = {
    "boxes-at-the-top": FTYP + box(b"free") * 60_000 + box(b"moov", mvhd(12_500)),
    "boxes-in-moov": FTYP + box(b"moov", box(b"free") * 60_000, mvhd(12_500)),
    "tracks": FTYP + box(b"moov", mvhd(0), trak(0, 100) * 20_000),
    "boxes-in-every-track": FTYP + box(b"moov", mvhd(0), box(b"trak", box(b"free") * 300) * 300),
}


@pytest.mark.parametrize("data", MANY.values(), ids=MANY)
def test_the_search_for_the_length_is_bounded(data):
    file = CountedReads(data)

    assert duration(file, "mp4") is None
    assert 3 * 4096 + 10 >= file.reads


def test_a_video_by_url_is_as_long_as_the_caller_says():
    assert (None, 42.0) == (Video.from_url(FILM).seconds, Video.from_url(FILM, seconds=42).seconds)


def test_what_the_caller_says_goes_before_the_header(tmp_path):
    data = FTYP + box(b"moov", mvhd(12_500))
    (tmp_path / "a.mp4").write_bytes(data)

    assert (3.0, 3.0) == (
        Video.from_bytes(data, seconds=3).seconds,
        Video.from_path(tmp_path / "a.mp4", seconds=3).seconds,
    )


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, "3", True, 10**400], ids=str)
def test_a_length_is_a_number_above_zero(seconds):
    with pytest.raises(InputError, match=r"seconds is .*; expected a positive number of seconds"):
        Video.from_url(FILM, seconds=seconds)


def test_the_length_shapes_no_vector_and_no_key():
    short, long = Video.from_url(FILM, seconds=3), Video.from_url(FILM, seconds=9000)
    plain = Video.from_bytes(FTYP)

    assert digest(short) == digest(long) == digest(Video.from_url(FILM))
    assert (short, hash(short)) == (long, hash(long))
    assert digest(plain) == digest(Video.from_bytes(FTYP, seconds=3)) == plain.source.digest
    assert repr(short) == repr(long)


def test_the_length_outlives_copies():
    video = Video.from_url(FILM, seconds=3)

    assert (3.0, 3.0) == (pickle.loads(pickle.dumps(video)).seconds, replace(video, fps=2).seconds)


@pytest.mark.parametrize("model", [VISION, "qwen3-vl-embedding"])
def test_the_length_is_never_sent(inside, model):
    client = inside.client(model)
    client.embed([Video.from_url(FILM, seconds=3)])
    client.embed([Video.from_url(FILM)])

    first, second = (request.body for request in inside.emulator.ledger)
    assert first == second
    assert "seconds" not in repr(first)


def _bounds(seconds: float | None, model: str = VISION, **knobs: Any) -> tuple[int, int]:
    return estimate_cost([Video.from_url(FILM, seconds=seconds, **knobs)], model).video_tokens


WITH_FPS: dict[str, tuple[float, float, tuple[int, int]]] = {
    "no-frame": (0.5, 1, (10_240, 10_240)),
    "below-16-frames": (15, 1, (10_240, 10_240)),
    "16-frames": (16, 1, (10_240, 10_240)),
    "17-frames": (17, 1, (10_240, 17 * 640)),
    "part-of-a-frame": (16.5, 1, (10_240, 17 * 640)),
    "80-frames": (40, 2, (10_240, 51_200)),
    "100-frames": (20, 5, (100 * 128, 64_000)),
    "128-frames": (128, 1, (128 * 128, 81_920)),
    "640-frames": (640, 1, (81_920, 81_920)),
    "above-640-frames": (3600, 1, (81_920, 81_920)),
    "slow": (3600, 0.2, (81_920, 81_920)),
    "longer-than-any-film": (1e300, 5, (81_920, 81_920)),
}


@pytest.mark.parametrize(("seconds", "fps", "expected"), WITH_FPS.values(), ids=WITH_FPS)
def test_length_and_rate_narrow_the_tokens(seconds, fps, expected):
    assert expected == _bounds(seconds, fps=fps)


# Without a rate it is one of 0.2 to 5 frames a second, the range that the page prints.
WITHOUT_FPS: dict[str, tuple[float, tuple[int, int]]] = {
    "shorter-than-16-frames-at-5": (3, (10_240, 10_240)),
    "10-seconds": (10, (10_240, 50 * 640)),
    "a-minute": (60, (10_240, 81_920)),
    "ten-minutes": (600, (120 * 128, 81_920)),
    "an-hour": (3600, (81_920, 81_920)),
}


@pytest.mark.parametrize("model", [VISION, OLDER])
@pytest.mark.parametrize(("seconds", "expected"), WITHOUT_FPS.values(), ids=WITHOUT_FPS)
def test_length_alone_narrows_by_every_rate_there_is(seconds, expected, model):
    assert expected == _bounds(seconds, model)


@pytest.mark.parametrize("fps", [None, 0.2, 5])
def test_an_unknown_length_keeps_the_whole_window(fps):
    found = estimate_cost([Video.from_url(FILM, fps=fps), Video.from_bytes(FTYP, fps=fps)], VISION)

    assert ((2 * WINDOW[0], 2 * WINDOW[1]), 0) == (found.video_tokens, found.unknown)


def test_token_and_frame_settings_keep_their_own_bounds():
    knobs = {"max_video_tokens": 20_480, "fps": 1}

    assert (5 * 16, 20_480) == _bounds(3, **knobs) == _bounds(None, **knobs)


def test_dashscope_has_no_formula_and_stays_unknown():
    found = estimate_cost([Video.from_url(FILM, seconds=3)], "qwen3-vl-embedding")

    assert ((0, 0), 1, None) == (found.video_tokens, found.unknown, found.tokens[1])
    assert "videos are not counted: no page says" in found.rule.lower()


def test_the_rule_says_what_the_length_did():
    rule = estimate_cost([Video.from_url(FILM)], VISION).rule

    assert "10,240 to 81,920 tokens" in rule
    assert "length" in rule


@pytest.mark.parametrize("seconds", [0.5, 10, 30, 100, 3600])
@pytest.mark.parametrize("fps", [None, 0.2, 1, 5])
def test_what_the_emulator_bills_is_in_the_range(inside, seconds, fps):
    video = Video.from_bytes(FTYP + box(b"moov", mvhd(int(seconds * 1000))) + MDAT, fps=fps)

    low, high = estimate_cost([video], VISION).video_tokens
    billed = inside.client(VISION).embed([video]).usage.image_tokens

    assert low <= billed <= high
