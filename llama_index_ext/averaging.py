"""One vector of several parts: fused by the model if it can, else the mean of the vectors of the parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from volc_dashscope import Fused, Item, Part
from volc_dashscope.inputs import modalities

Fuse: TypeAlias = Literal["auto", "always", "never"]
Vector: TypeAlias = NDArray[np.float32]


class VectorPlan:
    """
    What is sent for one vector.

    Attributes:
        items: One item, or several whose vectors are averaged.
    """

    def __init__(self, parts: Sequence[Part], *, fuse: Fuse, fuses: bool) -> None:
        together = len(parts) == 1 or fuse == "always" or (fuse == "auto" and fuses)
        self.parts = tuple(parts)
        self.items: tuple[Item, ...] = self.parts
        if together and len(parts) > 1:
            self.items = (Fused(*parts),)

    @property
    def averaged(self) -> str | None:
        """Which vectors are averaged, as text for metadata; None if none are."""
        if len(self.items) == 1:
            return None
        kinds = [modalities(item)[0] for item in self.items]
        return f"mean of {', '.join(kinds[:-1])} and {kinds[-1]}"

    def vector(self, rows: Vector) -> Vector:
        """Return the vector: the only row itself, or the normalised mean of the normalised rows."""
        if len(rows) == 1:
            row: Vector = rows[0]
            return row
        mean: Vector = _unit(np.stack([_unit(row) for row in rows]).mean(axis=0))
        return mean


def spans(plans: Sequence[VectorPlan]) -> Iterator[slice]:
    """Yield the slice of each plan's items in one list of all items."""
    start = 0
    for plan in plans:
        yield slice(start, start + len(plan.items))
        start += len(plan.items)


def _unit(row: Vector) -> Vector:
    length = float(np.linalg.norm(row))
    # Opposite rows cancel out, and their mean has no direction.
    return row / length if length else row
