"""
Tables of the docs, made of cells that passing tests wrote.

    WRITE_TABLES=1 python -m pytest tests/faces/llama_index
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

_DOCS = Path(__file__).parents[3] / "docs"
# Where each table stands. Marks need no words, so both languages have that table; the other is translated by hand.
PAGES = {
    "stores": [_DOCS / language / "llama-index.md" for language in ("en", "zh")],
    "faults": [_DOCS / "en" / "moving.md"],
}

Rows: TypeAlias = "dict[str, dict[str, str]]"


@dataclass
class Board:
    """
    Cells by table, row and column.

    Attributes:
        begun: Cells whose tests have started; one that is begun and not written has failed.
    """

    cells: dict[str, Rows] = field(default_factory=dict)
    begun: set[tuple[str, str, str]] = field(default_factory=set)

    def begin(self, table: str, row: str, *columns: str) -> None:
        """Say which cells a test is going to write."""
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
                page.write_text(_replace(page.read_text("utf-8"), table, whole), "utf-8")


def committed(table: str) -> Rows:
    """Return the rows of a table, which are the same in all its pages."""
    found, *others = [_block(table).search(page.read_text("utf-8")) for page in PAGES[table]]
    assert found is not None, f"no table {table} in {PAGES[table][0]}"
    assert [found["body"]] * len(others) == [other and other["body"] for other in others]
    lines = [_cells(line) for line in found["body"].splitlines() if line.startswith("|")]
    if not lines:
        return {}
    head, _, *rows = lines
    return {cells[0]: dict(zip(head[1:], cells[1:], strict=True)) for cells in rows}


def _replace(text: str, table: str, rows: Rows) -> str:
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(cells.get(column, "") for column in columns)] for row, cells in rows.items()]
    body = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return _block(table).sub(lambda found: f"{found['head']}\n{body}{found['tail']}", text)


def _block(table: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<head><!-- {table}:begin.*?-->)\n(?P<body>.*?)(?P<tail><!-- {table}:end -->)", re.S
    )


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _order(row: str) -> tuple[int, str]:
    number = re.match(r"\d+", row)
    return (int(number[0]) if number else 0, row)
