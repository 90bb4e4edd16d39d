"""Edges: what leaves the client is kept as bytes, and what comes back is the emulator's or a given reply."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from wire_edge import Edge


@pytest.fixture
def edge() -> Edge:
    """Return an edge that answers as the emulator does."""
    return Edge()


@pytest.fixture
def answering() -> Callable[[int, bytes], Edge]:
    """Return a maker of edges with one reply for everything."""
    return lambda status, body: Edge((status, body))
