"""What runs in Ray's workers, and what an emulator saw of it."""

from __future__ import annotations

import os
import resource
import struct
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from volc_dashscope import Client, Usage
from volc_dashscope.emulator import Emulator
from volc_dashscope.ray import Embedder, RateBudget
from volc_dashscope.ray._shared_rate import UsageReport

ARK = "doubao-embedding-vision-251215"
TEXT = "text-embedding-v4"
WORKER_KEY = "sk-worker-0123456789abcdef"


class Noted(Embedder):
    """An embedder that leaves its process id and, after each batch, its CPU seconds and rows in a folder."""

    def __init__(self, *, notes: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._note = Path(notes, str(os.getpid()))
        self._rows = 0
        self._began = _cpu_seconds()
        self._note.write_text("0 0", "utf-8")

    def __call__(self, batch: Any) -> dict[str, Any]:
        out = super().__call__(batch)
        self._rows += len(batch["id"])
        self._note.write_text(f"{_cpu_seconds() - self._began} {self._rows}", "utf-8")
        return out


@dataclass
class Watch:
    """When each request of an emulator arrived, how it was answered, and what it held."""

    emulator: Emulator
    arrivals: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.emulator.reply_with(self._see)

    def _see(self, request: Any, response: Any) -> None:
        self.arrivals.append((time.monotonic(), response.status))

    @property
    def statuses(self) -> Counter[int]:
        return Counter(status for _, status in self.arrivals)

    def fullest(self, seconds: float) -> int:
        """The most requests that arrived within any so many seconds."""
        moments = sorted(moment for moment, _ in self.arrivals)
        most = start = 0
        for end, moment in enumerate(moments):
            while moments[start] <= moment - seconds:
                start += 1
            most = max(most, end - start + 1)
        return most

    def rate(self) -> float:
        """Answered requests a second, from the first arrival to the last."""
        moments = sorted(moment for moment, _ in self.arrivals)
        return self.statuses[200] / (moments[-1] - moments[0])


def work(budget: RateBudget, url: str, requests: int) -> Usage:
    """Send so many requests of ten texts under a budget, and return what was billed."""
    with Client(TEXT, api_key="k", base_url=url, dimensions=64, limiter=budget, max_concurrency=4) as client:
        budget.watch(lambda: client.usage)
        for _ in client.stream(f"text {number}" for number in range(10 * requests)):
            pass
        return client.usage


def knock(name: str, times: int) -> None:
    """Ask a budget's actor for one request, so many times."""
    import ray

    keeper = ray.get_actor(name, namespace="volc-dashscope")
    for _ in range(times):
        ray.get(keeper.lease.remote(1, 0.0, UsageReport()))


def png(number: int, side: int = 56) -> bytes:
    """Return a picture of one colour of its own."""
    row = b"\0" + bytes((number % 256, number // 256 % 256, number // 65536)) * side
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(row * side)),
            (b"IEND", b""),
        )
    )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
