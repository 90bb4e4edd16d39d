"""Values that cannot be invalid: what each constructor takes, refuses, shows and remembers."""

from __future__ import annotations

import copy
import os
import pickle
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from paintings import painted
from PIL import Image as Pillow
from PIL import ImageOps

from volc_dashscope.errors import InputError
from volc_dashscope.inputs import (
    Frames,
    Fused,
    Image,
    Item,
    Media,
    Video,
    check_text,
    digest,
    label,
    modalities,
    parts,
)

CANARY = "c4n4ry"
URL = f"https://host/a/cat.png?X-Amz-Signature={CANARY}"
MP4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + CANARY.encode()


def _png(size: tuple[int, int] = (37, 23), colour: str = "red") -> bytes:
    return painted(colour, size) + CANARY.encode()


PNG = _png()
DATA_URI = f"data:image/png;base64,{b64encode(PNG).decode()}"


@pytest.fixture
def shoe(tmp_path: Path) -> Path:
    path = tmp_path / "shoe.png"
    path.write_bytes(PNG)
    return path


MAKERS: dict[str, Callable[[Path], Item]] = {
    "image-url": lambda path: Image.from_url(URL),
    "image-data-uri": lambda path: Image.from_url(DATA_URI),
    "image-path": Image.from_path,
    "image-fenced-path": lambda path: Image.from_path(path, root=path.parent),
    "image-bytes": lambda path: Image.from_bytes(PNG),
    "image-pil": lambda path: Image.from_pil(Pillow.new("RGB", (3, 2))),
    "video-url": lambda path: Video.from_url(URL, fps=1),
    "video-bytes": lambda path: Video.from_bytes(MP4, min_frames=5, max_frame_tokens=200),
    "frames": lambda path: Frames([Image.from_url(URL), Image.from_bytes(PNG)]),
    "fused": lambda path: Fused("red", Image.from_path(path), Video.from_bytes(MP4)),
}


# What each constructor knows.


def test_an_image_from_bytes_knows_itself_without_decoding() -> None:
    image = Image.from_bytes(PNG)

    assert (None, True, "png", "image/png", len(PNG), 37, 23, None) == _facts(image)


def test_an_image_from_a_path_knows_itself_and_its_path(shoe: Path) -> None:
    image = Image.from_path(str(shoe))

    assert (None, True, "png", "image/png", len(PNG), 37, 23, shoe) == _facts(image)


def test_an_image_from_a_url_knows_only_the_url() -> None:
    image = Image.from_url(URL)

    assert (URL, False, None, None, None, None, None, None) == _facts(image)


def test_a_data_uri_becomes_bytes_in_memory() -> None:
    assert Image.from_bytes(PNG) == Image.from_url(DATA_URI)


def test_a_video_data_uri_becomes_bytes_in_memory() -> None:
    video = Video.from_url(f"data:video/mp4;base64,{b64encode(MP4).decode()}", fps=2)

    assert Video.from_bytes(MP4, fps=2) == video


def test_a_video_from_a_path_knows_its_format(tmp_path: Path) -> None:
    (tmp_path / "clip.bin").write_bytes(MP4)

    video = Video.from_path(tmp_path / "clip.bin", root=tmp_path, fps=0.5)

    assert ("mp4", "video/mp4", len(MP4), None, 0.5) == (
        video.format,
        video.mime,
        video.size_bytes,
        video.width,
        video.fps,
    )


def test_a_header_that_cannot_be_read_leaves_the_size_unknown() -> None:
    image = Image.from_bytes(PNG[:12])

    assert ("png", None, None) == (image.format, image.width, image.height)


@pytest.mark.parametrize(
    "spelling", ["{}//shoe.png", "{}/./shoe.png", "{}/.//./shoe.png", "file://{}/./shoe.png"]
)
def test_spellings_of_a_path_that_a_path_object_has_in_common_are_equal(shoe: Path, spelling: str) -> None:
    image = Image.from_path(spelling.format(shoe.parent), root=f"{shoe.parent}//")

    assert Image.from_path(shoe, root=shoe.parent) == image
    assert shoe == image.path


