"""
python -m benchmarks.waits --before ROOT [--rounds 5]: CPU of what users wait for, before and after, in one run.

ROOT is another checkout of this repository, such as a `git worktree` of an older commit. Each measurement is a program
in a process of its own, on one core; the two trees take turns, and the medians are printed. Byte code is written to a
folder of its own first, whatever the environment says.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
CORE = 0
# Programs that print a number have measured themselves; of the others the whole process counts, in seconds.
CACHE = """
import time, tempfile
from volc_dashscope import Client
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.emulator import Emulator
texts = [f"a text that is number {number}" for number in range(2000)]
with tempfile.TemporaryDirectory() as folder, SQLiteCache(folder + "/cache.sqlite") as cache:
    http = Emulator().http_client()
    client = Client("text-embedding-v4", api_key="k", dimensions=64, cache=cache, http_client=http)
    client.embed(texts)
    start = time.process_time()
    for _ in range(5):
        client.embed(texts)
    print(1e6 * (time.process_time() - start) / 5 / len(texts))
"""
EMULATOR = """
import random, time, orjson
from volc_dashscope.emulator import Emulator
letters = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]
words = ["".join(random.Random(number).choices(letters, k=2)) for number in range(3000)]
draw = random.Random(1)
bodies = [
    orjson.dumps({"model": "text-embedding-v4", "input": {"texts": texts}})
    for texts in ([["".join(draw.choices(words, k=90)) for _ in range(10)] for _ in range(60)])
]
app = Emulator().app
headers = {"authorization": "Bearer k", "content-type": "application/json"}
path = "/api/v1/services/embeddings/text-embedding/text-embedding"
for number, body in enumerate(bodies):
    if number == 20:
        start = time.process_time()
    assert app.handle("POST", path, "", headers, body).status == 200
print(1e3 * (time.process_time() - start) / 40)
"""
PROGRAMS = {
    "pytest alone, s": "import pytest",
    "pytest and the plugin, s": "import pytest, volc_dashscope.emulator.pytest_plugin",
    "httpx, numpy, orjson, s": "import httpx, numpy, orjson",
    "import volc_dashscope, s": "import volc_dashscope",
    "import Client, s": "from volc_dashscope import Client",
    "--help, s": "import sys; sys.argv = ['volc-dashscope', '--help']\nfrom volc_dashscope.cli import main; main()",
    "cached item, us": CACHE,
    "emulator, ten Chinese texts, ms": EMULATOR,
}


def measure(root: Path, program: str, byte_code: str) -> float:
    """Run a program against a checkout and return what it measured, or its CPU seconds."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONPYCACHEPREFIX": f"{byte_code}/{root.name}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {CORE}),
    )
    assert process.stdout is not None
    with process.stdout as stream:
        told = stream.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, program
    return float(told) if program in (CACHE, EMULATOR) else usage.ru_utime + usage.ru_stime


def main(before: Path, rounds: int) -> None:
    """Measure everything in turns and print a table."""
    trees = {"before": before.resolve(), "after": ROOT}
    seen: dict[tuple[str, str], list[float]] = {(name, tree): [] for name in PROGRAMS for tree in trees}
    with TemporaryDirectory() as byte_code:
        for number in range(rounds + 1):
            for name, program in PROGRAMS.items():
                for tree, root in trees.items():
                    value = measure(root, program, byte_code)
                    if number:  # the first round writes byte code
                        seen[name, tree].append(value)
    print(f"medians of {rounds} rounds, one core")
    for name in PROGRAMS:
        old, new = (statistics.median(seen[name, tree]) for tree in trees)
        print(f"{name:34} {old:9.3f} {new:9.3f}  x {new / old:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waits")
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    main(given.before, given.rounds)
