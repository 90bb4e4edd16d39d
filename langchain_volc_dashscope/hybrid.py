"""Which words of an item make its sparse half."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_volc_dashscope.media_token import caption_of
from volc_dashscope import Item
from volc_dashscope.inputs import label, parts
from volc_dashscope.integrations.hybrid import SubCall, dense_pieces, dense_rows, sparse_rows
from volc_dashscope.integrations.hybrid import sparse_pieces as pieces_of_words

__all__ = ["SubCall", "dense_pieces", "dense_rows", "sparse_pieces", "sparse_rows"]


def sparse_pieces(given: Sequence[object], items: Sequence[Item]) -> list[SubCall]:
    """
    Return the calls for sparse vectors: texts, and of media their own words.

    Args:
        given: What the caller passed, for captions.
        items: What it stands for.
    """
    return pieces_of_words([_words(original, item) for original, item in zip(given, items, strict=True)])


def _words(given: object, item: Item) -> str:
    if isinstance(item, str):
        return item
    caption = caption_of(given) if isinstance(given, str) else ""
    if caption and caption != " ".join(label(item).split()):
        return caption
    return " ".join(part for part in parts(item) if isinstance(part, str))
