"""What no linter checks of the source: sizes, machine paths, documentation of what is public, tests that can fail."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Collection

import mutation
from chaos import NUMBERS
from source import PACKAGES, ROOT, Module, modules

LONGEST_MODULE, LONGEST_CLASS, LONGEST_FUNCTION = 400, 150, 40
LONG_MODULES = {
    "volc_dashscope.client": "the settings as arguments, and the two clients with what their methods promise",
    "volc_dashscope.inputs": "each of the four values has its constructors, their checks and an example",
    "volc_dashscope.emulator.lexicon": "a table of words in two languages",
}
LONG_CLASSES = {
    "volc_dashscope.bulk._partial:PartialOutput": "one folder's files, which are written and recovered together",
    "volc_dashscope.emulator.app:App": "the table of the services' addresses",
}
LONG_FUNCTIONS = {
    "volc_dashscope.client:__init__": "one line for each setting",
    "volc_dashscope.jobs._settings:__init__": "the client's settings that jobs have too, one line each",
}
PUBLIC = ("volc_dashscope", "volc_dashscope.emulator", "volc_dashscope.models", "langchain_volc_dashscope")
PUBLIC += ("llama_index_ext",)
# A place on somebody's machine, or a package index, has no business in the package.
MACHINE = re.compile(
    r"(?<![\w.:/*-])/(?:home|root|work|tmp|Users|mnt)/|pypi\.|/simple\b|index-url|\bC:\\\\", re.I
)


def test_modules_classes_and_functions_are_short_or_listed_with_a_reason():
    long = {module.name for module in modules() if len(module.text.splitlines()) > LONGEST_MODULE}
    classes = {
        f"{module.name}:{node.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and _length(node) > LONGEST_CLASS
    }
    functions = {
        f"{module.name}:{node.name}"
        for module in modules()
        for node in module.functions()
        if _own_length(node) > LONGEST_FUNCTION
    }

    assert LONG_MODULES.keys() == long
    assert LONG_CLASSES.keys() == classes
    assert LONG_FUNCTIONS.keys() == functions


def test_no_machine_path_and_no_package_index():
    found = [
        (module.name, text)
        for module in modules()
        for text in (
            *(node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant)),
            *(line for line in module.text.splitlines() if "#" in line),
        )
        if isinstance(text, str) and MACHINE.search(text)
    ]

    assert [] == found


def test_one_module_reads_the_environment():
    """A linter lets either the clock or the environment through in a whole file; this tells them apart."""
    readers = {
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and _dotted(node) in ("os.environ", "os.getenv")
    }

    assert {"volc_dashscope._config.environment"} == readers


def test_what_is_public_is_documented_and_listed_in_order():
    for package in map(importlib.import_module, PUBLIC):
        things = {name: getattr(package, name) for name in package.__all__}
        described = {
            name: thing
            for name, thing in things.items()
            if inspect.isclass(thing) or inspect.isfunction(thing)
        }
        bare = [name for name, thing in described.items() if not _documented(thing)]
        bare += [
            f"{name}.{method}"
            for name, kind in described.items()
            if inspect.isclass(kind)
            for method, thing in vars(kind).items()
            if not method.startswith("_")
            and (inspect.isfunction(thing) or isinstance(thing, property | classmethod))
            # An override says nothing new: it inherits the words of what it overrides.
            and not inspect.getdoc(getattr(kind, method))
        ]

        assert [] == bare, package.__name__
        assert len(set(package.__all__)) == len(package.__all__)


def test_every_test_can_fail():
    idle = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        functions = list(Module(path).functions())
        checks = {node.name for node in functions if not node.name.startswith("test_") and _claims(node)}
        idle += [
            f"{path.stem}:{node.name}"
            for node in functions
            if node.name.startswith("test_") and not _claims(node, checks)
        ]

    assert [] == idle


def test_no_two_modules_of_the_tests_have_one_name():
    """They are imported by their bare names: with two, who comes first in a run decides which one all get."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]

    assert [] == sorted({name for name in names if names.count(name) > 1})


