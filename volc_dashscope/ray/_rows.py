"""Reads the rows of a batch as items: cells of several columns are fused, null cells left out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.errors import ConfigError, InputError
from volc_dashscope.inputs import Fused, Image, Item, Part, Video, as_iterable, is_url

Column: TypeAlias = NDArray[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputColumns:
    """
    The columns that are embedded.

    Attributes:
        text: Name of the column of texts, or None.
        image: Name of the column of images, or None.
        video: Name of the column of videos, or None.
        root: Paths must be inside this directory.
        fps: Sampling rate of videos.
    """

    text: str | None
    image: str | None
    video: str | None
    root: str | os.PathLike[str] | None
    fps: float | None

    def __post_init__(self) -> None:
        if not self.names:
            raise ConfigError("pass at least one of text_column, image_column and video_column")
        if len(set(self.names)) < len(self.names):
            actual = ", ".join(map(repr, self.names))
            raise ConfigError(
                f"text_column, image_column and video_column must be different columns, got {actual}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are read, in the order in which their parts are fused."""
        return tuple(name for name in (self.text, self.image, self.video) if name is not None)

    def check(self, batch: Mapping[str, Column]) -> None:
        """Refuse a batch without the columns, or with one of a type that loses bytes."""
        if not isinstance(batch, Mapping):
            raise ConfigError(
                f"a batch must be a dict of columns, got {type(batch).__name__}; use batch_format='numpy'"
            )
        for name in self.names:
            if name not in batch:
                raise ConfigError(f"the batch has no column {name!r}; it has: {', '.join(map(repr, batch))}")
            if getattr(batch[name], "dtype", np.dtype(object)).kind == "S":
                raise ConfigError(
                    f"column {name!r} is an array of fixed-width bytes, which has dropped the zero bytes at the "
                    f"end of each; use an object array"
                )
            # Pixels of equal size arrive as one array of many dimensions, of which the first are the rows.
            if getattr(batch[name], "ndim", 1) < 2 or name != self.image:
                as_iterable(batch[name], name=f"column {name!r}")

    def items(self, batch: Mapping[str, Column]) -> Iterator[Item | InputError]:
        """Yield the item of every row in order, or the reason why it has none."""
        columns = {name: _by_position(batch[name], name) for name in self.names}
        for row in range(len(columns[self.names[0]])):
            try:
                yield self._item(columns, row)
            except InputError as error:
                yield error

    def _item(self, batch: Mapping[str, Sequence[Any]], row: int) -> Item:
        parts: list[Part] = []
        if self.text is not None and not _missing(cell := batch[self.text][row]):
            parts.append(_text(cell, self.text))
        if self.image is not None and not _missing(cell := batch[self.image][row]):
            parts.append(self._image(cell, self.image))
        if self.video is not None and not _missing(cell := batch[self.video][row]):
            parts.append(self._video(cell, self.video))
        if not parts:
            verb = "is" if len(self.names) == 1 else "are"
            raise InputError(f"nothing to embed: {' and '.join(map(repr, self.names))} {verb} null or empty")
        return parts[0] if len(parts) == 1 else Fused(*parts)

    def _image(self, cell: object, column: str) -> Image:
        if isinstance(cell, Image):
            return cell
        if isinstance(cell, bytes):
            return Image.from_bytes(cell)
        if isinstance(cell, str):
            return Image.from_url(cell) if is_url(cell) else Image.from_path(cell, root=self.root)
        if isinstance(cell, np.ndarray):
            return _image_of_pixels(cell, column)
        raise _wrong_type(cell, column, "bytes, a path, a URL, or an array of pixels")

    def _video(self, cell: object, column: str) -> Video:
        if isinstance(cell, Video):
            return cell
        if isinstance(cell, bytes):
            return Video.from_bytes(cell, fps=self.fps)
        if isinstance(cell, str):
            if is_url(cell):
                return Video.from_url(cell, fps=self.fps)
            return Video.from_path(cell, root=self.root, fps=self.fps)
        raise _wrong_type(cell, column, "bytes, a path or a URL")


def _by_position(column: Any, name: str) -> Sequence[Any]:
    """Return a column whose cells are found by position: those of a pandas Series are found by its own index."""
    if isinstance(column, np.ndarray):
        return column  # type: ignore[return-value]
    return list(as_iterable(column, name=f"column {name!r}"))


def _missing(cell: object) -> bool:
    """Return whether a cell is null (None, or NaN where a column of nulls became one of numbers) or empty."""
    return cell is None or (isinstance(cell, float | np.floating) and bool(np.isnan(cell))) or _empty(cell)


def _empty(cell: object) -> bool:
    return isinstance(cell, str | bytes) and not cell


def _text(cell: object, column: str) -> str:
    if isinstance(cell, str):
        return str.__str__(cell)  # a `numpy.str_` is a str too, but not for all libraries
    raise _wrong_type(cell, column, "str")


def _image_of_pixels(pixels: NDArray[np.generic], column: str) -> Image:
    """Return the pixels of `ray.data.read_images` as a PNG, which is lossless."""
    try:
        from PIL import Image as Pillow
    except ImportError as error:
        raise ConfigError(
            f"column {column!r} holds pixels, which need Pillow: pip install 'volc-dashscope[images]'"
        ) from error
    try:
        return Image.from_pil(Pillow.fromarray(pixels))
    except (TypeError, ValueError) as error:
        actual = f"column {column!r} holds an array of {pixels.dtype} of shape {pixels.shape}"
        raise InputError(f"{actual}; expected uint8 of (height, width, 1, 3 or 4)") from error


def _wrong_type(cell: object, column: str, expected: str) -> InputError:
    return InputError(f"column {column!r} holds {type(cell).__name__}; expected {expected}")