def test_a_relative_path_survives_a_change_of_directory(shoe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shoe.parent)
    image = Image.from_path("shoe.png")
    monkeypatch.chdir("/")

    assert (shoe, PNG) == (image.path, image.read())


@pytest.mark.parametrize(
    "url", ["http://h/a", "HTTPS://h/a", "oss://dashscope-instant/k/a.png", "https://主机/图"]
)
def test_urls_a_service_can_fetch_are_kept_unchanged(url: str) -> None:
    assert url == Image.from_url(url).url


@pytest.mark.parametrize("data", [bytearray(PNG), memoryview(PNG)], ids=["bytearray", "memoryview"])
def test_any_buffer_counts_as_bytes(data: Any) -> None:
    assert PNG == Image.from_bytes(data).read()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_opened_by_pillow_is_upright(orientation):
    """A PNG of its pixels has no EXIF data, so the service could not know which side is up."""
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    buffer = BytesIO()
    shown = Pillow.linear_gradient("L").resize((64, 32))
    shown.save(buffer, "JPEG", exif=exif)
    photograph = Pillow.open(BytesIO(buffer.getvalue()))

    sent = Pillow.open(BytesIO(Image.from_pil(photograph).read()))

    assert ImageOps.exif_transpose(photograph).tobytes() == sent.tobytes()
    assert ((64, 32) if orientation < 5 else (32, 64)) == sent.size


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_pillow_image_is_sent_losslessly(mode: str) -> None:
    picture = Pillow.effect_noise((40, 30), 90).convert(mode)

    image = Image.from_pil(picture)

    with Pillow.open(BytesIO(image.read())) as back:
        assert ("png", mode, picture.tobytes()) == (image.format, back.mode, back.tobytes())


# What is refused.


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("file:///etc/passwd", "scheme 'file'"),
        ("ftp://user:c4n4ry@h/a", "scheme 'ftp'"),
        ("javascript:alert(1)", "scheme 'javascript'"),
        ("/etc/passwd", "no scheme"),
        ("C:\\cats\\cat.png", "no scheme"),
        ("cat.png?c4n4ry", "no scheme"),
        ("iVBORw0KGgoc4n4ry", "no scheme"),
        ("", "the URL is empty"),
        ("https://", "has no host"),
        ("https:///c4n4ry", "has no host"),
        ("http:c4n4ry", "has no host"),
        ("https://[::1/c4n4ry", "malformed"),
        ("https://user:c4n4ry@h:port/", "malformed"),
        (" https://h/c4n4ry", "white space before"),
        ("https://h/a b?c4n4ry", "space or control character"),
        ("https://h/a\nHost: c4n4ry", "space or control character"),
        ("https://h/\ud800c4n4ry", "space or control character"),
    ],
)
@pytest.mark.parametrize("kind", [Image, Video])
def test_a_url_no_service_fetches_is_refused_and_not_quoted(
    kind: type[Image] | type[Video], url: str, seen: str
) -> None:
    with pytest.raises(InputError) as caught:
        kind.from_url(url)

    message = str(caught.value)
    assert (True, False) == (seen in message, CANARY in message)


@pytest.mark.parametrize("value", [b"https://h/a", None, Path("https://h/a"), 7])
def test_a_url_that_is_not_a_str_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="expected a URL as str"):
        Image.from_url(value)


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "there are no bytes"),
        (b"\xef\xbb\xbf\n<!doctype html><p>404 Not Found", "HTML or XML"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (MP4, "they are a video (mp4)"),
        (b"just text", "match no known format"),
    ],
)
def test_bytes_that_are_no_image_are_refused_with_what_they_are(data: bytes, seen: str) -> None:
    with pytest.raises(InputError) as caught:
        Image.from_bytes(data)

    message = str(caught.value)
    assert message.startswith("the bytes are not an image in a known format")
    assert (True, True, False) == (seen in message, "jpeg, png" in message, CANARY in message)


