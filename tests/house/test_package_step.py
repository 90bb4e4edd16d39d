"""`make package` installs every extra alone: none is forgotten when one is added, and a broken wheel is refused."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import package
import pytest
from source import ROOT


def _declared() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    section = text.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    return set(re.findall(r"^([\w-]+) = \[", section, re.M))


def _wheel(folder: Path, *names: str) -> None:
    with zipfile.ZipFile(folder / "it-1-py3-none-any.whl", "w") as archive:
        for name in names:
            archive.writestr(name, "Provides-Extra: fast\n" if name.endswith("METADATA") else "")


def test_every_extra_has_a_program_that_uses_it():
    assert _declared() == set(package.PROGRAMS)


def test_extras_are_read_from_the_wheel_itself(tmp_path):
    _wheel(tmp_path, "it-1.dist-info/METADATA")

    assert ["fast"] == package.extras(package.Bench(tmp_path, {}).wheel)


def test_an_extra_without_a_program_is_refused(tmp_path):
    _wheel(tmp_path, "it-1.dist-info/METADATA")

    with pytest.raises(package.Failed, match="without a program"):
        next(package.check_extras(package.Bench(tmp_path, {}), {"3.11": "python3.11"}))


@pytest.mark.parametrize(
    "extra", [["tests/conftest.py"], []], ids=["tests in the wheel", "a package without its types"]
)
def test_a_wheel_with_too_much_or_too_little_is_refused(tmp_path, extra):
    typed = [f"{name}/py.typed" for name in package.PACKAGES]
    _wheel(tmp_path, *(typed if extra else typed[1:]), *extra)

    with pytest.raises(package.Failed, match="the wheel holds"):
        package.check_files(package.Bench(tmp_path, {}))


def test_every_distribution_of_a_name_has_a_program_that_uses_it():
    assert {folder.name for folder in (ROOT / "packaging").iterdir()} == set(package.NAMES)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("langchain-volc-dashscope", "langchain_volc_dashscope/__init__.py"),
        ("llama-index-embeddings-volc-dashscope", "llama_index/core/__init__.py"),
        ("llama-index-embeddings-volc-dashscope", "llama_index/embeddings/__init__.py"),
    ],
    ids=["a module of the package", "a module of core", "the end of a namespace"],
)
def test_a_name_with_modules_that_are_not_its_own_is_refused(tmp_path, name, file):
    folder = tmp_path / "names"
    folder.mkdir()
    with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-1-py3-none-any.whl", "w") as archive:
        archive.writestr(file, "")

    with pytest.raises(package.Failed, match=name):
        package.check_name(package.Bench(tmp_path, {}), name)


def test_publishing_is_explained_with_the_version_that_was_built():
    said = package.publishing("it-1.2-py3-none-any.whl", "it-1.2.tar.gz")

    assert "git tag v1.2\n" in said
    assert "twine upload dist/it-1.2-py3-none-any.whl dist/it-1.2.tar.gz\n" in said


def test_the_package_is_published_before_the_names_that_need_it():
    said = package.publishing("it-1.2-py3-none-any.whl", "it-1.2.tar.gz", ["names-1.2.tar.gz"])

    assert "twine upload dist/it-1.2-py3-none-any.whl dist/it-1.2.tar.gz\n" in said
    assert "twine upload dist/names-1.2.tar.gz\n" in said.partition("it-1.2.tar.gz\n")[2]
