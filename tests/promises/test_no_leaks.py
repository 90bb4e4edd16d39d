"""Ten thousand calls leave no thread, no socket, no descriptor, and no more than 20 MB."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from textwrap import dedent

import pytest
from promise import CHAOS, ROOT, Breakage

BREAKAGES = [
    Breakage(
        "volc_dashscope/_request/workers.py",
        "        for _ in self._workers:\n            self._queue.put(None)\n        if idle:",
        "        if False:",
        "test_many_calls_leave_nothing_behind",
    ),
    Breakage(
        "volc_dashscope/_http/request_builder.py",
        "self._entries.clear()",
        "self._entries.copy()",
        "test_what_is_remembered_is_bounded",
    ),
    Breakage(
        "volc_dashscope/_http/pool.py",
        "        if own is not None:\n            own.close()",
        "        if own is not None:\n            type(self).kept = [*getattr(type(self), 'kept', []), own]",
        "test_many_calls_leave_nothing_behind",
    ),
]
WAYS = {
    "sync, one client": """
        with Client(model, **reach) as client:
            for number in range(calls):
                client.embed(batch(number))
        """,
    "sync, a client each": """
        for number in range(calls // 10):
            with Client(model, **reach) as client:
                for turn in range(10):
                    client.embed(batch(number))
        """,
    "async, one client": """
        async def many():
            async with AsyncClient(model, **reach) as client:
                for number in range(calls):
                    await client.embed(batch(number))
        asyncio.run(many())
        """,
    "async, a loop each": """
        client = AsyncClient(model, **reach)
        async def few(number):
            for turn in range(10):
                await client.embed(batch(number))
        for number in range(calls // 10):
            asyncio.run(few(number))
        """,
}
SCRIPT = """
    import asyncio, gc, json, os, sys, threading, warnings
    from volc_dashscope import AsyncClient, Client

    warnings.simplefilter("error", ResourceWarning)
    reach = {"api_key": "k", "base_url": sys.argv[1], "dimensions": 64, "max_concurrency": 4}
    model = "text-embedding-v4"

    def batch(number):
        return [f"{number} {place}" for place in range(1 if number % 4 else 21)]

    def state():
        gc.collect()
        with open("/proc/self/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return threading.active_count(), len(os.listdir("/proc/self/fd")), resident

    def work(calls):
        BODY

    work(50)
    before = state()
    work(int(sys.argv[2]))
    after = state()
    print(json.dumps([later - sooner for sooner, later in zip(before, after)]))
    """


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts what Linux tells of a process")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_many_calls_leave_nothing_behind(emulate, measured, way) -> None:
    calls = 10_000 if CHAOS else 100
    emulator = emulate(socket=True).emulator
    body = "\n".join("    " + line for line in dedent(way).strip().splitlines())
    script = dedent(SCRIPT).replace("BODY", body.lstrip())
    done = subprocess.run(
        [sys.executable, "-c", script, emulator.dashscope_url, str(calls)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=1_200 if CHAOS else 120,
        check=False,
    )

    assert "" == done.stderr
    threads, descriptors, memory = json.loads(done.stdout)
    measured(f"{calls} calls: {threads} threads, {descriptors} descriptors, {memory / 1e6:.1f} MB")
    assert (0, 0) == (threads, max(0, descriptors))
    assert memory < 20e6


def test_what_is_remembered_is_bounded(emulate) -> None:
    """A client that is asked in ever new ways keeps a bounded number of prepared headers."""
    from volc_dashscope._http.request_builder import MAX_CACHED, RequestBuilder
    from volc_dashscope._types import Request, Secret

    builder = RequestBuilder(Secret("k"), 1.0)
    for number in range(10 * MAX_CACHED):
        builder(Request("POST", "https://service/embed", {"X-Number": str(number)}), math.inf)

    assert 0 < len(builder.url_and_headers) <= MAX_CACHED
