"""Bad input of a rerank, at every entry of both frameworks: refused before anything is sent."""

from __future__ import annotations

import asyncio

import pytest
from canary import KEY
from langchain_core.documents import Document
from llama_index.core.schema import MediaResource, Node, NodeWithScore, TextNode

import langchain_volc_dashscope as lc
import llama_index_ext as li
from langchain_volc_dashscope import MediaDocument
from volc_dashscope import Image, InputError, Video
from volc_dashscope.emulator import Emulator

TEXT, VL = "qwen3-rerank", "qwen3-vl-rerank"
LINK, FILM = "https://e.com/a.png", "https://e.com/a.mp4"


def _documents(items):
    return [Document(item) if isinstance(item, str) else MediaDocument(item) for item in items]


def _nodes(items):
    made = []
    for item in items:
        if isinstance(item, str):
            made.append(TextNode(text=item))
        elif isinstance(item, Image):
            made.append(Node(image_resource=MediaResource(url=LINK)))
        else:
            made.append(Node(video_resource=MediaResource(url=FILM)))
    return [NodeWithScore(node=node) for node in made]


ENTRIES = {
    "compress_documents": (lc, lambda made, query, items: made.compress_documents(_documents(items), query)),
    "acompress_documents": (
        lc,
        lambda made, query, items: asyncio.run(made.acompress_documents(_documents(items), query)),
    ),
    "rerank": (lc, lambda made, query, items: made.rerank(items, query)),
    "arerank": (lc, lambda made, query, items: asyncio.run(made.arerank(items, query))),
    "postprocess_nodes": (
        li,
        lambda made, query, items: made.postprocess_nodes(_nodes(items), query_str=query),
    ),
    "apostprocess_nodes": (
        li,
        lambda made, query, items: asyncio.run(made.apostprocess_nodes(_nodes(items), query_str=query)),
    ),
}


@pytest.fixture
def emulator():
    return Emulator()


@pytest.fixture(params=ENTRIES)
def ask(request, emulator):
    """Return a function that reranks by one entry of one framework."""
    package, call = ENTRIES[request.param]

    def made(model, query, items, **settings):
        client, later = emulator.http_client(), emulator.http_async_client()
        own = {"api_key": KEY, "http_client": client, "http_async_client": later}
        return call(package.DashScopeRerank(model=model, **own, **settings), query, items)

    return made


BAD = {
    "an empty query": (TEXT, "", ["a"], "the query: empty text"),
    "one document too many": (TEXT, "a", ["b"] * 501, "at most 500"),
    "one picture too many": (VL, "a", [Image.from_url(LINK)] * 41, "at most 40"),
    "one video too many": (VL, "a", [Video.from_url(FILM)] * 5, "at most 4"),
    "a document over its tokens": (TEXT, "a", ["b", "天" * 12_003], "document 1: .*at most 4,000"),
    "a query over its tokens": (TEXT, "天" * 12_003, ["a"], "the query: .*at most 4,000"),
    "a request over its tokens": ("gte-rerank-v2", "天" * 3_000, ["a"] * 31, "query x documents"),
    "media for a text model": (
        TEXT,
        "a",
        ["b", Image.from_url(LINK)],
        "document 1: .*embeds text, not image",
    ),
}


@pytest.mark.parametrize(("model", "query", "items", "words"), BAD.values(), ids=BAD)
def test_what_the_model_does_not_take_is_refused(ask, emulator, model, query, items, words):
    with pytest.raises(InputError, match=words):
        ask(model, query, items)

    assert 0 == len(emulator.ledger)


def test_no_documents_need_no_request(ask, emulator):
    assert [] == ask(TEXT, "a", [])
    assert 0 == len(emulator.ledger)


def test_a_long_document_is_cut_where_that_is_asked_for(ask, emulator):
    assert 2 == len(ask(TEXT, "a", ["b", "天" * 12_003], truncate=True))
    assert len(emulator.ledger[0].body["input"]["documents"][1]) < 4_001


@pytest.mark.parametrize("top_n", [0, -3])
def test_a_wrong_number_of_the_best_is_refused(ask, emulator, top_n):
    with pytest.raises(InputError, match="top_n"):
        ask(TEXT, "a", ["b"], top_n=top_n)

    assert 0 == len(emulator.ledger)