def test_an_image_is_not_a_video() -> None:
    with pytest.raises(InputError, match=r"not a video in a known format: they are an image \(png\)"):
        Video.from_bytes(PNG)


def test_bytes_given_as_text_are_refused() -> None:
    with pytest.raises(InputError, match="expected bytes, got str"):
        Image.from_bytes(DATA_URI)  # type: ignore[arg-type]


def test_a_mime_type_that_disagrees_with_the_bytes_is_refused() -> None:
    with pytest.raises(InputError, match="is 'image/jpeg', but the bytes are png"):
        Image.from_bytes(PNG, mime="image/jpeg")


def test_a_data_uri_that_lies_about_its_content_is_refused() -> None:
    with pytest.raises(InputError, match="is 'image/gif', but the bytes are png"):
        Image.from_url(DATA_URI.replace("image/png", "image/gif"))


def test_a_data_uri_of_a_web_page_is_refused() -> None:
    page = b64encode(b"<html>404</html>").decode()

    with pytest.raises(InputError, match="HTML or XML"):
        Image.from_url(f"data:image/png;base64,{page}")


@pytest.mark.parametrize("path", [URL, DATA_URI, "oss://b/a.png"])
def test_a_url_given_as_a_path_is_sent_to_from_url(path: str) -> None:
    with pytest.raises(InputError, match="use from_url") as caught:
        Image.from_path(path)

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("kind", [Image.from_path, Image.from_url])
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("tos://bucket/a.png", "scheme 'tos' cannot be used; allowed are .* signed https:"),
        ("s3://bucket/a.png", "scheme 's3' cannot be used"),
        ("GS://bucket/a.png", "scheme 'gs' cannot be used"),
        ("", "is empty"),
        ("  ", "is empty"),
        (" https://example.com/a.png", "the https: URL has white space before or after it"),
        ("https://example.com/a.png\n", "white space|not a path|space or control"),
        ("\ufefftos://bucket/a.png", "does not exist|no scheme"),
        (" file:///a.png", "the file: URL has white space"),
    ],
)
def test_what_is_neither_path_nor_url_hears_of_its_scheme(kind, given: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        kind(given)


def test_a_file_uri_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a red & 100 %#?.png"
    path.write_bytes(PNG)

    image = Image.from_path(path.as_uri(), root=tmp_path)

    assert Image.from_path(path, root=tmp_path) == image
    assert path == image.path == Image.from_path(path.as_uri().replace("file://", "FILE://localhost")).path


def test_a_file_uri_stays_in_the_fence(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.png").write_bytes(PNG)

    for uri in (
        f"file://{tmp_path}/out.png",
        f"file://{tmp_path}/in/..%2fout.png",
        f"file:{tmp_path}/out.png",
    ):
        with pytest.raises(InputError, match="outside root"):
            Image.from_path(uri, root=tmp_path / "in")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file://host/a.png", "another host"),
        ("file:a.png", "no absolute path"),
        ("file://", "no absolute path"),
        ("file:///a.png?x=1", r"\? or #"),
        ("file:///a#b.png", r"\? or #"),
        ("file:///a%00b.png", "not allowed in file names"),
        ("file://[::1/a.png", "malformed"),
    ],
)
def test_a_file_uri_that_names_no_file_here_is_refused(uri: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Image.from_path(uri)


def test_neither_message_sends_to_the_other() -> None:
    with pytest.raises(InputError, match="from_path, which also accepts file: URIs"):
        Image.from_url("file:///a.png")


@pytest.mark.parametrize("path", [b"cat.png", None, 3])
def test_a_path_of_another_type_is_refused(path: Any) -> None:
    with pytest.raises(InputError, match="expected a path as str or Path"):
        Image.from_path(path)


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"])
def test_a_path_no_file_can_have_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="not allowed in file names"):
        Image.from_path(path)


