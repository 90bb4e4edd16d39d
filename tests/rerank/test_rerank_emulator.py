"""The emulator's rerank routes, asked by the vendor's own SDK and by hand."""

from __future__ import annotations

import asyncio
import warnings

import pytest
from paintings import data_uri, painted
from sdk_emulator import SDK_KEY, sdk_emulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dashscope
    from dashscope.v2 import AsyncClient, Client

from volc_dashscope.models import list_rerank_models

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

NATIVE = "/api/v1/services/rerank/text-rerank/text-rerank"
FLAT = "/compatible-api/v1/reranks"
WORKING = [row.name for row in list_rerank_models() if not row.successor]
DOCUMENTS = ["a green forest", "a blue sea view", "red shoes"]
VL = "qwen3-vl-rerank"


@pytest.fixture
def emulator(monkeypatch):
    with sdk_emulator(monkeypatch) as emulator:
        yield emulator


def post(emulator, body, path=NATIVE):
    with emulator.http_client() as client:
        return client.post(
            f"https://emulator.invalid{path}", json=body, headers={"Authorization": f"Bearer {SDK_KEY}"}
        )


def body(model=VL, query="a blue sea", documents=DOCUMENTS, **parameters):
    return {"model": model, "input": {"query": query, "documents": documents}, "parameters": parameters}


@pytest.mark.parametrize("model", WORKING)
@pytest.mark.parametrize("top_n", [None, 2, 99])
def test_the_classic_sdk_reranks(emulator, model, top_n):
    reply = dashscope.TextReRank.call(
        model=model, query="a blue sea", documents=DOCUMENTS, top_n=top_n, return_documents=True
    )

    found = [(one.index, one["document"]["text"]) for one in reply.output.results]
    assert (1, "a blue sea view") == found[0]
    assert min(top_n or 3, 3) == len(found)
    assert emulator.ledger.tokens == reply.usage.total_tokens


@pytest.mark.parametrize("model", WORKING)
def test_the_sdk_of_version_two_reranks(emulator, model):
    with Client(base_url=emulator.dashscope_url, api_key=SDK_KEY) as client:
        reply = client.rerank.create(model=model, query="a blue sea", documents=DOCUMENTS, top_n=1)

    assert [1] == [one.index for one in reply.results]


def test_the_asynchronous_sdk_reranks(emulator):
    async def ask():
        async with AsyncClient(base_url=emulator.dashscope_url, api_key=SDK_KEY) as client:
            return await client.rerank.create(model=VL, query="a blue sea", documents=DOCUMENTS)

    scores = [one.relevance_score for one in asyncio.run(ask()).results]

    assert sorted(scores, reverse=True) == scores
    assert all(0 <= score <= 1 for score in scores)


def test_pictures_are_ranked_by_their_pixels(emulator):
    documents = [{"image": data_uri(painted("red"))}, {"image": data_uri(painted("blue"))}, "a red car"]

    found = post(emulator, body(query={"text": "blue"}, documents=documents)).json()["output"]["results"]

    assert 1 == found[0]["index"]


def test_the_flat_form_answers_flat(emulator):
    flat = {"model": "qwen3-rerank", "query": "a blue sea", "documents": DOCUMENTS, "top_n": 1}

    reply = post(emulator, flat, FLAT).json()

    assert [1] == [one["index"] for one in reply["results"]]
    assert {"object", "results", "model", "id", "usage"} == reply.keys()


def test_tokens_are_query_times_documents_plus_documents(emulator):
    reply = post(emulator, body("qwen3-rerank", "天", ["风雨", "山", "水水水"])).json()

    assert 1 * 3 + 2 + 1 + 3 == reply["usage"]["total_tokens"]


LONG = "天" * 5_000
REFUSALS = {
    "501 documents": (body("qwen3-rerank", documents=["a"] * 501), NATIVE, 400, "larger than 500"),
    "41 images": (body(documents=[{"image": "https://e.com/a.png"}] * 41), NATIVE, 400, "larger than 40"),
    "5 videos": (body(documents=[{"video": "https://e.com/a.mp4"}] * 5), NATIVE, 400, "larger than 4"),
    "tokens of a request": (body("gte-rerank-v2", LONG, ["a"] * 8), NATIVE, 400, "larger than 30000"),
    "a huge document": (body("gte-rerank-v2", documents=["a" * 300_001]), NATIVE, 400, "document index:0"),
    "an empty query": (body(query=""), NATIVE, 400, "should not be empty"),
    "no documents": (body(documents=[]), NATIVE, 400, "non-empty list"),
    "top_n of 0": (body(top_n=0), NATIVE, 400, "positive integer"),
    "two keys": (body(documents=[{"text": "a", "image": "https://e.com/a.png"}]), NATIVE, 400, "is invalid"),
    "media for a text model": (
        body("qwen3-rerank", documents=[{"image": "https://e.com/a.png"}]),
        NATIVE,
        400,
        "not supported",
    ),
    "a stopped model": (body("gte-rerank"), NATIVE, 404, "does not exist"),
    "an embedding model": (body("text-embedding-v4"), NATIVE, 400, "url error"),
    "the flat form of a multimodal model": (
        {"model": VL, "query": "a", "documents": ["b"]},
        FLAT,
        400,
        "url error",
    ),
}


@pytest.mark.parametrize(("asked", "path", "status", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_the_pages_forbid_is_refused(emulator, asked, path, status, words):
    reply = post(emulator, asked, path)

    assert (status, True) == (reply.status_code, words in reply.json()["message"])


AT_THE_LIMIT = {
    "500 documents": body("qwen3-rerank", documents=["a"] * 500),
    "40 images": body(documents=[{"image": "https://e.com/a.png"}] * 40),
    "4 videos": body(documents=[{"video": "https://e.com/a.mp4"}] * 4),
    "300,000 characters": body("gte-rerank-v2", documents=["a" * 300_000]),
    "top_n above the list": body(top_n=99),
}


@pytest.mark.parametrize("asked", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
def test_what_the_pages_allow_is_answered(emulator, asked):
    assert 200 == post(emulator, asked).status_code


def test_a_key_is_needed(emulator):
    with emulator.http_client() as client:
        reply = client.post(f"https://emulator.invalid{NATIVE}", json=body())

    assert (401, "InvalidApiKey") == (reply.status_code, reply.json()["code"])
