"""Opens CSV and TSV files, and reads their header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from volc_dashscope.bulk._listing import LONGEST_LINE, unreadable
from volc_dashscope.errors import InputError


def opened_csv(path: Path, encoding: str | None) -> IO[str]:
    """
    Open a CSV file.

    Raises:
        InputError: It cannot be opened.
    """
    try:
        # Bytes of another encoding become lone surrogates, which are refused row by row.
        return path.open(encoding=encoding or "utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise unreadable(path, error) from error


def header_and_rows(path: Path, file: IO[str]) -> tuple[list[str], Iterator[list[str]]]:
    """
    Return the names of the columns, and the rows, which may raise `csv.Error`.

    Raises:
        InputError: The header cannot be read.
    """
    csv.field_size_limit(LONGEST_LINE)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    # Without `strict` a quote that is never closed makes one text of all rows behind it.
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        return next(rows, []), rows
    except csv.Error as error:
        raise InputError(
            f"the header of {path.name!r}, line 1, cannot be read: {error}; check its quotes"
        ) from error
