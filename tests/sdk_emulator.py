"""An emulator on a socket that the vendors' own SDKs use."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dashscope

from volc_dashscope.emulator import Emulator

SDK_KEY = "sdk-key"


@contextmanager
def sdk_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Start an emulator, and let the settings of DashScope's SDK lead to it."""
    with Emulator() as emulator:
        monkeypatch.setattr(dashscope, "base_http_api_url", emulator.dashscope_url)
        monkeypatch.setattr(dashscope, "api_key", SDK_KEY)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield emulator
