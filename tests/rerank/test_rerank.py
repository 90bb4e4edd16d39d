"""`Reranker` and `AsyncReranker`: what is sent, what is refused before, and how a reply is read."""

from __future__ import annotations

import asyncio
import json
import math
import pickle
import struct
import warnings

import httpx
import pytest
from paintings import painted

from volc_dashscope import (
    AsyncClient,
    AsyncReranker,
    AuthError,
    BadReplyError,
    Client,
    ConfigError,
    Frames,
    Fused,
    Image,
    InputError,
    RequestError,
    Reranker,
    RerankResult,
    Video,
)
from volc_dashscope.emulator import Emulator
from volc_dashscope.models import list_rerank_models

KEY = "rerank-key-of-the-tests"
VL, TEXT = "qwen3-vl-rerank", "qwen3-rerank"
WORKING = [row.name for row in list_rerank_models() if not row.successor]
DOCUMENTS = ["a green forest", "a blue sea view", "red shoes"]
LINK = Image.from_url("https://e.com/a.png")
FILM = Video.from_url("https://e.com/a.mp4")


@pytest.fixture
def emulator():
    return Emulator()


@pytest.fixture(params=["sync", "async"])
def ask(request, emulator):
    """Return a function that reranks with either class against the emulator."""

    def sync(model, query, documents, *, top_n=None, **settings):
        with Reranker(model, api_key=KEY, http_client=emulator.http_client(), **settings) as reranker:
            return reranker.rerank(query, documents, top_n=top_n)

    async def later(model, query, documents, top_n, settings):
        client = emulator.http_async_client()
        async with (
            client,
            AsyncReranker(model, api_key=KEY, http_async_client=client, **settings) as reranker,
        ):
            return await reranker.rerank(query, documents, top_n=top_n)

    def awaited(model, query, documents, *, top_n=None, **settings):
        return asyncio.run(later(model, query, documents, top_n, settings))

    return sync if request.param == "sync" else awaited


def answering(body, status=200):
    """Return a client whose server answers every request with this."""
    return httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(status, json=body)))


def native(*results, **more):
    return {"output": {"results": list(results)}, "usage": {"total_tokens": 7}, "request_id": "r-1", **more}


def result(index, score):
    return {"index": index, "relevance_score": score}


@pytest.mark.parametrize("model", WORKING)
def test_documents_come_back_best_first_with_the_callers_objects(ask, model):
    found = ask(model, "a blue sea", DOCUMENTS)

    assert "a blue sea view" == found[0].document
    assert sorted((one.score for one in found), reverse=True) == [one.score for one in found]
    assert {(0, DOCUMENTS[0]), (1, DOCUMENTS[1]), (2, DOCUMENTS[2])} == {(o.index, o.document) for o in found}


@pytest.mark.parametrize("model", ["qwen3-rerank", "qwen3.7-text-rerank"])
def test_the_flat_form_ranks_the_same(ask, emulator, model):
    both = [ask(model, "a blue sea", DOCUMENTS, top_n=2, route=route) for route in ("native", "openai")]

    assert both[0] == both[1]
    assert "/compatible-api/v1/reranks" == emulator.ledger[1].path
    assert {"model", "query", "documents", "top_n"} == emulator.ledger[1].body.keys()


def test_pictures_and_texts_are_ranked_in_one_list(ask, emulator):
    red, blue = Image.from_bytes(painted("red")), Image.from_bytes(painted("blue"))

    found = ask(VL, blue, [red, "something blue", blue], top_n=1)

    assert [RerankResult(2, found[0].score, blue)] == found
    assert ["image"] == list(emulator.ledger[0].body["input"]["query"])
    assert 1 == len(emulator.ledger)


def test_no_documents_need_no_request(ask, emulator):
    assert [] == ask(TEXT, "a", [])
    assert [] == list(emulator.ledger)


def test_the_instruction_of_a_call_replaces_the_rerankers(emulator):
    with Reranker(TEXT, api_key=KEY, http_client=emulator.http_client(), instruct="Find facts.") as reranker:
        reranker.rerank("a", ["b"])
        reranker.rerank("a", ["b"], instruct="Find opinions.")

    sent = [entry.body["parameters"]["instruct"] for entry in emulator.ledger]
    assert ["Find facts.", "Find opinions."] == sent


