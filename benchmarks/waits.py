"""
python -m benchmarks.waits --before CHECKOUT [--rounds 3] [--runs 1] [--only TEXT]: what users wait for, in one table.

CHECKOUT is another checkout of this repository, such as a `git worktree` of an older commit. Each measurement is a
program of `benchmarks/programs`, or a command, in a process of its own on the first core; servers are on the second
one and come from this checkout. Both trees take turns in each round, and medians are printed. Byte code is written
to a folder of its own in a round that does not count. With two runs all of it is done twice.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(__file__).parent / "programs"
FILES, PICTURES = 50_000, 2_000
Figures = dict[str, float]
# Program or command by name. `{files}` and `{pictures}` are folders; commands are measured as whole processes.
MEASURED: dict[str, list[str]] = {
    "cache": ["cache.py"],
    "bulk": ["bulk.py"],
    "transports": ["transports.py"],
    "listing": ["listing.py", "{files}"],
    "langchain": ["lists.py", "langchain"],
    "llama_index": ["lists.py", "llama_index"],
    "search": ["search.py", "{pictures}"],
    "emulator": ["emulator.py"],
    "ledger": ["ledger.py"],
    "plugin": ["plugin.py"],
    "dependencies": ["-c", "import httpx, numpy, orjson"],
    "package": ["-c", "import volc_dashscope"],
    "client": ["-c", "from volc_dashscope import Client"],
    "help": ["-m", "volc_dashscope", "--help"],
    "first vector": ["first_vector.py"],
}
# These have imported everything when they begin to measure, so they need no round that writes byte code.
IMPORTED_BEFORE = (
    "cache",
    "bulk",
    "transports",
    "listing",
    "langchain",
    "llama_index",
    "emulator",
    "ledger",
    "search",
)


@dataclass(frozen=True)
class Goal:
    """
    What a row should reach.

    Attributes:
        words: As it is printed.
        reached: Called with the medians before and after.
    """

    words: str
    reached: Callable[[float, float], bool]


def at_most(limit: float) -> Goal:
    """Return the goal of a number that should be small."""
    return Goal(f"≤ {limit:g}", lambda _, after: after <= limit)


def at_least(limit: float) -> Goal:
    """Return the goal of a number that should be large."""
    return Goal(f"≥ {limit:g}", lambda _, after: after >= limit)


def at_most_times(share: float) -> Goal:
    """Return the goal of a number that should be a share of what it was."""
    return Goal(f"≤ {share:g} × before", lambda before, after: after <= share * before)


@dataclass(frozen=True)
class Row:
    """
    A row of the table.

    Attributes:
        line: Which group it belongs to.
        words: What is measured, with its unit.
        value: Takes the number from the figures of one tree in one round, by measurement.
        needs: The measurements it is made from.
        goal: None where the number is shown for its own sake.
    """

    line: int
    words: str
    value: Callable[[dict[str, Figures]], float]
    needs: tuple[str, ...]
    goal: Goal | None = None


def row(line: int, words: str, measured: str, figure: str, goal: Goal | None = None) -> Row:
    """Return a row that shows one figure of one measurement."""
    return Row(line, words, lambda seen: seen[measured][figure], (measured,), goal)


ROWS = (
    row(1, "5,000 new texts in a call: SELECTs", "cache", "selects", at_most(2)),
    row(1, "5,000 new texts in a call: transactions", "cache", "transactions", at_most(500)),
    row(1, "call whose rows are all in the cache, µs an item", "cache", "hit_us", at_most(10)),
    row(2, "bulk, d=64, ten texts a request: CPU µs a row", "bulk", "row_us", at_most_times(0.6)),
    row(2, "of these, httpx's bare transports need", "transports", "row_us"),
    row(2, "bulk, 50,000 rows: memory above start, MB", "bulk", "mb", at_most(200)),
    row(2, "folder of 50,000 files: CPU s to the first request", "listing", "cpu"),
    row(2, "folder of 50,000 files: s to the first request", "listing", "seconds", at_most(3)),
    row(2, "folder of 50,000 files: CPU s of its preview", "listing", "preview_cpu"),
    row(2, "folder of 50,000 files: s of its preview", "listing", "preview_seconds", at_most(3)),
    row(3, "LangChain, 100,000 × 64: CPU µs a row", "langchain", "row_us"),
    row(3, "LangChain: peak above start / bytes of the lists", "langchain", "times_lists", at_most(1.3)),
    row(3, "LlamaIndex, 100,000 × 64: CPU µs a row", "llama_index", "row_us"),
    row(3, "LlamaIndex: peak above start / bytes of the lists", "llama_index", "times_lists", at_most(1.3)),
    row(4, "search, 2,000 pictures, first time: s", "search", "first_seconds"),
    row(4, "search, first time: peak MB", "search", "first_mb", at_most(200)),
    row(4, "search, again: s", "search", "again_seconds", at_most(0.7)),
    row(4, "search, again: CPU s", "search", "again_cpu"),
    row(4, "search, again: peak MB", "search", "again_mb", at_most(200)),
    row(5, "emulator, ten texts of 180 characters: requests/s", "emulator", "per_second", at_least(400)),
    row(5, "emulator, the same: requests a CPU second of it", "emulator", "per_cpu_second", at_least(400)),
    row(5, "emulator, 100 pictures of 1 MB: MB kept", "ledger", "mb"),
    row(6, "pytest plugin: CPU ms", "plugin", "ms", at_most(10)),
    row(6, "pytest plugin: modules", "plugin", "modules"),
    row(6, "pytest plugin: MB", "plugin", "mb"),
    Row(
        7,
        "import volc_dashscope / import httpx, numpy, orjson",
        lambda seen: seen["package"]["cpu"] / seen["dependencies"]["cpu"],
        ("package", "dependencies"),
        at_most(1.2),
    ),
    Row(
        7,
        "import of Client / import of httpx, numpy, orjson",
        lambda seen: seen["client"]["cpu"] / seen["dependencies"]["cpu"],
        ("client", "dependencies"),
        at_most(1.2),
    ),
    row(7, "volc-dashscope --help: CPU s", "help", "cpu", at_most(0.25)),
    row(7, "first vector after the import: CPU s", "first vector", "cpu"),
    row(7, "first vector after the import: s", "first vector", "seconds", at_most(0.15)),
)

# What has no state before, or takes too long for turns.
ELSEWHERE = (
    "Line 2: a million rows with kills are in million.log. Line 8 is new, so there is nothing to compare with: "
    "shrink.log has pictures as they are beside shrunk ones."
)


def on_core(number: int) -> Callable[[], None]:
    """Return what a child process calls to stay on one core."""
    return lambda: os.sched_setaffinity(0, {number % (os.cpu_count() or 1)})


def measure(root: Path, arguments: list[str], environment: dict[str, str]) -> Figures:
    """Run a program, or a command, against a checkout and return its figures."""
    program = arguments[0].endswith(".py")
    command = [sys.executable, *([] if program else ["-P"]), *arguments]
    byte_code = {"PYTHONPATH": str(root), "PYTHONPYCACHEPREFIX": f"{environment['BYTE_CODE']}/{root.name}"}
    clock = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment | byte_code, cwd=PROGRAMS, stdout=subprocess.PIPE, preexec_fn=on_core(0)
    )
    assert process.stdout is not None
    with process.stdout as stream:
        printed = stream.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed against {root.name}")
    if program:
        figures: Figures = json.loads(printed.splitlines()[-1])
        return figures
    seconds = time.perf_counter() - clock
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "seconds": seconds,
        "mb": usage.ru_maxrss * 1024 / 1e6,
    }


@contextmanager
def served(command: list[str], label: str) -> Iterator[str]:
    """Start a server of this checkout on the second core; yield what follows `label` in the first line with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=on_core(1),
    )
    assert process.stdout is not None
    with process.stdout as stream:
        try:
            line = next(line for line in stream if label in line)
            yield line[line.index(label) + len(label) :].strip()
        finally:
            process.kill()
            process.wait()