def test_a_file_outside_the_root_is_refused(shoe: Path, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "link.png").symlink_to(shoe)

    with pytest.raises(InputError, match=r"link\.png' is outside root"):
        Image.from_path(tmp_path / "media" / "link.png", root=tmp_path / "media")


def test_a_file_of_other_content_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"<html>404</html>")

    with pytest.raises(InputError, match=r"page\.png': the bytes are not an image .* HTML or XML"):
        Image.from_path(tmp_path / "page.png")


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV"])
def test_a_pillow_image_that_png_cannot_hold_is_refused(mode: str) -> None:
    with pytest.raises(InputError, match=f"mode {mode} cannot be written as PNG; .*convert"):
        Image.from_pil(Pillow.new(mode, (4, 4)))


@pytest.mark.parametrize("value", ["cat.png", PNG, None])
def test_what_is_not_a_pillow_image_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="expected a Pillow image"):
        Image.from_pil(value)


@pytest.mark.parametrize("kind", [Image, Video])
def test_a_value_is_not_made_from_a_bare_string(kind: Any) -> None:
    with pytest.raises(InputError, match=r"from_url, .*from_path or .*from_bytes"):
        kind("cat.png")


def test_a_video_is_not_made_from_the_source_of_an_image() -> None:
    with pytest.raises(InputError, match="is not a video"):
        Video(Image.from_bytes(PNG).source)


@pytest.mark.parametrize("fps", [-1, float("nan"), float("inf"), 10**400, True, "1"])
def test_an_impossible_fps_is_refused(fps: Any) -> None:
    with pytest.raises(InputError, match="fps is"):
        Video.from_url(URL, fps=fps)


@pytest.mark.parametrize("value", [0, -3, 1.5, True, "16"])
@pytest.mark.parametrize("knob", ["max_video_tokens", "min_frame_tokens", "max_frame_tokens", "min_frames"])
def test_an_impossible_count_is_refused(knob: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{knob} is"):
        Video.from_bytes(MP4, **{knob: value})


def test_frame_tokens_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(InputError, match="min_frame_tokens 200 is more than max_frame_tokens 128"):
        Video.from_url(URL, min_frame_tokens=200, max_frame_tokens=128)


@pytest.mark.parametrize(
    ("images", "seen"),
    [
        ([], "at least one image"),
        (["cat.png"], "frame 0 is of type str"),
        ("cat.png", "must be a list, got one str"),
        (Image.from_bytes(PNG), "must be a list, got one Image"),
        (None, "must be a list, got one NoneType"),
    ],
)
def test_frames_hold_images_only(images: Any, seen: str) -> None:
    with pytest.raises(InputError, match=seen):
        Frames(images)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ((), "at least one part"),
        (("a", ""), "empty text"),
        (("\ud800",), "lone surrogate at position 0"),
        ((Fused("a"),), "part 0 is of type Fused"),
        ((["a", Image.from_bytes(PNG)],), r"part 0 is of type list.*Fused\(\*parts\)"),
        (("a", b"a"), "part 1 is of type bytes"),
    ],
)
def test_fused_parts_are_texts_and_media(given: tuple[Any, ...], seen: str) -> None:
    with pytest.raises(InputError, match=seen):
        Fused(*given)


# What is read, and when.


def test_the_bytes_of_a_file_are_not_held(shoe: Path) -> None:
    assert len(pickle.dumps(Image.from_path(shoe))) < 1000


def test_a_file_is_read_again_just_before_it_is_sent(shoe: Path) -> None:
    image = Image.from_path(shoe)
    shoe.write_bytes(PNG[:-1] + b"Z")

    assert PNG[:-1] + b"Z" == image.read()


