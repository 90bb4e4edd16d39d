"""The promises themselves: each has a link in both READMEs to its one file, and each file has a way to fail."""

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
        "test_every_file_is_linked_once",
    ),
]
PROMISES = sorted(
    path for path in ROOT.glob("tests/promises/test_*.py") if path.name != "test_promises_kept.py"
)


@pytest.mark.parametrize(("page", "heading"), [("README.md", "Promises"), ("README.zh-CN.md", "承诺")])
def test_every_file_is_linked_once(page, heading) -> None:
    section = (ROOT / page).read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    linked = re.findall(r"\(tests/promises/(test_\w+\.py)\)", section)

    assert [path.name for path in PROMISES] == sorted(linked)


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
