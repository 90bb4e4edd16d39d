"""
`make mutants`: change the core one operator at a time and list the changes that no test notices.

For each change mutmut starts every test that reaches the changed function. Of the whole suite that is thousands of
tests a change, and days. So each module is tried by itself, in a copy of the repository, with the few test files that
own it: a second a change.

A change that survives needs a test, or a line in tests/mutants.md with the reason why it may. Changes to the wording of
messages are exempt. mutmut does not change constants; `scripts/chaos.py numbers` does.
Arguments choose modules by their names, `batching` or `ark`; all, if none is named.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from chaos import copied

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "mutants"  # ignored by git; `mutmut show` and `mutmut browse` work in each folder of it
LISTED = ROOT / "tests" / "mutants.md"
WORKERS = min(2, os.cpu_count() or 1)
KILLED = ("killed", "timeout")  # a change that makes a loop endless is noticed too
_LIMITS, _REQUEST, _CODECS = "volc_dashscope/_limits", "volc_dashscope/_request", "volc_dashscope/providers"
_CORE = "tests/core"
# Tests of many random inputs, which find nothing here that the others do not.
_SLOW = f"--deselect={_CORE}"
_PACED = tuple(
    f"{_CORE}/test_{name}.py" for name in ("adaptive_rate", "concurrency", "rate_limiter", "reservations")
)
# Each module with what names its tests to pytest.
MODULES = {
    f"{_LIMITS}/adaptive_rate.py": _PACED,
    f"{_LIMITS}/concurrency.py": (f"{_CORE}/test_concurrency.py",),
    f"{_LIMITS}/rate_limiter.py": _PACED,
    f"{_LIMITS}/retry.py": (f"{_CORE}/test_retry.py", f"{_CORE}/test_exchange.py"),
    f"{_REQUEST}/batching.py": (
        f"{_CORE}/test_batching.py",
        f"{_SLOW}/test_batching.py::test_any_mix_of_items_is_planned_within_every_limit",
    ),
    f"{_REQUEST}/exchange.py": (f"{_CORE}/test_exchange.py",),
    f"{_REQUEST}/validation.py": (f"{_CORE}/test_validation.py",),
    f"{_CODECS}/__init__.py": (f"{_CORE}/test_compatible_forms.py",),
    f"{_CODECS}/ark.py": (f"{_CORE}/test_ark_forms.py",),
    f"{_CODECS}/compatible.py": (f"{_CORE}/test_compatible_forms.py",),
    f"{_CODECS}/dashscope.py": (f"{_CORE}/test_dashscope_forms.py",),
    f"{_CODECS}/error_table.py": (f"{_CORE}/test_error_table.py",),
    f"{_CODECS}/parsing.py": (f"{_CORE}/test_reply.py",),
    f"{_CODECS}/rerank.py": ("tests/rerank/test_rerank_forms.py",),
    f"{_CODECS}/token_vectors.py": (f"{_CORE}/test_token_vectors.py",),
}
CONFIGURATION = """
[tool.mutmut]
source_paths = ["volc_dashscope"]
only_mutate = [{module}]
also_copy = ["langchain_volc_dashscope", "llama_index_ext", "scripts", "examples"]
pytest_add_cli_args = ["-p", "pytest_asyncio.plugin", "-p", "pytest_socket"]
pytest_add_cli_args_test_selection = {tests}
"""


def survivors(module: str) -> list[tuple[str, str]]:
    """Try every change of a module; return those that nobody noticed: the lines before and after."""
    place = PLACE / _name(module)
    shutil.rmtree(place, ignore_errors=True)
    copied(place)
    with (place / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(CONFIGURATION.format(module=json.dumps(module), tests=json.dumps(MODULES[module])))
    _mutmut(place, "run", "--max-children", str(WORKERS))
    results = _mutmut(place, "results", "--all", "true", show=False)
    outcomes = re.findall(r"^\s+(\S+): (.+)$", results, re.MULTILINE)
    print(f"{module}: {sum(how in KILLED for _, how in outcomes)} of {len(outcomes)} changes were noticed")
    return [_lines(place, change) for change, how in outcomes if how not in KILLED]


def _name(module: str) -> str:
    """Name a module in arguments and in the table: a package by its folder."""
    path = Path(module)
    return path.parent.name if path.stem == "__init__" else path.stem


def _mutmut(place: Path, *arguments: str, show: bool = True) -> str:
    command = [str(Path(sys.executable).parent / "mutmut"), *arguments]
    # Only the plugins that the tests need: finding the others takes longer than the tests.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    pipe = None if show else subprocess.PIPE
    done = subprocess.run(command, cwd=place, env=environment, stdout=pipe, text=True, check=True)
    return done.stdout or ""


def _lines(place: Path, change: str) -> tuple[str, str]:
    """Return what a change takes out and what it puts in."""
    shown = _mutmut(place, "show", change, show=False).splitlines()
    sides = ([], [])
    for line in shown:
        if line[:1] in "-+" and line[:3] not in ("---", "+++"):
            sides[line[0] == "+"].append(line[1:].strip())
    return " ".join(sides[0]), " ".join(sides[1]).strip() or "(removed)"


def listed() -> set[tuple[str, str, str]]:
    """Return module, line before and line after of each change that may survive."""
    rows = re.findall(
        r"^\| `(\w+)` \| `` (.+?) `` \| `` (.+?) `` \|", LISTED.read_text("utf-8"), re.MULTILINE
    )
    return {(module, before.replace("\\|", "|"), after.replace("\\|", "|")) for module, before, after in rows}


def is_wording(before: str, after: str) -> bool:
    """Return whether two lines differ in what texts say only."""
    text = r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    return re.sub(text, '""', before) == re.sub(text, '""', after)


def main(arguments: list[str]) -> int:
    """Try the modules asked for, or all; list the changes that need a test or a reason."""
    known = {_name(module): module for module in MODULES}
    for name in arguments:
        if name not in known:
            print(f"mutants: {name} is none of {', '.join(known)}")
            return 2
    chosen = arguments or list(known)
    found = {(name, *lines) for name in chosen for lines in survivors(known[name])}
    found = {row for row in found if not is_wording(*row[1:])}
    may = {row for row in listed() if row[0] in chosen}
    for name, before, after in sorted(found - may):
        print(f"{name} needs a test, or a line in {LISTED.name}\n    - {before}\n    + {after}")
    for name, before, after in sorted(may - found):
        print(f"{name} has a line in {LISTED.name} that is not needed\n    - {before}\n    + {after}")
    return 1 if found != may else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
