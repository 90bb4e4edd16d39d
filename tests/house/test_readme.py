"""
Every Python block of the READMEs and English guides is run, in order, in one namespace a file, against the emulator.

A ```text block right after a ```python block is what the latter prints. `<!-- test: skip, because ... -->`
before a block leaves it out, which is for shell blocks only; `<!-- test: tests/... runs it ... -->` names the test
that runs it instead.
"""

from __future__ import annotations

import gc
import io
import os
import re
import shlex
import shutil
import tomllib
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import forked
import pytest
import repository_url
from source import ROOT

from volc_dashscope.emulator import Emulator
from volc_dashscope.emulator.__main__ import arguments

READMES = [path for name in ("README.md", "README.zh-CN.md") if (path := ROOT / name).is_file()]
GUIDES = sorted(path for language in ("en", "zh") for path in (ROOT / "docs" / language).glob("*.md"))
PAGES = [*READMES, ROOT / "docs" / "index.md", *GUIDES]
_BLOCK = re.compile(
    r"^(?:<!-- test: (?:skip,? *)?(?P<reason>[^\n]*?) *-->\n+)?```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^```$",
    re.M | re.S,
)
_PACKAGED = re.compile(
    r"\]\(https://(?:github\.com/[^/)]+/[^/)]+/blob|raw\.[^/)]+/[^/)]+/[^/)]+)/main/([^)#]+)"
)
_SHELL = ("bash", "sh", "shell", "console")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its line, whether it is skipped, and the ```text block right after it."""

    language: str
    code: str
    line: int
    reason: str | None
    output: str | None = None


def blocks(text: str) -> list[Block]:
    found = list(_BLOCK.finditer(text))
    made = []
    for match, after in pairwise([*found, None]):
        assert match is not None
        adjacent = (
            after is not None
            and after["language"] == "text"
            and not text[match.end() : after.start()].strip()
        )
        line = text.count("\n", 0, match.start("code")) + 1
        output = after["code"] if after is not None and adjacent else None
        made.append(Block(match["language"], match["code"], line, match["reason"], output))
    return made


def run(text: str, name: str) -> list[tuple[int, str | None, str]]:
    """Run the Python blocks of a page; return line, promised output and actual output of each."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    outputs = []
    try:
        for block in blocks(text):
            if block.language != "python" or block.reason is not None:
                continue
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile("\n" * (block.line - 1) + block.code, name, "exec"), namespace)
            outputs.append((block.line, block.output, printed.getvalue()))
    finally:
        # A reader's script ends without closing its clients; here the process goes on.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            namespace.clear()
            gc.collect()
    return outputs


# A Chinese guide has the code and the outputs of the English one (see `test_docs.py`), so it is run once.
CODED = [
    path
    for path in PAGES
    if path.parent.name != "zh"
    and any(block.language == "python" and block.reason is None for block in blocks(path.read_text("utf-8")))
]
EACH = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@pytest.mark.parametrize("path", CODED, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_code_runs_and_prints_what_the_page_says(
    path, ark_dashscope_emulator_env, drawings, tmp_path, monkeypatch
):
    # Each page starts in a folder of its own: what another has written must not be there.
    monkeypatch.chdir(shutil.copytree(drawings, tmp_path / "reader"))

    outputs = run(path.read_text("utf-8"), str(path))

    assert outputs
    assert [(line, promised) for line, promised, _ in outputs if promised is not None] == [
        (line, actual) for line, promised, actual in outputs if promised is not None
    ]


# Pages whose clients all get an emulator made on the page.
SELF_CONTAINED = [path for path in CODED if path.parent.name == "en" and path.stem in ("errors", "testing")]


@pytest.mark.parametrize("path", SELF_CONTAINED, ids=lambda path: path.name)
def test_a_page_that_makes_its_own_emulator_needs_no_key(path, monkeypatch):
    """Who tests an app without a key, in CI, copies these blocks."""
    for variable in ("ARK_API_KEY", "DASHSCOPE_API_KEY"):
        monkeypatch.delenv(variable, raising=False)

    outputs = run(path.read_text("utf-8"), str(path))

    assert outputs
    assert [promised for _, promised, _ in outputs if promised] == [
        actual for _, promised, actual in outputs if promised
    ]


@EACH
def test_only_shell_blocks_are_skipped_and_with_a_reason(path):
    skipped = [block for block in blocks(path.read_text("utf-8")) if block.reason is not None]

    assert [] == [
        block.line
        for block in skipped
        if not block.reason or (block.language not in _SHELL and not _runs(block.reason, path))
    ]


def _runs(reason: str, page: Path) -> bool:
    """Whether the reason names a test that reads the page."""
    named = re.match(r"(tests/\S+\.py) ", reason)
    return named is not None and page.name in (ROOT / named[1]).read_text("utf-8")


@EACH
def test_every_block_says_its_language(path):
    assert [] == [block.line for block in blocks(path.read_text("utf-8")) if not block.language]


@EACH
def test_every_link_into_the_repository_leads_somewhere(path):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text("utf-8"))

    assert [] == [link for link in links if not (path.parent / link).exists()]


@pytest.mark.parametrize("name", repository_url.PAGES)
def test_links_begin_with_the_address_of_the_repository(name):
    """Which is written in pyproject.toml; `python scripts/repository_url.py` brings the rest in step."""
    text = (ROOT / name).read_text("utf-8")

    assert text == repository_url.rewritten(text, repository_url.address())
    assert repository_url.address() in text


def test_a_new_address_reaches_links_to_files_and_pictures():
    old = "[a](https://github.com/o/n/blob/main/a.md) ![b](https://raw.githubusercontent.com/o/n/main/b.webp)"

    new = repository_url.rewritten(old, "https://github.com/us/it")

    assert (
        "[a](https://github.com/us/it/blob/main/a.md) ![b](https://raw.githubusercontent.com/us/it/main/b.webp)"
        == new
    )


def test_a_new_address_reaches_the_distributions():
    new = repository_url.rewritten('Repository = "https://github.com/o/n"\nother', "https://github.com/us/it")

    assert 'Repository = "https://github.com/us/it"\nother' == new


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_every_link_of_a_readme_also_works_on_pypi(path):
    """PyPI resolves no relative link, so each one is absolute and names a file of this tree."""
    text = path.read_text("utf-8")

    assert [] == re.findall(r"\]\((?!https:)([^)]+)", text)
    named = _PACKAGED.findall(text)
    assert len(named) > 10
    assert [] == [name for name in named if not (ROOT / name).exists()]


def test_every_address_of_the_project_begins_with_the_repository():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]

    assert repository_url.address() == urls["Repository"]
    assert all(url.startswith(urls["Repository"]) for url in urls.values())


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_the_addresses_without_a_key_are_the_emulators(path):
    port = arguments([]).port
    with Emulator() as emulator:
        served = {"ARK_BASE_URL": emulator.ark_url, "DASHSCOPE_BASE_URL": emulator.dashscope_url}
    configured = dict(re.findall(r"(\w+_BASE_URL)=(\S+)", path.read_text("utf-8")))

    assert {name: re.sub(r":\d+/", f":{port}/", url) for name, url in served.items()} == configured


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_the_command_of_the_readme_finds_the_picture(path, ark_dashscope_emulator_env, drawings, tmp_path):
    (asked,) = re.findall(r"`volc-dashscope (search [^`]+)`", path.read_text("utf-8"))
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = "from volc_dashscope.cli import main; main()"
    process = forked.start(
        program, *shlex.split(asked), "--store", tmp_path / "store", folder=drawings, environ=environ
    )
    out, err = process.communicate(timeout=60)

    assert 0 == process.returncode, err
    (first,) = [line for line in out.splitlines() if re.search(r"\| +1 \|", line)]
    assert first.endswith("blue_seascape.png")


PAGE = """
```python
x = 1
print(x)
```

```text
1
```

<!-- test: skip, because it installs -->
```bash
pip install x
```

```python
print(x + 1)
```
"""


def test_blocks_share_a_namespace_and_know_their_output():
    assert [(3, "1\n", "1\n"), (17, None, "2\n")] == run(PAGE, "page")


def test_a_block_that_raises_fails_the_page():
    with pytest.raises(ZeroDivisionError):
        run("```python\n1 / 0\n```\n", "page")


def test_a_skipped_block_is_recognised_with_its_reason():
    assert [None, None, "because it installs", None] == [block.reason for block in blocks(PAGE)]
