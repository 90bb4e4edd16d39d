"""Blocks of pages that programs write: what stands between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def block(page: Path, name: str) -> str:
    """
    Return what stands between the marks.

    Raises:
        LookupError: The page has lost its marks.
    """
    return _parts(page, name)[1]


def write_block(page: Path, name: str, text: str, *, check: bool = False) -> bool:
    """
    Put a text between the marks, unless this is a check; return whether another stood there.

    Raises:
        LookupError: As `block`.
    """
    before, old, after = _parts(page, name)
    if text != old and not check:
        page.write_text(before + text + after, encoding="utf-8")
    return text != old


def write_blocks(blocks: Iterable[tuple[str, str, str]]) -> int:
    """
    Write blocks, or with --check on the command line only say which pages are stale; return the exit code.

    Args:
        blocks: Page, name and text of each.

    Raises:
        LookupError: As `block`.
    """
    check = "--check" in sys.argv
    stale = [page for page, name, text in blocks if write_block(ROOT / page, name, text, check=check)]
    print(f"stale: {', '.join(dict.fromkeys(stale))}" if stale else "up to date")
    return 1 if stale and check else 0


def _parts(page: Path, name: str) -> tuple[str, str, str]:
    before, begin, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    text, end, after = rest.partition(f"<!-- /{name} -->")
    if not end:
        raise LookupError(f"{page.name} has lost the marks of {name}")
    return before + begin, text, end + after
