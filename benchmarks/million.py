"""
python -m benchmarks.million [--rows 1000000] [--kill-at 200000,500000] [--csv results/million.csv]

`volc-dashscope embed` full size: texts at d=64 against a loopback server that counts what it bills. The command's
RSS is sampled twice a second. With `--kill-at` the command is killed (SIGKILL) whenever that many rows were
billed, and started again as it was. At the end every row of the output is compared with its text.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq

from benchmarks.stub import Stub

DIMENSION = 64
WIDTH, BATCH = 16, 10
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Billing(Stub):
    """A stub whose vectors say which text they are for, and which remembers what it was asked."""

    asked: np.ndarray

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Answer a request for vectors, or say what was billed so far."""
        if head.startswith(b"get "):
            billed = {"billed": int(self.asked.sum()), "texts": int((self.asked > 0).sum())}
            return self._whole(billed)
        numbers = [int(text.split(" ", 1)[0]) for text in orjson.loads(body)["input"]["texts"]]
        rows = [
            {"text_index": index, "embedding": [*vector(number), *[0.25] * (DIMENSION - 3)]}
            for index, number in enumerate(numbers)
        ]
        self.asked[numbers] += 1
        return self._whole(
            {
                "output": {"embeddings": rows},
                "usage": {"total_tokens": 20 * len(numbers)},
                "request_id": "r",
            }
        )

    @staticmethod
    def _whole(value: object) -> bytes:
        body = orjson.dumps(value)
        return _HEAD % len(body) + body


def vector(number: int) -> tuple[float, float, float]:
    """Return what float32 holds exactly and tells the number."""
    return float(number % 4096), float(number // 4096), 1.0


async def serve(rows: int, latency: float) -> None:
    """Serve until killed; the first line says the port."""
    Billing.asked = np.zeros(rows, dtype=np.int64)
    Stub.latency = latency
    server = await asyncio.get_running_loop().create_server(Billing, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Run:
    """The command, started as often as needed, and what is seen of it."""

    def __init__(self, folder: Path, port: int, log: Callable[[str], None]) -> None:
        self.folder, self.port, self.log = folder, port, log
        self.output = folder / "out.parquet"
        self.samples: list[tuple[float, int, float]] = []
        self._began = time.perf_counter()

    def billed(self) -> dict[str, int]:
        """Ask the server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ledger") as reply:
            billed: dict[str, int] = orjson.loads(reply.read())
        return billed

    def once(self, kill_at: int | None) -> int:
        """Run the command to its end, or until so many rows were billed; return its exit code."""
        arguments = ["embed", str(self.folder / "texts.txt"), "-o", str(self.output)]
        arguments += ["-m", "text-embedding-v4", "-d", str(DIMENSION), "--no-normalize"]
        arguments += ["--concurrency", str(WIDTH), "--json"]
        shown = ["volc-dashscope", *(argument.replace(f"{self.folder}/", "") for argument in arguments)]
        self.log(f"$ {shlex.join(shown)}")
        environment = {
            **os.environ,
            "DASHSCOPE_API_KEY": "k",
            "DASHSCOPE_BASE_URL": f"http://127.0.0.1:{self.port}/api/v1",
        }
        command = [sys.executable, "-m", "volc_dashscope", *arguments]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            while process.poll() is None:
                self._sample(process.pid)
                if kill_at is not None and self.billed()["billed"] >= kill_at:
                    process.send_signal(signal.SIGKILL)
                    break
                time.sleep(0.05 if kill_at is not None else 0.5)
            said, complained = process.communicate()
        for line in [*complained.decode().splitlines(), *said.decode().splitlines()]:
            self.log(line.replace(f"{self.folder}/", ""))
        return process.returncode

    def _sample(self, process: int) -> None:
        try:
            pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return
        size = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        self.samples.append((time.perf_counter() - self._began, self.billed()["billed"], size))


def check(output: Path, rows: int) -> str:
    """Compare every row of the output with its text."""
    seen = 0
    with pq.ParquetFile(output) as file:
        kind = file.schema_arrow.field("vector").type
        for batch in file.iter_batches():
            numbers = batch["row"].to_numpy()
            vectors = batch["vector"].flatten().to_numpy().reshape(-1, DIMENSION)
            assert np.array_equal(numbers, np.arange(seen, seen + len(numbers)))
            assert np.array_equal(vectors[:, 0] + 4096 * vectors[:, 1], numbers.astype(np.float32))
            assert batch["error"].null_count == len(numbers)
            seen += len(numbers)
        groups = file.num_row_groups
    assert seen == rows
    return f"{seen:,} rows in {groups} row groups of {kind}: each once, in order, with the vector of its text"


def measure(rows: int, latency: float, kills: list[int], csv: Path | None) -> None:
    """Run it, and print the log."""
    serving = [sys.executable, "-m", "benchmarks.million", "--serve", "--rows", str(rows)]
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen([*serving, "--latency", str(latency)], stdout=subprocess.PIPE) as stub,
    ):
        try:
            assert stub.stdout is not None
            folder = Path(name)
            with (folder / "texts.txt").open("w") as file:
                file.writelines(
                    f"{row} of many texts, each with a few words of its own\n" for row in range(rows)
                )
            run = Run(folder, int(stub.stdout.readline()), lambda line: print(line, flush=True))
            began = time.perf_counter()
            for kill_at in [*kills, None]:
                code = run.once(kill_at)
                billed = run.billed()
                print(
                    f"exit {code}; billed {billed['billed']:,} rows, {billed['billed'] - billed['texts']:,} twice\n"
                )
            print(check(run.output, rows))
            seconds = time.perf_counter() - began
            print(
                f"{seconds:,.0f} s, {rows / seconds:,.0f} rows/s, {len(kills)} kills, {billed['billed']:,} billed"
            )
            print(f"at most {len(kills) * WIDTH * BATCH:,} could have been in flight at the kills")
            if csv is not None:
                lines = [f"{second:.1f},{billed},{size:.1f}\n" for second, billed, size in run.samples]
                csv.write_text("".join(["second,rows_billed,rss_mb\n", *lines]))
            _rss(run.samples)
        finally:
            stub.kill()


def _rss(samples: list[tuple[float, int, float]]) -> None:
    at_work = [size for _, billed, size in samples if billed > 0]
    tenth = max(1, len(at_work) // 10)
    print(
        f"RSS {at_work[0]:.0f} MB at the first reply, at most {max(at_work[: 2 * tenth]):.0f} in the first fifth "
        f"and {max(at_work):.0f} MB in all"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--kill-at", default="")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--serve", action="store_true")
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.rows, given.latency))
    else:
        measure(
            given.rows, given.latency, [int(mark) for mark in given.kill_at.split(",") if mark], given.csv
        )
