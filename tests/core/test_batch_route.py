"""Which models have the Batch route: those whose page prints a Batch price."""

from __future__ import annotations

import pytest

from volc_dashscope import estimate_cost
from volc_dashscope.models import list_models

PRICED = [row.name for row in list_models() if row.price is not None and row.price.batch is not None]


def test_the_route_follows_the_printed_price():
    routed = [row.name for row in list_models() if "batch" in row.routes]

    assert PRICED == routed
    assert {"text-embedding-v1", "text-embedding-v2", "text-embedding-v3", "text-embedding-v4"} < set(routed)


@pytest.mark.parametrize("model", PRICED)
def test_an_estimate_is_at_the_batch_price(model):
    found, usual = (estimate_cost(["a" * 4000], model, route=route) for route in ("batch", "native"))

    assert found.price is not None
    assert usual.price is not None
    assert found.price[0] == pytest.approx(usual.price[0] / 2, rel=0.01)
    assert "Batch price" in found.rule
