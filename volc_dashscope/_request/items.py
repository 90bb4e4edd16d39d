"""What a caller gives as items, as a list that can be counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from volc_dashscope.errors import EmbeddingError, InputError
from volc_dashscope.inputs import Item, as_iterable


@dataclass(frozen=True, slots=True)
class Refused:
    """In the place of an item: its owner knows that it cannot be embedded. It fails alone."""

    error: InputError

    def as_item(self) -> Item:
        """Return this for a list of items; only `Client.embed` understands it."""
        return cast(Item, self)


def raise_refused(items: Sequence[Item]) -> None:
    """Raise the error of the first item that is refused, if one is."""
    found = refusals(items)
    if found:
        raise found[min(found)]


def refusals(items: Sequence[Item]) -> dict[int, EmbeddingError]:
    """Return the errors of the items that are refused, by their positions."""
    found: dict[int, EmbeddingError] = {}
    for index, item in enumerate(items):
        if isinstance(item, Refused):
            found[index] = InputError(f"item {index}: {item.error}", index=index)
            found[index].__cause__ = item.error
    return found


def items_of(given: Iterable[Item], *, name: str = "items") -> list[Item]:
    """
    Return the caller's items as a list. An open text file gives one item a line.

    Raises:
        InputError: One thing where a list belongs, or an empty line of a file.
    """
    return list(_lines(given) if hasattr(given, "readline") else as_iterable(given, name=name))


def _lines(file: Iterable[Item]) -> Iterator[Item]:
    for number, line in enumerate(file):
        if not isinstance(line, str):
            raise InputError("open the file in text mode, with its encoding")
        text = line.rstrip("\r\n")
        if not text:
            raise InputError(f"line {number + 1} of the file is empty", index=number)
        yield text
