"""
python -m benchmarks.instructions [--lines] [--check]: work per item, which a busy machine does not change.

Counts what the client does without a network: check, plan, build and read; a call whose rows are cached, and the
writing of rows; a row of a bulk job, and a picture of its preview; the start of the command. Instructions need
valgrind (callgrind). With --lines, and where there is no valgrind, lines of this package that Python runs are
counted instead: any machine counts the same, and the tests do so. --check compares with `results/instructions.json`
or `results/lines.json` and fails where a count has grown by more than a twentieth; without it the counts are written
there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
TOLERANCE = 1.05
PACKAGE = f"{ROOT / 'volc_dashscope'}{os.sep}"
HELP = "command line: --help"
THREAD = re.compile(r"Th \d+\s+([\d,]+)")
SUMMARY = re.compile(r"^(?:summary|totals): (\d+)", re.M)


@dataclass(frozen=True)
class Piece:
    """Something to count, the items it handles, and how often it runs under valgrind."""

    work: Callable[[], object]
    items: int
    times: int = 100


def _pieces(folder: Path) -> dict[str, Piece]:
    return {**_codec_pieces(), **_cache_pieces(folder), **_bulk_pieces(folder)}


def _codec_pieces() -> dict[str, Piece]:
    from benchmarks.contenders import TEXTS, V4, VISION
    from benchmarks.stub import Stub
    from volc_dashscope import Client, Image
    from volc_dashscope._request.batching import plan
    from volc_dashscope._request.call import Call
    from volc_dashscope._types import Batch, Reply

    picture = Image.from_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\4\0\0\0\3\0\x08\2\0\0\0" + bytes(100_000))
    found: dict[str, Piece] = {}
    for model, items in ((V4, TEXTS[:10]), (VISION, TEXTS[:1])):
        client = Client(model, api_key="k", base_url="http://127.0.0.1:9")
        spec, wire = client._spec_for("document"), client._codec
        batch = Batch(tuple(range(len(items))), tuple(items))
        whole = Stub.texts[10] if model == V4 else Stub.ark[True]
        reply = Reply(200, {"x-request-id": "r"}, whole.partition(b"\r\n\r\n")[2])
        row_cache = client._row_cache
        found[f"{model}: call"] = Piece(
            lambda spec=spec, row_cache=row_cache: Call(
                TEXTS, spec, on_error="raise", width=8, row_cache=row_cache, keep=False
            ),
            len(TEXTS),
        )
        found[f"{model}: plan"] = Piece(lambda spec=spec: list(plan(enumerate(TEXTS), spec)), len(TEXTS))
        found[f"{model}: build"] = Piece(lambda b=batch, a=spec, w=wire: w.build(b, a), len(items))
        found[f"{model}: read"] = Piece(lambda r=reply, b=batch, a=spec, w=wire: w.read(r, b, a), len(items))
        if model == VISION:
            pictured = Batch((0,), (picture,))
            found["100 kB picture: build"] = Piece(lambda b=pictured, a=spec, w=wire: w.build(b, a), 1)
    return found


def _cache_pieces(folder: Path) -> dict[str, Piece]:
    """Return a call whose rows are all in a cache, and the writing of 200 rows as a call writes them."""
    import numpy as np

    from benchmarks.contenders import TEXTS, V4
    from benchmarks.programs.figures import canned_texts
    from volc_dashscope import Client
    from volc_dashscope.cache import SQLiteCache

    cache = SQLiteCache(folder / "cache.sqlite")
    client = Client(V4, api_key="k", dimensions=64, cache=cache, http_client=canned_texts(64))
    texts = TEXTS[:200]
    client.embed(texts)
    keys = [f"key {number}" for number in range(len(texts))]
    rows = np.ones((len(texts), 64), dtype=np.float32)

    def write() -> None:
        buffer = client._row_cache.buffer()
        assert buffer is not None
        for start in range(0, len(texts), 10):
            buffer.add(keys[start : start + 10], rows[start : start + 10])
        buffer.flush()

    return {
        "cache: call that finds all": Piece(lambda: client.embed(texts), len(texts), 20),
        "cache: write": Piece(write, len(texts), 20),
    }


def _bulk_pieces(folder: Path) -> dict[str, Piece]:
    from benchmarks.contenders import TEXTS, V4
    from benchmarks.programs.figures import canned_texts
    from volc_dashscope import Client
    from volc_dashscope.bulk import embed_file

    source = folder / "texts.txt"
    source.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    http = canned_texts(64)
    client = Client(V4, api_key="k", dimensions=64, max_concurrency=1, http_client=http)

    def work() -> None:
        report = embed_file(source, folder / "out.parquet", model=client, restart=True)
        assert report.rows == len(TEXTS)

    return {"bulk: row": Piece(work, len(TEXTS), 2), "preview: picture": _preview_piece(folder / "pictures")}


def _preview_piece(folder: Path) -> Piece:
    from benchmarks.contenders import VISION
    from benchmarks.waits import paint
    from volc_dashscope.bulk import preview

    folder.mkdir()
    paint(folder, 100, (32, 24))
    return Piece(lambda: preview(folder, model=VISION), 100, 5)


def _control(*arguments: str) -> str:
    command = ["callgrind_control", *arguments, str(os.getpid())]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _instructions_of(piece: Piece) -> int:
    piece.work()
    _control("-i", "on")
    _control("-z")
    for _ in range(piece.times):
        piece.work()
    printed = _control("-e")
    _control("-i", "off")
    return of_all_threads(printed)


def of_all_threads(printed: str) -> int:
    """Return the sum of the counts that callgrind prints for each thread, ended ones included."""
    return sum(int(count.replace(",", "")) for count in THREAD.findall(printed))


def _count_inside() -> None:
    """Count the pieces; runs under valgrind."""
    counts: dict[str, int] = {}
    with TemporaryDirectory() as folder:
        for name, piece in _pieces(Path(folder)).items():
            nothing = _instructions_of(Piece(lambda: None, 1, piece.times))
            counts[name] = round((_instructions_of(piece) - nothing) / piece.times / piece.items)
    print(orjson.dumps(counts).decode())


def _instructions() -> dict[str, int]:
    with TemporaryDirectory() as folder:
        out = Path(folder) / "out"

        def under_valgrind(*arguments: str, options: tuple[str, ...] = ()) -> bytes:
            command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", *options]
            environment = {**os.environ, "PYTHONHASHSEED": "0"}
            done = subprocess.run(
                [*command, sys.executable, *arguments], stdout=subprocess.PIPE, check=True, env=environment
            )
            return done.stdout

        printed = under_valgrind("-m", "benchmarks.instructions", "--inside", options=("--instr-atstart=no",))
        counts: dict[str, int] = orjson.loads(printed.splitlines()[-1])
        started = []
        for arguments in (["-m", "volc_dashscope", "--help"], ["-c", ""]):
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)  # byte code
            under_valgrind(*arguments)
            found = SUMMARY.search(out.read_text())
            assert found is not None
            started.append(int(found[1]))
        return {**counts, HELP: started[0] - started[1]}


class _Lines:
    """Counts the lines of this package that Python runs, in all threads started inside the `with`."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> _Lines:
        threading.settrace(self._call)
        sys.settrace(self._call)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.count += 1
        return self._line


