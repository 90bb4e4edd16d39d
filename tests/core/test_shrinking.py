"""`max_image_pixels=`: large pictures are sent smaller, upright and with what is transparent; others as they are."""

from __future__ import annotations

import asyncio
import struct
import sys
import threading
from base64 import b64decode
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from files import gif, picture, png
from paintings import painted
from PIL import Image as Pillow
from PIL import ImageOps

from volc_dashscope import (
    BulkError,
    Client,
    ClientSettings,
    ConfigError,
    Frames,
    Fused,
    Image,
    InputError,
    estimate_cost,
    list_models,
)
from volc_dashscope._media import shrink, shrunk_size
from volc_dashscope._media._shrink import _SHORTEST_SIDE, thumbnail

ARK, QWEN, PLUS = (
    "doubao-embedding-vision-251215",
    "qwen3-vl-embedding",
    "tongyi-embedding-vision-plus-2026-03-06",
)
TEXT = "text-embedding-v4"
MOST = 10_000
ORIENTATION = 0x0112


def quadrants(size: tuple[int, int] = (400, 200), mode: str = "RGB") -> Pillow.Image:
    """Return a picture in four colours: red, green, blue and white, from the upper left."""
    sheet = Pillow.new("RGB", (2, 2))
    sheet.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)])
    return sheet.resize(size, Pillow.Resampling.NEAREST).convert(mode)


