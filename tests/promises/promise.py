"""What every promise has: a size, and breakages that must turn it red."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHAOS = os.environ.get("CHAOS") == "1"

ARK = "doubao-embedding-vision-251215"
TEXT = "text-embedding-v4"
MEDIA = "tongyi-embedding-vision-plus-2026-03-06"


@dataclass(frozen=True)
class Breakage:
    """
    A defect that a promise must notice. `make chaos` applies it to a copy and requires that `test` fails.

    Attributes:
        file: Path below the repository.
        old: Text that occurs there exactly once.
        new: What it becomes.
        test: Name of the test, without the values in brackets.
    """

    file: str
    old: str
    new: str
    test: str


def sized(full: int) -> int:
    """Return the size under `make chaos`; `make test` runs a tenth."""
    return full if CHAOS else max(1, full // 10)


def texts(number: int) -> list[str]:
    """Return that many different texts, in two languages and of uneven length."""
    return [f"第{index}条 text number {index} {'and more ' * (index % 5)}" for index in range(number)]
