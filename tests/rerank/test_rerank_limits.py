"""Every limit of every rerank model, at it and one past it; and samples of the vendor's pages."""

from __future__ import annotations

import httpx
import pytest

from volc_dashscope import Image, InputError, Reranker, Video, estimate_rerank_cost
from volc_dashscope.emulator import Emulator
from volc_dashscope.models import list_rerank_models

KEY = "rerank-key-of-the-limits"
ROWS = [row for row in list_rerank_models() if not row.successor]
LINK, FILM = "https://e.com/a.png", "https://e.com/a.mp4"
NATIVE = "https://emulator.invalid/api/v1/services/rerank/text-rerank/text-rerank"
# Fewest tokens that any tokenizer makes of a text: one of three Chinese characters.
ONE_TOKEN = "天天天"


def _counts():
    """Yield each limit on the number of documents: model, limit, and a maker of so many."""
    for row in ROWS:
        yield pytest.param(row.name, row.max_documents, lambda n: ["b"] * n, id=f"{row.name}-documents")
        if row.max_texts is not None:
            yield pytest.param(row.name, row.max_texts, lambda n: ["b"] * n, id=f"{row.name}-texts")
        if row.max_images is not None:
            pictures = lambda n: [Image.from_url(LINK)] * n  # noqa: E731
            yield pytest.param(row.name, row.max_images, pictures, id=f"{row.name}-images")
        if row.max_videos is not None:
            films = lambda n: [Video.from_url(FILM)] * n  # noqa: E731
            yield pytest.param(row.name, row.max_videos, films, id=f"{row.name}-videos")


def _written(item):
    if isinstance(item, str):
        return item
    return {"image": LINK} if isinstance(item, Image) else {"video": FILM}


def _post(model, query, documents):
    emulator = Emulator()
    body = {"model": model, "input": {"query": query, "documents": list(documents)}}
    with emulator.http_client() as client:
        return client.post(NATIVE, json=body, headers={"Authorization": f"Bearer {KEY}"})


@pytest.mark.parametrize(("model", "most", "some"), list(_counts()))
def test_documents_in_one_request(model, most, some):
    assert 1 == estimate_rerank_cost([("a", some(most))], model).requests
    with pytest.raises(InputError, match=f"at most {most}"):
        estimate_rerank_cost([("a", some(most + 1))], model)

    assert [200, 400] == [_post(model, "a", map(_written, some(most + n))).status_code for n in (0, 1)]


