"""
python -m benchmarks.profiles [langchain|bulk]: where the CPU of a row goes, in a LangChain call and in a bulk job.

Texts at d=64, ten a request, eight in flight, against the stub in its own process on the second core. Every thread has
a profiler of its own that counts CPU seconds, so that waiting costs nothing. Profiling makes small functions look
dearer than they are: the shares are a guide, and `python -m benchmarks.waits` says what a row costs without it.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

ROWS = 20_000
WARM = 1_000
PARTS, FUNCTIONS = 15, 25
ROOT = Path(__file__).resolve().parents[1]
Function = tuple[str, int, str]


class Profiler:
    """Profiles the thread that enters it and every thread started inside."""

    def __init__(self) -> None:
        self._profiles: list[cProfile.Profile] = []

    def __enter__(self) -> Profiler:
        threading.setprofile(self._begin)
        self._begin()
        return self

    def __exit__(self, *exc: object) -> None:
        threading.setprofile(None)  # type: ignore[arg-type]
        self._profiles[0].disable()

    def _begin(self, frame: FrameType | None = None, event: str = "", arg: Any = None) -> None:
        profile = cProfile.Profile(time.thread_time)
        self._profiles.append(profile)
        profile.enable()

    def stats(self) -> pstats.Stats:
        """Return what was counted in all threads together."""
        total = pstats.Stats(self._profiles[0])
        for profile in self._profiles[1:]:
            total.add(profile)
        return total


def _texts(count: int) -> list[str]:
    return [f"{row} of many texts, each with a few words of its own" for row in range(count)]


def _langchain(url: str, folder: Path) -> Callable[[int], object]:
    from langchain_volc_dashscope import DashScopeEmbeddings

    embeddings = DashScopeEmbeddings(model="text-embedding-v4", dimensions=64, api_key="k", base_url=url)
    return lambda count: embeddings.embed_documents(_texts(count))


def _bulk(url: str, folder: Path) -> Callable[[int], object]:
    from volc_dashscope import Client
    from volc_dashscope.bulk import embed_file

    client = Client("text-embedding-v4", dimensions=64, api_key="k", base_url=url)

    def work(count: int) -> object:
        source = folder / f"{count}.txt"
        source.write_text("".join(f"{text}\n" for text in _texts(count)))
        return embed_file(source, folder / f"{count}.parquet", model=client)

    return work


PROFILED = {"langchain": _langchain, "bulk": _bulk}


@contextmanager
def _stub() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.stub", "--dimension", "64"]
    core = {1 % (os.cpu_count() or 1)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=ROOT, preexec_fn=lambda: os.sched_setaffinity(0, core)
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api/v1"
    finally:
        process.kill()
        process.wait()


def _part(file: str) -> str:
    """Return the part of the program a file is of: a package of ours, a library, or Python itself."""
    path = Path(file)
    if path.is_relative_to(ROOT):
        inner = path.relative_to(ROOT).with_suffix("").parts
        return ".".join(inner[:2])
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    return "standard library"


def _by_part(stats: dict[Function, Any]) -> Counter[str]:
    """Add up own seconds by part; those of a built-in function go to whoever called it."""
    parts: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, callers) in stats.items():
        if not file.startswith("~"):
            parts[_part(file)] += own
            continue
        for (caller, _, _), (_, _, seconds, _) in callers.items():
            parts["built-in functions" if caller.startswith("~") else _part(caller)] += seconds
    return parts


def _name(function: Function) -> str:
    file, line, name = function
    if file.startswith("~"):
        return name.strip("<>")
    path = Path(file)
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(*path.parts[-2:])
    return f"{place}:{line} {name}"


def report(name: str) -> Iterator[str]:
    """Profile one of the two and yield the lines of its tables."""
    with TemporaryDirectory() as folder, _stub() as url:
        work = PROFILED[name](url, Path(folder))
        work(WARM)
        cpu = time.process_time()
        work(ROWS)
        cpu = time.process_time() - cpu
        with Profiler() as profiler:
            work(ROWS + 1)
    stats: dict[Function, Any] = profiler.stats().stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in stats.values())
    yield f"$ python -m benchmarks.profiles {name}"
    yield f"{ROWS:,} texts, d=64, ten a request, eight in flight: {1e6 * cpu / ROWS:.1f} us of CPU a row"
    yield ""
    yield "own time by part, with the built-in functions it calls"
    for part, own in _by_part(stats).most_common(PARTS):
        yield f"{100 * own / total:5.1f} %  {part}"
    yield ""
    yield "own time by function, with its calls a row"
    for function, (_, calls, own, _, _) in sorted(stats.items(), key=lambda entry: -entry[1][2])[:FUNCTIONS]:
        yield f"{100 * own / total:5.1f} %  {calls / ROWS:6.2f}  {_name(function)}"


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})
    print("\n\n".join("\n".join(report(name)) for name in sys.argv[1:] or PROFILED))
