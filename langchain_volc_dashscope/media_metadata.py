"""
Writes the address of a document's medium into its metadata, and restores the item from there.

    media_uri    address of the item's first image or video
    media_kind   "image", "video" or "frames": the kind of that medium
    media_parts  JSON, only if the item is more than one plain medium: its parts in order; the first medium has the
                 address null, which stands for media_uri; a medium of bytes has "", and cannot be restored
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
from langchain_core.documents import Document
from langchain_core.messages.content import (
    ContentBlock,
    ImageContentBlock,
    VideoContentBlock,
    create_text_block,
)

from langchain_volc_dashscope.media_token import caption_of, media_in
from volc_dashscope import Frames, Fused, Image, InputError, Item, Part, Video
from volc_dashscope.inputs import SAMPLING_FIELDS, as_iterable, parts

M = TypeVar("M", Image, Video)


def metadata_of(item: Item, media_uri: str | None) -> dict[str, str]:
    """
    Return the metadata from which `media_of` restores the item in another process.

    Args:
        item: The item of the document.
        media_uri: Address of its first medium, or None if it has none.
    """
    whole = parts(item)
    kinds = [part.kind for part in whole if not isinstance(part, str)]
    metadata: dict[str, str] = {"media_kind": kinds[0]} if kinds else {}
    if media_uri is None:
        return metadata
    metadata["media_uri"] = media_uri
    entries = _part_entries(whole)
    if entries not in ([{"image": None}], [{"video": None}]):
        metadata["media_parts"] = orjson.dumps(entries).decode()
    return metadata


def uri_of(item: Item) -> str | None:
    """Return the address of the item's first medium, or None, as for bytes."""
    for medium in media_in(item):
        return _address(medium)
    return None


def media_of(document: Document, *, root: str | Path | None = None) -> Item:
    """
    Restore a document's item from its metadata; also works in another process.

    Args:
        document: From a store, with `media_uri` in its metadata.
        root: Folder that must contain local files. Pass it whenever others can write to the store.

    Raises:
        InputError: The item or a part of it has no address, or one that is neither http(s), oss nor a file; or the file
            is not an image or video.
    """
    metadata = _document(document).metadata
    uri = metadata.get("media_uri")
    if not isinstance(uri, str) or not uri:
        raise InputError("the document has no media_uri in its metadata")
    stored_parts = metadata.get("media_parts")
    if stored_parts:
        whole = [_restore_part(entry, uri, root) for entry in _parse_parts(stored_parts)]
        return whole[0] if len(whole) == 1 else Fused(*whole)
    if metadata.get("media_kind", _guess(uri)) == "video":
        return _medium(Video, uri, root)
    return _medium(Image, uri, root)


def content_blocks(documents: Iterable[Document], *, root: str | Path | None = None) -> list[ContentBlock]:
    """
    Return documents as v1 content blocks for a vision chat model: the text of each, then its pictures or video.

    URLs stay URLs; files are read and sent as base64.

    Args:
        documents: From a store.
        root: As for `media_of`.

    Raises:
        InputError: As `media_of`, or an element is not a document.
    """
    found = as_iterable(documents, name="documents")
    return [block for document in found for block in _blocks(document, root)]


def _document(value: object) -> Document:
    if not isinstance(value, Document):
        raise InputError(f"expected a Document, got {type(value).__name__}")
    return value


def _blocks(document: Document, root: str | Path | None) -> Iterator[ContentBlock]:
    caption = caption_of(_document(document).page_content)
    if caption:
        yield create_text_block(caption)
    if "media_uri" not in document.metadata:
        return
    for medium in media_in(media_of(document, root=root)):
        yield _block(medium)


