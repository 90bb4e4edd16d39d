"""
What follows a submitted job: our requests are the vendor SDK's, call by call. The submit itself is an intent.

Of Batch only the upload is compared: none of these SDKs has OpenAI's `batches`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dashscope
import pytest
from canary import KEY
from capture import Socket, differing, written
from intent_types import STORED_LINES
from vendors import Vendors, native_url

from volc_dashscope.jobs import BatchJobs, FileJobs
from volc_dashscope.models import list_models

FILE_MODELS = [row.name for row in list_models() if row.endpoint == "async"]
BATCH_MODELS = [row.name for row in list_models() if "batch" in row.routes]

with_each_model = pytest.mark.parametrize("model", FILE_MODELS)
with_each_api = pytest.mark.parametrize("api", ["classic", "v2"])


def theirs(api: str, url: str, name: str, job: str) -> Callable[[], Any]:
    """Return a call of the SDK about one job."""
    if api == "classic":
        # Takes no address; the global one leads here.
        return lambda: getattr(dashscope.BatchTextEmbedding, name)(job)

    def call() -> Any:
        with dashscope.v2.Client(api_key=KEY, base_url=native_url(url), max_retries=0) as client:
            return getattr(client.embeddings.jobs, name)(job)

    return call


def ours(socket: Socket, model: str) -> FileJobs:
    return FileJobs(model, api_key=KEY, base_url=socket.emulator.url, max_retries=0)


@with_each_model
@with_each_api
def test_a_job_is_polled_as_the_sdk_polls_it(socket: Socket, model: str, api: str) -> None:
    with ours(socket, model) as jobs:
        job = jobs.submit(STORED_LINES).id
        _, sdk = socket.during(theirs(api, socket.emulator.url, "fetch", job))
        _, mine = socket.during(lambda: jobs.get(job))

    assert [200, 200] == [exchange.response.status for exchange in (*sdk, *mine)]
    assert {} == differing(sdk[0].request, mine[0].request)


@with_each_model
@with_each_api
def test_a_job_is_cancelled_as_the_sdk_cancels_it(slow_socket: Socket, model: str, api: str) -> None:
    with ours(slow_socket, model) as jobs:
        first, second = jobs.submit(STORED_LINES).id, jobs.submit(STORED_LINES).id
        _, sdk = slow_socket.during(theirs(api, slow_socket.emulator.url, "cancel", first))
        _, mine = slow_socket.during(lambda: jobs.cancel(second))
    expected = {"path": (f"/api/v1/tasks/{first}/cancel", f"/api/v1/tasks/{second}/cancel")}

    # We look afterwards, to return the job as it is then.
    assert [200] * 3 == [exchange.response.status for exchange in (*sdk, *mine)]
    assert expected == differing(sdk[0].request, mine[0].request)


@pytest.mark.parametrize("model", BATCH_MODELS)
def test_the_file_of_a_batch_is_uploaded_as_an_openai_client_does(
    socket: Socket, vendors: Vendors, tmp_path: Path, model: str
) -> None:
    path = tmp_path / "texts.jsonl"
    with BatchJobs(model, api_key=KEY, base_url=socket.emulator.url, max_retries=0) as jobs:
        jobs.write(["a", "b"], path)
        _, mine = socket.during(lambda: jobs.submit(path))
    # The name is the user's own to choose, and ours says what is in the file.
    name = written(mine[0].request)["form[1].filename"]
    _, sdk = socket.during(lambda: vendors.upload(name, path.read_bytes()))

    assert {} == differing(sdk[0].request, mine[0].request)
