"""The project's own source, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("volc_dashscope", "langchain_volc_dashscope", "llama_index_ext")


@dataclass(frozen=True)
class Import:
    """
    One imported module.

    Attributes:
        module: Dotted name; of `from package import name` the submodule, if `name` is one.
        typing_only: Inside `if TYPE_CHECKING`.
        inner: Inside a function.
        star: `from module import *`.
        names: What `from` brings in.
    """

    module: str
    line: int
    typing_only: bool
    inner: bool
    star: bool
    names: tuple[str, ...]

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


class Module:
    """One file of a package."""

    def __init__(self, path: Path) -> None:
        self.path = path
        parts = path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.text = path.read_text("utf-8")
        self.tree = ast.parse(self.text)

    def __repr__(self) -> str:
        return self.name

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def emulator(self) -> bool:
        return f"{self.name}.".startswith("volc_dashscope.emulator.")

    @cached_property
    def imports(self) -> list[Import]:
        return list(_imports(self.tree))

    @property
    def loaded(self) -> list[Import]:
        """Imports that happen at some time, not for type checkers only."""
        return [found for found in self.imports if not found.typing_only]

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the three packages."""
    return tuple(Module(path) for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py")))


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _imports(node: ast.AST, *, typing_only: bool = False, inner: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, typing_only, inner, False, ())
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"relative import in line {child.lineno}"
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                target = whole if is_module(whole) else str(child.module)
                yield Import(target, child.lineno, typing_only, inner, alias.name == "*", (alias.name,))
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for statement in child.body:
                yield from _imports(ast.Module([statement], []), typing_only=True, inner=inner)
            for statement in child.orelse:
                yield from _imports(ast.Module([statement], []), typing_only=typing_only, inner=inner)
        else:
            deeper = inner or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, typing_only=typing_only, inner=deeper)
