"""Which item a media token stands for, in this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

from volc_dashscope import Frames, Image, Item, Part, Video
from volc_dashscope.inputs import parts


class Registry:
    """
    Items by digest, the least recently used forgotten first. Threads may share it.

    Args:
        max_items: Most items held.
        max_bytes: Most bytes held by items that were given as bytes; files and URLs weigh nothing. An item
            that is larger by itself is still held until the next one comes.
    """

    def __init__(self, *, max_items: int, max_bytes: int) -> None:
        self._max_items, self._max_bytes = max_items, max_bytes
        self._items: OrderedDict[str, tuple[Item, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def add(self, key: str, item: Item) -> None:
        """Hold an item; the same key again replaces it."""
        size = sum(_weight(part) for part in parts(item))
        with self._lock:
            _, old = self._items.pop(key, (None, 0))
            self._items[key] = (item, size)
            self._bytes += size - old
            while len(self._items) > 1 and self._full:
                _, (_, dropped) = self._items.popitem(last=False)
                self._bytes -= dropped

    def find(self, key: str) -> Item | None:
        """Return an item, which counts as a use of it, or None."""
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


def media_in(part: Part) -> Iterator[Image | Video]:
    """Yield the images and videos of a part; frames one by one, of a text nothing."""
    if isinstance(part, Frames):
        yield from part.images
    elif not isinstance(part, str):
        yield part


def _weight(part: Part) -> int:
    return sum(medium.size_bytes or 0 for medium in media_in(part) if medium.path is None)