def test_the_share_of_frames_is_a_request_parameter(emulator):
    with Reranker(VL, api_key=KEY, http_client=emulator.http_client()) as reranker:
        reranker.rerank("a", [Video.from_url("https://e.com/a.mp4", fps=0.5), "b"])

    assert 0.5 == emulator.ledger[0].body["parameters"]["fps"]


REFUSED = {
    "an empty query": (TEXT, "", ["a"], {}, "the query: empty text"),
    "an empty document": (TEXT, "a", ["b", ""], {}, "document 1: empty text"),
    "one document too many": (TEXT, "a", ["b"] * 501, {}, "at most 500"),
    "one image too many": (VL, "a", [LINK] * 41, {}, "41 documents of kind image"),
    "one video too many": (VL, "a", [FILM] * 5, {}, "5 documents of kind video"),
    "one mixed document too many": (VL, "a", ["b"] * 99 + [LINK] * 2, {}, "at most 100"),
    "a document over its tokens": (TEXT, "a", ["天" * 12_003], {}, "document 0: .*at most 4,000"),
    "a query over its tokens": (TEXT, "天" * 12_003, ["a"], {}, "the query: .*at most 4,000"),
    "a request over its tokens": ("gte-rerank-v2", "天" * 3_000, ["a"] * 31, {}, "query x documents"),
    "media for a text model": (TEXT, "a", ["b", LINK], {}, "document 1: .*embeds text, not image"),
    "fused parts": (VL, "a", ["b", Fused("c", LINK)], {}, "document 1: several fused parts"),
    "frames": (VL, Frames([LINK]), ["a"], {}, "the query: frames"),
    "a local video": (VL, "a", [Video.from_bytes(b"\0\0\0\x18ftypisom" + b"\0" * 64)], {}, "public URL only"),
    "a text as the list": (TEXT, "a", "bc", {}, "documents must be a list, got one str"),
    "a dict as the list": (TEXT, "a", {"b": 1}, {}, "documents must be a list, got one dict"),
    "no kind of item": (TEXT, "a", ["b", 7], {}, "document 1"),
    "two shares of frames": (
        VL,
        "a",
        [Video.from_url("https://e.com/a.mp4", fps=0.5), Video.from_url("https://e.com/a.mp4", fps=1)],
        {},
        "fps 0.5, 1 in one request",
    ),
}


@pytest.mark.parametrize(("model", "query", "documents", "settings", "words"), REFUSED.values(), ids=REFUSED)
def test_what_the_model_does_not_take_is_refused_before_it_is_sent(
    ask, emulator, model, query, documents, settings, words
):
    with pytest.raises(InputError, match=words):
        ask(model, query, documents, **settings)

    assert [] == list(emulator.ledger)


AT_THE_LIMIT = {
    "500 documents": (TEXT, ["b"] * 500),
    "100 mixed": (VL, ["b"] * 60 + [LINK] * 36 + [FILM] * 4),
    "40 images": (VL, [LINK] * 40),
    "4 videos": (VL, [FILM] * 4),
}


