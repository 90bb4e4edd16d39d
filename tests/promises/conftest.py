"""Numbers a promise measured, printed at the end."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest

_MEASURED: list[str] = []


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that notes what was measured, for the report below the tests."""
    return lambda words: _MEASURED.append(f"{request.node.name}: {words}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _MEASURED:
        terminalreporter.section("measured by the promises")
        for line in _MEASURED:
            terminalreporter.line(line)


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Keep the tests that `scripts/chaos.py` asks for: an exact name, where `-k` would match a part of one."""
    wanted = os.environ.get("PROMISE")
    if wanted:
        chosen = [item for item in items if re.match(wanted, item.name)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
