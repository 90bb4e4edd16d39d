"""The promises themselves: every line of the README has its one file, every file a line and a way to fail."""

from __future__ import annotations

import ast
import importlib
import re

import pytest
from promise import ROOT, Breakage

BREAKAGES = [
    Breakage(
        "README.md",
        "(tests/promises/test_ctrl_c.py)",
        "(tests/promises/test_cancel.py)",
        "test_every_line_of_the_readme_links_to_one_file",
    ),
]
PROMISES = sorted(
    path for path in ROOT.glob("tests/promises/test_*.py") if path.name != "test_promises_kept.py"
)


def _lines() -> list[str]:
    section = (ROOT / "README.md").read_text("utf-8").partition("## Promises\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def test_every_line_of_the_readme_links_to_one_file() -> None:
    linked = [re.findall(r"\(tests/promises/(test_\w+\.py)\)", line) for line in _lines()]

    assert [] == [links for links in linked if len(links) != 1]
    assert [path.name for path in PROMISES] == sorted(name for links in linked for name in links)


@pytest.mark.parametrize("path", PROMISES, ids=lambda path: path.stem)
def test_every_promise_says_how_it_can_fail(path) -> None:
    breakages = importlib.import_module(path.stem).BREAKAGES
    names = {
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    named = names | {name for name in dir(importlib.import_module(path.stem)) if name.startswith("Test")}

    assert breakages
    assert [] == [breakage.test for breakage in breakages if breakage.test not in named]


@pytest.mark.parametrize("path", PROMISES, ids=lambda path: path.stem)
def test_every_breakage_fits_the_code_it_breaks(path) -> None:
    """Once, or `make chaos` would break something else, or nothing."""
    breakages = importlib.import_module(path.stem).BREAKAGES
    hits = {each.old: (ROOT / each.file).read_text("utf-8").count(each.old) for each in breakages}

    assert {} == {old: number for old, number in hits.items() if number != 1}
