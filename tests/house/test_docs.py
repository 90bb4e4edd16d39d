"""The documentation: both languages have the same pages with the same code, and the menu leads to all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from marked import block
from source import ROOT
from test_readme import blocks

DOCS = ROOT / "docs"
GUIDES = sorted(path.name for path in (DOCS / "zh").glob("*.md"))
# The reference is made from docstrings, which are English.
REFERENCE = sorted((DOCS / "en" / "reference").glob("*.md"))
EVERY = pytest.mark.parametrize(
    "page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS))
)
# Tables that a script writes into the English page, and that need no words.
MADE = [("ray.md", "price")]
HOOK = ROOT / "scripts" / "docs_links.py"


def _code(path: Path) -> list[tuple[str, str | None, bool]]:
    found = blocks(path.read_text("utf-8"))
    return [
        (block.code, block.output, block.reason is None)
        for block in found
        if block.language in ("python", "py")
    ]


def test_every_guide_is_there_in_both_languages():
    assert {path.name for path in (DOCS / "en").glob("*.md")} == set(GUIDES)


@pytest.mark.parametrize("name", GUIDES)
def test_both_languages_show_the_same_code(name):
    assert _code(DOCS / "en" / name) == _code(DOCS / "zh" / name)


@pytest.mark.parametrize("name", GUIDES)
def test_both_languages_have_the_same_sections_and_tables(name):
    shapes = [
        re.findall(r"^(#+ |\|---.*)", (DOCS / language / name).read_text("utf-8"), re.M)
        for language in ("en", "zh")
    ]

    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", GUIDES)
def test_tables_of_both_languages_are_equally_long(name):
    sizes = [
        [len(rows.splitlines()) for rows in re.findall(r"(?:^\|.*\n)+", text, re.M)]
        for text in ((DOCS / language / name).read_text("utf-8") for language in ("en", "zh"))
    ]

    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(("name", "marks"), MADE, ids=[name for name, _ in MADE])
def test_both_languages_have_the_same_table_where_it_is_made_of_numbers(name, marks):
    made = [block(DOCS / language / name, marks) for language in ("en", "zh")]

    assert made[0]
    assert made[0] == made[1]


def test_the_modules_that_contributors_are_led_through_exist():
    named = re.findall(r"`([\w/]+(?:\.py|/))`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))

    assert len(named) > 8
    assert [] == [
        name for name in named if not ((ROOT / name).exists() or (ROOT / "volc_dashscope" / name).exists())
    ]


# Folders whose modules the tree names one by one.
LISTED = ("_config", "_request", "_limits", "_http", "_media", "models", "providers", "integrations")


def test_the_tree_for_contributors_names_every_folder_and_top_module():
    package = ROOT / "volc_dashscope"
    present = {
        path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    named = set(re.findall(r"\w+", _tree()))

    assert len(present) > 25
    assert set() == {name for name in present if not name.startswith("__")} - named


@pytest.mark.parametrize("folder", LISTED)
def test_the_tree_for_contributors_names_every_module_where_it_lists_them(folder):
    section = re.search(rf"^  {folder}/(.*\n(?:    .*\n)*)", _tree(), re.M)
    assert section is not None
    present = {path.stem for path in (ROOT / "volc_dashscope" / folder).glob("*.py")} - {"__init__"}

    assert set() == present - set(re.findall(r"\w+", section[1]))


def _tree() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("```text")[2].partition("```")[0]


@EVERY
def test_the_files_and_tests_a_page_names_exist(page):
    text = page.read_text("utf-8")
    files = re.findall(r"`((?:tests|examples|scripts)/[\w/]+\.py)`", text)
    tests = re.findall(r"\[`(test_\w+)`\]\(([./]+/tests/[\w/.]+)\)", text)

    assert [] == [name for name in files if not (ROOT / name).is_file()]
    assert [] == [
        name
        for name, link in tests
        if not re.search(rf"^(?:async )?def {name}\(", (page.parent / link).read_text("utf-8"), re.M)
    ]


@EVERY
def test_a_file_shown_in_a_page_is_spelled_so_that_it_is_shown(page):
    """A formatter once put blanks into the marks, and the page showed the marks."""
    marked = [line for line in page.read_text("utf-8").splitlines() if re.match(r"\s*--.*<", line)]
    shown = [re.fullmatch(r'--8<-- "(.+)"', line) for line in marked]

    assert [] == [line for line, found in zip(marked, shown, strict=True) if found is None]
    assert [] == [found[1] for found in shown if found and not (ROOT / found[1]).is_file()]


def test_both_readmes_show_as_many_blocks_with_output():
    counts = [len(_code(ROOT / name)) for name in ("README.md", "README.zh-CN.md")]

    assert counts[0] == counts[1]


def test_the_menu_leads_to_every_page_and_to_no_other():
    menu = set(re.findall(r"^ +- (?:.+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M))

    assert {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} == menu


def test_the_menu_and_the_list_of_pages_show_the_titles_of_the_pages():
    """The menu names no page, so that each has its title from the page itself."""
    menu = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"\[([^\]]+)\]\(((?:en|zh)/[\w-]+\.md)\)", (DOCS / "index.md").read_text("utf-8"))
    titles = {path: _title(DOCS / path) for _, path in listed}

    assert [] == re.findall(r"^ +- .+: \S+\.md$", menu, re.M)
    assert [(titles[path], path) for _, path in listed] == listed


def _title(page: Path) -> str:
    return page.read_text("utf-8").partition("\n")[0].removeprefix("# ")


# What the code of a page imports, by the extra that brings it.
EXTRAS = {
    "langchain_volc_dashscope": "langchain",
    "llama_index_ext": "llama-index",
    "PIL": "images",
    "volc_dashscope.bulk": "bulk",
    "volc_dashscope.ray": "ray",
}
# What brings the modules that the code of a guide imports, by the name that pip knows; longer names first.
BROUGHT_BY = {
    "httpx_aiohttp": "httpx-aiohttp",
    "langchain": "langchain",
    "langchain_classic": "langchain-classic",
    "langchain_milvus": "langchain-milvus",
    "langchain_qdrant": "langchain-qdrant",
    "langgraph": "langgraph",
    "llama_index.vector_stores.qdrant": "llama-index-vector-stores-qdrant",
    "mem0": "mem0ai",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "pymilvus": "langchain-milvus",
    "qdrant_client": "llama-index-vector-stores-qdrant",
    **dict.fromkeys(
        ("PIL", "httpx", "langchain_core", "langchain_volc_dashscope", "llama_index", "llama_index_ext"),
        "volc-dashscope",
    ),
    **dict.fromkeys(("numpy", "opentelemetry", "ray", "volc_dashscope"), "volc-dashscope"),
}
CONTRIBUTORS = {"new-model.md", "assumptions.md", "cassettes.md", "promises.md", "scenarios.md"}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", sorted({*GUIDES} - CONTRIBUTORS))
def test_a_guide_begins_with_what_to_install(name, language):
    """From PyPI and from a clone, with every extra that its code imports."""
    text = (DOCS / language / name).read_text("utf-8")
    first = next(block.code for block in blocks(text))
    installed, cloned = re.findall(r'^pip install "?(?:volc-dashscope|\.)(?:\[([\w,-]+)\])?"?', first, re.M)
    code = "\n".join(block.code for block in blocks(text) if block.language == "python")
    imported = {EXTRAS[name] for name in EXTRAS if re.search(rf"^ *(?:from|import) {name}\b", code, re.M)}

    assert installed == cloned
    assert imported <= {*installed.split(","), "bulk" if "serve" in installed else ""} | (
        {"images"} if "emulator" in installed else set()
    )


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", sorted({*GUIDES} - CONTRIBUTORS))
def test_a_guide_installs_the_other_packages_it_imports(name, language):
    """Stores and frameworks that no extra brings, each by a name that is known here."""
    found = blocks((DOCS / language / name).read_text("utf-8"))
    code = "\n".join(block.code for block in found if block.language == "python")
    imported = set(re.findall(r"^ *(?:from|import) ([\w.]+)", code, re.M))
    imported = {module for module in imported if module.partition(".")[0] not in sys.stdlib_module_names}
    lines = "\n".join(re.findall(r"^pip install (.*?)(?: #|$)", found[0].code, re.M))

    assert {module: _package(module) for module in imported} == {
        module: _package(module)
        for module in imported
        if _package(module) in re.findall(r"[a-z][\w-]+", lines)
    }


def _package(module: str) -> str | None:
    return next((BROUGHT_BY[known] for known in BROUGHT_BY if f"{module}.".startswith(f"{known}.")), None)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", sorted({*GUIDES} - CONTRIBUTORS))
def test_a_guide_draws_the_pictures_it_reads(name, language):
    """Whoever copies the blocks has the files, and Pillow, which draws them."""
    found = blocks((DOCS / language / name).read_text("utf-8"))
    reads = any(re.search(r"[\"' ]pictures/\w|search pictures ", block.code) for block in found[1:])
    pillow = re.search(r"[\[,](?:images|emulator|serve|llama-index)\b", found[0].code)
    draws = "python examples/draw_pictures.py pictures " in found[0].code and pillow is not None

    assert draws or not reads


def test_the_reference_shows_every_public_name():
    import volc_dashscope

    text = "\n".join(page.read_text("utf-8") for page in REFERENCE)
    types = {"Item", "Part", "OnError", "OutputType", "TextType", "__version__"}
    public = {*volc_dashscope.__all__} - types
    shown = set(re.findall(r"^ +- (\w+)$|^::: volc_dashscope\.\w+\.(\w+)$", text, re.M))
    named = {one or other for one, other in shown} | {*vars(volc_dashscope.errors)}

    assert set() == public - named
    assert {"volc_dashscope", *PACKAGES} == set(re.findall(r"^# ([\w.]+)", text, re.M))


PACKAGES = [
    "langchain_volc_dashscope",
    "llama_index_ext",
    *(f"volc_dashscope.{name}" for name in ("bulk", "emulator", "errors", "jobs", "ray")),
]


@pytest.mark.parametrize("name", ["index.md", *(f"{language}/scenarios.md" for language in ("en", "zh"))])
def test_pages_that_list_others_list_all(name):
    text = (DOCS / name).read_text("utf-8")
    scripts = {path.name for path in (ROOT / "examples" / "scenarios").glob("*.py")}
    expected = (
        {f"{folder}/{page}" for folder in ("en", "zh") for page in GUIDES} if name == "index.md" else scripts
    )

    assert set() == {target for target in expected if target not in text}


def test_the_testing_page_holds_a_test_that_passes(tmp_path):
    page = blocks((DOCS / "en" / "testing.md").read_text("utf-8"))
    first = next(block.code for block in page if block.language == "python")
    (tmp_path / "test_reader.py").write_text(first, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    # Without what other packages bring for pytest, as in the tests of this repository.
    without = re.findall(r"-p no:\w+", (ROOT / "pyproject.toml").read_text("utf-8"))
    command = [sys.executable, "-m", "pytest", "-q", *" ".join(without).split(), str(tmp_path)]
    plugin = [] if _installed() else ["-p", "volc_dashscope.emulator.pytest_plugin"]

    done = subprocess.run([*command, *plugin], cwd=ROOT, capture_output=True, text=True, check=False)

    assert 5 >= len(first.strip().splitlines())
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a test](../tests/conftest.py)", "a test"),
        ("[gone](../tests/no_such_file.py)", "[gone](../tests/no_such_file.py)"),
        ("[a page](../docs/index.md)", "[a page](../docs/index.md)"),
    ],
    ids=["exists", "dead", "page"],
)
def test_links_out_of_the_docs_become_text_unless_they_are_dead(link, expected):
    program = (
        "import sys, types\n"
        f"sys.path.insert(0, {str(HOOK.parent)!r})\n"
        "from docs_links import on_page_markdown\n"
        "page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri='page.md'))\n"
        "print(on_page_markdown(sys.argv[1], page=page))\n"
    )

    done = subprocess.run([sys.executable, "-c", program, link], capture_output=True, text=True, check=True)

    assert expected == done.stdout.strip()


@pytest.mark.parametrize(
    ("tag", "warned"),
    [
        ('<script src="https://cdn.example.com/a.js"></script>', True),
        ('<img alt="x" src="//example.com/a.png">', True),
        ('<link href="https://fonts.example.com/a.css" rel="stylesheet">', True),
        ('<link rel="stylesheet" href="assets/a.css"><script src="a.js"></script>', False),
        ('<a href="https://example.com/">read more</a>', False),
    ],
    ids=["script", "image", "style", "own", "link"],
)
def test_a_page_that_loads_from_elsewhere_is_a_warning(tag, warned):
    program = (
        "import logging, sys, types\n"
        f"sys.path.insert(0, {str(HOOK.parent)!r})\n"
        "from docs_links import on_post_page\n"
        "logging.basicConfig(format='%(levelname)s')\n"
        "page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri='page.md'))\n"
        "assert sys.argv[1] == on_post_page(sys.argv[1], page=page)\n"
    )

    done = subprocess.run([sys.executable, "-c", program, tag], capture_output=True, text=True, check=True)

    assert ("WARNING" in done.stderr) == warned


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(
        point.value == "volc_dashscope.emulator.pytest_plugin" for point in entry_points(group="pytest11")
    )
