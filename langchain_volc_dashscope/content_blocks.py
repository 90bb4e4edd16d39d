"""
Turns content blocks into items. Formats: LangChain v1 and older, OpenAI's and Ark's, and DashScope's.

Every key of a block is either used for the item or refused. Beside its content, a block may have:

    id, index, annotations, metadata, cache_control   used by frameworks and chat models; do not shape a vector
    detail                                            OpenAI's hint to a chat model; neither service supports it
    fps, max_video_tokens, ...                        how a video is sampled, beside its URL or in `extras`; in the
                                                      `metadata` of a video they are refused, not ignored
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.documents import Document

from langchain_volc_dashscope.documents import MediaStr, UnknownMedia, resolve, resolve_parts
from volc_dashscope import Frames, Fused, Image, InputError, Item, Part, Video
from volc_dashscope.inputs import SAMPLING_FIELDS, constructor_hint, parts, type_name

M = TypeVar("M", Image, Video)

_MEDIA = (Image, Video, Frames, Fused)
_BOOKKEEPING = frozenset({"type", "id", "index", "annotations", "metadata", "cache_control"})
_KINDS: dict[str, type[Image] | type[Video]] = {
    "image": Image,
    "image_url": Image,
    "video": Video,
    "video_url": Video,
}


def as_item(value: object, unknown: UnknownMedia = "raise", *, root: str | Path | None = None) -> Item:
    """
    Convert what a caller passed to an item.

    Args:
        value: `str` (text, or a media token), `MediaStr`, an input value, a content block, or a list of
            blocks, which is one fused vector.
        unknown: What to do with a token that this process did not make.
        root: Folder that must contain the files of `file:` URIs in blocks; None refuses such URIs.

    Raises:
        InputError: A block has an unknown type or key, or neither URL nor bytes.
    """
    if isinstance(value, str):
        return resolve(value, unknown)
    if isinstance(value, _MEDIA):
        return resolve_parts(value, unknown)
    if isinstance(value, Mapping):
        return _block(value, root)
    # Bytes are a sequence of integers and a named tuple is one record, so neither is a list of blocks.
    record = isinstance(value, bytes | bytearray | memoryview) or hasattr(value, "_fields")
    if isinstance(value, Sequence) and not record:
        return _fused(value, unknown, root)
    hint = "; pass its page_content" if isinstance(value, Document) else constructor_hint(value)
    raise InputError(
        "expected str, Image, Video, Frames, Fused, a content block or a list of blocks, "
        f"got {type_name(value)}{hint}"
    )


def _fused(blocks: Sequence[object], unknown: UnknownMedia, root: str | Path | None) -> Item:
    whole: list[Part] = []
    for block in blocks:
        whole.extend(parts(as_item(block, unknown, root=root)))
    if not whole:
        raise InputError("the list of content blocks is empty")
    return whole[0] if len(whole) == 1 else Fused(*whole)


def _block(block: Mapping[str, Any], root: str | Path | None) -> Item:
    kind = block.get("type")
    if kind is None:
        return _dashscope(block, root)
    if kind == "text":
        _require_known(block, {"text"})
        return _text(block.get("text"))
    if kind == "non_standard":
        # `message.content_blocks` wraps blocks that LangChain does not know: video_url, and DashScope's.
        _require_known(block, {"value"})
        value = block.get("value")
        if not isinstance(value, Mapping):
            raise InputError(
                f"the value of a non_standard block must be a content block, got {type(value).__name__}"
            )
        if value.get("type") == "non_standard":
            raise InputError("a non_standard block is inside another one; pass the block itself")
        return _block(value, root)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(
            f"a content block has type {kind!r}; allowed are text, image, video, image_url and video_url"
        )
    medium = _KINDS[kind]
    if kind in ("image", "video"):
        return _v1(block, medium, root)
    inner = block.get(kind)
    found = inner if isinstance(inner, Mapping) else {"url": inner}
    _require_known(block, {kind}, medium)
    _require_known(found, {"url", "detail"} if medium is Image else {"url"}, medium)
    return _medium(found.get("url"), medium, root, _sampling(block, found))


def _v1(block: Mapping[str, Any], kind: type[Image] | type[Video], root: str | Path | None) -> Item:
    if _has(block, "source"):
        raise InputError(
            "a content block has the key 'source', as Anthropic spells it; pass message.content_blocks, which has "
            "LangChain's spelling"
        )
    # `data` and `source_type` are the spelling before v1.
    _require_known(block, {"url", "base64", "data", "source_type", "mime_type", "file_id"}, kind)
    source, mime, sampling = _source(block), _mime(block, kind), _sampling(block)
    if source == "url":
        return _medium(block["url"], kind, root, sampling)
    encoded = block[source]
    if not isinstance(encoded, str):
        raise InputError(f"the {source} of a content block must be str, got {type(encoded).__name__}")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the base64 of a content block cannot be decoded") from error
    return kind.from_bytes(data, mime=mime, **sampling)


def _source(block: Mapping[str, Any]) -> str:
    """Return the key that contains the medium; it must match `source_type` if that is set."""
    declared = block.get("source_type")
    name = "a file_id" if _has(block, "file_id") else "source_type 'id'" if declared == "id" else None
    if name is not None:
        raise InputError(
            f"a content block has {name}, which names a file at another service; pass url or base64"
        )
    sources = [name for name in ("url", "base64", "data") if _has(block, name)]
    if len(sources) > 1:
        raise InputError(f"an image or video block has {' and '.join(sources)}; pass only one of them")
    if not sources or not block[sources[0]]:
        raise InputError("an image or video block needs url or base64")
    if declared is None:
        return sources[0]
    if declared not in ("url", "base64"):
        raise InputError(f"source_type must be url or base64, got {declared!r}")
    if (declared == "url") != (sources[0] == "url"):
        needed = "url" if declared == "url" else "base64 or data"
        raise InputError(f"a content block has source_type {declared!r} and {sources[0]}; pass {needed}")
    return sources[0]


def _mime(block: Mapping[str, Any], kind: type[Image] | type[Video]) -> str | None:
    mime = block.get("mime_type")
    if mime is None:
        return None
    if not isinstance(mime, str):
        raise InputError(f"mime_type must be str, got {type(mime).__name__}")
    family = mime.partition("/")[0].strip().lower()
    if family in ("image", "video", "audio", "text") and family != kind.kind:
        raise InputError(f"a content block has mime_type {mime!r}; its type is {kind.kind}")
    return mime


def _dashscope(block: Mapping[str, Any], root: str | Path | None) -> Item:
    whole: list[Part] = []
    medium = Video if _has(block, "video") else Image
    _require_known(block, {"text", "image", "video", "multi_images"}, medium)
    for kind, value in block.items():
        if value is None or kind in _BOOKKEEPING:
            continue
        if kind == "text":
            whole.extend(parts(_text(value)))
        elif kind == "image":
            whole.append(_url(value, Image, root, {}))
        elif kind == "video":
            whole.append(_url(value, Video, root, _sampling(block)))
        elif kind == "multi_images":
            if not isinstance(value, Sequence) or isinstance(value, str | bytes):
                raise InputError(f"multi_images must be a list, got one {type(value).__name__}; pass [one]")
            whole.append(Frames([_url(url, Image, root, {}) for url in value]))
    if not whole:
        raise InputError("the content block is empty")
    return whole[0] if len(whole) == 1 else Fused(*whole)


def _has(block: Mapping[str, Any], key: str) -> bool:
    return block.get(key) is not None


def _require_known(
    block: Mapping[str, Any], content: set[str], medium: type[Image] | type[Video] | None = None
) -> None:
    """Refuse a key that would be ignored, unless its value is None."""
    sampling = SAMPLING_FIELDS if medium is Video else ()
    allowed = {*content, *sampling}
    if medium is Video:
        _refuse_sampling_in_metadata(block)
        _refuse_sampling_in_metadata(_extras(block))
    for key, value in [*block.items(), *_extras(block).items()]:
        if value is None or key in allowed or key in _BOOKKEEPING or key == "extras":
            continue
        if key in SAMPLING_FIELDS:
            raise InputError(
                f"a content block has the key {key!r}, which sets how a video is sampled, but no video"
            )
        kind = block.get("type")
        subject = f"a content block of type {kind!r} has" if kind is not None else "a content block has"
        raise InputError(f"{subject} the key {key!r}; allowed are {', '.join(sorted(allowed))}")


def _refuse_sampling_in_metadata(holder: Mapping[str, Any]) -> None:
    metadata = holder.get("metadata")
    if not isinstance(metadata, Mapping):
        return
    for name in SAMPLING_FIELDS:
        if metadata.get(name) is not None:
            raise InputError(
                f"a video block with {name!r} in its metadata, where it has no effect; "
                "put it next to the URL or in extras"
            )


def _sampling(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sampling fields of a video: from beside its URL, `extras`, or beside the block's type."""
    found: dict[str, Any] = {}
    for block in blocks:
        for source in (block, _extras(block)):
            for name in SAMPLING_FIELDS:
                if source.get(name) is None:
                    continue
                if found.setdefault(name, source[name]) != source[name]:
                    raise InputError(f"a content block sets {name} twice, to different values")
    return found