def test_an_attribute_has_a_line_of_its_own():
    """The reference is made from docstrings, where `a, b: ...` becomes an attribute `a,` of type `b`."""
    texts = [
        ast.get_docstring(node) or ""
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    ]
    sections = [text.partition("\nAttributes:\n")[2].partition("\n\n")[0] for text in texts]

    assert [] == [line for text in sections for line in re.findall(r"^    \w+(?:, \w+)+: .*", text, re.M)]


def test_each_number_of_the_core_has_a_test_that_fails_when_it_changes():
    """
    mutmut changes no constants, but `scripts/chaos.py numbers` does; what it looks for must be in the source once.

    Exempt are numbers that only bound the work or the memory.
    """
    exempt = {"_MAX_MESSAGE_LENGTH", "_SAMPLE", "_MAX_BYTES", "_PIECE"}
    constant = re.compile(r"^(_?[A-Z]\w+(?:, _?[A-Z]\w+)*) = [-\d_.,*/ ]+(?:#.*)?$", re.M)
    named = {
        (file, name)
        for file in mutation.MODULES
        for names in constant.findall((ROOT / file).read_text("utf-8"))
        for name in names.split(", ")
        if name not in exempt
    }
    changed = {(file, name) for file, old, _, _ in NUMBERS for name in re.findall(r"\b_?[A-Z]\w+", old)}

    assert len(named) > 25
    assert set() == named - changed
    assert [1] * len(NUMBERS) == [(ROOT / file).read_text("utf-8").count(old) for file, old, _, _ in NUMBERS]


def test_mutants_change_each_module_of_the_core_and_start_its_tests():
    core = ROOT / "volc_dashscope"
    due = {f"volc_dashscope/_request/{name}.py" for name in ("batching", "exchange", "validation")}
    for folder in ("_limits", "providers"):
        due |= {path.relative_to(ROOT).as_posix() for path in (core / folder).glob("*.py")}
    tests = {
        test.removeprefix("--deselect=").partition("::")[0]
        for each in mutation.MODULES.values()
        for test in each
    }

    assert due - {"volc_dashscope/_limits/__init__.py"} == mutation.MODULES.keys()  # it holds nothing
    assert [] == [test for test in tests if not (ROOT / test).is_file()]


def test_the_packages_are_typed_and_the_changelog_has_what_is_unreleased():
    assert [] == [package for package in PACKAGES if not (ROOT / package / "py.typed").is_file()]
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def _own_length(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Lines from `def` or `class` to the end, without its docstring."""
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def _length(node: ast.ClassDef) -> int:
    """Lines of a class without the docstrings in it."""
    inner = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return _own_length(node) - sum(
        each.end_lineno - each.lineno + 1 - _own_length(each) for each in inner if each.end_lineno
    )


def _documented(thing: object) -> bool:
    # Not `inspect.getdoc`: a class would inherit its parent's words. dataclasses make up a signature.
    own = thing.__doc__ or ""
    return bool(own) and not own.startswith(f"{getattr(thing, '__name__', '')}(")


def _claims(function: ast.AST, checks: Collection[str] = ()) -> bool:
    """Return whether a function asserts, or calls one of this file that does."""
    sure = {"pytest.raises", "pytest.warns", "pytest.fail", "np.testing.assert_allclose", *checks}
    called = [_dotted(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)]
    # Playwright's `expect(...)` waits for what is claimed, and raises if it does not come.
    claimed = any(name in sure or name.startswith("expect(") for name in called)
    return claimed or any(isinstance(node, ast.Assert) for node in ast.walk(function))


def _dotted(node: ast.AST) -> str:
    """Return `a.b` of a name or an attribute, else what `ast.unparse` makes of it, twenty times as slowly."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ast.unparse(node)
