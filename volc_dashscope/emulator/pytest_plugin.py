"""
Fixtures for tests that talk to the two services without a key.

Loaded by `pytest_plugins = ["volc_dashscope.emulator.pytest_plugin"]` or the package's entry point.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from volc_dashscope.emulator import Emulator


@pytest.fixture
def ark_dashscope_emulator() -> Iterator[Emulator]:
    """Yield an emulator that is stopped after the test; call its `start()` for a socket."""
    # Here, because the entry point loads this module in every run of pytest.
    from volc_dashscope.emulator import Emulator

    emulator = Emulator()
    yield emulator
    emulator.stop()


@pytest.fixture
def ark_dashscope_emulator_env(ark_dashscope_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Return an emulator on a socket that the environment points to, with keys good nowhere else."""
    emulator = ark_dashscope_emulator.start()
    monkeypatch.setenv("ARK_BASE_URL", emulator.ark_url)
    monkeypatch.setenv("ARK_API_KEY", "emulator-ark-key")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.dashscope_url)
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", emulator.dashscope_url)
    monkeypatch.setenv("DASHSCOPE_API_KEY", "emulator-dashscope-key")
    return emulator