def _block(medium: Image | Video) -> ImageContentBlock | VideoContentBlock:
    # Plain dicts: LangChain's factory functions add an id, which would differ from run to run.
    if isinstance(medium, Image):
        if medium.url is not None:
            return ImageContentBlock(type="image", url=medium.url)
        return ImageContentBlock(type="image", base64=_encoded(medium), mime_type=medium.mime or "")
    if medium.url is not None:
        block = VideoContentBlock(type="video", url=medium.url)
    else:
        block = VideoContentBlock(type="video", base64=_encoded(medium), mime_type=medium.mime or "")
    if sampling := _sampling(medium):
        block["extras"] = sampling
    return block


def _encoded(medium: Image | Video) -> str:
    return base64.b64encode(medium.read()).decode()


def _sampling(video: Video) -> dict[str, Any]:
    """Return the sampling fields of a video that are set."""
    return {name: value for name in SAMPLING_FIELDS if (value := getattr(video, name)) is not None}


def _address(medium: Image | Video) -> str | None:
    return medium.path.as_uri() if medium.path is not None else medium.url


def _part_entries(whole: tuple[Part, ...]) -> list[dict[str, Any]]:
    """Return parts as JSON values: the first medium has the address null, media of bytes an empty one."""
    media = [medium for part in whole for medium in media_in(part)]
    addresses = iter([None, *(_address(medium) or "" for medium in media[1:])])
    entries: list[dict[str, Any]] = []
    for part in whole:
        if isinstance(part, str):
            entries.append({"text": part})
        elif isinstance(part, Frames):
            entries.append({"frames": [next(addresses) for _ in part.images]})
        elif isinstance(part, Video):
            entries.append({"video": next(addresses), **_sampling(part)})
        else:
            entries.append({"image": next(addresses)})
    return entries


def _parse_parts(text: object) -> list[dict[str, Any]]:
    try:
        entries = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        entries = None
    if not isinstance(entries, list) or not entries or not all(_is_part(entry) for entry in entries):
        raise InputError("media_parts in the document's metadata was not written by MediaDocument")
    return entries


def _is_part(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    kinds = [kind for kind in ("text", "frames", "video", "image") if kind in entry]
    if len(kinds) != 1:
        return False
    value = entry[kinds[0]]
    return isinstance(value, {"text": str, "frames": list}.get(kinds[0], object))


def _restore_part(entry: dict[str, Any], uri: str, root: str | Path | None) -> Part:
    if "text" in entry:
        return str(entry["text"])
    if "frames" in entry:
        return Frames([_medium(Image, _resolve_address(address, uri), root) for address in entry["frames"]])
    if "video" in entry:
        sampling = {name: entry[name] for name in SAMPLING_FIELDS if name in entry}
        return _medium(Video, _resolve_address(entry["video"], uri), root, **sampling)
    return _medium(Image, _resolve_address(entry.get("image"), uri), root)


def _resolve_address(address: object, uri: str) -> object:
    if address == "":
        raise InputError(
            "a part of the item was made from bytes, which have no address; make the document from files or URLs"
        )
    return uri if address is None else address


def _medium(kind: type[M], uri: object, root: str | Path | None, **sampling: Any) -> M:
    if not isinstance(uri, str):
        raise InputError(f"media_uri must be str, got {type(uri).__name__}")
    scheme = _scheme(uri)
    if scheme in ("http", "https", "oss"):
        return kind.from_url(uri, **sampling)
    if scheme == "file":
        return kind.from_path(uri, root=root, **sampling)
    remedy = "pass a signed https: URL" if len(scheme) > 1 else "for a local file pass Path(...).as_uri()"
    raise InputError(f"media_uri must be http, https, oss or file, got scheme {scheme[:20]!r}; {remedy}")


def _scheme(uri: str) -> str:
    scheme, colon, _ = uri.partition(":")
    return scheme.lower() if colon else ""


def _guess(uri: str) -> str:
    try:
        path = urlsplit(uri).path
    except ValueError:  # refused below, with a reason
        return "image"
    mime, _ = mimetypes.guess_type(path)
    return "video" if (mime or "").startswith("video/") else "image"
