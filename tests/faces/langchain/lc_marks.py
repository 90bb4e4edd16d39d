"""
The table of docs/langchain.md, written from marks that tests set when they pass.

    WRITE_TABLES=1 python -m pytest tests/faces/langchain/test_lc_stores.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from lc_entries import BY_IMAGE, MAKERS, WAYS_IN, WAYS_OUT
from lc_goods import MODALITIES
from lc_shops import SHOPS

PAGE = Path(__file__).parents[3] / "docs" / "langchain.md"
_MARKED = re.compile(r"(<!-- stores -->\n).*?(<!-- /stores -->)", re.DOTALL)

Cell = tuple[str, str, str]
ENTRIES = (*WAYS_IN, *MAKERS, *WAYS_OUT)
CELLS = [
    *((shop.name, entry, modality) for shop in SHOPS for entry in ENTRIES for modality in MODALITIES),
    *(("Chroma", entry, "image") for entry in ("add_images", *BY_IMAGE)),
]


def table(passed: set[Cell], limits: dict[Cell, str]) -> str:
    """
    Return the table.

    Args:
        passed: What works, by test.
        limits: What a store itself cannot do, by a test that saw it fail, with the reason.
    """
    names = [shop.name for shop in SHOPS]
    reasons = list(dict.fromkeys(limits[cell] for cell in CELLS if cell in limits))
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for entry in dict.fromkeys(entry for _, entry, _ in CELLS):
        cells = [_marks(name, entry, passed, limits, reasons) for name in names]
        lines.append(f"| `{entry}` | {' | '.join(cells)} |")
    notes = [f"- ✗{number}: {reason}" for number, reason in enumerate(reasons, start=1)]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _marks(name: str, entry: str, passed: set[Cell], limits: dict[Cell, str], reasons: list[str]) -> str:
    marks = []
    for cell in ((name, entry, modality) for modality in MODALITIES):
        number = reasons.index(limits[cell]) + 1 if cell in limits else ""
        cross = f"✗{number}" if cell in CELLS else "–"
        marks.append("✓" if cell in passed else cross)
    return " ".join(marks)


def committed() -> str:
    """Return the table in the docs."""
    found = _MARKED.search(PAGE.read_text("utf-8"))
    assert found is not None, "docs/langchain.md has lost its markers"
    return found[0].removeprefix(found[1]).removesuffix(found[2])


def write(text: str) -> None:
    """Put a table into the docs, if the environment asks for it."""
    if os.environ.get("WRITE_TABLES"):
        page = PAGE.read_text("utf-8")
        PAGE.write_text(_MARKED.sub(lambda found: found[1] + text + found[2], page), "utf-8")
