"""
python -m benchmarks.emulator [--before ROOT] [--rounds 3] [--requests 2000]: requests a second of the emulator.

The emulator listens in a process of its own on one core; the client is on the other and keeps four connections busy. A
request asks text-embedding-v4 for the vectors of ten texts of 180 Chinese characters, of two kinds: prose from the
guides in docs/zh, and random words, of whose pairs of characters half were never seen before. The floor is the same
server with an empty handler, which sends a reply of the same length. With `--before`, another checkout of this
repository takes its turn in the same rounds. Medians; on a busy machine CPU a request still compares, rates do not.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import orjson

ROOT = Path(__file__).resolve().parents[1]
PATH = "/api/v1/services/embeddings/text-embedding/text-embedding"
HEADERS = {"authorization": "Bearer k", "content-type": "application/json"}
LETTERS, TEXTS, CONNECTIONS, WARM = 180, 10, 4, 100
CLIENT_CORE, SERVER_CORE = 0, 1
# It prints where it listens, and the CPU seconds it has used for each line it is sent.
EMULATOR = """
import sys, time
from volc_dashscope.emulator import Emulator
print(Emulator().start().url, flush=True)
for _ in sys.stdin:
    print(time.process_time(), flush=True)
"""
FLOOR = """
import sys, time
from volc_dashscope.emulator.app import App
from volc_dashscope.emulator.exchange import Response
from volc_dashscope.emulator.server import Server
class Empty(App):
    def handle(self, *request, **options):
        return Response(headers={"content-type": "application/json"}, body=bytes(117_000))
server = Server(Empty(clock=time.time))
server.start()
print(server.url, flush=True)
for _ in sys.stdin:
    print(time.process_time(), flush=True)
"""


def bodies(kind: str, count: int) -> list[bytes]:
    """Return bodies of requests, always the same."""
    letters = _prose() if kind == "prose" else _random_words()
    texts = ("".join(islice(letters, LETTERS)) for _ in range(TEXTS * count))
    return [
        orjson.dumps({"model": "text-embedding-v4", "input": {"texts": list(islice(texts, TEXTS))}})
        for _ in range(count)
    ]


def _prose() -> Iterator[str]:
    guides = sorted((ROOT / "docs" / "zh").glob("*.md"))
    lines = [line for guide in guides for line in guide.read_text("utf-8").splitlines()]
    chinese = [line for line in lines if len(re.findall(r"[\u4e00-\u9fff]", line)) > len(line) / 2]
    random.Random(1).shuffle(chinese)
    return cycle("".join(chinese))


def _random_words() -> Iterator[str]:
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]
    words = ["".join(random.Random(number).choices(letters, k=2)) for number in range(3000)]
    draw = random.Random(1)
    while True:
        yield from draw.choice(words)


@contextmanager
def serving(program: str, root: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server against a checkout; gives the host with its port, and the process."""
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    assert server.stdin is not None
    assert server.stdout is not None
    with server, server.stdin:
        yield server.stdout.readline().decode().strip().removeprefix("http://"), server


def cpu(server: subprocess.Popen[bytes]) -> float:
    """Return the CPU seconds that a server has used."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(b"\n")
    server.stdin.flush()
    return float(server.stdout.readline())


def send(host: str, requests: list[bytes]) -> None:
    """Send requests over several connections, each as soon as its last reply was read."""
    waiting, failures = iter(requests), list[BaseException]()

    def run() -> None:
        connection = http.client.HTTPConnection(host)
        try:
            for body in waiting:
                connection.request("POST", PATH, body, HEADERS)
                reply = connection.getresponse()
                reply.read()
                assert reply.status == 200
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def measure(program: str, root: Path, requests: list[bytes]) -> tuple[float, float]:
    """Return requests a second, and milliseconds of the server's CPU a request."""
    with serving(program, root) as (host, server):
        send(host, requests[:WARM])
        used, start = cpu(server), time.perf_counter()
        send(host, requests[WARM:])
        seconds, count = time.perf_counter() - start, len(requests) - WARM
        return count / seconds, 1e3 * (cpu(server) - used) / count


def main() -> None:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.emulator")
    parser.add_argument("--before", type=Path, metavar="ROOT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    workloads = {kind: bodies(kind, WARM + given.requests) for kind in ("prose", "random words")}
    runs = [("empty handler", "prose", FLOOR, ROOT)]
    for kind in workloads:
        runs += [(f"{kind}, before", kind, EMULATOR, given.before)] if given.before else []
        runs += [(kind, kind, EMULATOR, ROOT)]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, *_ in runs}
    for _ in range(given.rounds):
        for name, kind, program, root in runs:
            found[name].append(measure(program, root, workloads[kind]))
    print(
        f"medians of {given.rounds} rounds; ten texts of {LETTERS} characters a request; server on one core"
    )
    for name, figures in found.items():
        rate, used = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{name:22} {rate:8.0f} requests/s  {used:7.2f} ms of the server's CPU a request")


if __name__ == "__main__":
    main()
