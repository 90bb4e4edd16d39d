"""
`make chaos`: every promise in full size, every breakage it names, and the README on every Python there is.

Each module of tests/promises carries `BREAKAGES`: a file, a text in it, what to put in its place, and the test
that must then fail. They are applied one by one to a copy of the repository; one that stays green is a failure.
`NUMBERS` does the same for the constants of the core, which `make mutants` does not change: each has a test that
fails when it is another number.
Arguments choose steps: promises, breakages, numbers, pythons, package, browser; all, if none is named. Other arguments
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


_LIMITS, _WIDE = "volc_dashscope/_limits", "tests/core/test_adaptive_rate.py"
_LIMITER, _RETRY = "tests/core/test_rate_limiter.py", "tests/core/test_retry.py"
_FLOW = "tests/core/test_exchange.py"
_REQUEST, _PROVIDERS = "volc_dashscope/_request", "volc_dashscope/providers"
_BATCHES, _CHECKS = "tests/core/test_batching.py", "tests/core/test_validation.py"
_ERRORS, _REPLIES = "tests/core/test_error_table.py", "tests/core/test_reply.py"
# A file, a constant in it as it is written, another number, and the tests of which one must fail.
NUMBERS = (
    (f"{_LIMITS}/adaptive_rate.py", "_AT_ONCE_SECONDS = 0.5", "_AT_ONCE_SECONDS = 1.0", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "_WINDOW_SECONDS = 5.0", "_WINDOW_SECONDS = 6.0", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "_WINDOW_REQUESTS = 16", "_WINDOW_REQUESTS = 17", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "_WINDOW_SHORTEST = 0.1", "_WINDOW_SHORTEST = 0.2", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "_LARGEST_DECREASE = 0.5", "_LARGEST_DECREASE = 0.6", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "_GROWTH = 0.15", "_GROWTH = 0.2", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "_SLOWEST = 1 / 60", "_SLOWEST = 1 / 30", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "_CONFIGURED_MARGIN = 0.95", "_CONFIGURED_MARGIN = 0.9", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "0.95 * self._estimated", "0.9 * self._estimated", _WIDE),
    (f"{_LIMITS}/adaptive_rate.py", "self._unknown) / 4 if", "self._unknown) / 5 if", _WIDE),
    (f"{_LIMITS}/rate_limiter.py", "_PAUSE = 1.0\n_LONGEST", "_PAUSE = 2.0\n_LONGEST", _LIMITER),
    (f"{_LIMITS}/rate_limiter.py", "_LONGEST_PAUSE = 16.0", "_LONGEST_PAUSE = 20.0", _LIMITER),
    (f"{_LIMITS}/retry.py", "_FIRST_PAUSE = 0.5", "_FIRST_PAUSE = 0.6", _RETRY),
    (f"{_LIMITS}/retry.py", "_LONGEST_PAUSE = 20.0", "_LONGEST_PAUSE = 30.0", _RETRY),
    (f"{_LIMITS}/retry.py", "LONGEST_HINT = 24 * 3600.0", "LONGEST_HINT = 23 * 3600.0", _RETRY),
    (f"{_LIMITS}/retry.py", "DEFAULT_RETRIES = 7", "DEFAULT_RETRIES = 8", _FLOW),
    (
        f"{_LIMITS}/retry.py",
        "_FIRST_CONNECTS, _FIRST_SECONDS = 3, 10.0",
        "_FIRST_CONNECTS, _FIRST_SECONDS = 4, 10.0",
        _FLOW,
    ),
    (f"{_LIMITS}/retry.py", "_FIRST_SECONDS = 3, 10.0", "_FIRST_SECONDS = 3, 20.0", _FLOW),
    (f"{_REQUEST}/exchange.py", "_MAX_UPLOADS = 3", "_MAX_UPLOADS = 4", _FLOW),
    (f"{_REQUEST}/exchange.py", "_MAX_PART_SECONDS = 0.25", "_MAX_PART_SECONDS = 0.5", _FLOW),
    (f"{_REQUEST}/batching.py", "_INLINE_BYTES = 32 *", "_INLINE_BYTES = 33 *", _BATCHES),
    (f"{_REQUEST}/batching.py", "_BYTES_PER_PIXEL = 4", "_BYTES_PER_PIXEL = 5", _BATCHES),
    (f"{_REQUEST}/validation.py", "_DATA_URI_OVERHEAD = 40", "_DATA_URI_OVERHEAD = 50", _CHECKS),
    (f"{_REQUEST}/validation.py", "_LARGEST_TEXT = 16 *", "_LARGEST_TEXT = 17 *", _CHECKS),
    (f"{_REQUEST}/validation.py", "_LARGEST_ITEM = 128 *", "_LARGEST_ITEM = 129 *", _CHECKS),
    (f"{_PROVIDERS}/error_table.py", "_LONGEST_MESSAGE = 400", "_LONGEST_MESSAGE = 410", _ERRORS),
    (f"{_PROVIDERS}/error_table.py", "_LONGEST_NAME = 120", "_LONGEST_NAME = 121", _ERRORS),
    (f"{_PROVIDERS}/error_table.py", "_ECHO = 16", "_ECHO = 17", _ERRORS),
    (f"{_PROVIDERS}/error_table.py", "_ECHO_OF_KEY = 8", "_ECHO_OF_KEY = 9", _ERRORS),
    (f"{_PROVIDERS}/parsing.py", "LEAST_NORM = 2.0**-100", "LEAST_NORM = 2.0**-99", _REPLIES),
    (f"{_PROVIDERS}/parsing.py", "_FEWEST = 32", "_FEWEST = 33", _REPLIES),
    (f"{_PROVIDERS}/parsing.py", "_WIDEST = 20", "_WIDEST = 21", _REPLIES),
    (f"{_PROVIDERS}/parsing.py", "_PATTERNS = 8", "_PATTERNS = 9", _REPLIES),
    (
        f"{_PROVIDERS}/ark.py",
        "_LARGEST_MULTI = 512 *",
        "_LARGEST_MULTI = 500 *",
        "tests/core/test_ark_forms.py",
    ),
    ("volc_dashscope/_request/workers.py", "RAMP = 0.032", "RAMP = 0.0", "tests/core/test_fan_out.py"),
    (
        "volc_dashscope/_http/transport.py",
        "_KEEPALIVE_SECONDS = 30.0",
        "_KEEPALIVE_SECONDS = 31.0",
        "tests/core/test_transport_pool.py",
    ),
)


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
    return _unnoticed(
        [
            (
                f"{module}.{breakage.test}",
                (breakage.file, breakage.old, breakage.new, f"tests/promises/{module}.py"),
                {"PROMISE": rf"{re.escape(breakage.test)}(\[|$)"},
            )
            for module, breakage in chosen
        ]
    )


def run_numbers() -> list[str]:
    """Change each constant in a copy and return those that nobody noticed."""
    return _unnoticed([(number[3], number, {}) for number in NUMBERS])


def _unnoticed(changes: list[tuple[str, tuple[str, str, str, str], dict[str, str]]]) -> list[str]:
    """Try changes, each with where it must be noticed and variables for the tests; return those that were not."""
    with tempfile.TemporaryDirectory(prefix="volc-dashscope-chaos-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            copies.put(copied(Path(folder) / f"copy-{number}"))

        def tried(change: tuple[str, tuple[str, str, str, str], dict[str, str]]) -> str:
            copy = copies.get()
            try:
                return _break(copy, *change[1], change[2])
            finally:
                copies.put(copy)

        unnoticed = []
        with ThreadPoolExecutor(WORKERS) as pool:
            for change, outcome in zip(changes, pool.map(tried, changes), strict=True):
                place, (file, _, new, _), _ = change
                print(f"{outcome:<9} {place}: {file}: {_short(new)}", flush=True)
                if outcome != "red":
                    unnoticed.append(f"{place} is {outcome} when {file} is broken")
    print(f"{len(changes) - len(unnoticed)} of {len(changes)} breakages were noticed", flush=True)
    return unnoticed


def copied(copy: Path) -> Path:
    """Copy the repository without what is built, and return the copy."""
    ignored = shutil.ignore_patterns(
        ".git",
        ".venv*",
        "__pycache__",
        "*.pyc",
        ".mypy_cache",
        ".ruff_cache",
        ".hypothesis",
        "site",
        "mutants",
    )
    shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
    return copy


def _break(copy: Path, file: str, old: str, new: str, tests: str, variables: dict[str, str]) -> str:
    """Return "red" if the tests notice, else what happened instead."""
    path = copy / file
    sound = path.read_text("utf-8")
    if sound.count(old) != 1:
        return f"{sound.count(old)} hits"
    _write(path, sound.replace(old, new))
    try:
        command = [sys.executable, "-m", "pytest", "-x", tests]
        environment = {**os.environ, "PYTHONPATH": str(copy), **variables}
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
    "numbers": run_numbers,
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
