"""
Media where a store only takes text: `MediaStr`, `MediaDocument`, and the way back from a hit to the picture.

A text that ends in a whole token `⟦media:sha256:<64 hex>⟧` stands for an item this process made with `media`
or `MediaDocument`. Stores may copy, flatten and hand back such texts as they like; the registry here resolves
them. Tokens depend on content only, and nothing here stores the content in text or metadata.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import UUID, uuid5

from langchain_core.documents import Document
from langchain_core.messages.content import (
    ContentBlock,
    ImageContentBlock,
    TextContentBlock,
    VideoContentBlock,
)

from volc_dashscope import Frames, Fused, Image, InputError, Item, Part, Video
from volc_dashscope.inputs import digest, label, parts

UnknownMedia = Literal["raise", "text"]

_TOKEN = re.compile(r"⟦media:sha256:([0-9a-f]{64})⟧\Z")
_KEY_SPACE = UUID("6f1a4f0e-2a0b-5c57-9d6e-6b1f3f0d7c11")


class _Registry:
    """Items by digest, the least recently used forgotten first."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items, self._max_bytes = max_items, max_bytes
        self._items: OrderedDict[str, tuple[Item, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def add(self, key: str, item: Item) -> None:
        size = sum(_held(part) for part in parts(item))
        with self._lock:
            _, old = self._items.pop(key, (None, 0))
            self._items[key] = (item, size)
            self._bytes += size - old
            while len(self._items) > 1 and (
                len(self._items) > self._max_items or self._bytes > self._max_bytes
            ):
                _, (_, dropped) = self._items.popitem(last=False)
                self._bytes -= dropped

    def find(self, key: str) -> Item | None:
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
            return found[0] if found else None


# Files and URLs weigh nothing: only what was given as bytes is held.
_registry = _Registry(max_items=1_000_000, max_bytes=256 * 1024 * 1024)


class MediaStr(str):
    """
    A short text that stands for an item, and carries it.

    Attributes:
        item: What is embedded.
        media_uri: Where the medium comes from, if it has an address.
    """

    item: Item
    media_uri: str | None

    def __new__(cls, item: Item, caption: str = "", *, media_uri: str | None = None) -> MediaStr:
        key = digest(item)
        text = " ".join((caption or _caption(item)).split())
        made = super().__new__(cls, f"{text} ⟦media:sha256:{key}⟧" if text else f"⟦media:sha256:{key}⟧")
        made.item = item
        made.media_uri = media_uri if media_uri is not None else _uri(item)
        _registry.add(key, item)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return (_remake, (self.item, caption_of(self), self.media_uri))


def _remake(item: Item, caption: str, media_uri: str | None) -> MediaStr:
    return MediaStr(item, caption, media_uri=media_uri)


def media(item: Item, caption: str = "", *, media_uri: str | None = None) -> MediaStr:
    """
    Return a text that stands for an item, for stores and chains that only take text.

    Args:
        item: `Image`, `Video`, `Frames` or `Fused`.
        caption: What people and text searches read; else the texts of a `Fused`, else a short label.
        media_uri: Address of the medium; else its URL or its file.
    """
    return MediaStr(item, caption, media_uri=media_uri)


class MediaDocument(Document):
    """
    A `Document` whose content stands for an item.

    `metadata` gets `media_uri` and `media_kind`, and for a `Fused` its text as `media_text`, so that `media_of`
    can restore the item in another process. Bytes have no address: give one with `media_uri` to find them again.

    Args:
        item: `Image`, `Video`, `Frames` or `Fused`.
        caption, media_uri: As for `media`.
        metadata: Your own; not changed.
    """

    def __init__(
        self,
        item: Item | None = None,
        *,
        caption: str = "",
        media_uri: str | None = None,
        metadata: dict[str, Any] | None = None,
        page_content: str | None = None,
        **fields: Any,
    ) -> None:
        known = dict(metadata or {})
        if item is not None:
            text = media(item, caption, media_uri=media_uri)
            page_content = str.__str__(text)
            known = {**_traits(item, text.media_uri), **known}
        elif page_content is None:
            raise InputError("MediaDocument needs an item")
        # Frameworks copy documents by their fields; page_content then holds the token already.
        super().__init__(page_content, metadata=known, **fields)


def resolve(text: str, unknown: UnknownMedia) -> Item:
    """
    Return what a text stands for: itself, or the item of the token it ends in.

    Raises:
        InputError: A whole token that this process did not make (or has forgotten), unless `unknown` is "text".
    """
    if isinstance(text, MediaStr):
        return text.item
    found = _TOKEN.search(text)
    if found is None:
        return text
    item = _registry.find(found[1])
    if item is not None:
        return item
    if unknown == "text":
        return text
    raise InputError(
        f"the text ends in the media token {found[1][:12]}…, which this process did not make; make the item again "
        'with media() or MediaDocument, or embed such texts as they stand with unknown_media="text"'
    )


def caption_of(text: str) -> str:
    """Return a text without its media token."""
    return _TOKEN.sub("", text).rstrip() if _TOKEN.search(text) else text


def media_of(document: Document, *, root: str | Path | None = None) -> Item:
    """
    Restore the item a document stands for from its metadata; works in a new process.

    Args:
        document: From a store, with `media_uri` in its metadata.
        root: Files must be inside this folder. Give it whenever others can write to the store.

    Raises:
        InputError: No address, one that is neither http(s), oss nor a file, or a file that is no image or video.
    """
    uri = document.metadata.get("media_uri")
    if not isinstance(uri, str) or not uri:
        raise InputError("the document has no media_uri in its metadata")
    video = document.metadata.get("media_kind", _guess(uri)) == "video"
    kind: type[Image] | type[Video] = Video if video else Image
    scheme = urlsplit(uri).scheme
    medium: Image | Video
    if scheme in ("http", "https", "oss"):
        medium = kind.from_url(uri)
    elif scheme == "file":
        medium = kind.from_path(url2pathname(urlsplit(uri).path), root=root)
    else:
        raise InputError(f"media_uri must be http, https, oss or file, got scheme {scheme!r}")
    text = document.metadata.get("media_text")
    return Fused(text, medium) if isinstance(text, str) and text else medium


def content_blocks(documents: Iterable[Document], *, root: str | Path | None = None) -> list[ContentBlock]:
    """
    Return v1 content blocks of documents for a vision chat model: each one's text, then its picture or video.

    URLs stay URLs; files are read and sent as base64, and have to be inside `root` if it is given.
    """
    return [block for document in documents for block in _blocks(document, root)]


def uuid5_key(document: Document) -> str:
    """
    Return an id by content and metadata, for `index(..., key_encoder=uuid5_key)`.

    Qdrant takes UUIDs and whole numbers only, and the built-in encoders of `index` give neither.
    """
    traits = json.dumps(document.metadata, sort_keys=True, default=str, ensure_ascii=False)
    return str(uuid5(_KEY_SPACE, f"{document.page_content}\n{traits}"))


def _blocks(document: Document, root: str | Path | None) -> Iterator[ContentBlock]:
    caption = caption_of(document.page_content)
    if caption:
        yield TextContentBlock(type="text", text=caption)
    if "media_uri" not in document.metadata:
        return
    for part in parts(media_of(document, root=root)):
        if isinstance(part, Image | Video):
            yield _block(part)


def _block(medium: Image | Video) -> ImageContentBlock | VideoContentBlock:
    # Plain dicts: the factories add an id, which would differ from run to run.
    if medium.url is not None:
        if isinstance(medium, Video):
            return VideoContentBlock(type="video", url=medium.url)
        return ImageContentBlock(type="image", url=medium.url)
    data, mime = base64.b64encode(medium.read()).decode(), medium.mime or ""
    if isinstance(medium, Video):
        return VideoContentBlock(type="video", base64=data, mime_type=mime)
    return ImageContentBlock(type="image", base64=data, mime_type=mime)


def _traits(item: Item, uri: str | None) -> dict[str, str]:
    kinds = [part.kind for part in parts(item) if not isinstance(part, str)]
    traits: dict[str, str] = {"media_kind": kinds[0]} if kinds else {}
    if uri is not None:
        traits["media_uri"] = uri
    texts = [part for part in parts(item) if isinstance(part, str)]
    if kinds and texts:
        traits["media_text"] = "\n".join(texts)
    return traits


def _uri(item: Item) -> str | None:
    """Address of the item's first medium that has one."""
    for medium in _media(parts(item)):
        if medium.url is not None:
            return medium.url
        if medium.path is not None:
            return medium.path.as_uri()
    return None


def _caption(item: Item) -> str:
    texts = [part for part in parts(item) if isinstance(part, str)]
    return " ".join(texts) if texts else label(item)


def _media(whole: Sequence[Part]) -> Iterator[Image | Video]:
    for part in whole:
        if isinstance(part, Frames):
            yield from part.images
        elif not isinstance(part, str):
            yield part


def _held(part: Part) -> int:
    return sum(medium.size_bytes or 0 for medium in _media([part]) if medium.path is None)


def _guess(uri: str) -> str:
    mime, _ = mimetypes.guess_type(urlsplit(uri).path)
    return "video" if (mime or "").startswith("video/") else "image"
