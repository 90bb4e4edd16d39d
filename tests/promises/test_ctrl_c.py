"""Ctrl-C ends a program in under a second, while replies take eight; in every part of an exchange, at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from textwrap import dedent

import forked
import pytest
from hanging import PHASES, held
from promise import ROOT, Breakage

BREAKAGES = [
    Breakage(
        "volc_dashscope/_request/workers.py",
        'name="volc-dashscope", daemon=True',
        'name="volc-dashscope", daemon=False',
        "test_ctrl_c_ends_the_program_at_once",
    ),
    Breakage(
        "volc_dashscope/_request/workers.py",
        "        if idle:\n            for worker",
        "        if True:\n            for worker",
        "test_ctrl_c_ends_the_program_at_once",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "stopped = worker_step.stop.wait(step.seconds)",
        "stopped = bool(time.sleep(step.seconds))",
        "test_a_worker_that_waits_its_turn_hears_the_stop",
    ),
    Breakage(
        "volc_dashscope/_request/workers.py",
        "with suppress(Empty):\n                return",
        "with suppress(Empty, KeyboardInterrupt):\n                return",
        "test_ctrl_c_is_heard_in_every_part_of_an_exchange",
    ),
]
WAYS = {
    "sync, many": "Client(model, **reach).embed(items)",
    "sync, one": "Client(model, **reach).embed(items[:1])",
    "sync stream": "list(Client(model, **reach).stream(iter(items)))",
    "async, many": "asyncio.run(AsyncClient(model, **reach).embed(items))",
    "async stream": "asyncio.run(drained(AsyncClient(model, **reach).stream(iter(items))))",
    "async, one": "asyncio.run(AsyncClient(model, **reach).embed(items[:1]))",
    "bulk": """
import pathlib, tempfile
from volc_dashscope.bulk import embed_file
with tempfile.TemporaryDirectory() as folder:
    source = pathlib.Path(folder, "texts.txt")
    source.write_text("\\n".join(items))
    embed_file(source, source.with_name("out.parquet"), model=Client(model, **reach))
""",
}
SCRIPT = """
    import asyncio, signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs behind it without one
    from volc_dashscope import AsyncClient, Client
    reach = {"api_key": "k", "base_url": sys.argv[1], "max_concurrency": 16}
    model, items = "doubao-embedding-vision-251215", [str(number) for number in range(100)]

    async def drained(stream):
        return [row async for row in stream]

    """


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_ctrl_c_ends_the_program_at_once(emulate, measured, way) -> None:
    wanted = 1 if "[:1]" in way else 16
    for _ in range(3):  # the best of three: the machine may be busy, and what waits for a reply waits seconds
        emulator = emulate(socket=True, latency=8).emulator
        took, said = _interrupted(way, emulator, wanted)
        measured(f"{took:.2f} s with {emulator.ledger.in_flight_max} in flight")
        if took < 1.0:
            break

    assert wanted == emulator.ledger.in_flight_max
    assert took < 1.0
    assert "KeyboardInterrupt" in said


def _interrupted(way: str, emulator, wanted: int) -> tuple[float, str]:
    """Press Ctrl-C once so many requests are in flight; return how long the end took, and what was printed."""
    process = forked.start(dedent(SCRIPT) + way, emulator.ark_url, folder=ROOT, environ=os.environ)
    until = time.monotonic() + 30
    while emulator.ledger.in_flight_max < wanted and time.monotonic() < until:
        time.sleep(0.02)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=7)
        took = time.monotonic() - began
    except TimeoutError:  # it is killed then
        _, said = process.communicate()
        took = 7.0
    return took, said


LISTENER = """
    import asyncio, json, signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from volc_dashscope import AsyncClient, Client, Image
    from hanging import noise

    async def drained(stream):
        return [row async for row in stream]

    for line in sys.stdin:
        settings, items = json.loads(line)
        items = eval(items, {"picture": Image.from_bytes(noise(6_000_000))})
        try:
            client = (AsyncClient if "async" in sys.argv[1] else Client)(**settings)
            print("begun", flush=True)
            if sys.argv[1] == "sync": client.embed(items)
            elif sys.argv[1] == "sync stream": list(client.stream(iter(items)))
            elif sys.argv[1] == "async": asyncio.run(client.embed(items))
            else: asyncio.run(drained(client.stream(iter(items))))
            print("done", flush=True)
        except BaseException as error:
            print(type(error).__name__, flush=True)
    """


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("kind", ["sync", "sync stream", "async", "async stream"])
def test_ctrl_c_is_heard_in_every_part_of_an_exchange(measured, kind) -> None:
    """One program is interrupted in each part in turn, and then ends with all that was left in flight."""
    took, outcomes = {}, {}
    with subprocess.Popen(
        [sys.executable, "-c", dedent(LISTENER), kind],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "promises"))),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        guard = threading.Timer(60, process.kill)
        guard.start()
        for phase in PHASES:
            with held(phase) as place:
                process.stdin.write(json.dumps([place.settings, place.items]) + "\n")
                process.stdin.flush()
                process.stdout.readline()
                place.await_call()
                began = time.monotonic()
                process.send_signal(signal.SIGINT)
                outcomes[phase] = process.stdout.readline().strip()
                took[phase] = time.monotonic() - began
        _, warned = process.communicate()
        guard.cancel()

    measured(f"{kind}: {max(took.values()):.2f} s at most, {max(took, key=took.get)}")
    assert dict.fromkeys(PHASES, "KeyboardInterrupt") == outcomes
    assert max(took.values()) < 4.0
    assert {"waiting"} >= {line.split()[0] for line in warned.splitlines()}
    assert 0 == process.returncode


def test_a_worker_that_waits_its_turn_hears_the_stop(emulate) -> None:
    """Threads of a call that was left do not sleep on behind the caller's back."""
    others = set(threading.enumerate())  # of another test's calls
    mount = emulate()
    with mount.client("doubao-embedding-vision-251215", requests_per_minute=4, max_concurrency=8) as client:
        stream = client.stream(str(number) for number in range(50))
        next(stream)
        stream.close()
        until = time.monotonic() + 3
        while _workers(threading.enumerate(), others) and time.monotonic() < until:
            time.sleep(0.01)

    assert [] == _workers(threading.enumerate(), others)


def _workers(threads, others) -> list[str]:
    return [each.name for each in threads if each not in others and each.name == "volc-dashscope"]
