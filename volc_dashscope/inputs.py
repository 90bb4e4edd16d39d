"""
What can be embedded: text, images, videos, frames, and several of them fused into one vector.

A `str` is always text. Everything else is one of the values here. Each constructor is named for where the bytes come
from, and checks them. Nothing here fetches a URL.

Long because each value has its constructors, their checks and an example.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, KeysView, Mapping, Set
from dataclasses import dataclass, field
from io import BytesIO
from operator import methodcaller
from typing import Any, ClassVar, Protocol, TypeGuard, TypeVar

from volc_dashscope import _media
from volc_dashscope._media import Media, constructor_hint, mixed_digest, type_name
from volc_dashscope.errors import InputError
from volc_dashscope.models import Modality

__all__ = [
    "SAMPLING_FIELDS",
    "Frames",
    "Fused",
    "Image",
    "Item",
    "Media",
    "Part",
    "Video",
    "as_iterable",
    "check_text",
    "constructor_hint",
    "digest",
    "flat_parts",
    "is_url",
    "label",
    "list_problem",
    "modalities",
    "parts",
    "type_name",
]

T = TypeVar("T")

_URL_SCHEMES = ("http:", "https:", "data:", "oss:")
_ORIENTATION = 0x0112  # The EXIF tag.

# The fields of a `Video` that say how it is sampled.
SAMPLING_FIELDS = ("fps", "max_video_tokens", "min_frame_tokens", "max_frame_tokens", "min_frames")


class Savable(Protocol):
    """The one method of a Pillow image that is used here."""

    def save(self, fp: BytesIO, format: str) -> object: ...


@dataclass(frozen=True, slots=True, repr=False)
class Image(Media):
    """
    One image.

    ```python
    shoe = Image.from_path("pictures/red_chair.png")
    print(shoe.mime, shoe.width, shoe.height)
    vectors = Client("qwen3-vl-embedding").embed([shoe, Image.from_url("https://example.com/shoe.png")]).vectors
    ```
    ```text
    image/png 256 192
    ```
    """

    kind: ClassVar[_media.Kind] = "image"

    @classmethod
    def from_url(cls, url: str) -> Image:
        """
        Return the image at a URL.

        Args:
            url: An http, https or oss URL, which the service fetches, or a data URI, which is decoded here.

        Raises:
            InputError: The URL has another scheme, or the data URI is malformed or not an image.
        """
        return cls(_media.source_of_url(url, "image"))

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> Image:
        """
        Return the image in a local file. Its header is checked now; the bytes are read just before they are sent.

        Args:
            path: A path or a `file:` URI. Relative paths start at the working directory, also if `root` is given.
            root: The folder that must contain the file after links and `..` are followed; None for any folder.

        Raises:
            InputError: The file is missing, unreadable, empty, outside `root`, or not an image.
        """
        return cls(_media.LocalFile.of(path, "image", root))

    @classmethod
    def from_bytes(cls, data: bytes, *, mime: str | None = None) -> Image:
        """
        Return the image in bytes; its format is detected.

        Args:
            data: The content of an image file.
            mime: The MIME type it should have; None to accept any image format.

        Raises:
            InputError: The bytes are not an image, or not of the type `mime`.
        """
        return cls(_media.Inline.of(data, "image", mime))

    @classmethod
    def from_pil(cls, im: Savable) -> Image:
        """
        Return a Pillow image as lossless PNG, rotated as its EXIF orientation says.

        Args:
            im: A Pillow image of any mode that PNG supports.

        Raises:
            InputError: It is not a Pillow image, or it cannot be written as PNG.
        """
        buffer = BytesIO()
        try:
            _upright(im).save(buffer, format="PNG")
        except (AttributeError, TypeError) as exc:
            raise InputError(f"expected a Pillow image, got {type(im).__name__}") from exc
        except (OSError, ValueError, KeyError) as exc:
            problem = f"the Pillow image of mode {getattr(im, 'mode', 'unknown')} cannot be written as PNG"
            raise InputError(f"{problem}; load and convert it first, for example im.convert('RGB')") from exc
        return cls.from_bytes(buffer.getvalue())


@dataclass(frozen=True, slots=True, repr=False)
class Video(Media):
    """
    One video. Without sampling fields, the model samples it by its defaults; `model_info` has the allowed ranges.

    ```python
    clip = Video.from_url("https://example.com/clip.mp4", fps=0.5)
    vectors = Client("qwen3-vl-embedding").embed([clip]).vectors
    ```

    Attributes:
        fps: Frames per second to sample (Ark), or the share of frames from 0 to 1 (DashScope).
        max_video_tokens: Most tokens the whole video may take.
        min_frame_tokens: Fewest tokens of one frame.
        max_frame_tokens: Most tokens of one frame.
        min_frames: Fewest frames to sample.
        seconds: Duration, as passed or from the header of an MP4, MOV or AVI file; else None. Used for estimates only,
            never sent.

    Raises:
        InputError: A field is not a number of the allowed kind, or `min_frame_tokens` exceeds `max_frame_tokens`.
    """

    kind: ClassVar[_media.Kind] = "video"
    fps: float | None = field(default=None, kw_only=True)
    max_video_tokens: int | None = field(default=None, kw_only=True)
    min_frame_tokens: int | None = field(default=None, kw_only=True)
    max_frame_tokens: int | None = field(default=None, kw_only=True)
    min_frames: int | None = field(default=None, kw_only=True)
    seconds: float | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        Media.__post_init__(self)
        if not (self.fps is None or _is_amount(self.fps)):
            raise InputError(f"fps is {self.fps!r}; expected a number from 0 (see the model's limits)")
        for name in SAMPLING_FIELDS[1:]:
            _check_count(name, getattr(self, name))
        low, high = self.min_frame_tokens, self.max_frame_tokens
        if low is not None and high is not None and low > high:
            raise InputError(f"min_frame_tokens {low} is more than max_frame_tokens {high}")
        seconds = self.source.seconds if self.seconds is None else self.seconds
        if seconds is not None and not (_is_amount(seconds) and seconds > 0):
            raise InputError(f"seconds is {seconds!r}; expected a positive number of seconds")
        object.__setattr__(self, "seconds", seconds)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        fps: float | None = None,
        max_video_tokens: int | None = None,
        min_frame_tokens: int | None = None,
        max_frame_tokens: int | None = None,
        min_frames: int | None = None,
        seconds: float | None = None,
    ) -> Video:
        """Return the video at a URL, as `Image.from_url` does; the sampling fields are those of `Video`."""
        return cls(
            _media.source_of_url(url, "video"),
            fps=fps,
            max_video_tokens=max_video_tokens,
            min_frame_tokens=min_frame_tokens,
            max_frame_tokens=max_frame_tokens,
            min_frames=min_frames,
            seconds=seconds,
        )

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        fps: float | None = None,
        max_video_tokens: int | None = None,
        min_frame_tokens: int | None = None,
        max_frame_tokens: int | None = None,
        min_frames: int | None = None,
        seconds: float | None = None,
    ) -> Video:
        """Return the video in a local file, as `Image.from_path` does; the sampling fields are those of `Video`."""
        return cls(
            _media.LocalFile.of(path, "video", root),
            fps=fps,
            max_video_tokens=max_video_tokens,
            min_frame_tokens=min_frame_tokens,
            max_frame_tokens=max_frame_tokens,
            min_frames=min_frames,
            seconds=seconds,
        )

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        mime: str | None = None,
        fps: float | None = None,
        max_video_tokens: int | None = None,
        min_frame_tokens: int | None = None,
        max_frame_tokens: int | None = None,
        min_frames: int | None = None,
        seconds: float | None = None,
    ) -> Video:
        """Return the video in bytes, as `Image.from_bytes` does; the sampling fields are those of `Video`."""
        return cls(
            _media.Inline.of(data, "video", mime),
            fps=fps,
            max_video_tokens=max_video_tokens,
            min_frame_tokens=min_frame_tokens,
            max_frame_tokens=max_frame_tokens,
            min_frames=min_frames,
            seconds=seconds,
        )

    @property
    def digest(self) -> str:
        """As for an image. It also depends on the sampling fields, and for a URL on the kind."""
        found = [(name, getattr(self, name)) for name in SAMPLING_FIELDS]
        sampling = [f"{name}={float(value)!r}" for name, value in found if value is not None]
        plain = self.inline and not sampling
        return self.source.digest if plain else mixed_digest("video", [self.source.digest, *sampling])


@dataclass(frozen=True, slots=True, init=False)
class Frames:
    """
    Images that belong together, such as stills of one scene: one vector (DashScope `multi_images`).

    ```python
    stills = Frames([Image.from_path("pictures/banana.png"), Image.from_path("pictures/red_chair.png")])
    print(Client("tongyi-embedding-vision-plus-2026-03-06").embed([stills]).vectors.shape)
    ```
    ```text
    (1, 1152)
    ```

    Args:
        images: At least one image, in order; `ModelInfo.max_frames` is the model's limit.

    Raises:
        InputError: There is no image, or one of them is something else.
    """

    images: tuple[Image, ...]
    kind: ClassVar[Modality] = "frames"

    def __init__(self, images: Iterable[Image]) -> None:
        found = tuple(as_iterable(images, name="the images of Frames"))
        for position, image in enumerate(found):
            if not isinstance(image, Image):
                hint = constructor_hint(image)
                raise InputError(f"frame {position} is of type {type_name(image)}; expected Image{hint}")
        if not found:
            raise InputError("Frames needs at least one image")
        object.__setattr__(self, "images", found)

    @property
    def digest(self) -> str:
        """Digest of the images in order."""
        return mixed_digest("frames", [image.digest for image in self.images])

    def label(self) -> str:
        """Name this in a message."""
        return f"frames ({len(self.images)}), first {self.images[0].label()}"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Fused:
    """
    Several parts that become one vector: `Fused("red, but for running", Image.from_path("shoe.png"))`.

    ```python
    wish = Fused("the same, but blue", Image.from_path("pictures/red_chair.png"))
    print(Client("qwen3-vl-embedding").embed([wish], text_type="query").vectors.shape)
    ```
    ```text
    (1, 2560)
    ```

    Args:
        parts: At least one text, image, video or `Frames`, in order.

    Raises:
        InputError: There is no part, one of them is something else, or a text is empty or not valid UTF-8.
    """

    parts: tuple[Part, ...]

    def __init__(self, *parts: Part) -> None:
        if not parts:
            raise InputError("Fused needs at least one part")
        for position, part in enumerate(parts):
            if not isinstance(part, (str, Image, Video, Frames)):
                problem = f"part {position} is of type {type_name(part)}"
                raise InputError(
                    f"{problem}; expected str, Image, Video or Frames as separate arguments: Fused(*parts)"
                    f"{constructor_hint(part)}"
                )
        whole = tuple(check_text(part) if isinstance(part, str) else part for part in parts)
        object.__setattr__(self, "parts", whole)

    def __repr__(self) -> str:
        return f"Fused({self.label()})"

    @property
    def digest(self) -> str:
        """Digest of the parts in order."""
        return mixed_digest("fused", [f"{modalities(part)[0]}:{digest(part)}" for part in self.parts])

    def label(self) -> str:
        """Name this in a message."""
        return " + ".join(label(part) for part in self.parts)


Part = str | Image | Video | Frames
Item = str | Image | Video | Frames | Fused


def as_iterable(values: Iterable[T], *, name: str) -> Iterable[T]:
    """
    Return the members of a list argument; refuse a single value that Python would iterate over.

    Lists, tuples, iterators, one-dimensional arrays (numpy, pandas, Arrow, polars) and any other ordered
    iterable pass. Iterating over a `str` gives letters, over a `dict` its keys, over a `DataFrame` its column
    names, over a pydantic model or a named tuple its fields, and over a `set` an arbitrary order: each of these
    would give vectors that the caller did not mean.

    Args:
        values: The argument.
        name: Its name, for the message.

    Raises:
        InputError: A single value instead of a list.
    """
    if type(values) in (list, tuple):
        return values
    problem = list_problem(values, name=name)
    if problem is not None:
        raise InputError(problem)
    array: Any = values
    if callable(getattr(array, "to_pylist", None)):
        return map(methodcaller("as_py"), array)
    if getattr(array, "ndim", None) == 1 and callable(getattr(array, "tolist", None)):
        # As Python's own values: not every library accepts numpy's str as str.
        members: list[T] = array.tolist()
        return members
    return values


def list_problem(value: object, *, name: str) -> str | None:
    """Return the message of `as_iterable` for an argument that is not a list, or None."""
    problem = f"{name} must be a list, got one {type(value).__name__}; pass [one]"
    if _is_table(value):
        return f"{problem}, or one column of a table"
    return problem if _is_single(value) else None


def _is_table(value: object) -> bool:
    """Whether this has rows and columns, or is an array that is no list."""
    records = getattr(getattr(value, "dtype", None), "names", None)
    if records or getattr(value, "ndim", 1) != 1 or getattr(value, "nlevels", 1) != 1:
        return True
    return not isinstance(value, Mapping) and (hasattr(value, "columns") or hasattr(value, "column_names"))


def _is_single(value: object) -> bool:
    if isinstance(value, str | bytes | bytearray | memoryview | Mapping):
        return True
    if isinstance(value, Set) and not isinstance(value, KeysView):  # the keys of a dict have an order
        return True
    # Classes, pydantic models of both versions, named tuples, and the arrays of letters of the standard library.
    marks = ("model_fields", "__fields__", "_fields", "typecode")
    if isinstance(value, type) or any(hasattr(type(value), mark) for mark in marks):
        return True
    try:
        iter(value)  # type: ignore[call-overload]
    except TypeError:
        return True
    return False


def is_url(value: object) -> TypeGuard[str]:
    """Return whether a value is a string with a URL scheme, for arguments that also accept paths. `file:` is a path."""
    return isinstance(value, str) and value[:6].lower().startswith(_URL_SCHEMES)


def check_text(text: str) -> str:
    """
    Return a text as it can be sent, with surrogate pairs joined.

    Raises:
        InputError: The text is empty, or contains a lone surrogate, which UTF-8 cannot encode.
    """
    if not text:
        raise InputError("empty text; a text needs at least one character")
    if type(text) is not str:
        text = str.__str__(text)
    if is_utf8(text):
        return text
    text = mend_surrogates(text)
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InputError(lone_surrogate(exc.start)) from exc
    return text


def is_utf8(text: str) -> bool:
    """Return whether a text contains no surrogate, so that it can be sent unchanged."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def mend_surrogates(text: str) -> str:
    """Return a text with its surrogate pairs (from JSON escapes) joined; a lone surrogate is kept."""
    if text.isascii() or is_utf8(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def lone_surrogate(position: int) -> str:
    """Return the message for a lone surrogate."""
    return (
        f"the text contains a lone surrogate at position {position}, half a character that UTF-8 cannot encode; "
        'replace it: text.encode("utf-8", "replace").decode()'
    )


def parts(item: Item) -> tuple[Part, ...]:
    """
    Return the parts of an item in order; any item but `Fused` has only itself as a part.

    Raises:
        InputError: It is not an item.
    """
    if isinstance(item, Fused):
        return item.parts
    if isinstance(item, (str, Image, Video, Frames)):
        return (item,)
    raise InputError(
        f"an item is of type {type_name(item)}; expected str, Image, Video, Frames or Fused{constructor_hint(item)}"
    )


def flat_parts(item: Item) -> Iterator[str | Image | Video]:
    """Yield the texts, images and videos of an item in order; the images of `Frames` one by one."""
    for part in parts(item):
        if isinstance(part, Frames):
            yield from part.images
        else:
            yield part


def modalities(item: Item) -> tuple[Modality, ...]:
    """Return the kinds of content in an item, each once, in order of appearance."""
    if isinstance(item, (Image, Video)):
        return (item.kind,)
    return tuple(dict.fromkeys("text" if isinstance(part, str) else part.kind for part in parts(item)))


def digest(item: Item) -> str:
    """Return 64 hex digits that identify the content of any item. A text and a URL never have the same."""
    if isinstance(item, str):
        return mixed_digest("text", [item])
    parts(item)  # raises for what is no item
    return item.digest


def label(item: Item) -> str:
    """Return a short name of any item for messages; for a text, only its length."""
    parts(item)  # raises for what is no item
    if not isinstance(item, str):
        return item.label()
    return f"text of {len(item)} character{'' if len(item) == 1 else 's'}"


def _upright(im: Savable) -> Savable:
    """Return a Pillow image as viewers show it: a PNG of its pixels does not have the EXIF data of a photograph."""
    exif: Mapping[int, Any] = getattr(im, "getexif", dict)()
    if exif.get(_ORIENTATION, 1) == 1:
        return im
    from PIL import ImageOps

    picture: Any = im
    turned: Savable = ImageOps.exif_transpose(picture)
    return turned


def _is_amount(value: object) -> bool:
    # The comparison is also False for NaN; the upper end keeps out what float cannot hold.
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max
    )


def _check_count(name: str, value: int | None) -> None:
    if value is not None and not (type(value) is int and 1 <= value <= sys.maxsize):
        raise InputError(f"{name} is {value!r}; expected a whole number from 1")
