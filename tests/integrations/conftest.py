"""An integration of either framework, made with the settings of a mount."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paintings import painted


@pytest.fixture
def embed_model_of() -> Iterator[Callable[..., Any]]:
    """Return a maker of integrations that are closed after the test."""
    made: list[Any] = []

    def make(kind: type, mount: Any, **settings: Any) -> Any:
        made.append(kind(**{**mount.settings(kind.provider_name), **settings}))
        return made[-1]

    yield make
    for embed_model in made:
        embed_model.close()


@pytest.fixture
def red_png(tmp_path: Path) -> Path:
    """Return the path of a red picture."""
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    return path
