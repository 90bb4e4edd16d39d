"""What the ledger keeps of many requests: all digests and counts, and the bodies of the last ones."""

from __future__ import annotations

from hashlib import sha256

import orjson

from volc_dashscope import Client
from volc_dashscope.emulator import Emulator

PATH = "/api/v1/services/embeddings/text-embedding/text-embedding"


def _send(emulator: Emulator, text: str) -> bytes:
    body = orjson.dumps(
        {"model": "text-embedding-v4", "input": {"texts": [text]}, "parameters": {"dimension": 64}}
    )
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}
    emulator.app.handle("POST", PATH, "", headers, body)
    return body


def test_old_bodies_go_and_their_digests_stay():
    emulator = Emulator(ledger_bytes=1_000)

    bodies = [_send(emulator, f"text {number}") for number in range(40)]

    entries = emulator.ledger.requests
    kept = [entry for entry in entries if entry.body is not None]
    assert [sha256(body).hexdigest() for body in bodies] == [entry.digest for entry in entries]
    assert [len(body) for body in bodies] == [entry.size for entry in entries]
    assert entries[-len(kept) :] == kept
    assert 1_000 - max(map(len, bodies)) < sum(entry.size for entry in kept) <= 1_000
    assert [200] * 40 == emulator.ledger.statuses
    assert [f"text {number}" for number in range(40)][-len(kept) :] == emulator.ledger.texts


def test_a_body_larger_than_the_bound_is_not_kept():
    emulator = Emulator(ledger_bytes=100)

    _send(emulator, "long " * 100)

    assert [None] == [entry.body for entry in emulator.ledger]


def test_a_cleared_ledger_starts_at_nothing():
    emulator = Emulator(ledger_bytes=300)
    for number in range(5):
        _send(emulator, f"text {number}")
    emulator.ledger.clear()

    _send(emulator, "again")

    assert ["again"] == emulator.ledger.texts


def test_usual_tests_keep_every_text():
    emulator = Emulator()
    client = Client("text-embedding-v4", api_key="k", dimensions=64, http_client=emulator.http_client())

    client.embed([f"text {number}" for number in range(100)])

    assert 100 == len(emulator.ledger.texts)
