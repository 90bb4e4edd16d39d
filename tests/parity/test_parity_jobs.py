"""
File jobs: our requests are the vendor SDK's, call by call.

Batch jobs are compared at their upload only: of the SDKs here none has OpenAI's `batches`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dashscope
import pytest
from capture import Socket, differing
from vendors import KEY, Vendors, native_url

from volc_dashscope.jobs import BatchJobs, FileJobs
from volc_dashscope.models import models

MODELS = [row.name for row in models() if row.endpoint == "async"]
BATCH_MODELS = [row.name for row in models() if "batch" in row.routes]
FACES = ("classic", "v2")
ROLES = ("document", "query", None)

with_each_model = pytest.mark.parametrize("model", MODELS)
with_each_face = pytest.mark.parametrize("face", FACES)


class Theirs:
    """One face of the SDK, with the three calls a job takes."""

    def __init__(self, face: str, url: str) -> None:
        self._classic = face == "classic"
        self._there = {"api_key": KEY, "base_address": native_url(url)}
        self._client = dashscope.v2.Client(api_key=KEY, base_url=native_url(url), max_retries=0)

    def submit(self, model: str, url: str, **said: Any) -> str:
        if self._classic:
            reply = dashscope.BatchTextEmbedding.async_call(model, url, **said, **self._there)
            return str(reply.output["task_id"])
        return str(self._client.embeddings.jobs.create(model=model, file_url=url, **said).task_id)

    def fetch(self, job: str) -> Any:
        # 1.x's fetch and cancel take no address; the fixture's global one leads them here.
        return (
            dashscope.BatchTextEmbedding.fetch(job)
            if self._classic
            else self._client.embeddings.jobs.fetch(job)
        )

    def cancel(self, job: str) -> Any:
        return (
            dashscope.BatchTextEmbedding.cancel(job)
            if self._classic
            else self._client.embeddings.jobs.cancel(job)
        )

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def theirs(socket: Socket) -> Iterator[Callable[[str], Theirs]]:
    made: list[Theirs] = []

    def make(face: str) -> Theirs:
        made.append(Theirs(face, socket.emulator.url))
        return made[-1]

    yield make
    for each in made:
        each.close()


def ours(socket: Socket, model: str, **settings: Any) -> FileJobs:
    return FileJobs(model, api_key=KEY, base_url=socket.emulator.url, max_attempts=1, **settings)


@pytest.fixture
def lines(socket: Socket) -> str:
    return socket.emulator.publish("texts.txt", b"a\nb\n")


@with_each_model
@with_each_face
@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize("space", [None, "ws-shop"], ids=str)
def test_a_job_is_submitted_as_the_sdk_submits_it(
    socket: Socket, theirs: Any, lines: str, model: str, face: str, role: Any, space: str | None
) -> None:
    said = {"text_type": role, "workspace": space}
    said = {name: value for name, value in said.items() if value is not None}
    _, sdk = socket.during(lambda: theirs(face).submit(model, lines, **said))
    with ours(socket, model, workspace=space) as jobs:
        _, mine = socket.during(lambda: jobs.submit(lines, text_type=role))

    assert [200, 200] == [exchange.response.status for exchange in (*sdk, *mine)]
    assert {} == differing(sdk[0].request, mine[0].request)


@with_each_model
@with_each_face
def test_a_job_is_polled_as_the_sdk_polls_it(
    socket: Socket, theirs: Any, lines: str, model: str, face: str
) -> None:
    with ours(socket, model) as jobs:
        job = jobs.submit(lines).id
        _, sdk = socket.during(lambda: theirs(face).fetch(job))
        _, mine = socket.during(lambda: jobs.get(job))

    assert [200, 200] == [exchange.response.status for exchange in (*sdk, *mine)]
    assert {} == differing(sdk[0].request, mine[0].request)


@with_each_model
@with_each_face
def test_a_job_is_cancelled_as_the_sdk_cancels_it(slow_socket: Socket, model: str, face: str) -> None:
    lines = slow_socket.emulator.publish("texts.txt", b"a\nb\n")
    them = Theirs(face, slow_socket.emulator.url)
    with ours(slow_socket, model) as jobs:
        first, second = jobs.submit(lines).id, jobs.submit(lines).id
        _, sdk = slow_socket.during(lambda: them.cancel(first))
        _, mine = slow_socket.during(lambda: jobs.cancel(second))
    them.close()
    found = differing(sdk[0].request, mine[0].request)

    # Ours looks afterwards, to return the job as it is then.
    assert [200] * 3 == [exchange.response.status for exchange in (*sdk, *mine)]
    assert {"path": (f"/api/v1/tasks/{first}/cancel", f"/api/v1/tasks/{second}/cancel")} == found


@pytest.mark.parametrize("model", BATCH_MODELS)
def test_the_file_of_a_batch_is_uploaded_as_an_openai_client_does(
    socket: Socket, vendors: Vendors, model: str
) -> None:
    with BatchJobs(model, api_key=KEY, base_url=socket.emulator.url, max_attempts=1) as jobs:
        _, mine = socket.during(lambda: jobs.submit(["a", "b"]))
    _, sdk = socket.during(lambda: vendors.upload("x.jsonl", b"a"))

    assert {} == differing(sdk[0].request, mine[0].request)
