"""How the tests of the command run it: in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]
START = "from volc_dashscope.cli import main; main()"


@dataclass
class Run:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """The one JSON document on stdout."""
        return orjson.loads(self.out)


def started(*arguments: object, folder: Path, code: str = START, **variables: str) -> subprocess.Popen[str]:
    """Start `volc-dashscope` in a process of its own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Run:
    """Wait for a process and read what it said."""
    out, err = process.communicate(timeout=60)
    return Run(process.returncode, out, err)
