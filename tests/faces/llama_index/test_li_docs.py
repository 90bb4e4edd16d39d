"""docs/llama-index.md: its Python blocks run and print what stands below them; its links lead somewhere."""

from __future__ import annotations

import gc
import io
import re
import warnings
from contextlib import redirect_stdout
from typing import Any

import pytest
from li_tables import PAGE
from samples import png

BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:```text\n(?P<output>.*?)^```\n)?", re.M | re.S)
TEXT = PAGE.read_text("utf-8")
LINKS = re.findall(r"\]\(\.\./([\w/.-]+)\)", TEXT) + re.findall(r"`((?:tests|examples)/[\w/]+\.py)`", TEXT)
TRAPS = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/.]+)\)", TEXT)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a reader's script ends without closing its clients
def test_the_page_does_what_it_says(ark_dashscope_emulator_env, tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    for name, colour in (("red_chair", "red"), ("blue_chair", "royalblue")):
        (tmp_path / "pictures" / f"{name}.png").write_bytes(png(colour))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    told: list[tuple[str, str]] = []

    for block in BLOCK.finditer(TEXT):
        line = TEXT.count("\n", 0, block.start("code"))
        printed = io.StringIO()
        with redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Qdrant's about its in-memory mode
            exec(compile("\n" * line + block["code"], str(PAGE), "exec"), names)
        told.append((block["output"] or "", printed.getvalue()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        names.clear()
        gc.collect()

    assert 4 == len(told)
    assert [promised for promised, _ in told] == [printed for _, printed in told]


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_the_files_the_page_names_exist(link):
    assert (PAGE.parents[1] / link).is_file()


@pytest.mark.parametrize(("name", "file"), TRAPS)
def test_every_trap_links_to_its_test(name, file):
    source = (PAGE.parents[1] / file).read_text("utf-8")

    assert re.search(rf"^(?:async )?def {name}\(", source, re.M)
