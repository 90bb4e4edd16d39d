"""What the tests of both frameworks share."""

from __future__ import annotations

from pathlib import Path

import pytest
from paintings import painted


@pytest.fixture
def red_png(tmp_path: Path) -> Path:
    """Return the path of a red picture."""
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    return path
