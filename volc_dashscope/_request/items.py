"""
The caller's items, as a list, and as they are sent. Pure.

Texts are sent with their surrogate pairs joined, and cut to the model's length with `truncate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from volc_dashscope._types import RequestSpec
from volc_dashscope.errors import EmbeddingError, InputError
from volc_dashscope.inputs import Fused, Item, as_iterable, check_text, mend_surrogates
from volc_dashscope.models import ModelInfo
from volc_dashscope.models.tokens import cut_to_tokens


@dataclass(frozen=True, slots=True)
class Refused:
    """Takes the place of an item that an integration has refused. It fails without the others."""

    error: InputError

    def as_item(self) -> Item:
        """Return this typed as an item; only `Client.embed` accepts it."""
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


def items_of(items: Iterable[Item], *, name: str = "items") -> list[Item]:
    """
    Return the caller's items as a list. An open text file gives one item a line.

    Raises:
        InputError: One thing where a list belongs, or an empty line of a file.
    """
    return list(_lines(items) if hasattr(items, "readline") else as_iterable(items, name=name))


def _lines(file: Iterable[Item]) -> Iterator[Item]:
    for number, line in enumerate(file):
        if not isinstance(line, str):
            raise InputError("the file is open in binary mode; open it in text mode with its encoding")
        text = line.rstrip("\r\n")
        if not text:
            raise InputError(f"line {number + 1} of the file is empty", index=number)
        yield text


def as_sent(item: Item, spec: RequestSpec) -> tuple[Item, bool]:
    """
    Return an item with its texts as they are sent, and whether one of them was cut.

    Args:
        spec: With `truncate`, texts longer than the model takes are cut by our estimate of tokens, which tends to
            be high: the service would have taken a little more.
    """
    if isinstance(item, str):
        # Of a member of an enumeration, `str` and formatting give the name, and not the text.
        text = mend_surrogates(item if type(item) is str else str.__str__(item))
        cut = _cut(text, spec.model_info) if spec.truncate else text
        return cut, cut is not text
    if spec.truncate and isinstance(item, Fused):
        parts = [_cut(part, spec.model_info) if isinstance(part, str) else part for part in item.parts]
        if any(cut is not part for cut, part in zip(parts, item.parts, strict=True)):
            return Fused(*parts), True
    return item, False


def all_as_sent(items: Sequence[Item], spec: RequestSpec) -> tuple[list[Item], tuple[int, ...]]:
    """Return items as they are sent, and the positions of those that were cut."""
    sent: list[Item] = []
    cut: list[int] = []
    for index, item in enumerate(items):
        whole, is_cut = as_sent(item, spec)
        sent.append(whole)
        if is_cut:
            cut.append(index)
    return sent, tuple(cut)


def instruction(name: str, text: str | None) -> str | None:
    """
    Return an instruction as it is sent; `check_settings` refuses what is no text.

    Raises:
        InputError: It holds half of a surrogate pair.
    """
    if not isinstance(text, str) or not text:
        return text
    try:
        return check_text(text)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _cut(text: str, model_info: ModelInfo) -> str:
    cut = text if model_info.max_tokens is None else cut_to_tokens(text, model_info.max_tokens)
    most = model_info.max_text_bytes
    if most is not None and len(cut) * 4 > most:
        whole = cut.encode("utf-8", "replace")
        cut = cut if len(whole) <= most else whole[:most].decode("utf-8", "ignore")
    return cut
