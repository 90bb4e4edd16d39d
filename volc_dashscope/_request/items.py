"""What a caller gives as items: as a list that can be counted, and unseen by reports of crashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from volc_dashscope.errors import InputError
from volc_dashscope.inputs import Item, as_iterable, list_problem

T = TypeVar("T")


class Redacted(Generic[T]):
    """Something in a variable that no report of a crash shows: they print local variables."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class Items(list[Item]):
    """A list of items that shows only how many."""

    def __repr__(self) -> str:
        return f"<{len(self)} items>"


def items_of(given: Iterable[Item], *, name: str = "items") -> Items:
    """
    Return the caller's items as a list. An open text file gives one item a line.

    Raises:
        InputError: One thing where a list belongs, or an empty line of a file.
    """
    problem = list_problem(given, name=name)
    if problem is not None:
        given = ()  # see `Redacted`
        raise InputError(problem)
    return Items(_lines(given) if hasattr(given, "readline") else as_iterable(given, name=name))


def _lines(file: Iterable[Item]) -> Iterator[Item]:
    for number, line in enumerate(file):
        if not isinstance(line, str):
            raise InputError("open the file in text mode, with its encoding")
        text = line.rstrip("\r\n")
        if not text:
            raise InputError(f"line {number + 1} of the file is empty", index=number)
        yield text
