"""The command against an emulator on a socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bulk_runs import Command


@pytest.fixture
def command(emulate: Callable[..., Any], tmp_path: Path) -> Command:
    """`volc-dashscope` in an empty folder."""
    return Command(emulate(socket=True), tmp_path)


@pytest.fixture
def slow_command(emulate: Callable[..., Any], tmp_path: Path) -> Command:
    """The same, with a service that takes its time, so that something is always in flight."""
    return Command(emulate(socket=True, latency=0.04), tmp_path)