def _extras(block: Mapping[str, Any]) -> Mapping[str, Any]:
    extras = block.get("extras")
    if extras is not None and not isinstance(extras, Mapping):
        raise InputError(f"the extras of a content block must be a dict, got {type(extras).__name__}")
    return extras or {}


def _text(value: object) -> Item:
    """Return the text of a block as text, whatever it contains; a `MediaStr` is its item."""
    if isinstance(value, MediaStr):
        return value.item
    if not isinstance(value, str):
        raise InputError(f"the text of a content block must be str, got {type(value).__name__}")
    return value


def _medium(
    url: object, kind: type[Image] | type[Video], root: str | Path | None, sampling: Mapping[str, Any]
) -> Image | Video:
    return _url(url, Image, root, {}) if kind is Image else _url(url, Video, root, sampling)


def _url(value: object, kind: type[M], root: str | Path | None, sampling: Mapping[str, Any]) -> M:
    if not isinstance(value, str):
        raise InputError(f"the URL of a content block must be str, got {type(value).__name__}")
    if value[:5].lower() == "file:":
        if root is None:
            # Blocks come from chats and stores; without media_root, they could name any file.
            raise InputError(
                "a URL with scheme 'file' in a content block is refused; set media_root to the folder of these files"
            )
        return kind.from_path(value, root=root, **sampling)
    return kind.from_url(value, **sampling)
