"""
Pictures of a batch made smaller just before they are sent, where `max_image_pixels` is set.

Decoding takes tenths of a second, so a flow asks its driver for it: the driver does it in the worker's thread, or for
a task in a thread of its own, and other requests go on meanwhile. Whether the result fits the model is checked here,
since only now its bytes are known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from volc_dashscope._media import shrink
from volc_dashscope._request.validation import check_item, is_shrunk
from volc_dashscope._types import Batch, Compute, Flow, RequestSpec
from volc_dashscope.errors import InputError
from volc_dashscope.inputs import Frames, Fused, Image, Item, Part, flat_parts

ItemName: TypeAlias = Callable[[int], tuple[str, int | None]]


def _item(position: int) -> tuple[str, int | None]:
    return f"item {position}", position


def shrunk(batch: Batch, spec: RequestSpec, *, item_name: ItemName = _item) -> Flow[Batch]:
    """
    Return a batch with its large pictures made smaller, as a flow that does so.

    Args:
        item_name: Returns how an error names a position, and its index.

    Raises:
        InputError: A picture does not fit the model even so, or its file changed since it was given.
    """
    if spec.max_image_pixels is None or not any(_has_large(item, spec) for item in batch.items):
        return batch
    items: list[Item] = []
    yield Compute(lambda: items.extend(_smaller_items(batch, spec, item_name)))
    return Batch(batch.positions, tuple(items))


def _smaller_items(batch: Batch, spec: RequestSpec, item_name: ItemName) -> list[Item]:
    as_it_is = replace(spec, max_image_pixels=None)
    items: list[Item] = []
    for position, item in zip(batch.positions, batch.items, strict=True):
        try:
            items.append(_smaller(item, spec.max_image_pixels or 0))
            check_item(items[-1], as_it_is)
        except InputError as error:
            name, index = item_name(position)
            raise InputError(f"{name}: {error}", index=index) from error
    return items


def _smaller(item: Item, most: int) -> Item:
    if isinstance(item, Fused):
        return Fused(*(_smaller_part(part, most) for part in item.parts))
    return _smaller_part(item, most)


def _smaller_part(part: Part, most: int) -> Part:
    if isinstance(part, Image):
        return _smaller_image(part, most)
    return (
        Frames([_smaller_image(image, most) for image in part.images]) if isinstance(part, Frames) else part
    )


def _smaller_image(image: Image, most: int) -> Image:
    source = shrink(image.source, most)
    return image if source is image.source else Image(source)


def _has_large(item: Item, spec: RequestSpec) -> bool:
    return any(not isinstance(part, str) and is_shrunk(part, spec) for part in flat_parts(item))
