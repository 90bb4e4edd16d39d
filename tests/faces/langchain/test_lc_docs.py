"""The Python blocks of docs/langchain.md run, in order, and print what stands below them."""

from __future__ import annotations

import gc
import io
import re
import warnings
from contextlib import redirect_stdout
from typing import Any

import pytest
from lc_marks import PAGE
from samples import png

BLOCK = re.compile(
    r"^(?P<skipped><!-- test: skip -->\n)?```python\n(?P<code>.*?)^```\n(?:```text\n(?P<output>.*?)^```\n)?",
    re.M | re.S,
)
TEXT = PAGE.read_text("utf-8")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a reader's script ends without closing its clients
def test_the_page_does_what_it_says(ark_dashscope_emulator_env, tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    for name, colour in (("red_chair", "red"), ("blue_chair", "royalblue")):
        (tmp_path / "pictures" / f"{name}.png").write_bytes(png(colour))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    told: list[tuple[str, str]] = []

    for block in BLOCK.finditer(TEXT):
        if block["skipped"]:
            continue
        line = TEXT.count("\n", 0, block.start("code"))
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile("\n" * line + block["code"], str(PAGE), "exec"), names)
        told.append((block["output"] or "", printed.getvalue()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        names.clear()
        gc.collect()

    assert 5 < len(told)
    assert [promised for promised, _ in told] == [printed for _, printed in told]


def test_every_block_is_code_or_says_why_not():
    skipped = [block["code"] for block in BLOCK.finditer(TEXT) if block["skipped"]]

    assert 2 == len(skipped)
    for code in skipped:
        compile(code.replace("...)", ")"), "page", "exec")


@pytest.mark.parametrize("link", re.findall(r"`((?:tests|examples)/[\w/]+\.py)`", TEXT))
def test_the_files_the_page_names_exist(link):
    assert (PAGE.parents[1] / link).is_file()
