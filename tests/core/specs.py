"""Rows of models, and what a call asks of one, for tests of what happens before a request is sent."""

from __future__ import annotations

from typing import Any

from volc_dashscope import ModelInfo, get_model_info
from volc_dashscope._types import RequestSpec


def row_named(name: str) -> ModelInfo:
    """Return a row of the table."""
    row = get_model_info(name)
    assert row is not None
    return row


def spec_of(row: ModelInfo | str, **settings: Any) -> RequestSpec:
    """Return what a client with these settings asks of a model, on the first route it has."""
    row = row_named(row) if isinstance(row, str) else row
    usual: dict[str, Any] = {"base_url": "https://service", "place": "here", "route": row.routes[0]}
    return RequestSpec(model_info=row, model=row.name, **{**usual, **settings})
