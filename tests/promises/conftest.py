"""Numbers a promise measured, printed at the end."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that notes what was measured, for the report below the tests."""
    return lambda words: request.node.user_properties.append(("measured", words))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the notes; they come with the tests' reports, so that they also arrive from workers."""
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {words}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, words in report.user_properties
        if name == "measured"
    ]
    if lines:
        terminalreporter.section("measured by the promises")
        for line in lines:
            terminalreporter.line(line)


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Keep the tests that `scripts/chaos.py` asks for: an exact name, where `-k` would match a part of one."""
    wanted = os.environ.get("PROMISE")
    if wanted:
        chosen = [item for item in items if any(re.match(wanted, part.name) for part in item.listchain())]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
