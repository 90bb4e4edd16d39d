"""What an import costs, and what it says when a framework is missing."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

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
    imported = _imported("from volc_dashscope import *")

    assert {"httpx", "numpy", "orjson"} <= imported
    assert set() == imported & set(HEAVY)


def test_a_client_of_threads_does_without_asyncio():
    code = (
        "import sys\n"
        "from volc_dashscope import Client\n"
        "from volc_dashscope.errors import TransportError\n"
        "client = Client('text-embedding-v4', api_key='k', base_url='http://127.0.0.1:9', max_retries=0)\n"
        "try: client.embed(['a'])\n"
        "except TransportError: print('asyncio' in sys.modules)"
    )

    done = _python("-c", code)

    assert "False\n" == done.stdout, done.stderr


def test_importing_the_emulator_does_not_import_pillow():
    imported = _imported("from volc_dashscope.emulator import *")

    assert "volc_dashscope" in imported
    assert set() == imported & set(HEAVY)


def test_the_pytest_plugin_loads_nothing_before_a_fixture_is_used():
    code = (
        "import pytest, sys\n"
        "before = set(sys.modules)\n"
        "import volc_dashscope.emulator.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )

    done = _python("-c", code)

    expected = ["", "._lazy", "._version", ".emulator", ".emulator.pytest_plugin"]
    assert [f"volc_dashscope{name}" for name in expected] == done.stdout.split(), done.stderr


@pytest.mark.parametrize("package", ["volc_dashscope", "volc_dashscope.bulk", "volc_dashscope.emulator"])
def test_a_lazy_package_gives_every_name_that_type_checkers_see(package):
    tree = ast.parse(Path(importlib.import_module(package).__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    declared = {
        name.name: f"{node.module}"
        for node in imports
        if node.module.startswith(package)
        for name in node.names
        if name.name != "_lazy"
    }
    code = (
        "import importlib, sys\n"
        f"package = importlib.import_module({package!r})\n"
        "listed = set(dir(package)) >= set(package.__all__)\n"
        f"from {package} import *\n"
        f"declared = {declared}\n"
        "same = all(globals()[name] is getattr(importlib.import_module(module), name)"
        " for name, module in declared.items())\n"
        "print(sorted(package.__all__) == sorted(declared), listed, same)"
    )

    done = _python("-c", code)

    assert "True True True" == done.stdout.strip(), done.stderr


def test_public_modules_are_attributes_of_the_package_without_an_import_of_their_own():
    code = (
        "import volc_dashscope\n"
        "print(volc_dashscope.errors.InputError is volc_dashscope.InputError)\n"
        "print(volc_dashscope.models.get_model_info('text-embedding-v4').name)\n"
        "print(hasattr(volc_dashscope, 'nothing'), 'models' in dir(volc_dashscope))"
    )

    done = _python("-c", code)

    assert ["True", "text-embedding-v4", "False True"] == done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(
    ("package", "framework"),
    [
        ("langchain_volc_dashscope", "langchain_core"),
        ("llama_index_ext", "llama_index.core.embeddings"),
    ],
)
def test_an_integration_brings_only_what_its_framework_imports(package, framework):
    """Their framework may be imported anywhere in these packages, so that lint lets Pillow and others pass, too."""
    own = framework.partition(".")[0]

    brought = _imported(f"import {package}") - _imported(f"import {framework}, pydantic, requests")

    assert set() == (brought & set(HEAVY)) - {own}


@pytest.mark.parametrize(
    ("package", "framework", "extra"),
    [
        ("langchain_volc_dashscope", "langchain_core", "volc-dashscope[langchain]"),
        ("llama_index_ext", "llama_index", "volc-dashscope[llama-index]"),
    ],
)
def test_an_integration_without_its_framework_names_the_extra(package, framework, extra):
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