@pytest.mark.parametrize(("model", "documents"), AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
def test_a_list_at_the_limit_is_one_request(ask, emulator, model, documents):
    assert len(documents) == len(ask(model, "a", documents))
    assert 1 == len(emulator.ledger)


@pytest.mark.parametrize("top_n", [0, -1, True, "3", 1.5])
def test_top_n_is_a_positive_whole_number(ask, top_n):
    with pytest.raises(InputError, match="top_n"):
        ask(TEXT, "a", ["b"], top_n=top_n)


SETTINGS = {
    "a stopped model": ({"model": "gte-rerank"}, ConfigError, "use qwen3-rerank"),
    "an unknown model": ({"model": "rerank-9"}, ConfigError, "rerank models: qwen3-vl-rerank"),
    "an embedding model": ({"model": "text-embedding-v4"}, ConfigError, "or a rerank model"),
    "a route it does not have": ({"model": VL, "route": "openai"}, ConfigError, "no route 'openai'"),
    "an instruction": (
        {"model": "gte-rerank-v2", "instruct": "x"},
        InputError,
        "does not support an instruction",
    ),
    "no retries at all": ({"model": TEXT, "max_retries": -1}, ConfigError, "max_retries"),
}


@pytest.mark.parametrize(("settings", "kind", "words"), SETTINGS.values(), ids=SETTINGS)
def test_settings_the_model_does_not_have_are_refused(settings, kind, words):
    with pytest.raises(kind, match=words):
        Reranker(**settings, api_key=KEY)


def test_another_name_takes_the_row_it_is_said_to_have(emulator):
    emulator = Emulator(aliases={"my-rerank": TEXT})
    with Reranker("my-rerank", base_model=TEXT, api_key=KEY, http_client=emulator.http_client()) as reranker:
        reranker.rerank("a", ["b"])

    assert "my-rerank" == emulator.ledger[0].body["model"]


MALFORMED = {
    "a result missing": native(result(0, 0.5)),
    "a result too many": native(result(0, 0.5), result(1, 0.4), result(1, 0.3)),
    "an index twice": native(result(0, 0.5), result(0, 0.4)),
    "an index out of range": native(result(0, 0.5), result(2, 0.4)),
    "a negative index": native(result(0, 0.5), result(-1, 0.4)),
    "an index that is true": native(result(0, 0.5), result(True, 0.4)),
    "a score that is a text": native(result(0, 0.5), result(1, "0.4")),
    "a score that is missing": native(result(0, 0.5), {"index": 1}),
    "a score that is true": native(result(0, 0.5), result(1, True)),
    "a result that is a list": native(result(0, 0.5), [1]),
    "no results": {"output": {}, "request_id": "r"},
    "no output": {"request_id": "r"},
    "the flat form": {"results": [result(0, 0.5), result(1, 0.4)], "id": "r"},
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_reply_that_breaks_its_format_is_no_ranking(body):
    with (
        Reranker(TEXT, api_key=KEY, http_client=answering(body), max_retries=0) as reranker,
        pytest.raises(BadReplyError),
    ):
        reranker.rerank("a", ["b", "c"])


def test_a_score_that_is_no_number_is_no_ranking():
    text = json.dumps(native(result(0, 0.5), result(1, math.nan)))
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, text=text)))
    with (
        Reranker(TEXT, api_key=KEY, http_client=client, max_retries=0) as reranker,
        pytest.raises(BadReplyError),
    ):
        reranker.rerank("a", ["b", "c"])


