"""
Media for stores that only take text: `MediaStr` and `MediaDocument`.

A text that ends in a whole token `⟦media:sha256:<64 hex>⟧` stands for an item that this process made with `media` or
`MediaDocument`. Stores may copy, flatten and return such texts; a registry resolves them. A text with a token
elsewhere, or with part of one, is refused, because the token's letters were not meant to be embedded. Tokens depend
only on the content, which is never stored in text or metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID, uuid5

from langchain_core.documents import Document
from pydantic import PrivateAttr

from langchain_volc_dashscope.media_metadata import metadata_of, uri_of
from langchain_volc_dashscope.media_token import (
    Registry,
    bare_key_of,
    caption_of,
    is_damaged,
    key_of,
    with_token,
)
from volc_dashscope import Fused, InputError, Item, Part
from volc_dashscope.inputs import check_text, digest, label, parts

UnknownMedia = Literal["raise", "text"]

_KEY_SPACE = UUID("6f1a4f0e-2a0b-5c57-9d6e-6b1f3f0d7c11")

_DAMAGED = (
    "the text contains a media token that was cut, changed or followed by other text; pass the text of media() "
    'unchanged, or embed such texts as plain text with unknown_media="text"'
)

_registry = Registry(max_items=1_000_000, max_bytes=256 * 1024 * 1024)


class MediaTokenError(InputError):
    """A text contains a media token that cannot be resolved. Only this item fails; the others are embedded."""


class MediaStr(str):
    """
    A short text that stands for an item and contains it.

    ```python
    shoe = media(Image.from_path("pictures/red_chair.png"), "a red chair")
    vectors = DashScopeEmbeddings(model="qwen3-vl-embedding").embed_documents([shoe, "a blue hat"])
    print(shoe.startswith("a red chair"), len(vectors))
    ```
    ```text
    True 2
    ```

    Attributes:
        item: What is embedded.
        media_uri: Address of the medium; None for bytes without one.

    Raises:
        InputError: The item is not one, the caption contains a media token, or `media_uri` is a data URI.
    """

    item: Item
    media_uri: str | None

    def __new__(cls, item: Item, caption: str = "", *, media_uri: str | None = None) -> MediaStr:
        _check_arguments(caption, media_uri)
        if isinstance(item, MediaStr):
            caption, media_uri = caption or caption_of(item), media_uri or item.media_uri
        item = resolve_parts(item, "raise")
        key, caption = digest(item), caption_of(caption)
        try:
            caption = check_text(caption) if caption else caption
        except InputError as error:
            raise InputError(f"caption: {error}") from error
        if is_damaged(caption):
            raise InputError(
                "the caption contains a media token or part of one; pass only the caption's own text"
            )
        made = super().__new__(cls, with_token(caption or _caption(item), key))
        made.item = item
        made.media_uri = media_uri if media_uri is not None else uri_of(item)
        _registry.add(key, item)
        return made

    @property
    def metadata(self) -> dict[str, str]:
        """What `media_of` needs, for `add_texts(texts, metadatas=[text.metadata for text in texts])`."""
        return metadata_of(self.item, self.media_uri)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_remake, (self.item, caption_of(self), self.media_uri))


def media(item: Item, caption: str = "", *, media_uri: str | None = None) -> MediaStr:
    """
    Return a text that stands for an item, for stores and chains that accept only text.

    ```python
    print(media(Image.from_path("pictures/red_chair.png"), "a red chair").startswith("a red chair ⟦media:"))
    ```
    ```text
    True
    ```

    Args:
        item: `Image`, `Video`, `Frames` or `Fused`; for a `MediaStr`, its item.
        caption: For people and text search. Default: the texts of a `Fused`, or a short label.
        media_uri: Address of the first medium. Default: its own URL or file.

    Raises:
        InputError: As `MediaStr`.
    """
    return MediaStr(item, caption, media_uri=media_uri)


class MediaDocument(Document):
    """
    A `Document` whose content stands for an item.

    ```python
    document = MediaDocument(Image.from_path("pictures/red_chair.png"), caption="a red chair")
    print(document.metadata["media_kind"], media_of(document))
    ```
    ```text
    image Image('red_chair.png' (image/png 256x192))
    ```

    `metadata` gets `media_uri`, `media_kind` and, if the item has several parts, `media_parts`, so that `media_of` can
    restore the item in another process. Bytes have no address, so pass `media_uri` to find them again.

    Args:
        item: `Image`, `Video`, `Frames` or `Fused`.
        caption, media_uri: As for `media`.
        metadata: Your own metadata, which is not changed; for equal keys, your value is used.
        page_content: Passed by frameworks that copy documents by their fields; not needed otherwise.
        fields: Other fields of `Document`, such as `id`.

    Raises:
        InputError: There is no item, an argument is not one of `Document`, or as `MediaStr`.
    """

    _item: Item | None = PrivateAttr(default=None)

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
        _check_fields(metadata, fields)
        merged, original = dict(metadata or {}), None
        if item is not None:
            text = media(item, caption, media_uri=media_uri)
            page_content, original = str.__str__(text), text.item
            merged = {**text.metadata, **merged}
        elif page_content is None:
            raise InputError("MediaDocument needs an item: text, Image, Video, Frames or Fused")
        # A framework that copies documents by their fields passes page_content with the token in it.
        super().__init__(page_content, metadata=merged, **fields)
        self._item = original

    @property
    def item(self) -> Item | None:
        """The item of this document; None for a copy that a framework made from its fields."""
        return self._item

    @classmethod
    def lc_id(cls) -> list[str]:
        """Serialise as a plain `Document`, which is how serialised documents are read again."""
        return Document.lc_id()

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        # The document may be made in one worker process and embedded in another, so the token is registered here too.
        if self._item is not None:
            _registry.add(digest(self._item), self._item)


def resolve(text: str, unknown: UnknownMedia) -> Item:
    """
    Return the item of the token at the end of a text, or the text itself.

    Raises:
        MediaTokenError: This process did not make the token or has dropped its item, or the token was changed; unless
            `unknown` is "text".
    """
    if isinstance(text, MediaStr):
        return text.item
    key = key_of(text)
    item = _registry.find(key) if key is not None else None
    if item is not None:
        return item
    bare = bare_key_of(text)
    if unknown != "text" and bare is not None and _registry.find(bare) is not None:
        raise MediaTokenError(_DAMAGED)
    if unknown == "text" or (key is None and not is_damaged(text)):
        return text
    if key is not None:
        raise MediaTokenError(
            f"the text ends in the media token {key[:12]}…, which this process did not make; make the item again "
            'with media() or MediaDocument, or embed such texts as plain text with unknown_media="text"'
        )
    raise MediaTokenError(_DAMAGED)


def resolve_parts(item: Item, unknown: UnknownMedia) -> Item:
    """As `resolve`, for an item that may be, or be fused of, texts with tokens; each becomes what it stands for."""
    if isinstance(item, str):
        return resolve(item, unknown)
    if not isinstance(item, Fused):
        return item
    meant: list[Part] = []
    for part in item.parts:
        meant.extend(parts(resolve(part, unknown)) if isinstance(part, str) else [part])
    return item if item.parts == tuple(meant) else Fused(*meant)


def uuid5_key(document: Document) -> str:
    """
    Return an id made from content and metadata, for `index(..., key_encoder=uuid5_key)`.

    Qdrant accepts only UUIDs and integers. Of the encoders of `index`, "sha256", "sha512" and "blake2b" return neither;
    the default, "sha1", returns UUIDs, with a warning that it is weak.

    Args:
        document: Any document; equal content and metadata have the same id.
    """
    whole = json.dumps([document.page_content, document.metadata], sort_keys=True, default=str)
    # uuid5 alone uses SHA-1, for which collisions can be made.
    return str(uuid5(_KEY_SPACE, sha256(whole.encode()).hexdigest()))


def _remake(item: Item, caption: str, media_uri: str | None) -> MediaStr:
    return MediaStr(item, caption, media_uri=media_uri)


def _check_arguments(caption: object, media_uri: object) -> None:
    if not isinstance(caption, str):
        raise InputError(f"caption must be str, got {type(caption).__name__}")
    if media_uri is None:
        return
    if not isinstance(media_uri, str):
        raise InputError(
            f"media_uri must be str, got {type(media_uri).__name__}; for a local file pass Path(...).as_uri()"
        )
    if media_uri.lstrip()[:5].lower() == "data:":
        raise InputError("media_uri is a data URI, so a store would keep the content itself; pass an address")


def _check_fields(metadata: object, fields: Mapping[str, object]) -> None:
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InputError(f"metadata must be a dict, got {type(metadata).__name__}")
    unknown = sorted(fields.keys() - Document.model_fields.keys())
    if unknown:
        # A plain Document would ignore it silently.
        raise InputError(
            f"MediaDocument has no argument {unknown[0]!r}; it has item, caption, media_uri, metadata and id"
        )


def _caption(item: Item) -> str:
    texts = [part for part in parts(item) if isinstance(part, str)]
    return " ".join(texts) if texts else label(item)
