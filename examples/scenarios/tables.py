"""The small tables that the examples read; made for them."""

from __future__ import annotations

import csv
from pathlib import Path

_DATA = Path(__file__).resolve().parent / "data"


def read(name: str) -> list[dict[str, str]]:
    """Return the rows of `data/<name>.csv`."""
    with (_DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