def saved(image: Pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners(image: Pillow.Image) -> list[str]:
    """Name the colours of the four quadrants."""
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    wide, high = image.size
    places = [(x, y) for y in (high // 4, 3 * high // 4) for x in (wide // 4, 3 * wide // 4)]
    found = image.convert("RGB")
    return [names[tuple(int(value > 127) for value in found.getpixel(place))] for place in places]


def sent(emulator) -> list[bytes]:
    """Return the pictures that were sent inline, in the order of requests."""
    return [
        b64decode(url.partition(",")[2])
        for entry in emulator.ledger
        for url in strings(entry.body["input"])
        if url.startswith("data:")
    ]


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    members = value.values() if isinstance(value, dict) else value
    return [each for member in members for each in strings(member)]


def opened(data: bytes) -> Pillow.Image:
    return Pillow.open(BytesIO(data))


def embed(mount, model, items, *, asynchronous=False, **settings):
    settings = {"max_image_pixels": MOST, **settings}
    if not asynchronous:
        with mount.client(model, **settings) as client:
            return client.embed(items)

    async def run():
        async with mount.async_client(model, **settings) as client:
            return await client.embed(items)

    return asyncio.run(run())


WAYS = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


# What is sent.


@WAYS
@pytest.mark.parametrize("model", [ARK, QWEN])
def test_a_large_picture_is_sent_smaller(mount, model, asynchronous):
    embed(mount, model, [Image.from_bytes(saved(quadrants(), "JPEG"))], asynchronous=asynchronous)

    (small,) = map(opened, sent(mount.emulator))
    assert ("JPEG", (141, 70)) == (small.format, small.size)
    assert ["red", "green", "blue", "white"] == corners(small)


@WAYS
def test_every_picture_of_an_item_is_sent_smaller_and_texts_as_they_are(inside, asynchronous):
    large = Image.from_bytes(saved(quadrants(), "PNG"))

    embed(inside, QWEN, [Fused("a flag", large)], asynchronous=asynchronous)
    embed(inside, PLUS, [Frames([large, large])], asynchronous=asynchronous)

    assert [(141, 70)] * 3 == [opened(data).size for data in sent(inside.emulator)]
    assert ["a flag"] == inside.emulator.ledger.texts


def test_a_stream_sends_smaller_pictures_too(inside):
    with inside.client(ARK, max_image_pixels=MOST) as client:
        rows = dict(client.stream([Image.from_bytes(saved(quadrants(), "PNG")), "text"]))

    assert [0, 1] == sorted(rows)
    assert [(141, 70)] == [opened(data).size for data in sent(inside.emulator)]


def test_a_picture_goes_into_storage_smaller(inside):
    seen = []
    inside.emulator.reply_with(
        lambda request, response: seen.append(request.body) if request.path == "/upload" else None
    )

    embed(inside, QWEN, [Image.from_bytes(saved(quadrants((2000, 1000)), "BMP"))], upload=True)

    (body,) = seen
    assert len(body) < 20_000 < 2000 * 1000


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_upright(kind, orientation):
    exif = Pillow.Exif()
    exif[ORIENTATION] = orientation
    turned = saved(quadrants(), kind, exif=exif)
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(opened(turned))

    small = opened(shrink(Image.from_bytes(turned).source, MOST).read())
    assert corners(upright) == corners(small)
    assert (upright.width > upright.height) == (small.width > small.height)
    assert 1 == small.getexif().get(ORIENTATION, 1)


TRANSPARENT = {
    "png": saved(Pillow.new("RGBA", (400, 200), (255, 0, 0, 0)), "PNG"),
    "webp": saved(Pillow.new("RGBA", (400, 200), (255, 0, 0, 0)), "WEBP"),
    "grey": saved(Pillow.new("LA", (400, 200), (200, 0)), "PNG"),
    "palette": saved(quadrants(mode="P").point(lambda _: 3), "PNG", transparency=3),
    "one colour": saved(Pillow.new("RGB", (400, 200), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
    "tiff": saved(Pillow.new("RGBA", (400, 200), (255, 0, 0, 0)), "TIFF"),
}


@pytest.mark.parametrize("data", TRANSPARENT.values(), ids=TRANSPARENT)
def test_what_is_transparent_stays_so(data):
    small = opened(shrink(Image.from_bytes(data).source, MOST).read())

    assert ((141, 70), 0) == (small.size, small.convert("RGBA").getpixel((70, 35))[3])
    assert small.format == ("WEBP" if opened(data).format == "WEBP" else "PNG")


MODES = {
    "photograph": ("RGB", "JPEG", "JPEG", "RGB"),
    "grey photograph": ("L", "JPEG", "JPEG", "L"),
    "for print": ("CMYK", "JPEG", "JPEG", "CMYK"),
    "drawing": ("RGB", "PNG", "PNG", "RGB"),
    "palette": ("P", "PNG", "PNG", "RGB"),
    "black and white": ("1", "PNG", "PNG", "L"),
    "web": ("RGB", "WEBP", "WEBP", "RGB"),
    "bitmap": ("RGB", "BMP", "JPEG", "RGB"),
    "scan": ("CMYK", "TIFF", "JPEG", "RGB"),
    "still": ("P", "GIF", "JPEG", "RGB"),
}


@pytest.mark.parametrize(("mode", "kind", "expected", "becomes"), MODES.values(), ids=MODES)
def test_the_format_stays_where_the_web_has_it(mode, kind, expected, becomes):
    data = saved(quadrants(mode=mode), kind)

    small = opened(shrink(Image.from_bytes(data).source, MOST).read())

    assert (expected, becomes, (141, 70)) == (small.format, small.mode, small.size)
    if mode not in ("L", "1"):
        assert ["red", "green", "blue", "white"] == corners(small)


def test_sixteen_bits_stay_sixteen_bits():
    deep = Pillow.fromarray(np.full((200, 400), 40_000, dtype=np.uint16))

    small = opened(shrink(Image.from_bytes(saved(deep, "PNG")).source, MOST).read())

    assert "I;16" == small.mode
    assert {40_000} == set(np.asarray(small).ravel().tolist())


def test_a_colour_profile_is_kept():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(quadrants(), "JPEG", icc_profile=profile)

    assert profile == opened(shrink(Image.from_bytes(data).source, MOST).read()).info["icc_profile"]


def test_what_a_camera_noted_is_left_out():
    exif = Pillow.Exif()
    exif[0x010F] = "a camera"
    data = saved(quadrants(), "JPEG", exif=exif)

    assert {} == dict(opened(shrink(Image.from_bytes(data).source, MOST).read()).getexif())


# How large.


@pytest.mark.parametrize("most", [1_000, 10_000, 1_000_000])
@pytest.mark.parametrize("size", [(4000, 3000), (3000, 4000), (1001, 1000), (9999, 101), (7, 100_000)])
def test_a_size_keeps_its_proportions_and_its_bounds(size, most):
    wide, high = shrunk_size(size, most)

    assert wide <= size[0]
    assert high <= size[1]
    assert min(_SHORTEST_SIDE, *size) <= min(wide, high)
    if min(wide, high) > _SHORTEST_SIDE:
        assert wide * high <= max(most, 0)
        assert wide / high == pytest.approx(size[0] / size[1], rel=2 / min(wide, high))


def test_no_model_refuses_the_shortest_side():
    assert [] == [row.name for row in list_models() if row.image and row.image.min_side > _SHORTEST_SIDE]


# What is sent as it is.


def animated(kind: str) -> bytes:
    frames = [Pillow.new("RGB", (400, 200), colour) for colour in ("red", "blue")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


LEFT = {
    "few pixels": painted(size=(100, 100)),
    "animated png": animated("PNG"),
    "animated webp": animated("WEBP"),
    "pages": animated("TIFF"),
    "a header and no pixels": png(400, 200),
    "a piece": saved(quadrants(), "JPEG")[:-400],
    "more pixels than Pillow decodes": png(40_000, 40_000),
}


@pytest.mark.parametrize("data", LEFT.values(), ids=LEFT)
def test_what_cannot_be_shrunk_is_left_as_it_is(data):
    source = Image.from_bytes(data).source

    assert source is shrink(source, MOST)


def test_a_second_picture_inside_a_jpeg_is_no_animation():
    """Phones put a preview or a depth map behind the photograph."""
    first, second = quadrants(), quadrants((40, 20))
    data = saved(first, "MPO", save_all=True, append_images=[second])

    assert (141, 70) == opened(shrink(Image.from_bytes(data).source, MOST).read()).size


def test_a_url_is_sent_as_it_is(inside):
    embed(inside, ARK, [picture(1)])

    assert ["https://pictures.example/1.png"] == [
        url for url in strings(inside.emulator.ledger[0].body["input"]) if url.startswith("https")
    ]


def test_nothing_is_shrunk_unless_asked(inside):
    data = saved(quadrants(), "PNG")

    embed(inside, ARK, [Image.from_bytes(data)], max_image_pixels=None)

    assert [data] == sent(inside.emulator)


# Limits.


def large_photograph() -> bytes:
    """A PNG of 2,000 x 1,000 pixels and 5.9 MB; the older Tongyi models take 3 MB."""
    return saved(Pillow.effect_noise((2000, 1000), 90).convert("RGB"), "PNG", compress_level=0)


@WAYS
def test_a_picture_of_too_many_bytes_passes_when_it_is_shrunk(inside, asynchronous, tmp_path):
    (tmp_path / "large.png").write_bytes(large_photograph())
    given = Image.from_path(tmp_path / "large.png")
    model = "tongyi-embedding-vision-plus"
    with pytest.raises(InputError, match="accepts at most"):
        embed(inside, model, [given], max_image_pixels=None, asynchronous=asynchronous)

    result = embed(inside, model, [given], max_image_pixels=100_000, asynchronous=asynchronous)

    assert 1 == len(result.vectors)


@pytest.mark.parametrize(("most", "requests"), [(None, 2), (MOST, 1)], ids=["as they are", "shrunk"])
def test_requests_are_planned_by_the_bytes_that_are_sent(inside, most, requests):
    """Five pictures of 7.2 MB: a request carries at most 32 MiB of media."""
    items = [
        Image.from_bytes(saved(quadrants((2000, 1200 + number)), "PNG", compress_level=0))
        for number in range(5)
    ]

    embed(inside, QWEN, items, max_image_pixels=most)

    assert requests == len(inside.emulator.ledger)


def test_a_picture_of_too_many_pixels_passes_when_it_is_shrunk(inside):
    given = Image.from_bytes(painted(size=(6001, 6001)))
    with pytest.raises(InputError, match="image is 6001x6001"):
        embed(inside, ARK, [given], max_image_pixels=None)

    assert 1 == len(embed(inside, ARK, [given], max_image_pixels=1_000_000).vectors)


def test_a_limit_above_the_model_s_does_not_help():
    with pytest.raises(InputError, match="item 0: image is 6499x6499"):
        Client(ARK, api_key="k", max_image_pixels=6500 * 6499).embed([Image.from_bytes(png(7000, 7000))])


@WAYS
def test_one_that_cannot_be_shrunk_fails_alone(inside, asynchronous):
    """Only its own item, with its own number; the others of its request are embedded."""
    good = Image.from_bytes(saved(quadrants(), "PNG"))
    bad = Image.from_bytes(png(400, 200, size=11 * 1024 * 1024))

    with pytest.raises(BulkError) as caught:
        embed(inside, QWEN, [good, bad, good], asynchronous=asynchronous)

    (error,) = caught.value.failures.values()
    assert "item 1: image of 11,534,336 bytes; qwen3-vl-embedding accepts at most 10,485,760" == str(error)
    assert [False, True, False] == np.isnan(caught.value.result.vectors).any(axis=1).tolist()
    assert 11_000_000 > sum(map(len, sent(inside.emulator)))


def test_a_file_that_changed_fails_alone(inside, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path in paths:
        path.write_bytes(saved(quadrants(), "PNG"))
    items = [Image.from_path(path) for path in paths]
    paths[1].write_bytes(saved(quadrants((500, 200)), "PNG"))

    with pytest.raises(BulkError, match=r"item 1: file .* changed"):
        embed(inside, QWEN, items)


def test_a_format_the_model_does_not_take_is_still_refused():
    with pytest.raises(InputError, match="image format gif"):
        estimate_cost(
            [Image.from_bytes(gif(400, 400))], "tongyi-embedding-vision-plus", max_image_pixels=MOST
        )


BAD = {
    "zero": (ARK, 0, "whole number from 1"),
    "a float": (ARK, 1e6, "whole number from 1"),
    "a flag": (ARK, True, "whole number from 1"),
    "a text model": (TEXT, MOST, "does not accept images; leave out max_image_pixels"),
}


@pytest.mark.parametrize(("model", "most", "words"), BAD.values(), ids=BAD)
def test_a_number_that_bounds_nothing_is_refused(model, most, words):
    with pytest.raises(ConfigError, match=words):
        Client(model, api_key="k", max_image_pixels=most)


def test_without_pillow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(ConfigError, match=r"volc-dashscope\[images\]"):
        Client(ARK, api_key="k", max_image_pixels=MOST)
    assert ARK in Client(ARK, api_key="k").describe()


# Told beforehand, and remembered.


def test_an_estimate_counts_what_is_sent(inside):
    items = [
        Image.from_bytes(painted(size=(1000, 1000), kind="JPEG")),
        Image.from_bytes(painted(size=(50, 50))),
    ]

    estimate = estimate_cost(items, ARK, max_image_pixels=MOST)
    usage = embed(inside, ARK, items).usage

    assert 13 + 4 == estimate.image_tokens == usage.image_tokens
    assert "images of more than 10,000 pixels are shrunk to that before sending: 1 image" in estimate.rule
    assert "shrunk" not in estimate_cost(items, ARK).rule


def test_an_estimate_takes_what_the_client_takes():
    large = Image.from_bytes(png(7000, 7000))
    with pytest.raises(InputError):
        estimate_cost([large], ARK)

    assert 1276 == estimate_cost([large], ARK, max_image_pixels=1_000_000).image_tokens


def test_a_cached_row_is_found_by_the_original(inside, tmp_path):
    """And without decoding or reading what is found; another limit is another vector."""
    path = tmp_path / "flag.png"
    path.write_bytes(saved(quadrants(), "PNG"))
    cache: dict[str, bytes] = {}

    first = embed(inside, ARK, [Image.from_path(path)], cache=cache)
    again = embed(inside, ARK, [Image.from_path(path)], cache=cache)
    embed(inside, ARK, [Image.from_path(path)], cache=cache, max_image_pixels=MOST // 2)

    assert first.vectors.tolist() == again.vectors.tolist()
    assert [(141, 70), (100, 50)] == [opened(data).size for data in sent(inside.emulator)]


def test_equal_pictures_and_limits_give_equal_bytes():
    data = saved(quadrants(), "JPEG")

    assert 1 == len({shrink(Image.from_bytes(data).source, MOST).read() for _ in range(3)})


@pytest.mark.parametrize(
    ("size", "shrunk", "drawn"),
    [((9_500, 9_500), True, True), ((12_000, 9_000), True, False), ((14_000, 14_000), False, False)],
)
@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_no_warning_is_printed_of_a_picture_of_many_pixels(size, shrunk, drawn):
    """Pillow prints one from 89 megapixels on, and refuses more than twice as many."""
    data = saved(Pillow.new("1", size), "PNG")

    small = shrink(Image.from_bytes(data).source, MOST)

    assert shrunk == (small.pixels in {(100, 100), (115, 86)})
    assert drawn == (thumbnail(BytesIO(data), 320) is not None)


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("corner", [60_000, 11_000], ids=["refused", "warned of"])
def test_a_frame_far_outside_its_picture_is_not_drawn(corner):
    """Pillow compares the sizes of frames with its limit by itself, and raises errors of its own."""
    screen, frame = (
        struct.pack("<HHBBB", 4_000, 4_000, 0x80, 0, 0),
        struct.pack("<HHHHB", corner, corner, 1, 1, 0),
    )
    data = b"GIF89a" + screen + b"\0\0\0\xff\xff\xff" + b"," + frame + b"\x02\x02\x44\x01\0;"
    source = Image.from_bytes(data).source

    assert source is shrink(source, MOST)
    assert thumbnail(BytesIO(data), 320) is None


# In a worker.


async def test_the_event_loop_goes_on_meanwhile(inside, monkeypatch):
    """A picture is decoded in another thread than the event loop's."""
    threads = []
    turns = ImageOps.exif_transpose

    def noted(*given, **options):
        threads.append(threading.current_thread())
        return turns(*given, **options)

    monkeypatch.setattr(ImageOps, "exif_transpose", noted)
    async with inside.async_client(QWEN, max_image_pixels=MOST) as client:
        await client.embed([Image.from_bytes(saved(quadrants(), "PNG"))])

    assert threads[0] is not threading.main_thread()


@WAYS
def test_other_requests_are_answered_meanwhile(inside, monkeypatch, asynchronous):
    """A picture that takes long to decode keeps no other request waiting."""
    answered, seen = threading.Event(), []
    turns = ImageOps.exif_transpose

    def slow(*given, **options):
        seen.append(answered.wait(20))
        return turns(*given, **options)

    monkeypatch.setattr(ImageOps, "exif_transpose", slow)
    inside.emulator.reply_with(lambda request, response: answered.set())

    embed(inside, ARK, [Image.from_bytes(saved(quadrants(), "PNG")), "a text"], asynchronous=asynchronous)

    assert seen[0]


def test_settings_say_it_to_every_client():
    settings = ClientSettings(ARK, api_key="k", max_image_pixels=MOST)

    assert "max_image_pixels=10000" in Client.from_settings(settings).describe()
