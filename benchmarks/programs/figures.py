"""What the programs of this folder share: figures of the running process, and a service that costs next to nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


def say(**figures: float) -> None:
    """Print the figures of this program, by name."""
    print(json.dumps(figures))


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Do something once and return its CPU seconds, seconds, and peak memory above the start in MB."""
    reset_peak()
    before = memory("VmRSS")
    cpu, clock = time.process_time(), time.perf_counter()
    kept = work()
    figures = {"cpu": time.process_time() - cpu, "seconds": time.perf_counter() - clock}
    figures["mb"] = memory("VmHWM") - before
    del kept
    return figures


def reset_peak() -> None:
    """Let the kernel count the peak of this process's memory from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def memory(name: str) -> float:
    """Return VmRSS or VmHWM of this process in MB."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(name)


def on_core(number: int) -> Callable[[], None]:
    """Return what a child process calls to stay on one core."""
    return lambda: os.sched_setaffinity(0, {number % (os.cpu_count() or 1)})


def canned_texts(dimension: int) -> Any:
    """Return an httpx client whose service answers requests for DashScope's text vectors with the same few rows."""
    import httpx
    import orjson

    vector = [float(number % 7 + 1) for number in range(dimension)]
    bodies: dict[int, bytes] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        count = len(orjson.loads(request.content)["input"]["texts"])
        if count not in bodies:
            rows = [{"text_index": index, "embedding": vector} for index in range(count)]
            whole = {"output": {"embeddings": rows}, "usage": {"total_tokens": count}, "request_id": "r"}
            bodies[count] = orjson.dumps(whole)
        return httpx.Response(200, content=bodies[count], headers={"content-type": "application/json"})

    return httpx.Client(transport=httpx.MockTransport(answer))
