"""
python scripts/assumptions.py [--check]: the list of unsourced assumptions, from their marks in the code.

A mark is a comment that begins with the word "Unsourced", a number and a colon. It says what is assumed although no
page of the vendors says it, and may end with "Settled by" and the cheapest call that would settle it. This writes
docs/{en,zh}/assumptions.md; --check writes nothing and fails where a page is not what the marks give.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("volc_dashscope", "langchain_volc_dashscope", "llama_index_ext")
MARK = re.compile(r"^ *# Unsourced ([A-Z])(\d+): (.*(?:\n *# (?!Unsourced).*)*)", re.M)
PAGES = {
    "en": """\
# Unsourced assumptions

Assumptions of this library that no vendor page confirms. Each one is a comment in the named module, and this page is
generated from those comments. An assumption is removed once a page, the vendor's code or a recorded reply settles it.

| # | assumed | module | settled by |
|---|---|---|---|
""",
    "zh": """\
# 无出处的假设

本库所依据、但厂商页面没有写明的内容。每一条都以注释的形式写在旁边列出的模块里，本页由这些注释生成（英文原文）。一旦有页面、厂商代码或真实响应证实，该条就会删除。

| 编号 | 假设 | 模块 | 如何证实 |
|---|---|---|---|
""",
}


@dataclass(frozen=True, order=True)
class Assumption:
    """One mark; sorts by its number."""

    letter: str
    number: int
    text: str
    settled: str
    module: str


def assumptions() -> Iterator[Assumption]:
    """Yield every mark in the packages."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for letter, number, comment in MARK.findall(path.read_text("utf-8")):
                words = " ".join(line.strip(" #") for line in comment.splitlines())
                text, _, settled = words.partition(" Settled by ")
                module = path.relative_to(ROOT).as_posix()
                yield Assumption(letter, int(number), text.rstrip("."), settled.rstrip("."), module)


def page(language: str) -> str:
    """Return the page of one language."""
    rows = [
        f"| {each.letter}{each.number} | {each.text} | `{each.module}` | {each.settled or '–'} |"
        for each in sorted(assumptions())
    ]
    return PAGES[language] + "\n".join(rows) + "\n"


def main() -> int:
    """Write both pages, or say which are stale."""
    parser = argparse.ArgumentParser(prog="python scripts/assumptions.py")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where a page is stale"
    )
    check = parser.parse_args().check
    stale = []
    for language in PAGES:
        path, text = ROOT / "docs" / language / "assumptions.md", page(language)
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(text, encoding="utf-8")
    print(f"stale: {', '.join(stale)}" if stale else "up to date")
    return 1 if stale and check else 0


if __name__ == "__main__":
    raise SystemExit(main())
