"""The command in this process, alone or beside an emulator on a socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from canary import KEY
from cli_runs import Run
from click.testing import CliRunner

from volc_dashscope.cli._app import app

PROXIES = (
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """The command in an empty folder, with no key and no proxy."""
    monkeypatch.chdir(tmp_path)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Run:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        return Run(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def services(emulate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """An emulator that the environment points to."""
    emulator = emulate(socket=True).emulator
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.dashscope_url)
    monkeypatch.setenv("ARK_API_KEY", KEY)
    monkeypatch.setenv("ARK_BASE_URL", emulator.ark_url)
    return emulator
