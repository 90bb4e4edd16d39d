"""How the tests of bulk jobs start the command, and what they read of its output."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pyarrow.parquet as pq
from canary import KEY

from volc_dashscope import Client
from volc_dashscope.emulator import Emulator

ROOT = Path(__file__).resolve().parents[2]
TEXT, ARK, VL = "text-embedding-v4", "doubao-embedding-vision-251215", "qwen3-vl-embedding"
D = 64


@dataclass
class Run:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass
class Socket:
    """An emulator that several tests share."""

    emulator: Emulator

    def client(self, model: str, **settings: Any) -> Client:
        return Client(model, api_key=KEY, base_url=self.emulator.dashscope_url, **settings)


@dataclass
class Command:
    """`volc-dashscope` in a process of its own (a fork), talking to an emulator on a socket."""

    mount: Any
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(
        self, *arguments: object, code: str = "from volc_dashscope.cli import main; main()"
    ) -> forked.Forked:
        return forked.start(code, *arguments, folder=self.folder, environ=self._environ())

    def __call__(self, *arguments: object, code: str = "from volc_dashscope.cli import main; main()") -> Run:
        return ended(self.start(*arguments, code=code))

    def anew(self, *arguments: str, code: str) -> Run:
        """Run it where nothing is loaded yet."""
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.folder,
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def _environ(self) -> dict[str, str]:
        emulator = self.mount.emulator
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
            "PYTHONPATH": str(ROOT),
            "DASHSCOPE_API_KEY": KEY,
            "DASHSCOPE_BASE_URL": emulator.dashscope_url,
            "ARK_API_KEY": KEY,
            "ARK_BASE_URL": emulator.ark_url,
            **self.variables,
        }


def ended(process: forked.Forked) -> Run:
    """Wait for a process and read what it said."""
    out, err = process.communicate(timeout=60)
    return Run(process.returncode, out, err)


def wait_for(condition: Callable[[], bool], process: forked.Forked) -> None:
    """Wait until something is so, as long as a process runs."""
    deadline = time.monotonic() + 30
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"it never came to that: {ended(process)}")
        time.sleep(0.005)


def texts(number: int) -> list[str]:
    """Return texts of which no two are alike."""
    return [f"text number {index}" for index in range(number)]


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write a text file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of an output."""
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def errors(path: Path) -> dict[int, str]:
    """Return the errors of an output by row."""
    return {row["row"]: row["error"] for row in rows(path) if row["error"] is not None}


def vectors(path: Path) -> Any:
    """Return the vectors of an output in which none is missing."""
    return np.array([row["vector"] for row in rows(path)], dtype=np.float32)


def paid_twice(mount: Any) -> int:
    """Count texts the emulator was asked for more often than once."""
    return sum(count - 1 for count in Counter(mount.emulator.ledger.texts).values())
