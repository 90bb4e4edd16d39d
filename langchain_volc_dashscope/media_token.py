"""
The token that stands for a medium at the end of a text, and which item it stands for in this process.

    a red square ⟦media:sha256:<64 hex digits>⟧

A text with one whole token at its end is resolved. A text with a token elsewhere, or with a recognisable part of one,
was changed on the way, for example by a prompt template, JSON or a text splitter; this is detected.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from unicodedata import category

from volc_dashscope import Image, Item, Video
from volc_dashscope.inputs import flat_parts, mend_surrogates

_TOKEN = re.compile(r"⟦media:sha256:([0-9a-f]{64})⟧\s*\Z")
# A token at the end without its brackets, which cleaning to ASCII removes.
_BARE = re.compile(r"(?:\A|\s)media:sha256:([0-9a-f]{64})\s*\Z")
# The brackets as they are and as JSON, HTML and URLs escape them, and their UTF-8 read as Latin-1 or Windows-1252.
_OPEN = r"(?:⟦|\\u27e6|&(?:amp;)?(?:#10214|#x27e6|lobrk|LeftDoubleBracket);|%e2%9f%a6|â(?:\x9f|Ÿ)¦)"
_CLOSE = r"(?:⟧|\\u27e7|&(?:amp;)?(?:#10215|#x27e7|robrk|RightDoubleBracket);|%e2%9f%a7|â(?:\x9f|Ÿ)§)"
# In an encoding without these brackets, question marks replace them. The last two patterns are what a text splitter
# leaves at the edge of a chunk.
_FRAGMENT = re.compile(
    rf"{_OPEN}\s*media(?::|%3a)|[0-9a-f]{{8}}\s*{_CLOSE}|[?\ufffd]media:sha256:[0-9a-f]{{8}}"
    r"|⟦m(?:e(?:d(?:ia?)?)?)?\s*\Z|\A\s*[0-9a-f]{1,7}⟧",
    re.IGNORECASE,
)


def with_token(caption: str, key: str) -> str:
    """Return a caption on one line, followed by the token of an item's digest."""
    # Line breaks and other control characters would break prompts, and stores with one text per line.
    words = "".join(
        " " if category(letter) == "Cc" else letter for letter in mend_surrogates(caption)
    ).split()
    return " ".join([*words, f"⟦media:sha256:{key}⟧"])


def key_of(text: str) -> str | None:
    """Return the digest of the one whole token at the end of a text (trailing white space is ignored), or None."""
    match = _TOKEN.search(text)
    return match[1] if match and not _FRAGMENT.search(text[: match.start()]) else None


def is_damaged(text: str) -> bool:
    """Whether a text contains a token or part of one, but not exactly one whole token at its end."""
    return _FRAGMENT.search(text) is not None and key_of(text) is None


def bare_key_of(text: str) -> str | None:
    """
    Return the digest of a token without brackets at the end of a text, or None.

    It counts as a token only if an item has this digest, because it may also be ordinary text.
    """
    match = _BARE.search(text, max(0, len(text) - 200))
    return match[1] if match else None


def caption_of(text: str) -> str:
    """Return a text without its media token."""
    match = _TOKEN.search(text)
    return text[: match.start()].rstrip() if match else text


class Registry:
    """
    Items by digest; the least recently used are dropped first. Safe for use by several threads.

    Args:
        max_items: Maximum number of items.
        max_bytes: Maximum size of all items that are bytes in memory; files and URLs do not count. A single larger item
            is kept until the next one is added.
    """

    def __init__(self, *, max_items: int, max_bytes: int) -> None:
        self._max_items, self._max_bytes = max_items, max_bytes
        self._items: OrderedDict[str, tuple[Item, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def add(self, key: str, item: Item) -> None:
        """Add or replace an item."""
        size = sum(medium.size_bytes or 0 for medium in media_in(item) if medium.path is None)
        with self._lock:
            _, old = self._items.pop(key, (None, 0))
            self._items[key] = (item, size)
            self._bytes += size - old
            while len(self._items) > 1 and self._full:
                _, (_, dropped) = self._items.popitem(last=False)
                self._bytes -= dropped

    def find(self, key: str) -> Item | None:
        """Return an item and mark it as used; or None."""
        with self._lock:
            found = self._items.get(key)
            if found is None:
                return None
            self._items.move_to_end(key)
            return found[0]

    @property
    def _full(self) -> bool:
        return len(self._items) > self._max_items or self._bytes > self._max_bytes

    def __len__(self) -> int:
        return len(self._items)


def media_in(item: Item) -> Iterator[Image | Video]:
    """Yield the images and videos of an item, and the images of frames one by one."""
    return (part for part in flat_parts(item) if not isinstance(part, str))
