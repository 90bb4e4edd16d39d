"""What docs/en/moving.md says of the retired class of langchain-community, seen with its own code."""

from __future__ import annotations

import warnings
from typing import Any

import dashscope
import numpy as np
import pytest
from canary import KEY
from samples import V4

from langchain_volc_dashscope import DashScopeEmbeddings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # langchain-community says that it is retired
    from langchain_community.embeddings.dashscope import DashScopeEmbeddings as Retired

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the vendor's SDK
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # it leaves its sessions to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TEXTS = [f"text {number}" for number in range(25)]


@pytest.fixture
def both(emulate, embed_model_of, monkeypatch):
    """Return the retired class and ours, each on an emulator of its own."""
    old, new = emulate(socket=True), emulate()
    monkeypatch.setattr(dashscope, "base_http_api_url", old.emulator.dashscope_url)
    monkeypatch.setattr(dashscope, "api_key", None)
    ours = embed_model_of(DashScopeEmbeddings, new, model=V4, normalize=False, max_concurrency=1)
    return Retired(model=V4, dashscope_api_key=KEY), ours, old.emulator, new.emulator


def _same(left: Any, right: Any) -> bool:
    return bool(np.allclose(left, right, rtol=1e-5, atol=1e-6))


def test_the_vectors_are_the_same_but_for_their_length(both, embed_model_of, inside):
    retired, ours, _, _ = both
    unit = embed_model_of(DashScopeEmbeddings, inside, model=V4)
    old = np.array(retired.embed_documents(TEXTS))

    assert _same(old, ours.embed_documents(TEXTS))
    assert _same(retired.embed_query("a"), ours.embed_query("a"))
    assert _same(old / np.linalg.norm(old, axis=1, keepdims=True), unit.embed_documents(TEXTS))


def test_two_objects_had_one_key(both):
    retired, _, emulator, _ = both
    Retired(model=V4, dashscope_api_key="sk-of-somebody-else")

    retired.embed_query("a")

    assert "Bearer sk-of-somebody-else" == emulator.ledger[-1].headers["authorization"]


def test_two_objects_have_a_key_each(both):
    _, ours, _, emulator = both
    DashScopeEmbeddings(model=V4, api_key="sk-of-somebody-else")

    ours.embed_query("a")

    assert f"Bearer {KEY}" == emulator.ledger[-1].headers["authorization"]


def test_a_retry_paid_for_finished_batches_again(both):
    retired, ours, old, new = both
    for emulator in (old, new):
        emulator.fail(None, "500", None)

    retired.embed_documents(TEXTS)
    ours.embed_documents(TEXTS)

    assert ([10, 10, 10, 10, 5], [10, 10, 10, 5]) == tuple(
        [len(request.texts) for request in emulator.ledger] for emulator in (old, new)
    )
    assert old.ledger[0].texts == old.ledger[2].texts


def test_replies_out_of_order_were_taken_as_they_came(both):
    retired, ours, old, new = both
    texts = ["red", "green", "blue"]
    expected = ours.embed_documents(texts)
    for emulator in (old, new):
        emulator.fail("shuffled")

    assert not _same(expected, retired.embed_documents(texts))
    assert _same(expected, ours.embed_documents(texts))


def test_the_key_was_shown(both):
    retired, ours, _, _ = both

    assert (True, False) == (KEY in repr(retired), KEY in repr(ours))
