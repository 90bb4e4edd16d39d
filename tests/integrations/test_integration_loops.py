"""Both integrations from event loops: one after the other, and from inside a running one, as a notebook has it."""

from __future__ import annotations

import asyncio

import pytest
from samples import INTEGRATIONS, adocuments, documents

EACH = pytest.mark.parametrize("kind", INTEGRATIONS)


@EACH
def test_two_event_loops_in_a_row(emulate, embed_model_of, kind):
    embed_model = embed_model_of(kind, emulate(socket=True))

    first = asyncio.run(adocuments(embed_model, ["a", "b"]))
    second = asyncio.run(adocuments(embed_model, ["a", "b"]))

    assert documents(embed_model, ["a", "b"]) == first == second


@EACH
async def test_sync_calls_work_inside_a_running_loop(mount, embed_model_of, kind):
    embed_model = embed_model_of(kind, mount)

    assert await adocuments(embed_model, ["a", "b"]) == documents(embed_model, ["a", "b"])
