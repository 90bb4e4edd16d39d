"""
python -m benchmarks.instructions [--check]: instructions per item, which a busy machine does not change.

Counts what the client does without a network: check, plan, build and read. Needs valgrind (callgrind). --check
compares with the counts of `results/instructions.json` and fails where one has grown by more than a twentieth.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

RESULTS = Path(__file__).parent / "results" / "instructions.json"
ROOM = 1.05
TIMES = 100
TOTAL = re.compile(r"Th 1\s+([\d,]+)")


def _pieces() -> dict[str, tuple[Callable[[], object], int]]:
    """Return what is counted, each with the items it handles."""
    from benchmarks.contenders import TEXTS, V4, VISION
    from benchmarks.stub import Stub
    from volc_dashscope import Client, Image
    from volc_dashscope._request.batching import plan
    from volc_dashscope._request.call import Call
    from volc_dashscope._types import Batch, Reply

    picture = Image.from_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\4\0\0\0\3\0\x08\2\0\0\0" + bytes(100_000))
    found: dict[str, tuple[Callable[[], object], int]] = {}
    for model, items in ((V4, TEXTS[:10]), (VISION, TEXTS[:1])):
        client = Client(model, api_key="k", base_url="http://127.0.0.1:9")
        spec, wire = client._spec_for("document"), client._codec
        batch = Batch(tuple(range(len(items))), tuple(items))
        whole = Stub.texts[10] if model == V4 else Stub.ark[True]
        reply = Reply(200, {"x-request-id": "r"}, whole.partition(b"\r\n\r\n")[2])
        row_cache = client._row_cache
        found[f"{model}: call"] = (
            lambda spec=spec, row_cache=row_cache: Call(
                TEXTS, spec, on_error="raise", width=8, row_cache=row_cache, keep=False
            ),
            len(TEXTS),
        )
        found[f"{model}: plan"] = (lambda spec=spec: list(plan(enumerate(TEXTS), spec)), len(TEXTS))
        found[f"{model}: build"] = (lambda b=batch, a=spec, w=wire: w.build(b, a), len(items))
        found[f"{model}: read"] = (lambda r=reply, b=batch, a=spec, w=wire: w.read(r, b, a), len(items))
        if model == VISION:
            pictured = Batch((0,), (picture,))
            found["100 kB picture: build"] = (lambda b=pictured, a=spec, w=wire: w.build(b, a), 1)
    return found


def _control(*arguments: str) -> str:
    command = ["callgrind_control", *arguments, str(os.getpid())]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _counted(work: Callable[[], object]) -> int:
    work()
    _control("-i", "on")
    _control("-z")
    for _ in range(TIMES):
        work()
    seen = TOTAL.search(_control("-e"))
    _control("-i", "off")
    assert seen is not None
    return int(seen[1].replace(",", ""))


def _count() -> None:
    nothing = _counted(lambda: None)
    counts = {
        name: round((_counted(work) - nothing) / TIMES / items) for name, (work, items) in _pieces().items()
    }
    print(orjson.dumps(counts).decode())


def main(check: bool) -> int:
    """Count under valgrind, and write down or compare."""
    with TemporaryDirectory() as folder:
        command = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no"]
        command += [
            f"--callgrind-out-file={folder}/out",
            sys.executable,
            "-m",
            "benchmarks.instructions",
            "--inside",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    counts: dict[str, int] = orjson.loads(done.stdout.splitlines()[-1])
    before: dict[str, int] = orjson.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    grown = []
    for name, count in counts.items():
        print(f"{name:48} {count:10,} an item, was {before.get(name, 0):10,}")
        if name in before and count > ROOM * before[name]:
            grown.append(name)
    if not check:
        RESULTS.write_bytes(orjson.dumps(counts, option=orjson.OPT_INDENT_2) + b"\n")
    elif grown:
        print(f"grown by more than a twentieth: {', '.join(grown)}")
    return 1 if check and grown else 0


if __name__ == "__main__":
    if "--inside" in sys.argv:
        _count()
    else:
        sys.exit(main("--check" in sys.argv))
