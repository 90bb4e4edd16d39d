"""Size, names and promises that no linter checks."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Collection

import pytest
from source import PACKAGES, ROOT, Module, modules

import volc_dashscope

MODULES = modules()
EACH = pytest.mark.parametrize("module", MODULES, ids=repr)
LONGEST_MODULE = 300
LONGEST_FUNCTION = 40

LONG_MODULES = {
    "volc_dashscope.client": "two classes of the same methods; a third is the settings with their one docstring",
    "volc_dashscope.emulator.lexicon": "a table of words in two languages",
}
LONG_FUNCTIONS = {
    "volc_dashscope.client:__init__": "the promised settings, one line each",
    "volc_dashscope.jobs._settings:__init__": "the client's settings that jobs have too, one line each",
    "volc_dashscope.estimate:estimate_cost": "the client's settings again, one line each",
    "volc_dashscope.ray._embedder:__init__": "the client's settings again, one line each",
    "volc_dashscope.bulk._preview:preview": "and again",
}

PUBLIC = ["volc_dashscope", "volc_dashscope.emulator", "volc_dashscope.models", "langchain_volc_dashscope"]
PUBLIC += ["llama_index_ext"]
# A place on somebody's machine, or a package index, has no business in the package.
MACHINE = re.compile(
    r"(?<![\w.:/*-])/(?:home|root|work|tmp|Users|mnt)/|pypi\.|/simple\b|index-url|\bC:\\\\", re.I
)


def _length(node: ast.AST) -> int:
    """Lines from `def` to the end, without the docstring."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


@EACH
def test_a_module_is_short_or_is_listed(module):
    length = len(module.text.splitlines())

    assert length <= LONGEST_MODULE or module.name in LONG_MODULES


@EACH
def test_a_function_is_short_or_is_listed(module):
    long = [f"{module.name}:{node.name}" for node in module.functions() if _length(node) > LONGEST_FUNCTION]

    assert [] == [name for name in long if name not in LONG_FUNCTIONS]


@pytest.mark.parametrize("name", LONG_MODULES)
def test_no_module_is_listed_as_long_without_need(name):
    module = next(module for module in MODULES if module.name == name)

    assert len(module.text.splitlines()) > LONGEST_MODULE


@pytest.mark.parametrize("name", LONG_FUNCTIONS)
def test_no_function_is_listed_as_long_without_need(name):
    place, _, function = name.partition(":")
    module = next(module for module in MODULES if module.name == place)

    assert any(node.name == function and _length(node) > LONGEST_FUNCTION for node in module.functions())


@EACH
def test_no_machine_path_and_no_package_index(module):
    strings = [node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant)]
    comments = [line for line in module.text.splitlines() if "#" in line]

    assert [] == [text for text in (*strings, *comments) if isinstance(text, str) and MACHINE.search(text)]


@EACH
def test_a_module_says_what_it_is(module):
    assert ast.get_docstring(module.tree)


@EACH
def test_a_module_can_use_the_newest_annotations_everywhere(module):
    bare = all(isinstance(node, ast.Expr | ast.ImportFrom | ast.Assign) for node in module.tree.body)

    assert "from __future__ import annotations" in module.text or bare


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_is_documented(name):
    package = importlib.import_module(name)
    things = {public: getattr(package, public) for public in package.__all__}
    described = [
        public for public, thing in things.items() if inspect.isclass(thing) or inspect.isfunction(thing)
    ]

    assert described
    assert [] == [public for public in described if not _documented(things[public])]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_methods_of_public_classes_are_documented(name):
    package = importlib.import_module(name)
    classes = [thing for thing in map(package.__dict__.get, package.__all__) if inspect.isclass(thing)]

    bare = [
        f"{kind.__name__}.{method}"
        for kind in classes
        for method, thing in vars(kind).items()
        if not method.startswith("_")
        and (inspect.isfunction(thing) or isinstance(thing, property | classmethod))
        # An override says nothing new: it inherits the words of what it overrides.
        if not inspect.getdoc(getattr(kind, method))
    ]

    assert [] == bare


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_sorted_and_true(name):
    package = importlib.import_module(name)

    assert len(set(package.__all__)) == len(package.__all__)
    assert [] == [public for public in package.__all__ if not hasattr(package, public)]


def test_the_version_is_the_newest_in_the_changelog():
    found = re.search(r"^## (\S+) - (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)

    assert found is not None
    assert volc_dashscope.__version__ == found[1]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_is_typed(package):
    assert (ROOT / package / "py.typed").is_file()


TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_every_test_can_fail(path):
    functions = list(Module(path).functions())
    checks = {node.name for node in functions if not node.name.startswith("test_") and _claims(node)}
    idle = [node.name for node in functions if node.name.startswith("test_") and not _claims(node, checks)]

    assert [] == idle


def _documented(thing: object) -> bool:
    # Not `inspect.getdoc`: a class would inherit its parent's words. dataclasses make up a signature.
    own = thing.__doc__ or ""
    return bool(own) and not own.startswith(f"{getattr(thing, '__name__', '')}(")


def _claims(function: ast.AST, checks: Collection[str] = ()) -> bool:
    """Return whether a function asserts, or calls one of this file that does."""
    sure = {"pytest.raises", "pytest.warns", "pytest.fail", *checks}
    called = [ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)]
    # Playwright's `expect(...)` waits for what is claimed, and raises if it does not come.
    claimed = any(name in sure or name.startswith("expect(") for name in called)
    return claimed or any(isinstance(node, ast.Assert) for node in ast.walk(function))


@EACH
def test_an_attribute_has_a_line_of_its_own(module):
    """The reference is made from docstrings, where `a, b: ...` becomes an attribute `a,` of type `b`."""
    texts = [
        ast.get_docstring(node) or "" for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)
    ]
    sections = [text.partition("\nAttributes:\n")[2].partition("\n\n")[0] for text in texts]

    assert [] == [line for text in sections for line in re.findall(r"^    \w+(?:, \w+)+: .*", text, re.M)]


def test_no_two_modules_of_the_tests_have_one_name():
    """They are imported by their bare names: with two, who comes first in a run decides which one all get."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]

    assert [] == sorted({name for name in names if names.count(name) > 1})
