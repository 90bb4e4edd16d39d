"""
What the READMEs' table says of other packages, each seen doing it; its numbers are those of the last benchmark.

Run in a process with the vendors' SDKs, against an emulator on a socket.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from canary import KEY
from comparison import RESULTS, measured, table

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what they import is not ours
    import dashscope
    from langchain_community.embeddings.dashscope import DashScopeEmbeddings as Retired
    from llama_index.embeddings.dashscope import DashScopeEmbedding
    from volcenginesdkarkruntime import Ark
    from volcenginesdkarkruntime._exceptions import ArkRateLimitError

from langchain_volc_dashscope import DashScopeEmbeddings
from volc_dashscope.emulator import Emulator

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # their sessions are left to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "comparison.py"
V4 = "text-embedding-v4"
VISION = "doubao-embedding-vision-251215"
TEXTS = [f"text {number}" for number in range(25)]
RUN = """\
W1, 0 ms, 16 in flight, 5 rounds
                        CPU s / 1000  x floor
floor                         0.0690     1.00
ours_sync                     0.1729     2.50

W1, 50 ms, 16 in flight, 5 rounds
                        CPU s / 1000  x floor
ours_sync                     9.0000     2.50
"""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator() as emulator:
        monkeypatch.setattr(dashscope, "base_http_api_url", emulator.dashscope_url)
        monkeypatch.setattr(dashscope, "api_key", KEY)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        logging.getLogger("dashscope").setLevel(logging.CRITICAL)
        yield emulator


def sizes(service: Emulator) -> list[int]:
    return [len(request.texts) for request in service.ledger]


def ours(service: Emulator) -> DashScopeEmbeddings:
    return DashScopeEmbeddings(model=V4, api_key=KEY, base_url=service.dashscope_url)


def test_this_package_sends_three_requests_and_repeats_the_one_that_was_throttled(service):
    service.fail("429")

    assert 25 == len(ours(service).embed_documents(TEXTS))
    assert [5, 10, 10] == sorted(len(entry.texts) for entry in service.ledger.requests if entry.status == 200)
    assert [200, 200, 200, 429] == sorted(service.ledger.statuses)


def test_the_retired_class_repeats_every_batch(service):
    service.fail(None, "429")

    assert 25 == len(Retired(model=V4, dashscope_api_key=KEY).embed_documents(TEXTS))
    assert [10, 10, 10, 10, 5] == sizes(service)


def test_the_llama_index_package_sends_all_at_once_and_is_refused(service):
    with pytest.raises(ValueError, match="validation error"):
        DashScopeEmbedding(model_name=V4, api_key=KEY).get_text_embedding_batch(TEXTS)

    assert ([25], [400]) == (sizes(service), service.ledger.statuses)


def test_the_llama_index_package_makes_an_empty_vector_of_a_throttle(service):
    service.fail("429")

    assert [] == DashScopeEmbedding(model_name=V4, api_key=KEY).get_text_embedding("a")
    assert [429] == service.ledger.statuses


def test_the_dashscope_sdk_neither_splits_nor_retries_nor_raises(service):
    refused = dashscope.TextEmbedding.call(model=V4, input=TEXTS)
    service.fail("429")
    throttled = dashscope.TextEmbedding.call(model=V4, input=["a"])

    assert [400, 429] == [refused.status_code, throttled.status_code] == service.ledger.statuses


def test_the_dashscope_sdk_uploads_a_file_that_a_text_names(service, tmp_path):
    path = tmp_path / "private.txt"
    path.write_text("not for anybody")

    dashscope.MultiModalEmbedding.call(model="qwen3-vl-embedding", input=[{"text": str(path)}])

    assert ["/api/v1/uploads", "/upload"] == [entry.path for entry in service.ledger][:2]


def test_the_ark_sdk_gives_up_after_two_retries(service):
    service.fail("429", "429", "429")
    parts = [{"type": "text", "text": "a"}]

    with Ark(base_url=service.ark_url, api_key=KEY) as client, pytest.raises(ArkRateLimitError):
        client.multimodal_embeddings.create(model=VISION, input=parts)

    assert [429, 429, 429] == service.ledger.statuses


def test_the_tables_of_readmes_and_speed_guides_are_those_of_the_last_run():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert ("up to date\n", 0) == (done.stdout, done.returncode)


def test_what_the_speed_guide_says_of_clients_that_are_handed_in_was_measured():
    seconds = measured(RESULTS.read_text(encoding="utf-8"))

    assert all(
        seconds[workload, "ours_aiohttp"] < seconds[workload, "ours_async"] for workload in ("W1", "W2", "W3")
    )
    assert all(seconds[workload, "ours_httpx2"] > seconds[workload, "ours_sync"] for workload in ("W1", "W2"))
    assert seconds["W3", "ours_httpx2"] < seconds["W3", "ours_sync"]


def test_only_runs_without_latency_are_read():
    assert {("W1", "floor"): 0.069, ("W1", "ours_sync"): 0.1729} == measured(RUN)


def test_a_contender_that_was_not_measured_is_an_error():
    with pytest.raises(KeyError):
        table(0, measured(RUN))
