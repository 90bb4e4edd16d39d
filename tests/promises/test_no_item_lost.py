"""No item is lost, misplaced or paid twice, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
from promise import ARK, TEXT, Breakage, sized, texts

from volc_dashscope import BulkError, Client, EmbeddingResult
from volc_dashscope.emulator import Emulator, Fault, Request, Response
from volc_dashscope.emulator.faults import Faults

# Thirty of a hundred requests go wrong, in fifteen ways. Hints are short, so that a test is.
KINDS = {
    Fault("429"): 0.005,
    Fault("429", retry_after=0.02): 0.01,
    Fault("429", retry_after_ms=20): 0.01,
    Fault("429", retry_date=0.0): 0.01,
    Fault("tpm", retry_after_ms=20): 0.005,
    Fault("500"): 0.03,
    Fault("502"): 0.03,
    Fault("503"): 0.03,
    Fault("reset"): 0.03,
    Fault("reset_body"): 0.03,
    Fault("short"): 0.02,
    Fault("truncated"): 0.03,
    Fault("slow", seconds=4.0): 0.02,
    Fault("error_in_200"): 0.01,
    Fault("missing"): 0.01,
    Fault("shuffled"): 0.02,
}
BREAKAGES = [
    Breakage(
        "volc_dashscope/_request/assembly.py",
        "[_slice_of(positions)] = rows.vectors",
        "[_slice_of(positions)] = rows.vectors[::-1]",
        "test_faults_cost_no_item",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "attempt > self.max_retries",
        "attempt >= 2",
        "test_faults_cost_no_item",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "outcome = _send(flow, step, transport, worker_step)",
        "outcome = (_send(flow, step, transport, worker_step), _send(flow, step, transport, worker_step))[1]",
        "test_faults_cost_no_item",
    ),
    Breakage(
        "volc_dashscope/providers/parsing.py",
        "return [entry for entry in ordered if entry is not None]",
        "return list(entries)",
        "test_faults_cost_no_item",
    ),
    Breakage(
        "volc_dashscope/_request/call.py",
        "self._failures[failed] = error",
        "self._failures[positions[0] if (positions := batch.positions) else failed] = error",
        "test_rows_and_failures_are_all_items_and_the_rest_can_be_run_again",
    ),
]


class Bills:
    """Counts complete replies for each text, and requests that were sent after one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.paid: Counter[str] = Counter()

    def __call__(self, request: Request, response: Response) -> None:
        configured = request.json["input"]
        sent = [part["text"] for part in configured] if isinstance(configured, list) else configured["texts"]
        arrives = response.status == 200 and not response.breakage and response.delay < 1
        if arrives and response.body.endswith(b"}") and response.body.count(b'"embedding":') == len(sent):
            with self._lock:
                self.paid.update(sent)


def _embed(
    kind: str, mount: Any, items: list[str], *, model: str = TEXT, dimensions: int = 64, **settings: Any
) -> EmbeddingResult:
    if kind == "sync":
        with mount.client(model, dimensions=dimensions, **settings) as client:
            return client.embed(items)

    async def awaited() -> EmbeddingResult:
        async with mount.async_client(model, dimensions=dimensions, **settings) as client:
            return await client.embed(items)

    return asyncio.run(awaited())


def _expected(items: list[str], model: str = TEXT, dimensions: int = 64) -> np.ndarray:
    """Each by itself, so that nothing can be in another's place."""
    client = Client(model, api_key="k", http_client=Emulator().http_client(), dimensions=dimensions)
    return np.concatenate([client.embed([item]).vectors for item in items])


# Model, length, items in full size, and items a request holds.
SERVICES = {"dashscope": (TEXT, 64, 10_000, 10), "ark": (ARK, 1024, 300, 1)}


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("model", "dimensions", "number", "batch"), SERVICES.values(), ids=SERVICES)
def test_faults_cost_no_item(emulate, measured, kind, model, dimensions, number, batch) -> None:
    """Thirty percent of the requests fail, at most three times in a row; 32 are in flight."""
    items = texts(sized(number))
    mount = emulate(socket=True, faults=Faults(KINDS, seed=6))
    bills = Bills()
    mount.emulator.reply_with(bills)

    result = _embed(kind, mount, items, model=model, dimensions=dimensions, max_concurrency=32, timeout=2.5)

    lost = len(items) - len(result)
    wrong = (_expected(items, model, dimensions) != result.vectors).any(axis=1).sum()
    requests, needed = len(mount.emulator.ledger), len(items) / batch
    measured(f"{len(items)} items, {requests} requests for {needed:.0f}, lost {lost}, wrong {wrong}")
    assert (0, 0) == (lost, wrong)
    assert {1} == set(bills.paid.values())
    assert len(items) == len(bills.paid)
    assert requests > 1.2 * needed  # something did go wrong


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_rows_and_failures_are_all_items_and_the_rest_can_be_run_again(emulate, measured, kind) -> None:
    """Faults without an end: what failed is named by its index, and no more than that is sent again."""
    items = texts(sized(2_000))
    plan = {Fault("500", retry_after_ms=1): 0.3, Fault("reset"): 0.1, Fault("429", retry_after_ms=1): 0.1}
    mount = emulate(faults=Faults(plan, seed=6, max_in_a_row=10**9))
    rows = np.full((len(items), 64), np.nan, dtype=np.float32)
    left, rounds = list(range(len(items))), 0

    while left:
        rounds += 1
        try:
            done = _embed(kind, mount, [items[index] for index in left], max_retries=1)
            failed: list[int] = []
        except BulkError as error:
            done, failed = error.result, sorted(error.failures)
        finished = np.flatnonzero(~np.isnan(done.vectors).any(axis=1)).tolist()
        assert sorted([*finished, *failed]) == list(range(len(left)))
        for index in finished:
            rows[left[index]] = done.vectors[index]
        left = [left[index] for index in failed]

    measured(f"{len(items)} items in {rounds} rounds")
    assert rounds > 1
    assert np.array_equal(_expected(items), rows)
