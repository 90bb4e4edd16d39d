"""Both clients read every cassette: the rows are the vectors of the tape, for the right item, all of it played."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canary import KEY
from cassette_scenarios import DOCS, RECORDED, Scenario
from cassette_tape import ORIGINS, entries, interactions, played, read, unit_rows
from vcr.cassette import Cassette

from volc_dashscope.errors import EmbeddingError
from volc_dashscope.results import EmbeddingResult

TAPES = [
    (scenario, scenario.path(origin))
    for origin in ORIGINS
    for scenario in (DOCS if origin == "docs" else RECORDED)
    if origin != "live" or scenario.path(origin).exists()
]
ANSWERED = [tape for tape in TAPES if tape[0].refused is None]
REFUSED = [tape for tape in TAPES if tape[0].refused is not None]
Embed = Callable[..., EmbeddingResult]


def _name(value: Any) -> str | None:
    return f"{value[1].parent.name}-{value[0].name}" if isinstance(value, tuple) else None


@pytest.fixture(params=["sync", "async"])
def embed(request: pytest.FixtureRequest) -> Embed:
    """Return a function that makes a scenario's call with one of the clients."""

    def run(scenario: Scenario, **settings: Any) -> EmbeddingResult:
        settings = {"api_key": KEY, **settings}
        if request.param == "sync":
            return scenario.run(**settings)
        return asyncio.run(scenario.arun(**settings))

    return run


def _held(path: Path) -> list[dict[str, Any]]:
    """What the tape holds for each item. It was captured one request at a time, so its order is the items'."""
    answered = [reply for _, status, reply in interactions(path) if status == 200]
    return [entry for reply in answered for entry in entries(reply)]


@pytest.mark.parametrize("tape", ANSWERED, ids=_name)
def test_rows_are_the_vectors_of_the_tape_in_the_order_of_the_items(embed, tape):
    scenario, path = tape
    with played(path):
        result = embed(scenario)

    assert pytest.approx(unit_rows(_held(path)), abs=1e-6) == result.vectors


@pytest.mark.parametrize("tape", ANSWERED, ids=_name)
def test_the_bill_is_the_tapes(embed, tape):
    scenario, path = tape
    with played(path):
        result = embed(scenario)

    bills = [reply["usage"] for _, status, reply in interactions(path) if status == 200]
    keys = ("input_tokens", "image_tokens")
    total = sum(bill.get("total_tokens", sum(bill.get(key, 0) for key in keys)) for bill in bills)
    assert (len(bills), total) == (result.usage.requests, result.usage.total_tokens)


@pytest.mark.parametrize("tape", REFUSED, ids=_name)
def test_a_refusal_of_the_tape_is_raised_as_our_error(embed, tape):
    scenario, path = tape
    with played(path), pytest.raises(EmbeddingError) as caught:
        embed(scenario)

    ((_, status, reply),) = interactions(path)
    assert (scenario.refused, status, reply.get("error", reply)["code"]) == (
        type(caught.value),
        caught.value.status,
        caught.value.code,
    )


@pytest.mark.parametrize("tape", [tape for tape in TAPES if tape[0].name == "dashscope-sparse"], ids=_name)
def test_sparse_vectors_are_the_tapes(embed, tape):
    scenario, path = tape
    with played(path):
        result = embed(scenario)

    expected = [
        {part["index"]: np.float32(part["value"]) for part in entry["sparse_embedding"]}
        for entry in _held(path)
    ]
    assert expected == [vector.as_dict() for vector in result.sparse]


@pytest.mark.parametrize("name", ["ark-throttled", "dashscope-throttled"])
def test_a_throttled_request_is_sent_again_as_it_was(name):
    (path,) = [path for scenario, path in TAPES if scenario.name == name]

    (first, refused, _), (second, answered, _) = interactions(path)
    assert (429, 200, first) == (refused, answered, second)


class Overtaking:
    """Two requests at the gate: the first to come waits until the second has been answered."""

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette
        self._lock = threading.Lock()
        self._arrived = 0
        self.overtaken = False

    def _late(self) -> bool:
        with self._lock:
            self._arrived += 1
            return self._arrived == 1

    def acquire(self) -> None:
        if not self._late():
            return
        until = time.monotonic() + 5
        while self._cassette.play_count == 0 and time.monotonic() < until:
            time.sleep(0.005)
        self.overtaken = self._cassette.play_count == 1

    async def aacquire(self) -> None:
        if not self._late():
            return
        for _ in range(1000):
            if self._cassette.play_count:
                break
            await asyncio.sleep(0.005)
        self.overtaken = self._cassette.play_count == 1


@pytest.mark.parametrize(
    "tape", [tape for tape in TAPES if tape[0].name in ("ark-two-texts", "dashscope-batch")], ids=_name
)
def test_two_requests_in_flight_get_their_own_vectors(embed, tape):
    """Matching without the body would hand the first vectors of the tape to whoever asks first."""
    scenario, path = tape
    with played(path) as cassette:
        limiter = Overtaking(cassette)
        result = embed(scenario, limiter=limiter)

    assert limiter.overtaken
    assert pytest.approx(unit_rows(_held(path)), abs=1e-6) == result.vectors


@pytest.mark.parametrize("tape", TAPES, ids=_name)
def test_a_tape_says_where_it_comes_from_and_lies_there(tape):
    _, path = tape

    assert path.parent.name == read(path.read_text(encoding="utf-8"))["origin"]


def test_every_cassette_is_played():
    files = {path for origin in ORIGINS for path in (TAPES[0][1].parents[1] / origin).glob("*")}

    assert files == {path for _, path in TAPES}