@pytest.mark.parametrize("data", [PNG + b"more", PNG[:-1]], ids=["longer", "shorter"])
def test_a_file_that_changed_size_is_refused(shoe: Path, data: bytes) -> None:
    image = Image.from_path(shoe)
    shoe.write_bytes(data)

    with pytest.raises(InputError, match=r"shoe\.png' changed its size"):
        image.read()


@pytest.mark.parametrize(
    "write", [lambda: _png((9000, 9000)), lambda: MP4], ids=["larger-picture", "other-format"]
)
def test_a_file_that_changed_its_header_but_not_its_size_is_refused(
    tmp_path: Path, write: Callable[[], bytes]
) -> None:
    path = tmp_path / "shoe.png"
    path.write_bytes(PNG.ljust(400_000, b"\0"))
    image = Image.from_path(path)
    path.write_bytes(write().ljust(400_000, b"\0"))

    with pytest.raises(InputError, match=r"shoe\.png' changed after"):
        image.read()


def test_a_file_that_changed_after_its_digest_is_refused(shoe: Path) -> None:
    image = Image.from_path(shoe)
    known = image.digest
    shoe.write_bytes(PNG[:-1] + b"Z")

    with pytest.raises(InputError, match=r"shoe\.png' changed after"):
        image.read()

    assert known == image.digest


def test_a_file_that_became_a_link_out_of_the_root_is_refused(shoe: Path, tmp_path: Path) -> None:
    root = tmp_path / "media"
    root.mkdir()
    os.link(shoe, root / "a.png")
    image = Image.from_path(root / "a.png", root=root)
    (root / "a.png").unlink()
    (root / "a.png").symlink_to(shoe)

    with pytest.raises(InputError, match="outside root"):
        image.read()


def test_a_file_that_is_gone_is_named(shoe: Path) -> None:
    image = Image.from_path(shoe)
    shoe.unlink()

    with pytest.raises(InputError, match=r"shoe\.png' does not exist"):
        image.read()


def test_a_url_is_never_read() -> None:
    with pytest.raises(InputError, match="never fetches") as caught:
        Image.from_url(URL).read()

    assert CANARY not in str(caught.value)


# Digests.


def test_the_digest_is_of_the_bytes_wherever_they_come_from(shoe: Path) -> None:
    expected = sha256(PNG).hexdigest()

    assert [expected] * 3 == [
        Image.from_bytes(PNG).digest,
        Image.from_path(shoe).digest,
        Image.from_url(DATA_URI).digest,
    ]


def test_the_digest_of_a_url_is_of_the_url_with_its_query() -> None:
    assert sha256(URL.encode()).hexdigest() == Image.from_url(URL).digest


def test_the_digest_of_a_plain_video_is_of_its_bytes() -> None:
    assert sha256(MP4).hexdigest() == Video.from_bytes(MP4).digest


def test_items_that_may_get_different_vectors_have_different_digests() -> None:
    image, other = Image.from_url(URL), Image.from_bytes(PNG)
    items: list[Item] = [
        image,
        other,
        URL,
        Video.from_url(URL),
        Video.from_url(URL, fps=1),
        Video.from_url(URL, fps=2),
        Video.from_url(URL, min_frames=8),
        Video.from_bytes(MP4),
        Video.from_bytes(MP4, max_frame_tokens=200),
        Frames([image]),
        Frames([image, other]),
        Frames([other, image]),
        Fused(image),
        Fused(URL),
        Fused(image, other),
        Fused(other, image),
        Fused(Frames([image, other])),
        Fused(image, Frames([other])),
        Fused("ab", "c"),
        Fused("a", "bc"),
        "abc",
    ]

    assert len(items) == len({digest(item) for item in items})


def test_equal_videos_have_equal_digests() -> None:
    assert Video.from_url(URL, fps=1).digest == Video.from_url(URL, fps=1.0).digest


