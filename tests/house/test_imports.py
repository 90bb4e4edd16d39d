"""What an import costs, and what it says when a framework is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from source import ROOT

HEAVY = (
    "langchain",
    "langchain_core",
    "llama_index",
    "PIL",
    "pandas",
    "pydantic",
    "tqdm",
    "pyarrow",
    "ray",
    "requests",
)
BLOCKER = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    # pytest's own plug-ins must not lend the child what they have imported.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )


def _imported(statement: str) -> set[str]:
    """Return the top-level packages that a statement imports, as the interpreter itself reports them."""
    done = _python("-X", "importtime", "-c", statement)
    assert done.returncode == 0, done.stderr
    return {
        line[1].strip().partition(".")[0] for line in re.finditer(r"\| +\d+ \|( *\S+)$", done.stderr, re.M)
    }


def test_the_core_costs_httpx_numpy_and_orjson():
    imported = _imported("import volc_dashscope")

    assert {"httpx", "numpy", "orjson"} <= imported
    assert set() == imported & set(HEAVY)


def test_importing_the_emulator_does_not_import_pillow():
    imported = _imported("import volc_dashscope.emulator")

    assert "volc_dashscope" in imported
    assert set() == imported & set(HEAVY)


def test_a_face_brings_its_own_framework_only():
    assert "llama_index" not in _imported("import langchain_volc_dashscope")


@pytest.mark.parametrize(
    ("package", "framework", "extra"),
    [
        ("langchain_volc_dashscope", "langchain_core", "volc-dashscope[langchain]"),
        ("llama_index_ext", "llama_index", "volc-dashscope[llama-index]"),
    ],
)
def test_a_face_without_its_framework_names_the_extra(package, framework, extra):
    done = _python("-c", BLOCKER.format(blocked={framework}) + f"import {package}")

    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert extra in last


def test_the_core_works_without_any_optional_package():
    blocked = {*HEAVY, "blosc2", "zstandard", "pytest"}
    code = (
        "import volc_dashscope, volc_dashscope.emulator\n"
        "http = volc_dashscope.emulator.Emulator().http_client()\n"
        "client = volc_dashscope.Client('text-embedding-v4', api_key='k', http_client=http)\n"
        "print(client.embed(['a']).vectors.shape)"
    )

    done = _python("-c", BLOCKER.format(blocked=blocked) + code)

    assert ("(1, 1024)\n", 0) == (done.stdout, done.returncode), done.stderr