@pytest.mark.parametrize("place", ["query", "document"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_tokens_of_one_item(row, place):
    def pair(tokens):
        text = ONE_TOKEN * tokens
        return [(text, ["b"])] if place == "query" else [("a", [text])]

    most = row.max_item_tokens
    past = pair(most + 1)

    assert 1 == estimate_rerank_cost(pair(most), row.name).requests
    with pytest.raises(InputError, match=f"{'the query' if place == 'query' else 'document 0'}: .*{most:,}"):
        estimate_rerank_cost(past, row.name)
    assert 1 == estimate_rerank_cost(past, row.name, truncate=True).requests


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_tokens_of_one_request(row):
    """Query tokens x documents + document tokens."""

    def documents(tokens):
        found = []
        while tokens > 0:
            share = min(row.max_item_tokens, tokens - 1)
            found.append(ONE_TOKEN * share)
            tokens -= 1 + share
        return found

    at, past = documents(row.max_request_tokens), documents(row.max_request_tokens + 1)

    assert 1 == estimate_rerank_cost([(ONE_TOKEN, at)], row.name).requests
    with pytest.raises(InputError, match=f"accepts at most {row.max_request_tokens:,} in one request"):
        estimate_rerank_cost([(ONE_TOKEN, past)], row.name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_emulator_counts_tokens_as_the_page_says(row):
    """One Chinese character is a token there; a longer document is cut without a word."""

    def documents(tokens):
        share = min(row.max_item_tokens, 4_000)
        whole = tokens // (1 + share)
        rest = tokens - whole * (1 + share)
        return ["天" * share] * whole + (["天" * (rest - 1)] if rest > 1 else [])

    at = _post(row.name, "天", documents(row.max_request_tokens))
    past = _post(row.name, "天", documents(row.max_request_tokens + 1))
    cut = _post(row.name, "天", ["天" * min(row.max_item_tokens + 5, row.max_request_tokens)])

    assert (200, row.max_request_tokens) == (at.status_code, at.json()["usage"]["total_tokens"])
    assert 400 == past.status_code
    assert min(row.max_item_tokens, row.max_request_tokens) + 1 == cut.json()["usage"]["total_tokens"]


def test_the_refusal_that_was_published_is_word_for_word():
    """Github apecloud/ApeRAG issue 1071, of gte-rerank-v2."""
    reply = _post("gte-rerank-v2", "a", ["b" * 300_001]).json()

    assert ("InvalidParameter", True) == (reply["code"], "request_id" in reply)
    assert reply["message"] == (
        "<400> InternalError.Algo.InvalidParameter: Value error, document index:0 is invalid, it should not be "
        "larger than 300000: input.documents"
    )


# Samples of help.aliyun.com/zh/model-studio/text-rerank-api: the first score and the 79 tokens are the page's. It
# prints no request together with its reply in full, so there is no cassette of it.
SAMPLES = {
    "native": (
        {
            "output": {
                "results": [
                    {
                        "index": 0,
                        "relevance_score": 0.9334521178273196,
                        "document": {"text": "from the service"},
                    },
                    {"index": 2, "relevance_score": 0.34},
                ]
            },
            "usage": {"prompt_tokens": 79, "total_tokens": 79},
            "request_id": "r-1",
        },
        {
            "model": "qwen3-rerank",
            "input": {"query": "a", "documents": ["b", "c", "d"]},
            "parameters": {"top_n": 2, "instruct": "Find facts.", "return_documents": False},
        },
    ),
    "openai": (
        {
            "object": "list",
            "results": [
                {"index": 0, "relevance_score": 0.9334521178273196},
                {"index": 2, "relevance_score": 0.34},
            ],
            "model": "qwen3-rerank",
            "id": "r-1",
            "usage": {"total_tokens": 79},
        },
        {
            "model": "qwen3-rerank",
            "query": "a",
            "documents": ["b", "c", "d"],
            "top_n": 2,
            "instruct": "Find facts.",
        },
    ),
}


@pytest.mark.parametrize("route", SAMPLES)
def test_a_sample_of_the_page_is_read_right_and_its_request_is_what_we_send(route):
    reply, body = SAMPLES[route]
    sent = []

    def answer(request):
        sent.append((request.url.path, request.read()))
        return httpx.Response(200, json=reply)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    with Reranker("qwen3-rerank", route=route, api_key=KEY, http_client=client) as reranker:
        found = reranker.rerank("a", ["b", "c", "d"], top_n=2, instruct="Find facts.")

    paths = {
        "native": "/api/v1/services/rerank/text-rerank/text-rerank",
        "openai": "/compatible-api/v1/reranks",
    }
    assert [(0, 0.9334521178273196, "b"), (2, 0.34, "d")] == [(o.index, o.score, o.document) for o in found]
    assert (1, 79) == (reranker.usage.requests, reranker.usage.total_tokens)
    assert paths[route] == sent[0][0]
    assert body == httpx.Response(200, content=sent[0][1]).json()


def test_the_pages_multimodal_request_is_what_we_send():
    """An object for the query and for each medium; a plain string may stay one."""
    emulator = Emulator()
    documents = ["plain text", Image.from_url("https://e.com/a.png"), Video.from_url(FILM, fps=1.0)]
    with Reranker("qwen3-vl-rerank", api_key=KEY, http_client=emulator.http_client()) as reranker:
        reranker.rerank("a red shoe", documents, top_n=2, instruct="Find shoes.")

    assert emulator.ledger[0].body == {
        "model": "qwen3-vl-rerank",
        "input": {
            "query": {"text": "a red shoe"},
            "documents": ["plain text", {"image": "https://e.com/a.png"}, {"video": FILM}],
        },
        "parameters": {"top_n": 2, "instruct": "Find shoes.", "fps": 1.0, "return_documents": False},
    }


def test_an_error_of_the_query_names_no_document():
    reranker = Reranker("qwen3-rerank", api_key="k", http_client=Emulator().http_client())

    with pytest.raises(InputError, match=r"the query: ") as caught:
        reranker.rerank("", ["a"])

    assert caught.value.index is None