def test_a_text_of_lone_surrogates_still_has_a_digest() -> None:
    assert 64 == len(digest("\ud800"))


# Equality, copies, and what is shown.


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
@pytest.mark.parametrize("digested", [False, True])
def test_a_copy_is_the_same_value(
    make: Callable[[Path], Item], copied: Callable[[Item], Item], digested: bool, shoe: Path
) -> None:
    item = make(shoe)
    if digested:
        digest(item)

    twin = copied(item)

    assert (item, hash(item), digest(item)) == (twin, hash(twin), digest(twin))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_neither_repr_nor_label_shows_bytes_or_query(make: Callable[[Path], Item], shoe: Path) -> None:
    item = make(shoe)

    shown = repr(item) + label(item) + repr([item]) + repr(getattr(item, "source", None))

    assert (False, False, False) == (CANARY in shown, "base64" in shown, "\\x" in shown)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_values_are_frozen(make: Callable[[Path], Item], shoe: Path) -> None:
    item = make(shoe)
    names = [name for name in ("source", "images", "parts") if hasattr(item, name)]

    with pytest.raises(AttributeError):
        setattr(item, names[0], None)


def test_media_of_the_same_url_but_another_kind_are_not_equal() -> None:
    assert 2 == len({Image.from_url(URL), Video.from_url(URL), Image.from_url(URL)})


def test_a_replaced_file_is_another_value(shoe: Path) -> None:
    before = Image.from_path(shoe)
    os.utime(shoe, ns=(1, 1))

    assert before != Image.from_path(shoe)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: Image.from_bytes(PNG), "image/png 37x23"),
        (Image.from_path, "'shoe.png' (image/png 37x23)"),
        (lambda path: Image.from_url(URL), "https://host/a/cat.png"),
        (lambda path: Video.from_bytes(MP4), "video/mp4"),
        (lambda path: Frames([Image.from_bytes(PNG)]), "frames (1), first image/png 37x23"),
        (lambda path: Fused("red", Image.from_bytes(PNG)), "text of 3 characters + image/png 37x23"),
        (lambda path: "secret", "text of 6 characters"),
    ],
)
def test_a_label_names_an_item_shortly(make: Callable[[Path], Item], expected: str, shoe: Path) -> None:
    assert expected == label(make(shoe))


# Items.


def test_a_text_that_reads_like_a_path_or_url_is_a_text() -> None:
    texts = ["/etc/passwd", "https://host/cat.png", DATA_URI, "cat.png"]

    assert [(("text",), (text,)) for text in texts] == [(modalities(text), parts(text)) for text in texts]


def test_modalities_are_distinct_and_in_order_of_appearance() -> None:
    image, video = Image.from_bytes(PNG), Video.from_bytes(MP4)

    assert ("image", "text", "video", "frames") == modalities(
        Fused(image, "a", image, video, "b", Frames([image]))
    )


def test_parts_keep_their_order() -> None:
    image = Image.from_bytes(PNG)

    assert ("a", image, "b") == parts(Fused("a", image, "b"))


@pytest.mark.parametrize("spec", [parts, modalities, digest, label])
@pytest.mark.parametrize("value", [None, 3, b"x", ["a"], Path("a.png")])
def test_what_is_no_item_is_refused(spec: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(InputError, match="an item is of type"):
        spec(value)


@pytest.mark.parametrize("text", ["", "a\udfffb"])
def test_a_text_that_cannot_be_sent_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="text"):
        check_text(text)


def test_image_and_video_are_media() -> None:
    assert [True, True, False] == [
        isinstance(item, Media) for item in (Image.from_url(URL), Video.from_url(URL), Fused("a"))
    ]


def _facts(media: Media) -> tuple[Any, ...]:
    return (
        media.url,
        media.inline,
        media.format,
        media.mime,
        media.size_bytes,
        media.width,
        media.height,
        media.path,
    )
