"""Both faces from event loops: one after the other, and from inside a running one, as a notebook has it."""

from __future__ import annotations

import asyncio

import pytest
from samples import FACES, adocuments, documents

EACH = pytest.mark.parametrize("kind", FACES)


@EACH
def test_two_event_loops_in_a_row(emulate, face_of, kind):
    face = face_of(kind, emulate(socket=True))

    first = asyncio.run(adocuments(face, ["a", "b"]))
    second = asyncio.run(adocuments(face, ["a", "b"]))

    assert documents(face, ["a", "b"]) == first == second


@EACH
async def test_sync_calls_work_inside_a_running_loop(mount, face_of, kind):
    face = face_of(kind, mount)

    assert await adocuments(face, ["a", "b"]) == documents(face, ["a", "b"])