def test_a_code_under_status_200_is_an_error():
    body = {"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "r"}
    with Reranker(TEXT, api_key=KEY, http_client=answering(body)) as reranker, pytest.raises(AuthError):
        reranker.rerank("a", ["b"])


def test_equal_scores_keep_the_order_of_the_input():
    body = native(result(2, 0.5), result(0, 0.5), result(1, 0.9))
    with Reranker(TEXT, api_key=KEY, http_client=answering(body)) as reranker:
        assert [1, 0, 2] == [one.index for one in reranker.rerank("a", ["b", "c", "d"])]


def test_a_throttle_is_waited_for_and_the_bill_is_kept(emulator):
    emulator.fail("429")
    with Reranker(TEXT, api_key=KEY, http_client=emulator.http_client()) as reranker:
        reranker.rerank("a blue sea", DOCUMENTS)

    assert [429, 200] == [entry.status for entry in emulator.ledger]
    assert (1, emulator.ledger.tokens) == (reranker.usage.requests, reranker.usage.total_tokens)


def test_the_asynchronous_twin_shares_the_usage(emulator):
    client, later = emulator.http_client(), emulator.http_async_client()
    with Reranker(TEXT, api_key=KEY, http_client=client, http_async_client=later) as reranker:
        asyncio.run(reranker.aio.rerank("a blue sea", DOCUMENTS))

        assert (1, emulator.ledger.tokens) == (reranker.usage.requests, reranker.usage.total_tokens)


class TestCache:
    def asked(self, emulator, cache, query, documents, **settings):
        with Reranker(
            TEXT, api_key=KEY, http_client=emulator.http_client(), cache=cache, **settings
        ) as reranker:
            return reranker.rerank(query, documents)

    def test_the_same_question_costs_one_request(self, emulator):
        cache: dict[str, bytes] = {}
        first = self.asked(emulator, cache, "a blue sea", DOCUMENTS)

        assert first == self.asked(emulator, cache, "a blue sea", DOCUMENTS)
        assert 1 == len(emulator.ledger)

    def test_a_part_of_one_request_is_served_and_keeps_its_order(self, emulator):
        cache: dict[str, bytes] = {}
        first = self.asked(emulator, cache, "a blue sea", DOCUMENTS)

        second = self.asked(emulator, cache, "a blue sea", DOCUMENTS[:2])

        assert [one for one in first if one.index < 2] == second
        assert 1 == len(emulator.ledger)

    def test_scores_of_two_requests_are_never_mixed(self, emulator):
        cache: dict[str, bytes] = {}
        self.asked(emulator, cache, "a blue sea", DOCUMENTS[:2])
        self.asked(emulator, cache, "a blue sea", DOCUMENTS[2:])

        self.asked(emulator, cache, "a blue sea", DOCUMENTS)

        assert 3 == len(emulator.ledger)

    @pytest.mark.parametrize("settings", [{"instruct": "Find facts."}, {"extra_body": {"x": 1}}], ids=str)
    def test_another_maker_is_another_entry(self, emulator, settings):
        cache: dict[str, bytes] = {}
        self.asked(emulator, cache, "a", DOCUMENTS)
        self.asked(emulator, cache, "a", DOCUMENTS, **settings)

        assert 2 == len(emulator.ledger)

    @pytest.mark.parametrize("fails", ["get", "update"])
    def test_a_cache_that_fails_costs_nothing_but_a_warning(self, emulator, caplog, fails):
        def full(*_: object) -> None:
            raise OSError(28, "no space left", "redis://user:password@host")

        cache = type("Full", (dict,), {fails: full})()
        found = self.asked(emulator, cache, "a blue sea", DOCUMENTS)

        assert 3 == len(found)
        assert "no space left" in caplog.text
        assert "password" not in caplog.text

    @pytest.mark.parametrize(
        "value", [b"", b"\0" * 23, struct.pack("<16sd", b"r", math.nan), "text", 7], ids=repr
    )
    def test_what_is_no_score_in_a_cache_is_asked_for_again(self, emulator, value):
        cache: dict[str, bytes] = {}
        first = self.asked(emulator, cache, "a blue sea", DOCUMENTS)
        cache[min(cache)] = value

        assert first == self.asked(emulator, cache, "a blue sea", DOCUMENTS)
        assert 2 == len(emulator.ledger)

    def test_what_is_no_cache_is_refused(self):
        with pytest.raises(ConfigError, match="cache must be a mapping"):
            Reranker(TEXT, api_key=KEY, cache=[])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", [" qwen3-rerank\n", "Qwen3-Rerank", "dashscope/qwen3-rerank", "ｑｗｅｎ３－ｒｅｒａｎｋ"]
)
def test_a_known_name_is_known_in_other_spellings(ask, emulator, name):
    ask(name, "a", ["b"])

    assert "qwen3-rerank" == emulator.ledger[0].body["model"]


NAMES = {
    "a typing error": ("qwen3-rerenk", "did you mean 'qwen3-rerank'"),
    "another version": ("qwen4-rerank", "did you mean 'qwen3-rerank'"),
    "empty": ("  ", "must be the name of a rerank model"),
    "none": (None, "must be the name of a rerank model"),
    "embeds": ("Qwen3-VL-Embedding", "is an embedding model and cannot rerank; use Client"),
}


@pytest.mark.parametrize("kind", [Reranker, AsyncReranker])
@pytest.mark.parametrize(("name", "reason"), NAMES.values(), ids=NAMES)
def test_a_name_that_is_none_is_refused(kind, name, reason):
    with pytest.raises(ConfigError, match=reason):
        kind(name, api_key=KEY)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("settings", [{}, {"provider": "dashscope"}])
def test_a_client_sends_nobody_to_a_rerank_model(kind, settings):
    with pytest.raises(ConfigError, match="is a rerank model and cannot embed; use Reranker"):
        kind(TEXT, api_key=KEY, **settings)


