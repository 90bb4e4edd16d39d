"""What we send to rerank is what the vendor's SDK sends, for every model and parameter; and each reads the reply."""

from __future__ import annotations

import warnings

import pytest
from capture import Socket, differing

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dashscope

from volc_dashscope import Image, Reranker, Video
from volc_dashscope.models import list_rerank_models

KEY = "parity-key"
LINK, FILM = "https://e.com/red-shoe.png", "https://e.com/red-shoe.mp4"
ROWS = [row for row in list_rerank_models() if not row.successor]
TEXTS = ["a green forest", "蓝色海景", "red shoes"]

CASES = {
    "texts": ({}, "a blue sea", TEXTS, TEXTS),
    "top_n": ({"top_n": 2}, "a blue sea", TEXTS, TEXTS),
    "top_n above the list": ({"top_n": 99}, "a blue sea", TEXTS, TEXTS),
    "instruct": ({"instruct": "Retrieve semantically similar text."}, "a blue sea", TEXTS, TEXTS),
    "media": (
        {},
        Image.from_url(LINK),
        ["text", Image.from_url(LINK), Video.from_url(FILM)],
        ["text", {"image": LINK}, {"video": FILM}],
    ),
    "fps": ({"fps": 0.5}, "a shoe", [Video.from_url(FILM, fps=0.5)], [{"video": FILM}]),
}


def _cases():
    for row in ROWS:
        for name, case in CASES.items():
            fits = (name != "instruct" or row.instruct) and (name not in ("media", "fps") or row.multimodal)
            if fits:
                yield pytest.param(row, *case, id=f"{row.name}-{name}")


@pytest.fixture(scope="module")
def socket():
    found = Socket()
    with found.emulator:
        yield found


def _ours(socket, row, options, query, documents):
    settings = {name: options[name] for name in ("instruct",) if name in options}
    with Reranker(row.name, api_key=KEY, base_url=socket.emulator.dashscope_url, **settings) as reranker:
        return socket.during(lambda: reranker.rerank(query, documents, top_n=options.get("top_n")))


@pytest.mark.parametrize("sdk", ["classic", "v2"])
@pytest.mark.parametrize(("row", "options", "query", "documents", "written"), list(_cases()))
def test_we_send_what_the_sdk_sends(socket, sdk, row, options, query, documents, written):
    # A multimodal query is an object on the wire; the SDK passes on what it is given.
    plain = query if isinstance(query, str) else {"image": LINK}
    asked = {"text": plain} if row.multimodal and isinstance(query, str) else plain
    common = {"model": row.name, "query": asked, "documents": written, "return_documents": False}
    if sdk == "classic":
        there = {"api_key": KEY, "base_address": socket.emulator.dashscope_url}
        call = lambda: dashscope.TextReRank.call(**there, **common, **options)  # noqa: E731
    else:
        client = dashscope.v2.Client(base_url=socket.emulator.dashscope_url, api_key=KEY, max_retries=0)
        extra = {"parameters": {"fps": options["fps"]}} if "fps" in options else {}
        named = {name: value for name, value in options.items() if name != "fps"}
        call = lambda: client.rerank.create(**common, **named, **extra)  # noqa: E731
    reply, theirs = socket.during(call)
    results, ours = _ours(socket, row, options, query, documents)

    assert {} == differing(theirs[0].request, ours[0].request)
    seen = reply.output.results if sdk == "classic" else reply.results
    assert [(one.index, one.relevance_score) for one in seen] == [(one.index, one.score) for one in results]
    if sdk == "v2":
        client.close()
