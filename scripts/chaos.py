"""
`make chaos`: every promise in full size, every breakage it names, and the README on every Python there is.

Each module of tests/promises carries `BREAKAGES`: a file, a text in it, what to put in its place, and the test
that must then fail. They are applied one by one to a copy of the repository; one that stays green is a failure.
Arguments choose steps: promises, breakages, pythons, package, browser; all, if none is named. Other arguments
are names of promises or of their tests, and only their breakages are applied.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from package import SUPPORTED, find_python, run_package

ROOT = Path(__file__).resolve().parents[1]
PROMISES = ROOT / "tests" / "promises"
FAILED = 1  # what pytest returns when tests ran and some failed; anything else is a mistake
LONGEST = 300
WORKERS = min(2, os.cpu_count() or 1)
BOTH_CORES = ("-n", str(WORKERS), "--dist", "loadfile")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
README_TESTS = ("tests/house/test_readme.py", "tests/examples")


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
    command = [sys.executable, "-m", "pytest", *BOTH_CORES, "--durations=20", str(PROMISES.relative_to(ROOT))]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "CHAOS": "1"}, check=False)
    return ["a promise does not hold in full size"] if done.returncode else []


def run_breakages(names: tuple[str, ...] = ()) -> list[str]:
    """Apply each breakage to a copy and return those that nobody noticed."""
    chosen = [pair for pair in breakages() if not names or pair[1].test in names or pair[0] in names]
    with tempfile.TemporaryDirectory(prefix="volc-dashscope-chaos-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            copies.put(_copied(Path(folder) / f"copy-{number}"))

        def tried(pair: tuple[str, Any]) -> str:
            copy = copies.get()
            try:
                return _break(copy, *pair)
            finally:
                copies.put(copy)

        unnoticed = []
        with ThreadPoolExecutor(WORKERS) as pool:
            for (module, breakage), verdict in zip(chosen, pool.map(tried, chosen), strict=True):
                place = f"{module}.{breakage.test}"
                print(f"{verdict:<9} {place}: {breakage.file}: {_short(breakage.new)}", flush=True)
                if verdict != "red":
                    unnoticed.append(f"{place} is {verdict} when {breakage.file} is broken")
    print(f"{len(chosen) - len(unnoticed)} of {len(chosen)} breakages were noticed", flush=True)
    return unnoticed


def _copied(copy: Path) -> Path:
    ignored = shutil.ignore_patterns(
        ".git", ".venv*", "__pycache__", "*.pyc", ".mypy_cache", ".ruff_cache", ".hypothesis", "site"
    )
    shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
    return copy


def _break(copy: Path, module: str, breakage: Any) -> str:
    """Return "red" if the test notices, else what happened instead."""
    path = copy / breakage.file
    sound = path.read_text("utf-8")
    if sound.count(breakage.old) != 1:
        return f"{sound.count(breakage.old)} hits"
    _write(path, sound.replace(breakage.old, breakage.new))
    try:
        command = [sys.executable, "-m", "pytest", "-x", f"tests/promises/{module}.py"]
        chosen = rf"{re.escape(breakage.test)}(\[|$)"
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "PROMISE": chosen,
        }
        environment.pop("CHAOS", None)
        done = subprocess.run(
            command, cwd=copy, env=environment, timeout=LONGEST, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return "endless"
    finally:
        _write(path, sound)
    return {FAILED: "red", 0: "GREEN"}.get(done.returncode, f"exit {done.returncode}")


def _write(path: Path, text: str) -> None:
    """Write a file and forget what was compiled of it; the rest of the copy stays compiled."""
    path.write_text(text, "utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def _short(text: str) -> str:
    return " ".join(text.split())[:60] or "(removed)"


def run_pythons() -> list[str]:
    """Run the README's blocks and the examples on every supported Python that is installed."""
    wrong = []
    for version in SUPPORTED:
        python = find_python(version)
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
        command = [f"{place}/bin/python", "-m", "pytest", *README_TESTS]
        if made.returncode or subprocess.run(command, cwd=ROOT, check=False).returncode:
            wrong.append(f"the README or an example fails on Python {version}")
    return wrong


def run_browser() -> list[str]:
    """Use the search page in a real browser, where one is installed."""
    found = next((place for name in BROWSERS if (place := shutil.which(name))), None)
    print(f"Chromium: {found or 'not installed'}", flush=True)
    if found is None:
        return []
    made = subprocess.run(["scripts/environment", ".venv-browser", "all", "browser"], cwd=ROOT, check=False)
    command = [".venv-browser/bin/python", "-m", "pytest", "tests/browser"]
    if made.returncode or subprocess.run(command, cwd=ROOT, check=False).returncode:
        return ["a test in a browser fails"]
    return []


STEPS: dict[str, Callable[[], list[str]]] = {
    "promises": run_promises,
    "breakages": run_breakages,
    "pythons": run_pythons,
    "package": run_package,
    "browser": run_browser,
}


def main(arguments: list[str]) -> int:
    """Run the steps asked for, or all, and say what went wrong."""
    steps = [word for word in arguments if word in STEPS]
    names = tuple(word for word in arguments if word not in STEPS)
    known = {name for module, breakage in breakages() for name in (module, breakage.test)} if names else set()
    wrong = [f"{name} is no step, no promise and no test of one" for name in names if name not in known]
    for step in () if wrong else steps or (["breakages"] if names else STEPS):
        wrong += run_breakages(names) if step == "breakages" else STEPS[step]()
    for words in wrong:
        print(f"chaos: {words}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
