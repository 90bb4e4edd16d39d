"""python -m benchmarks.imports: CPU of importing the library beside its three dependencies, as a ratio."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

ROUNDS = 15
PROGRAMS = {
    "nothing": "",
    "httpx, numpy, orjson": "import httpx, numpy, orjson",
    "volc_dashscope": "from volc_dashscope import Client",
}


def _seconds(program: str) -> float:
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Import each in turn, again and again, and print the medians."""
    for program in PROGRAMS.values():
        _seconds(program)  # byte code is written once
    seen: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            seen[name].append(_seconds(program))
    medians = {name: statistics.median(times) for name, times in seen.items()}
    for name, seconds in medians.items():
        print(f"{name:22} {seconds:.3f} s")
    print(f"ratio                  {medians['volc_dashscope'] / medians['httpx, numpy, orjson']:.2f}")


if __name__ == "__main__":
    main()
