"""What a rerank request holds and what its reply must hold, without a client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from volc_dashscope import BadReplyError, Image, RequestError, Video
from volc_dashscope._types import Reply, RequestSpec, counted
from volc_dashscope.models import ModelInfo, get_rerank_model_info
from volc_dashscope.providers.rerank import RerankInput, Scores, build, read

LINK = Image.from_url("https://e.com/a.png")
NATIVE = "https://service/services/rerank/text-rerank/text-rerank"


def _spec(name: str, **settings: Any) -> RequestSpec:
    stand_in = ModelInfo(
        name=name,
        provider="dashscope",
        endpoint="text",
        dimensions=(),
        default_dimension=None,
        source="the row is the rerank model's own",
    )
    return RequestSpec(model_info=stand_in, model=name, base_url="https://service", place="here", **settings)


def _built(name: str, query: Any, documents: list[Any], top_n: int | None = None, **settings: Any) -> Any:
    row = get_rerank_model_info(name)
    assert row is not None
    request = build(RerankInput(query, tuple(documents), top_n), row, _spec(name, **settings))
    return request.url, orjson.loads(request.body)


def test_a_text_model_is_sent_strings() -> None:
    url, body = _built("qwen3-rerank", "a", ["b", "c"])

    assert NATIVE == url
    assert {
        "model": "qwen3-rerank",
        "input": {"query": "a", "documents": ["b", "c"]},
        "parameters": {"return_documents": False},
    } == body


def test_a_multimodal_model_is_sent_objects_for_its_query_and_for_media() -> None:
    _, body = _built("qwen3-vl-rerank", "a", ["b", LINK])

    assert {"query": {"text": "a"}, "documents": ["b", {"image": "https://e.com/a.png"}]} == body["input"]


def test_what_is_asked_for_is_a_parameter() -> None:
    clip = Video.from_url("https://e.com/a.mp4", fps=0.5)

    _, body = _built("qwen3-vl-rerank", LINK, ["b", clip], 1, instruct="Find facts.")

    sent = {"top_n": 1, "instruct": "Find facts.", "fps": 0.5, "return_documents": False}
    assert sent == body["parameters"]


def test_the_flat_form_has_its_parameters_beside_the_input() -> None:
    url, body = _built("qwen3-rerank", "a", ["b"], 1, route="openai", instruct="Find facts.")

    assert "https://service/reranks" == url
    assert {
        "model": "qwen3-rerank",
        "query": "a",
        "documents": ["b"],
        "top_n": 1,
        "instruct": "Find facts.",
    } == body


# Replies.

INPUT = RerankInput("a", ("b", "c", "d"), None)
GOOD = [(2, 0.5), (0, 0.25), (1, 0.75)]


def _reply(results: Any, status: int = 200, **more: Any) -> Reply:
    body = {"output": {"results": results}, "usage": {"total_tokens": 7}, "request_id": "r-1", **more}
    return Reply(status, {}, orjson.dumps(body))


def _results(*pairs: tuple[Any, Any]) -> list[Any]:
    return [{"index": index, "relevance_score": score} for index, score in pairs]


def _read(reply: Reply, rerank_input: RerankInput = INPUT, **settings: Any) -> Any:
    return read(reply, rerank_input, _spec("qwen3-rerank", **settings))


def test_a_ranking_is_best_first_with_its_usage_and_its_names() -> None:
    scores = _read(_reply(_results(*GOOD), model="qwen3-rerank"))

    assert isinstance(scores, Scores)
    assert ((1, 0.75), (2, 0.5), (0, 0.25)) == scores.ranking
    assert ("r-1", "qwen3-rerank", 7) == (scores.request_id, scores.model, scores.usage.total_tokens)


def test_the_flat_form_has_its_results_beside_the_usage() -> None:
    body = {"results": _results(*GOOD), "usage": {"total_tokens": 7}, "id": "r-2"}

    scores = _read(Reply(200, {}, orjson.dumps(body)), route="openai")

    assert isinstance(scores, Scores)
    assert ("r-2", (1, 0.75)) == (scores.request_id, scores.ranking[0])


def test_equal_scores_are_in_the_order_of_the_input() -> None:
    scores = _read(_reply(_results((2, 0.5), (1, 0.75), (0, 0.5))))

    assert isinstance(scores, Scores)
    assert ((1, 0.75), (0, 0.5), (2, 0.5)) == scores.ranking


def test_a_header_names_the_request_where_the_body_does_not() -> None:
    reply = _reply(_results(*GOOD), request_id=None)

    scores = _read(replace(reply, headers={"x-request-id": "h"}))

    assert isinstance(scores, Scores)
    assert "h" == scores.request_id


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"input_tokens": 5, "image_tokens": 4}, (9, 5, 4)),
        ({"prompt_tokens": 5, "total_tokens": 6}, (6, 5, 0)),
        ({"input_tokens_details": {"text_tokens": 1, "image_tokens": 2}, "total_tokens": 9}, (9, 1, 2)),
    ],
    ids=["kinds", "prompt", "details"],
)
def test_usage_tells_texts_from_pictures(usage: dict[str, Any], tokens: tuple[int, int, int]) -> None:
    found = _read(_reply(_results(*GOOD), usage=usage)).usage

    assert tokens == (found.total_tokens, found.text_tokens, found.image_tokens)


@pytest.mark.parametrize("top_n", [2, 3, 4])
def test_a_reply_holds_as_many_results_as_were_asked_for_and_there_can_be(top_n: int) -> None:
    rerank_input = replace(INPUT, top_n=top_n)
    due = min(top_n, 3)

    outcomes = [_read(_reply(_results(*GOOD[:number])), rerank_input) for number in (due - 1, due)]

    assert [BadReplyError, Scores] == [type(outcome) for outcome in outcomes]
    assert f"{counted(due - 1, 'results')} instead of {due}" in str(outcomes[0])


BROKEN: dict[str, tuple[Any, str]] = {
    "no list": ({}, "the list of results is missing"),
    "an index past the end": (_results((0, 1), (1, 1), (3, 1)), "an index is not a position from 0 to 2"),
    "a negative index": (_results((0, 1), (1, 1), (-1, 1)), "an index is not a position from 0 to 2"),
    "a truth for an index": (_results((0, 1), (True, 1), (2, 1)), "an index is not a position from 0 to 2"),
    "a fraction for an index": (_results((0, 1), (1.5, 1), (2, 1)), "an index is not a position from 0 to 2"),
    "a text for an index": (_results((0, 1), ("1", 1), (2, 1)), "an index is not a position from 0 to 2"),
    "a truth for a score": (
        _results((0, 1), (1, 1), (2, True)),
        "the score of document 2 is not a finite number",
    ),
    "an index twice": (_results((0, 1), (1, 1), (1, 1)), "index 1 appears twice"),
    "no number": (_results((0, 1), (1, 1), (2, "1")), "the score of document 2 is not a finite number"),
}


@pytest.mark.parametrize(("results", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_bad_reply_says_what_is_wrong(results: Any, reason: str) -> None:
    outcome = _read(_reply(results))

    assert isinstance(outcome, BadReplyError)
    assert (
        f"dashscope answered a rerank of 3 documents with a reply that breaks its format: {reason} "
        "[request id r-1]" == str(outcome)
    )


def test_a_reply_without_output_is_a_bad_one() -> None:
    assert isinstance(_read(Reply(200, {}, b'{"request_id": "r"}')), BadReplyError)


def test_a_refusal_says_what_was_refused_and_repeats_nothing_of_it() -> None:
    rerank_input = RerankInput("the canary sings in the mine", ("at noon it is quiet there", "c"), None)
    said = [
        _read(
            Reply(400, {}, orjson.dumps({"code": "Odd", "message": words, "request_id": "r"})), rerank_input
        )
        for words in ("No.", "bad: the canary sings in", "bad: at noon it is quiet")
    ]

    assert [RequestError] * 3 == [type(error) for error in said]
    refused = "dashscope refused a rerank of 2 documents with 400 Odd"
    assert [f"{refused}: No. [request id r]"] + [f"{refused} [request id r]"] * 2 == [*map(str, said)]
