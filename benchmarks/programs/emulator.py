"""Line 5: requests a second of the emulator on a core of its own: ten texts of 180 Chinese characters each."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from figures import on_core, say

CONNECTIONS = 4
WARM, COUNTED = 40, 200
PATH = "/api/v1/services/embeddings/text-embedding/text-embedding"


def _bodies() -> list[bytes]:
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]
    words = ["".join(random.Random(number).choices(letters, k=2)) for number in range(3000)]
    draw = random.Random(1)
    return [
        orjson.dumps({"model": "text-embedding-v4", "input": {"texts": texts}})
        for texts in (
            [["".join(draw.choices(words, k=90)) for _ in range(10)] for _ in range(WARM + COUNTED)]
        )
    ]


def _post(host: str, bodies: list[bytes]) -> None:
    connection = http.client.HTTPConnection(host)
    for body in bodies:
        headers = {"authorization": "Bearer k", "content-type": "application/json"}
        connection.request("POST", PATH, body, headers)
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 200
    connection.close()


def _cpu(process: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Start an emulator on the other core and keep it busy."""
    command = [sys.executable, "-P", "-m", "volc_dashscope.emulator", "--port", "0"]
    emulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=on_core(1))
    try:
        assert emulator.stdout is not None
        lines = (line.rpartition("DASHSCOPE_BASE_URL=") for line in emulator.stdout)
        host = next(urlsplit(url.strip()).netloc for _, name, url in lines if name)
        bodies = _bodies()
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            for some in (bodies[:WARM], bodies[WARM:]):
                clock, cpu = time.perf_counter(), _cpu(emulator.pid)
                list(
                    threads.map(
                        _post, [host] * CONNECTIONS, [some[at::CONNECTIONS] for at in range(CONNECTIONS)]
                    )
                )
                seconds, spent = time.perf_counter() - clock, _cpu(emulator.pid) - cpu
    finally:
        emulator.kill()
        emulator.wait()
    say(per_second=COUNTED / seconds, per_cpu_second=COUNTED / spent)


if __name__ == "__main__":
    main()
