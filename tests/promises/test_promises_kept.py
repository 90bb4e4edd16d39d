"""The promises themselves: each has a link on both pages of promises to its one file, and each file has a way to fail."""

from __future__ import annotations

import ast
import importlib
import re

import pytest
from promise import ROOT, Breakage

BREAKAGES = [
    Breakage(
        "docs/en/promises.md",
        "(../../tests/promises/test_ctrl_c.py)",
        "(../../tests/promises/test_cancel.py)",
        "test_every_file_is_linked_once",
    ),
    Breakage(
        "README.md",
        "tests/promises/test_ctrl_c.py)",
        "tests/promises/test_cancelled.py)",
        "test_the_readmes_show_six_promises_with_one_link_each",
    ),
    Breakage(
        "tests/promises/test_text_is_text.py",
        "def test_what_looks_like",
        "def test_whatever_looks_like",
        "test_every_promise_says_how_it_can_fail",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "return _sane(milliseconds / 1000)",
        "return _sane(0.001 * milliseconds)",
        "test_every_breakage_fits_the_code_it_breaks",
    ),
]
FILES = sorted(ROOT.glob("tests/promises/test_*.py"))
PROMISES = [path for path in FILES if path.name != "test_promises_kept.py"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_file_is_linked_once(language) -> None:
    page = (ROOT / "docs" / language / "promises.md").read_text("utf-8")
    linked = re.findall(r"\(\.\./\.\./tests/promises/(test_\w+\.py)\)", page)

    assert [path.name for path in PROMISES] == sorted(linked)


@pytest.mark.parametrize(("page", "heading"), [("README.md", "Promises"), ("README.zh-CN.md", "承诺")])
def test_the_readmes_show_six_promises_with_one_link_each(page, heading) -> None:
    section = (ROOT / page).read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = section.strip().partition("\n\n")[0].splitlines()[2:]
    linked = [re.findall(r"/tests/promises/(test_\w+\.py)\)", row) for row in rows]

    assert [1] * 6 == [len(names) for names in linked]
    assert {name for (name,) in linked} <= {path.name for path in PROMISES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_promise_says_how_it_can_fail(path) -> None:
    """Each of its tests, and none that is not there."""
    module = importlib.import_module(path.stem)
    functions = [
        node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    ]
    tests = {function.name for function in functions if function.name.startswith("test_")}
    tests |= {name for name in dir(module) if name.startswith("Test")}

    assert tests == {breakage.test for breakage in module.BREAKAGES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_breakage_fits_the_code_it_breaks(path) -> None:
    """Once, or `make chaos` would break something else, or nothing."""
    breakages = importlib.import_module(path.stem).BREAKAGES
    hits = [
        ((ROOT / each.file).read_text("utf-8").count(each.old), each.file, each.old) for each in breakages
    ]

    assert [] == [hit for hit in hits if hit[0] != 1]
