"""The small distributions of `packaging/`: in step with the package, complete, and working by their names."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from source import ROOT
from test_readme import run

import llama_index_ext
from volc_dashscope._version import __version__

FOLDERS = sorted((ROOT / "packaging").iterdir())
MODULES = {
    "llama-index-embeddings-volc-dashscope": "llama_index.embeddings.volc_dashscope",
    "llama-index-postprocessor-volc-dashscope-rerank": "llama_index.postprocessor.volc_dashscope_rerank",
}
RERANK = {"DashScopeRerank"}
EACH = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
EACH_MODULE = pytest.mark.parametrize(("name", "module"), MODULES.items(), ids=MODULES)


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def load(monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> Any:
    monkeypatch.syspath_prepend(ROOT / "packaging" / name)
    monkeypatch.delitem(sys.modules, module, raising=False)
    return importlib.import_module(module)


def test_langchain_embeddings_and_rerank_have_a_distribution_each():
    assert ["langchain-volc-dashscope", *MODULES] == [folder.name for folder in FOLDERS]


@EACH
def test_version_licence_and_addresses_are_those_of_the_package(folder):
    ours, package = project(folder)["project"], project(ROOT)["project"]

    assert (folder.name, __version__) == (ours["name"], ours["version"])
    assert {name: package[name] for name in ("license", "requires-python", "urls")} == {
        name: ours[name] for name in ("license", "requires-python", "urls")
    }
    assert (ROOT / "LICENSE").read_bytes() == (folder / "LICENSE").read_bytes()


@EACH
def test_the_same_version_of_the_package_is_required(folder):
    extra = "langchain" if folder.name.startswith("langchain") else "llama-index"

    assert [f"volc-dashscope[{extra}]=={__version__}"] == project(folder)["project"]["dependencies"]


@EACH
def test_no_further_top_level_name_can_be_imported(folder):
    found = {path.relative_to(folder).parts for path in folder.rglob("*.py")}
    module = tuple(MODULES[folder.name].split(".")) if folder.name in MODULES else ()

    assert ({(*module, "__init__.py")} if module else set()) == found


@EACH_MODULE
def test_every_public_name_is_there(monkeypatch, name, module):
    expected = RERANK if "rerank" in name else set(llama_index_ext.__all__) - RERANK

    loaded = load(monkeypatch, name, module)

    assert expected == set(loaded.__all__)
    assert all(getattr(loaded, each) is getattr(llama_index_ext, each) for each in expected)
    assert Path(loaded.__file__).with_name("py.typed").is_file()


@EACH_MODULE
def test_llamahub_finds_the_module_and_an_author_of_each_class(monkeypatch, name, module):
    hub = project(ROOT / "packaging" / name)["tool"]["llamahub"]
    loaded = load(monkeypatch, name, module)
    classes = {each for each in loaded.__all__ if isinstance(getattr(loaded, each), type)}

    assert (module, classes) == (hub["import_path"], set(hub["class_authors"]))
    assert all(hub["class_authors"].values())


@EACH
def test_the_code_of_its_page_runs(monkeypatch, ark_dashscope_emulator_env, folder):
    monkeypatch.syspath_prepend(folder)
    page = (folder / "README.md").read_text("utf-8")

    outputs = run(page, folder.name)

    assert 1 == len(outputs)
    assert all(promised == printed for _, promised, printed in outputs)


@EACH
def test_its_page_links_to_files_there_are(folder):
    main = f"{project(ROOT)['project']['urls']['Repository']}/blob/main/"
    page = (folder / "README.md").read_text("utf-8")

    links = [piece.partition(")")[0] for piece in page.split("](")[1:]]

    assert len(links) > 1
    assert all(link.startswith(main) and (ROOT / link.removeprefix(main)).is_file() for link in links)
