"""
`make chaos`: every promise in full size, every breakage it names, and the README on every Python there is.

Each module of tests/promises carries `BREAKAGES`: a file, a text in it, what to put in its place, and the test
that must then fail. They are applied one by one to a copy of the repository; one that stays green is a failure.
Arguments choose steps: promises, breakages (with any names of tests after it), pythons, package.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from package import run_package

ROOT = Path(__file__).resolve().parents[1]
PROMISES = ROOT / "tests" / "promises"
FAILED = 1  # what pytest returns when tests ran and some failed; anything else is a mistake
LONGEST = 300
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
README_TESTS = ("tests/house/test_readme.py", "tests/examples", "tests/house/test_examples.py")


def breakages() -> Iterator[tuple[str, Any]]:
    """Yield the name of each module and each of its breakages."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(PROMISES)]
    for path in sorted(PROMISES.glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for breakage in module.BREAKAGES:
            yield path.stem, breakage


def run_promises() -> list[str]:
    """Run every promise in full size."""
    command = [sys.executable, "-m", "pytest", str(PROMISES.relative_to(ROOT))]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "CHAOS": "1"}, check=False)
    return ["a promise does not hold in full size"] if done.returncode else []


def run_breakages(names: tuple[str, ...] = ()) -> list[str]:
    """Apply each breakage to a copy and return those that nobody noticed."""
    unnoticed = []
    with tempfile.TemporaryDirectory(prefix="volc-dashscope-chaos-") as folder:
        copy = Path(folder) / "copy"
        ignored = shutil.ignore_patterns(
            ".git", ".venv*", "__pycache__", "*.pyc", ".mypy_cache", ".ruff_cache"
        )
        shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
        for module, breakage in breakages():
            if not names or breakage.test in names or module in names:
                verdict = _break(copy, module, breakage)
                print(
                    f"{verdict:<9} {module}.{breakage.test}: {breakage.file}: {_short(breakage.new)}",
                    flush=True,
                )
                if verdict != "red":
                    unnoticed.append(f"{module}.{breakage.test} is {verdict} when {breakage.file} is broken")
    return unnoticed


def _break(copy: Path, module: str, breakage: Any) -> str:
    """Return "red" if the test notices, else what happened instead."""
    path = copy / breakage.file
    sound = path.read_text("utf-8")
    if sound.count(breakage.old) != 1:
        return f"{sound.count(breakage.old)} hits"
    path.write_text(sound.replace(breakage.old, breakage.new), "utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "-x", f"tests/promises/{module}.py"]
        chosen = rf"{re.escape(breakage.test)}(\[|$)"
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PROMISE": chosen,
        }
        environment.pop("CHAOS", None)
        done = subprocess.run(
            command, cwd=copy, env=environment, timeout=LONGEST, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return "endless"
    finally:
        path.write_text(sound, "utf-8")
    return {FAILED: "red", 0: "GREEN"}.get(done.returncode, f"exit {done.returncode}")


def _short(text: str) -> str:
    return " ".join(text.split())[:60] or "(removed)"


def run_pythons() -> list[str]:
    """Run the README's blocks and the examples on every supported Python that is installed."""
    wrong = []
    for version in SUPPORTED:
        python = _find(version)
        print(f"Python {version}: {python or 'not installed'}", flush=True)
        if python is None:
            continue
        place = f".venv-{version}"
        made = subprocess.run(
            ["scripts/environment", place, "all", "demo", "test"],
            cwd=ROOT,
            env={**os.environ, "PYTHON": python},
            check=False,
        )
        tests = [name for name in README_TESTS if (ROOT / name).exists()]
        command = [f"{place}/bin/python", "-m", "pytest", *tests]
        if made.returncode or subprocess.run(command, cwd=ROOT, check=False).returncode:
            wrong.append(f"the README or an example fails on Python {version}")
    return wrong


def _find(version: str) -> str | None:
    """Return the path of a Python that starts: from PATH, else from pyenv."""
    places = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *map(str, places)):
        if candidate is not None:
            asked = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False)
            if asked.returncode == 0 and f" {version}." in asked.stdout:
                return candidate
    return None


STEPS: dict[str, Callable[[], list[str]]] = {
    "promises": run_promises,
    "breakages": run_breakages,
    "pythons": run_pythons,
    "package": lambda: run_package(_find),
}


def main(arguments: list[str]) -> int:
    """Run the steps asked for, or all, and say what went wrong."""
    if arguments[:1] == ["breakages"]:
        wrong = run_breakages(tuple(arguments[1:]))
    else:
        wrong = [words for name in arguments or STEPS for words in STEPS[name]()]
    for words in wrong:
        print(f"chaos: {words}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
