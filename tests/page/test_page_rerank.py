"""The page with a reranker: both ranks of every picture that was reranked, and why one was not."""

from __future__ import annotations

import pytest
from canary import KEY
from paintings import fill, shaped
from PIL import Image as Pillow
from shelf_samples import embedded
from starlette.testclient import TestClient

from volc_dashscope import Reranker
from volc_dashscope.emulator import Emulator
from volc_dashscope.search import PictureReranker
from volc_dashscope.search.page import create_app

BASE = "http://127.0.0.1:8766"
MODEL = "qwen3-vl-rerank"


@pytest.fixture
def shelf(tmp_path):
    """An emulator, an album and a page with a reranker."""
    emulator = Emulator()
    album, client = embedded(fill(tmp_path / "photos"), tmp_path / "store", emulator)
    reranker = Reranker(
        MODEL,
        api_key=KEY,
        cache={},
        http_client=emulator.http_client(),
        http_async_client=emulator.http_async_client(),
    )
    app = create_app(album, client, reranker=PictureReranker(reranker))
    emulator.ledger.clear()
    with TestClient(app, base_url=BASE) as page:
        yield emulator, album, page


def ask(page, body=b"", **params):
    return page.post("/api/search", params=params, content=body).json()


def rerank_requests(emulator):
    return [entry for entry in emulator.ledger if "rerank" in entry.path]


def test_the_album_names_the_model(shelf):
    assert MODEL == shelf[2].get("/api/album").json()["rerank"]


QUESTIONS = {
    "a text": ({"text": "a blue square"}, b""),
    "a picture": ({}, shaped("red", "circle", 120)),
    "a picture of the folder": ({"like": 0}, b""),
}


@pytest.mark.parametrize(("params", "body"), QUESTIONS.values(), ids=QUESTIONS)
def test_pictures_come_in_the_new_order_with_both_ranks_and_videos_follow(shelf, params, body):
    emulator, album, page = shelf

    answer = ask(page, body, **params)

    results = answer["results"]
    assert (8, None) == (answer["reranked"], answer["not_reranked"])
    assert list(range(1, 10)) == [one["rank"] for one in results]
    assert ["image"] * 8 + ["video"] == [album.entries[one["place"]].kind for one in results]
    ranked = results[:8]
    assert sorted((one["score"] for one in ranked), reverse=True) == [one["score"] for one in ranked]
    assert len({one["vector_rank"] for one in ranked}) == 8
    assert "vector_rank" not in results[8]
    assert 1 == len(rerank_requests(emulator))


def test_tokens_are_those_of_both_requests(shelf):
    emulator, _, page = shelf

    answer = ask(page, text="a blue square")

    assert emulator.ledger.tokens == answer["tokens"]


def test_the_same_question_is_not_paid_twice(shelf):
    emulator, _, page = shelf
    first = ask(page, text="a blue square")

    again = ask(page, text="a blue square", kind="image")

    assert 1 == len(rerank_requests(emulator))
    assert [one["place"] for one in first["results"][:8]] == [one["place"] for one in again["results"]]


def _gone(path):
    path.unlink()


def _another_format(path):
    Pillow.open(path).save(path, "GIF")


def _no_picture(path):
    path.write_text("no picture")


@pytest.mark.parametrize("happened", [_gone, _another_format, _no_picture])
def test_a_picture_that_cannot_be_reranked_any_more_costs_no_search(shelf, happened):
    emulator, album, page = shelf
    happened(album.path(album.entries[0]))

    results = ask(page, text="a blue square")["results"]

    assert [7, 2] == [
        sum(("vector_rank" in one) is reranked for one in results) for reranked in (True, False)
    ]
    assert 0 in [one["place"] for one in results[7:]]
    assert 1 == len(rerank_requests(emulator))


def test_where_no_picture_is_left_the_order_is_that_of_the_vectors(shelf):
    emulator, album, page = shelf
    for entry in album.entries:
        album.path(entry).unlink()

    answer = ask(page, text="a blue square")

    assert (0, 9, []) == (answer["reranked"], len(answer["results"]), rerank_requests(emulator))


def test_a_question_the_model_does_not_take_is_an_error(shelf):
    emulator, album, page = shelf
    _another_format(album.path(album.entries[0]))

    assert 400 == page.post("/api/search", params={"like": 0}).status_code
    assert [] == rerank_requests(emulator)


REASONS = {
    "two parts": ({"text": "this, but blue"}, shaped("red", "square", 130), "two_parts"),
    "videos only": ({"text": "a blue square", "kind": "video"}, b"", "no_pictures"),
    "like a video": ({"like": 1}, b"", "video_question"),
}


@pytest.mark.parametrize(("params", "body", "reason"), REASONS.values(), ids=REASONS)
def test_what_cannot_be_reranked_keeps_its_vector_rank_and_says_why(shelf, params, body, reason):
    emulator, _, page = shelf

    answer = ask(page, body, **params)

    assert (0, reason, []) == (answer["reranked"], answer["not_reranked"], rerank_requests(emulator))
    assert answer["results"]
    assert not any("vector_rank" in one for one in answer["results"])


def test_a_failed_rerank_is_an_error_with_a_reason(shelf):
    emulator, _, page = shelf
    ask(page, text="a blue square")
    emulator.fail(*["401"] * 3)

    reply = page.post("/api/search", params={"like": 2})

    assert (502, "AuthError") == (reply.status_code, reply.json()["kind"])


def test_without_a_reranker_nothing_is_said_of_it(page):
    answer = ask(page, text="a blue square")

    assert (0, None) == (answer["reranked"], answer["not_reranked"])
    assert page.get("/api/album").json()["rerank"] is None
