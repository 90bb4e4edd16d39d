"""
Tables of the docs, made of cells that passing tests wrote.

    WRITE_TABLES=1 python -m pytest tests/integrations/llama_index
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from marked import block, write_block

_DOCS = Path(__file__).parents[3] / "docs"
# Where each table stands. Marks need no words, so both languages have that table; the other is translated by hand.
PAGES = {
    "stores": [_DOCS / language / "llama-index.md" for language in ("en", "zh")],
    "databases": [_DOCS / language / "llama-index.md" for language in ("en", "zh")],
    "faults": [_DOCS / "en" / "moving.md"],
}

Rows: TypeAlias = "dict[str, dict[str, str]]"


@dataclass
class ResultTables:
    """
    Cells by table, row and column.

    Attributes:
        begun: Cells whose tests have started. The test of a cell that is begun and not written has failed.
    """

    cells: dict[str, Rows] = field(default_factory=dict)
    begun: set[tuple[str, str, str]] = field(default_factory=set)

    def begin(self, table: str, row: str, *columns: str) -> None:
        """Register the cells that a test is going to write."""
        self.begun.update((table, row, column) for column in columns)

    def put(self, table: str, row: str, **cells: str) -> None:
        """Write cells; the last line of a test."""
        self.cells.setdefault(table, {}).setdefault(row, {}).update(cells)

    def write(self) -> None:
        """Put the cells of this run into the pages, and keep those of tests that did not run."""
        for table, rows in self.cells.items():
            known = committed(table)
            whole = {
                row: {**known.get(row, {}), **rows.get(row, {})}
                for row in sorted({*known, *rows}, key=_order)
            }
            for page in PAGES[table]:
                write_block(page, table, _drawn(whole))


def committed(table: str) -> Rows:
    """Return the rows of a table, which are the same in all its pages."""
    found, *others = [block(page, table) for page in PAGES[table]]
    assert [found] * len(others) == others
    lines = [_cells(line) for line in found.splitlines() if line.startswith("|")]
    if not lines:
        return {}
    head, _, *rows = lines
    return {cells[0]: dict(zip(head[1:], cells[1:], strict=True)) for cells in rows}


def _drawn(rows: Rows) -> str:
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(cells.get(column, "") for column in columns)] for row, cells in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _order(row: str) -> tuple[int, str]:
    number = re.match(r"\d+", row)
    return (int(number[0]) if number else 0, row)
