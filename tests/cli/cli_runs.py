"""How the tests of the command run it: in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked
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
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return orjson.loads(self.out)


def environ(**variables: str) -> dict[str, str]:
    """Return the environment of a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return {**inherited, "PYTHONPATH": str(ROOT), **variables}


def run(*arguments: object, folder: Path, code: str = START, **variables: str) -> Run:
    """Run `volc-dashscope` to its end in a process of its own: a fork, where the start is not what is tested."""
    process = forked.start(code, *arguments, folder=folder, environ=environ(**variables))
    out, err = process.communicate(timeout=60)
    return Run(process.returncode, out, err)


def started(*arguments: object, folder: Path, code: str = START, **variables: str) -> subprocess.Popen[str]:
    """Start `volc-dashscope` anew in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env=environ(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Run:
    """Wait for a process and read what it said."""
    out, err = process.communicate(timeout=60)
    return Run(process.returncode, out, err)
