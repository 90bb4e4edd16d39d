"""Content blocks, in the spellings LangChain users have, as items: v1, OpenAI's, and DashScope's dicts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_volc_dashscope.documents import UnknownMedia, resolve
from volc_dashscope import Frames, Fused, Image, InputError, Item, Part, Video
from volc_dashscope.inputs import parts

_MEDIA = (Image, Video, Frames, Fused)


def as_item(given: object, unknown: UnknownMedia = "raise") -> Item:
    """
    Return the item a caller means.

    Args:
        given: `str` (text, or a media token), `MediaStr`, an input value, a content block, or a list of
            blocks, which is one fused vector.
        unknown: What to do with a token this process did not make.

    Raises:
        InputError: A block of an unknown kind, or one that holds no URL or bytes.
    """
    if isinstance(given, str):
        return resolve(given, unknown)
    if isinstance(given, _MEDIA):
        return given
    if isinstance(given, Mapping):
        return _block(given)
    if isinstance(given, Sequence):
        return _fused(given, unknown)
    raise InputError(
        f"expected str, Image, Video, Fused, a content block or a list of blocks, got {type(given).__name__}"
    )


def _fused(blocks: Sequence[object], unknown: UnknownMedia) -> Item:
    whole: list[Part] = []
    for block in blocks:
        whole.extend(parts(as_item(block, unknown)))
    if not whole:
        raise InputError("an empty list of content blocks")
    return whole[0] if len(whole) == 1 else Fused(*whole)


def _block(block: Mapping[str, Any]) -> Item:
    kind = block.get("type")
    if kind is None:
        return _dashscope(block)
    if kind == "text":
        return _text(block.get("text"))
    if kind in ("image_url", "video_url"):
        inner = block.get(kind)
        url = inner.get("url") if isinstance(inner, Mapping) else inner
        return _url(url, Image if kind == "image_url" else Video)
    if kind in ("image", "video"):
        return _v1(block, Image if kind == "image" else Video)
    raise InputError(
        f"content block of type {kind!r}; text, image, video, image_url and video_url can be embedded"
    )


def _v1(block: Mapping[str, Any], kind: type[Image] | type[Video]) -> Item:
    # `data` and `source_type` are the spelling before v1.
    encoded = block.get("base64") or (block.get("data") if block.get("source_type") == "base64" else None)
    if isinstance(encoded, str):
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InputError("the base64 of a content block cannot be decoded") from error
        mime = block.get("mime_type")
        return kind.from_bytes(data, mime=mime if isinstance(mime, str) else None)
    if block.get("url") is None:
        raise InputError(
            "an image or video block needs url or base64; file ids of other services mean nothing here"
        )
    return _url(block.get("url"), kind)


def _dashscope(block: Mapping[str, Any]) -> Item:
    whole: list[Part] = []
    for kind, value in block.items():
        if kind == "text":
            whole.append(_text(value))
        elif kind == "image":
            whole.append(_url(value, Image))
        elif kind == "video":
            whole.append(_url(value, Video))
        elif kind == "multi_images" and isinstance(value, Sequence) and not isinstance(value, str):
            whole.append(Frames([Image.from_url(_checked(url)) for url in value]))
        else:
            raise InputError(
                f"content block with the key {kind!r}; text, image, video and multi_images are known"
            )
    if not whole:
        raise InputError("an empty content block")
    return whole[0] if len(whole) == 1 else Fused(*whole)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"the text of a content block must be str, got {type(value).__name__}")
    return value


def _url(value: object, kind: type[Image] | type[Video]) -> Image | Video:
    return kind.from_url(_checked(value))


def _checked(value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"the URL of a content block must be str, got {type(value).__name__}")
    return value
