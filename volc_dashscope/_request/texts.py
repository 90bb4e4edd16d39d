"""Texts as they are sent: surrogate pairs joined, and cut to the model's length where that is asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from volc_dashscope._types import RequestSpec
from volc_dashscope.inputs import Fused, Item, mend_surrogates
from volc_dashscope.models import ModelInfo
from volc_dashscope.models.tokens import cut_to_tokens


def as_sent(item: Item, spec: RequestSpec) -> tuple[Item, bool]:
    """
    Return an item with its texts as they are sent, and whether one of them was cut.

    Args:
        spec: With `truncate`, texts longer than the model takes are cut by our estimate of tokens, which tends to
            be high: the service would have taken a little more.
    """
    if isinstance(item, str):
        text = mend_surrogates(item)
        cut = _cut(text, spec.model_info) if spec.truncate else text
        return cut, cut is not text
    if spec.truncate and isinstance(item, Fused):
        parts = [_cut(part, spec.model_info) if isinstance(part, str) else part for part in item.parts]
        if any(cut is not part for cut, part in zip(parts, item.parts, strict=True)):
            return Fused(*parts), True
    return item, False


def all_as_sent(items: Sequence[Item], spec: RequestSpec) -> tuple[list[Item], tuple[int, ...]]:
    """Return items as they are sent, and the positions of those that were cut."""
    pairs = [as_sent(item, spec) for item in items]
    return [item for item, _ in pairs], tuple(index for index, (_, cut) in enumerate(pairs) if cut)


def _cut(text: str, model_info: ModelInfo) -> str:
    cut = text if model_info.max_tokens is None else cut_to_tokens(text, model_info.max_tokens)
    most = model_info.max_text_bytes
    if most is not None and len(cut) * 4 > most:
        whole = cut.encode("utf-8", "replace")
        cut = cut if len(whole) <= most else whole[:most].decode("utf-8", "ignore")
    return cut
