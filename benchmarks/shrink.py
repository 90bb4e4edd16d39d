"""
python -m benchmarks.shrink [--pictures 100] [--rounds 3] [--megabits 20]: what `max_image_pixels` saves.

Makes JPEGs of 12 megapixels and about 4 MB in a temporary folder: soft shapes with grain, as a photograph has, but no
photographs. A client embeds them as they are and shrunk, eight requests in flight, with Ark's request of one picture
each. The slow line is simulated: the server, on this machine, reads no faster than the line would let through, all
connections together, and answers at once. CPU and memory are those of the client's process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import orjson
from PIL import Image as Pillow

from benchmarks.stub import Stub
from volc_dashscope import Client, Image

MODEL = "doubao-embedding-vision-251215"
WIDTH, HEIGHT, QUALITY, GRAIN = 4000, 3000, 92, 5.0
LIMITS = (None, 1_000_000, 250_000)


def make_pictures(folder: Path, count: int) -> None:
    """Write JPEGs that are all different and always the same."""
    draw = np.random.default_rng(1)
    grain = draw.standard_normal((HEIGHT, WIDTH), dtype=np.float32) * GRAIN
    for number in range(count):
        layers = [
            np.asarray(
                Pillow.fromarray(draw.integers(0, 256, (rows, columns, 3), dtype=np.uint8)).resize(
                    (WIDTH, HEIGHT), Pillow.Resampling.BICUBIC
                ),
                np.float32,
            )
            for rows, columns in ((6, 8), (60, 80), (600, 800))
        ]
        moved = np.roll(grain, draw.integers(0, WIDTH, 2), axis=(0, 1))
        light = 0.7 * layers[0] + 0.2 * layers[1] + 0.1 * layers[2] + moved[..., None]
        picture = Pillow.fromarray(np.clip(light, 0, 255).astype(np.uint8))
        picture.save(folder / f"{number:03}.jpg", quality=QUALITY)


class SlowLine(Stub):
    """One connection of a server that reads as fast as one line lets through, for all connections together."""

    bytes_per_second = 0.0
    free_at: ClassVar[float] = 0.0
    received: ClassVar[int] = 0

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        SlowLine.received += len(data)
        SlowLine.free_at = max(loop.time(), SlowLine.free_at) + len(data) / self.bytes_per_second
        self.transport.pause_reading()
        loop.call_at(SlowLine.free_at, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()
            super().data_received(data)

    def answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"get "):
            received = str(self.received).encode()
            return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(received), received)
        return super().answer(head, body)


async def serve(megabits: float) -> None:
    """Listen, print the port, and answer until killed."""
    SlowLine.bytes_per_second = megabits * 1e6 / 8
    server = await asyncio.get_running_loop().create_server(SlowLine, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def embed(port: int, folder: Path, limit: int | None) -> None:
    """Embed a folder and print what it took."""
    url = f"http://127.0.0.1:{port}/api/v3"
    with Client(MODEL, api_key="k", base_url=url, max_image_pixels=limit, deadline=3600) as client:
        clock, cpu = time.perf_counter(), time.process_time()
        result = client.embed([Image.from_path(path) for path in sorted(folder.iterdir())])
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    assert np.isfinite(result.vectors).all()
    # Of this program alone: `ru_maxrss` begins with what the parent had.
    peak = int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]
    print(orjson.dumps({"seconds": clock, "cpu": cpu, "peak": peak}).decode())


@contextmanager
def slow_line(megabits: float) -> Iterator[int]:
    """Run the server in a process of its own; gives its port."""
    command = [sys.executable, "-m", "benchmarks.shrink", "--serve", "--megabits", str(megabits)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()


def measure(folder: Path, limit: int | None, megabits: float) -> dict[str, float]:
    """Return what a client in a process of its own needed, and the bytes it sent."""
    with slow_line(megabits) as port:
        command = [sys.executable, "-m", "benchmarks.shrink", "--client", str(port), "--folder", str(folder)]
        command += [] if limit is None else ["--limit", str(limit)]
        found: dict[str, float] = orjson.loads(
            subprocess.run(command, capture_output=True, check=True).stdout
        )
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/")
        found["sent"] = int(connection.getresponse().read())
        connection.close()
    return found


def compare(pictures: int, rounds: int, megabits: float) -> None:
    """Measure each limit in turns and print the medians."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_pictures(folder, pictures)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        found: dict[int | None, list[dict[str, float]]] = {limit: [] for limit in LIMITS}
        for _ in range(rounds):
            for limit in LIMITS:
                found[limit].append(measure(folder, limit, megabits))
    print(f"{pictures} JPEGs of {WIDTH} x {HEIGHT} pixels, {size:,.0f} MB; {megabits:g} Mbit/s simulated")
    print(f"medians of {rounds} rounds on {os.cpu_count()} cores\n")
    print(f"{'max_image_pixels':>16} {'MB sent':>9} {'seconds':>9} {'CPU seconds':>12} {'peak MB':>9}")
    for limit, figures in found.items():
        sent, seconds, cpu, peak = (
            statistics.median(each[name] for each in figures) for name in ("sent", "seconds", "cpu", "peak")
        )
        shown = "none" if limit is None else f"{limit:,}"
        print(f"{shown:>16} {sent / 1e6:9.1f} {seconds:9.1f} {cpu:12.1f} {peak:9.0f}")


def main() -> None:
    """Measure, or do one part of it in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shrink")
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabits", type=float, default=20)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--client", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.megabits))
    elif given.client:
        embed(given.client, given.folder, given.limit)
    else:
        compare(given.pictures, given.rounds, given.megabits)


if __name__ == "__main__":
    main()