@pytest.mark.parametrize("region", ["cn-beijing-finance", "ap-southeast-1"])
def test_a_region_without_the_model_names_rerank_models_only(region):
    with pytest.raises(ConfigError, match=f"not offered in region '{region}'") as caught:
        Reranker(VL, api_key=KEY, region=region)

    assert "embedding" not in str(caught.value)


REGIONS = {
    "cn-beijing": "https://ws-1.cn-beijing.maas.aliyuncs.com",
    "ap-southeast-1": "https://ws-1.ap-southeast-1.maas.aliyuncs.com",
}
ROUTES = {
    "native": "/api/v1/services/rerank/text-rerank/text-rerank",
    "openai": "/compatible-api/v1/reranks",
}


@pytest.mark.parametrize(("route", "path"), ROUTES.items())
@pytest.mark.parametrize(("region", "host"), REGIONS.items())
def test_a_workspace_selects_its_host(region, host, route, path):
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(404, json={"code": "a", "message": "b"})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    with (
        Reranker(
            TEXT, api_key=KEY, workspace="WS-1", region=region, route=route, http_client=client
        ) as reranker,
        pytest.raises(RequestError),
    ):
        reranker.rerank("a", ["b"])

    assert [f"{host}{path}"] == asked


def test_a_reranker_travels_by_pickle_and_shows_no_key():
    reranker = Reranker(TEXT, api_key=KEY)
    again = pickle.loads(pickle.dumps(reranker))

    assert (repr(reranker), reranker.model_info) == (repr(again), again.model_info)
    assert KEY not in repr(vars(again))


def test_nothing_warns_in_the_usual_case(ask):
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert 1 == len(ask(TEXT, "a", ["b"]))


class TestStream:
    @pytest.fixture(params=["sync", "async"])
    def streamed(self, request, emulator):
        """Return a function that streams with either class, and what it yields as a dict."""

        def sync(pairs, found, **more):
            with Reranker(TEXT, api_key=KEY, http_client=emulator.http_client(), max_retries=0) as reranker:
                found.update(reranker.stream(pairs, **more))

        async def later(pairs, found, more):
            client = emulator.http_async_client()
            async with (
                client,
                AsyncReranker(TEXT, api_key=KEY, http_async_client=client, max_retries=0) as reranker,
            ):
                async for index, outcome in reranker.stream(pairs, **more):
                    found[index] = outcome

        def awaited(pairs, found, **more):
            asyncio.run(later(pairs, found, more))

        return sync if request.param == "sync" else awaited

    def test_each_list_is_one_request_with_its_own_result(self, streamed, ask, emulator):
        found: dict[int, object] = {}
        streamed(((f"a blue sea {n}", DOCUMENTS) for n in range(5)), found, top_n=2)

        assert {n: ask(TEXT, f"a blue sea {n}", DOCUMENTS, top_n=2) for n in range(5)} == found
        assert 5 + 5 == len(emulator.ledger)

    def test_a_bad_list_and_a_failed_request_stop_no_other(self, streamed, emulator):
        emulator.fail("400")
        found: dict[int, object] = {}
        streamed([("a", DOCUMENTS), ("b", ["x"] * 501), ("c", DOCUMENTS), ("d", [])], found)

        assert {0, 1, 2, 3} == found.keys()
        assert "at most 500" in str(found[1])
        assert [] == found[3]
        assert [400, 200] == sorted((entry.status for entry in emulator.ledger), reverse=True)

    def test_an_account_error_ends_it_after_what_is_finished(self, streamed, emulator):
        emulator.fail(*["401"] * 50)
        found: dict[int, object] = {}
        with pytest.raises(AuthError):
            streamed(((f"q {n}", DOCUMENTS) for n in range(1000)), found)

        assert len(emulator.ledger) < 50

    def test_a_wrong_setting_is_refused_before_anything_is_sent(self, streamed, emulator):
        with pytest.raises(InputError, match="top_n"):
            streamed([("a", DOCUMENTS)], {}, top_n=0)

        assert [] == list(emulator.ledger)