@contextmanager
def prepared(arguments: Collection[str]) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Yield the environment of the programs, and those folders that are among their arguments."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        pictures = {"{files}": (FILES, (32, 24)), "{pictures}": (PICTURES, (320, 240))}
        folders = {place: folder / place.strip("{}") for place in pictures if place in arguments}
        for place, each in folders.items():
            each.mkdir()
            paint(each, *pictures[place])
        stub = ["benchmarks.stub", "--dimension", "64"]
        emulator = ["volc_dashscope.emulator", "--port", "0"]
        with served(stub, "") as port, served(emulator, "ARK_BASE_URL=") as url:
            environment = os.environ | {
                "BYTE_CODE": f"{folder}/byte-code",
                "STUB": f"http://127.0.0.1:{port}",
                "EMULATOR": url.removesuffix("/api/v3"),
            }
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            yield environment, {name: str(each) for name, each in folders.items()}


def paint(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write so many pictures of noise, which differ by a comment in the file."""
    from PIL import Image

    file = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(file, "JPEG")
    start, rest = file.getvalue()[:2], file.getvalue()[2:]
    for number in range(count):
        (folder / f"{number:05}.jpg").write_bytes(start + b"\xff\xfe\x00\x07%05d" % number + rest)


def run(trees: dict[str, Path], rows: list[Row], rounds: int) -> dict[tuple[str, str], float]:
    """Measure everything in turns; return the medians by row and tree."""
    names = [name for name in MEASURED if any(name in row.needs for row in rows)]
    seen: dict[str, list[dict[str, Figures]]] = {tree: [] for tree in trees}
    with prepared([argument for name in names for argument in MEASURED[name]]) as (environment, folders):
        for number in range(rounds + 1):
            figures: dict[str, dict[str, Figures]] = {tree: {} for tree in trees}
            for name in names:
                if not number and name in IMPORTED_BEFORE:
                    continue
                arguments = [folders.get(argument, argument) for argument in MEASURED[name]]
                for tree, root in trees.items():
                    figures[tree][name] = measure(root, arguments, environment)
                    print(f"round {number}, {name}, {tree}: {figures[tree][name]}", file=sys.stderr)
            for tree in trees:
                if number:
                    seen[tree].append(figures[tree])
    return {
        (row.words, tree): statistics.median(row.value(each) for each in seen[tree])
        for row in rows
        for tree in trees
    }


def table(rows: list[Row], runs: list[dict[tuple[str, str], float]]) -> Iterator[str]:
    """Return the lines of a Markdown table: before and after of each run, and the goal."""
    yield "| line | | before | after | goal | reached |"
    yield "|--:|---|--:|--:|--:|---|"
    for each in rows:
        before, after = ([medians[each.words, tree] for medians in runs] for tree in ("before", "after"))
        reached = ""
        if each.goal is not None:
            reached = "yes" if all(map(each.goal.reached, before, after)) else "no"
        words = each.goal.words if each.goal is not None else ""
        numbers = [" · ".join(map(_number, values)) for values in (before, after)]
        yield f"| {each.line} | {each.words} | {numbers[0]} | {numbers[1]} | {words} | {reached} |"


def _number(value: float) -> str:
    if value >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def main() -> None:
    """Measure what was asked for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waits")
    parser.add_argument("--before", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose words hold this")
    given = parser.parse_args()
    rows = [row for row in ROWS if given.only.lower() in row.words.lower()]
    trees = {"before": given.before.resolve(), "after": ROOT}
    runs = [run(trees, rows, given.rounds) for _ in range(given.runs)]
    print(f"Medians of {given.rounds} rounds in turns, of {given.runs} runs (run 1 · run 2); one core.\n")
    print("\n".join(table(rows, runs)))
    print(f"\n{ELSEWHERE}")


if __name__ == "__main__":
    main()