def _lines() -> dict[str, int]:
    with TemporaryDirectory() as folder:
        counts = {name: _lines_of(piece) for name, piece in _pieces(Path(folder)).items()}
    command = [sys.executable, "-m", "benchmarks.instructions", "--start"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    return {**counts, **orjson.loads(done.stdout.splitlines()[-1])}


def _lines_of(piece: Piece) -> float:
    piece.work()
    with _Lines() as lines:
        piece.work()
    return round(lines.count / piece.items, 2)


def _start() -> None:
    """Count what the start of the command runs and loads, in a process that has not started it before."""
    before = set(sys.modules)
    sys.argv = ["volc-dashscope", "--help"]
    with _Lines() as lines:
        from volc_dashscope.cli import main as command

        with suppress(SystemExit):
            command()
    loaded = {
        name for name in set(sys.modules) - before if name.partition(".")[0] not in sys.stdlib_module_names
    }
    print(orjson.dumps({f"{HELP}: lines": lines.count, f"{HELP}: modules": len(loaded)}).decode())


def grown(counts: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """Return the names whose count is more than a twentieth above what it was."""
    return [name for name, count in counts.items() if name in before and count > TOLERANCE * before[name]]


def main(*, lines: bool, check: bool) -> int:
    """Count, and write down or compare."""
    if not lines and not shutil.which("valgrind"):
        print("valgrind is not installed: lines of Python are counted instead of instructions")
        lines = True
    counts: Mapping[str, float] = _lines() if lines else _instructions()
    path = RESULTS / ("lines.json" if lines else "instructions.json")
    before: dict[str, float] = orjson.loads(path.read_bytes()) if path.exists() else {}
    for name, count in counts.items():
        print(f"{name:48} {count:12,} an item, was {before.get(name, 0):12,}")
    if not check:
        path.write_bytes(orjson.dumps(counts, option=orjson.OPT_INDENT_2) + b"\n")
        return 0
    if more := grown(counts, before):
        print(f"grown by more than a twentieth: {', '.join(more)}")
    return 1 if more else 0


if __name__ == "__main__":
    if "--inside" in sys.argv:
        _count_inside()
    elif "--start" in sys.argv:
        _start()
    else:
        parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
        parser.add_argument("--lines", action="store_true")
        parser.add_argument("--check", action="store_true")
        given = parser.parse_args()
        sys.exit(main(lines=given.lines, check=given.check))
