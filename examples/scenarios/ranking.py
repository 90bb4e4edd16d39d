"""What the examples do with vectors: compare them, and print what came out on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def ranked(scores: Floats, *, top: int | None = None) -> list[int]:
    """Return positions, highest score first; equal ones in their order."""
    return [int(position) for position in np.argsort(-scores, kind="stable")[:top]]


def print_ranking(title: str, scores: Floats, labels: Sequence[str], *, top: int | None = None) -> None:
    """Print rank, score and label."""
    print(title)
    for rank, position in enumerate(ranked(scores, top=top), start=1):
        print(f"  {rank}. {scores[position]:.3f}  {labels[position]}")
    print()


def unit(rows: Floats) -> Floats:
    """Return rows of length 1, whose dot product is their cosine."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
