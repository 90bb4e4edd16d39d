"""
python -m benchmarks [--workloads W1,W2,W3] [--latency 0,0.05] [--rounds 5] [--width 16,64] [--before CHECKOUT]

Client on one core, stub on the other; contenders take turns in each round; medians, and ratios to the floor.
With `--before`, the client of another checkout of this repository takes its turn in the same rounds. On a busy
machine CPU seconds still compare; rates do not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

import orjson

from benchmarks.contenders import CONTENDERS

FITS = {
    "W1": [name for name in CONTENDERS if not name.startswith("ark")],
    "W2": [name for name in CONTENDERS if "dashscope" not in name and name != "community"],
    "W3": [
        *("floor", "stub", "bare_aiohttp", "httpx_lanes", "httpx_lanes_async"),
        *("ours_sync", "ours_async", "ours_aiohttp", "ours_httpx2", "ark", "ark_base64"),
    ],
}
BEFORE = {"before_sync": "ours_sync", "before_async": "ours_async"}
# CPU seconds per 1,000 requests that the whole client may need above httpx's bare transports.
OVERHEAD = {"ours_sync": "httpx_lanes", "ours_async": "httpx_lanes_async"}
PER_REQUEST = {"W1": 10}
ONE_AT_A_TIME = {"dashscope", "dashscope_v2", "ark", "ark_base64", "community", "llama_index_dashscope"}


def _pinned(core: int) -> object:
    return lambda: os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def _once(name: str, workload: str, port: int, width: int, before: str | None) -> dict[str, float]:
    known = BEFORE.get(name, name)
    place = before if name in BEFORE else os.getcwd()
    command = [sys.executable, "-m", "benchmarks.contenders", known, workload, str(port), str(width)]
    done = subprocess.run(  # type: ignore[call-overload]
        command,
        capture_output=True,
        check=False,
        timeout=600,
        preexec_fn=_pinned(0),
        cwd=place,
        env={**os.environ, "PYTHONPATH": place},
    )
    if done.returncode:
        raise SystemExit(f"{name} failed on {workload}:\n{done.stderr.decode()[-2000:]}")
    figures: dict[str, float] = orjson.loads(done.stdout.splitlines()[-1])
    return figures


def _measure(
    workload: str, latency: float, rounds: int, width: int, names: list[str], before: str | None
) -> None:
    stub = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stub", "--latency", str(latency)],
        stdout=subprocess.PIPE,
        preexec_fn=_pinned(1),  # type: ignore[arg-type]
    )
    try:
        assert stub.stdout is not None
        port = int(stub.stdout.readline())
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                # A serial client at 50 ms would take minutes a round and tell nothing more.
                if latency and name in ONE_AT_A_TIME and seen[name]:
                    continue
                seen[name].append(_once(name, workload, port, width, before))
    finally:
        stub.kill()
        stub.wait()
    _print(workload, latency, width, seen)


def _print(workload: str, latency: float, width: int, seen: dict[str, list[dict[str, float]]]) -> None:
    def median(name: str, figure: str) -> float:
        return statistics.median(run[figure] for run in seen[name])

    print(f"\n{workload}, {1000 * latency:g} ms, {width} in flight, {len(seen['floor'])} rounds")
    print(f"{'':22} {'CPU s / 1000':>13} {'x floor':>8} {'vectors/s':>10} {'of floor':>9} {'RSS MB':>7}")
    for name in seen:
        cpu, rate = median(name, "cpu_per_1000"), median(name, "per_second")
        print(
            f"{name:22} {cpu:13.4f} {cpu / median('floor', 'cpu_per_1000'):8.2f} {rate:10.0f} "
            f"{rate / median('floor', 'per_second'):9.2f} {median(name, 'rss_mb'):7.1f}",
            flush=True,
        )

    for name, bare in OVERHEAD.items():
        if name in seen and bare in seen:
            above = (median(name, "cpu_per_1000") - median(bare, "cpu_per_1000")) * PER_REQUEST.get(
                workload, 1
            )
            print(f"{name} above {bare}: {above:.3f} CPU s per 1,000 requests")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--workloads", default="W1,W2,W3")
    parser.add_argument("--latency", default="0,0.05")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", default="16")
    parser.add_argument("--only", default="")
    parser.add_argument(
        "--before", metavar="CHECKOUT", help="another checkout, to be measured beside this one"
    )
    given = parser.parse_args()
    for workload in given.workloads.split(","):
        names = [
            name for name in FITS[workload] if not given.only or name in ("floor", *given.only.split(","))
        ]
        if given.before:
            names += BEFORE
        for latency in given.latency.split(","):
            for width in given.width.split(","):
                _measure(workload, float(latency), given.rounds, int(width), names, given.before)


if __name__ == "__main__":
    main()
