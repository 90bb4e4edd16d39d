"""Servers that are neither vendor's and speak the OpenAI form: `route="openai"` with a `base_url`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from canary import KEY

from volc_dashscope import (
    AsyncClient,
    AuthError,
    BadReplyError,
    BulkError,
    Client,
    ConfigError,
    ContentError,
    EmbeddingError,
    Image,
    InputError,
    RateLimitError,
    RequestError,
    ServiceUnavailableError,
    get_model_info,
)

GATEWAY = "https://gw.corp/v1"
Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """A handler function that remembers what it was asked."""

    def __init__(self, answer: Callable[[dict[str, Any]], httpx.Response] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer or rows()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(orjson.loads(request.content))

    def client(self, model: str = "BAAI/bge-m3", **settings: Any) -> Client:
        http = httpx.Client(transport=httpx.MockTransport(self))
        given = {"base_url": GATEWAY, "route": "openai", "max_retries": 0, "http_client": http, **settings}
        return Client(model, **given)


def vector(text: str, length: int = 4) -> list[float]:
    return [float(len(text)), *range(1, length)]


def rows(
    change: Callable[[list[dict[str, Any]]], object] = lambda data: None, length: int = 4
) -> Callable[[dict[str, Any]], httpx.Response]:
    """Answer with a row for each text, changed as a test wishes."""

    def answer(body: dict[str, Any]) -> httpx.Response:
        data = [
            {"object": "embedding", "index": at, "embedding": vector(text, length)}
            for at, text in enumerate(body["input"])
        ]
        change(data)
        return httpx.Response(200, json={"object": "list", "data": data, "model": "served"})

    return answer


def packed(numbers: list[float]) -> str:
    return base64.b64encode(np.array(numbers, dtype="<f4").tobytes()).decode()


def expected(texts: list[str], length: int = 4) -> np.ndarray[Any, Any]:
    table = np.array([vector(text, length) for text in texts], dtype=np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


TEXTS = ["a", "bb", "ccc"]


@pytest.mark.parametrize(
    ("base_url", "asked"),
    [
        ("https://gw.corp/v1", "https://gw.corp/v1/embeddings"),
        ("https://gw.corp/v1/", "https://gw.corp/v1/embeddings"),
        ("https://gw.corp", "https://gw.corp/v1/embeddings"),
        ("https://gw.corp/v1/embeddings", "https://gw.corp/v1/embeddings"),
        ("https://gw.corp/embeddings", "https://gw.corp/embeddings"),
        ("https://gw.corp/compatible-mode/v1", "https://gw.corp/compatible-mode/v1/embeddings"),
        ("https://gw.corp/openai/deployments/x", "https://gw.corp/openai/deployments/x/embeddings"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/embeddings"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/embeddings"),
        ("http://127.8.9.1:80/v1", "http://127.8.9.1/v1/embeddings"),
        ("http://vllm:8000/v1", "http://vllm:8000/v1/embeddings"),
        ("http://10.0.0.5/v1", "http://10.0.0.5/v1/embeddings"),
        ("http://172.31.0.5/v1", "http://172.31.0.5/v1/embeddings"),
        ("http://192.168.1.2:3000", "http://192.168.1.2:3000/v1/embeddings"),
        ("http://[fd00::5]:3000/v1", "http://[fd00::5]:3000/v1/embeddings"),
        ("http://tei.local/v1", "http://tei.local/v1/embeddings"),
        ("http://tei.cluster.internal/v1", "http://tei.cluster.internal/v1/embeddings"),
    ],
)
def test_a_path_that_was_given_is_kept(base_url: str, asked: str) -> None:
    server = Server()

    server.client(base_url=base_url).embed(["a"])

    assert asked == str(server.requests[0].url)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://gw.corp.example/v1",
        "http://169.254.169.254/v1",
        "http://172.32.0.1/v1",
        "http://11.0.0.1/v1",
        "http://0.0.0.0/v1",
        "http://[::ffff:169.254.169.254]/v1",
        "http://[2001:db8::1]/v1",
        "http://10.0.0.5.evil.example/v1",
    ],
)
def test_plain_http_beyond_the_own_network_is_asked_for_by_name(base_url: str) -> None:
    with pytest.raises(ConfigError, match="insecure_http=True"):
        Server().client(base_url=base_url)

    assert Server().client("text-embedding-v4", base_url=base_url, api_key=KEY, insecure_http=True)


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_insecure_http_is_true_or_false(value: Any) -> None:
    with pytest.raises(ConfigError, match="insecure_http"):
        Server().client(insecure_http=value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": "text-embedding-v4"},
        {"base_url": "http://127.0.0.1:11434/v1"},
        {"route": "native", "model": "text-embedding-v4", "base_url": "https://gw.corp/api/v1"},
    ],
    ids=["any model", "a known model", "this machine", "native"],
)
def test_the_vendors_key_is_not_sent_to_another_host(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.setenv("ARK_API_KEY", KEY)
    server = Server(lambda body: httpx.Response(401))

    with pytest.raises(AuthError, match="no API key was sent to") as caught:
        server.client(**settings).embed(["a"])

    assert "authorization" not in server.requests[0].headers
    assert "DASHSCOPE_API_KEY is sent to hosts of the vendor only" in str(caught.value)


def test_a_key_that_is_given_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-another-0123456789")
    server = Server()

    server.client(api_key="EMPTY").embed(["a"])

    assert ["Bearer EMPTY"] == server.requests[0].headers.get_list("authorization")


def test_the_environments_key_goes_to_the_environments_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", "https://proxy.corp")
    server = Server(rows(length=1024))

    server.client("text-embedding-v4", base_url=None).embed(["a"])

    assert "https://proxy.corp/compatible-mode/v1/embeddings" == str(server.requests[0].url)
    assert f"Bearer {KEY}" == server.requests[0].headers["authorization"]


@pytest.mark.parametrize("workspace", ["DASHSCOPE_WORKSPACE"])
def test_the_environments_workspace_is_not_sent_to_another_host(
    monkeypatch: pytest.MonkeyPatch, workspace: str
) -> None:
    monkeypatch.setenv(workspace, "ws-canary")
    server = Server()

    server.client().embed(["a"])

    assert "ws-canary" not in str(server.requests[0].headers)


@pytest.mark.parametrize(
    "model",
    ["BAAI/bge-m3", "nomic-embed-text:latest", "gpt-x", "text-embedding-3-large", "qwen3-vl-embedding"],
)
def test_any_model_is_asked_for_under_the_name_given(model: str) -> None:
    server = Server()

    result = server.client(model).embed(TEXTS)

    body = orjson.loads(server.requests[0].content)
    assert {"model": model, "input": TEXTS, "encoding_format": "float"} == body
    np.testing.assert_allclose(expected(TEXTS), result.vectors, rtol=1e-6)


def test_ten_texts_go_in_one_request() -> None:
    server = Server()

    server.client().embed([f"text {number}" for number in range(25)])

    assert [5, 10, 10] == sorted(len(orjson.loads(each.content)["input"]) for each in server.requests)


def test_a_row_of_ones_own_sets_the_batch() -> None:
    row = get_model_info("text-embedding-v4")
    assert row is not None
    server = Server(rows(length=1024))

    server.client(model_info=replace(row, batch=3)).embed([f"text {number}" for number in range(6)])

    assert [3, 3] == [len(orjson.loads(each.content)["input"]) for each in server.requests]


def test_a_picture_is_refused() -> None:
    with pytest.raises(InputError, match="embeds text, not image"):
        Server().client().embed([Image.from_url("https://e.com/a.png")])


@pytest.mark.parametrize("settings", [{"instruct": "Find"}, {"target_modality": "text"}])
def test_an_instruction_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(InputError, match="cannot be sent with route='openai'"):
        Server().client(**settings)


# Replies.


def _base64(data: list[dict[str, Any]]) -> None:
    for row in data:
        row["embedding"] = packed(row["embedding"])


def _reversed(data: list[dict[str, Any]]) -> None:
    data.reverse()


def _without_index(data: list[dict[str, Any]]) -> None:
    for row in data:
        del row["index"]


def _from_one(data: list[dict[str, Any]]) -> None:
    for row in data:
        row["index"] += 1


@pytest.mark.parametrize("change", [_base64, _reversed, _without_index, _from_one])
def test_every_form_of_a_good_reply_is_understood(change: Any) -> None:
    result = Server(rows(change)).client().embed(TEXTS)

    np.testing.assert_allclose(expected(TEXTS), result.vectors, rtol=1e-6)


def _same_index(data: list[dict[str, Any]]) -> None:
    for row in data:
        row["index"] = 0


def _one_without_index(data: list[dict[str, Any]]) -> None:
    del data[0]["index"]


def _odd_base64(data: list[dict[str, Any]]) -> None:
    data[0]["embedding"] = base64.b64encode(bytes(9)).decode()


def _half(data: list[dict[str, Any]]) -> None:
    data[0]["embedding"] = data[0]["embedding"][:2]


BAD = {
    "index 0 in all": (_same_index, "several rows have the same index"),
    "one without index": (_one_without_index, "not an integer in every row"),
    "one short": (lambda data: data.pop(), "2 vectors for 3 items"),
    "one too many": (lambda data: data.append(dict(data[0], index=3)), "4 vectors for 3 items"),
    "odd base64": (_odd_base64, "9 bytes is not a float32 vector"),
    "two lengths": (_half, "length"),
    "no base64": (lambda data: data[0].update(embedding="???"), "not valid base64"),
    "nothing": (lambda data: data[0].update(embedding=None), "a vector is missing"),
}


@pytest.mark.parametrize(("change", "reason"), BAD.values(), ids=BAD.keys())
def test_a_reply_that_is_none_is_refused(change: Any, reason: str) -> None:
    with pytest.raises(BulkError, match=reason) as caught:
        Server(rows(change)).client().embed(TEXTS)

    assert isinstance(caught.value.__cause__, BadReplyError)


def test_a_quarter_of_the_length_is_named() -> None:
    server = Server(rows(length=256))

    with pytest.raises(BadReplyError, match="a quarter of the expected length"):
        server.client("text-embedding-v4").embed(["a"])


def test_a_length_that_was_asked_for_and_ignored_is_cut_and_normalised() -> None:
    server = Server(rows(length=8))

    result = server.client(dimensions=2).embed(TEXTS)

    assert 2 == orjson.loads(server.requests[0].content)["dimensions"]
    np.testing.assert_allclose(expected(TEXTS, 2), result.vectors, rtol=1e-6)


def test_a_known_model_keeps_its_lengths() -> None:
    with pytest.raises(ConfigError, match="dimensions=3; text-embedding-v4 accepts"):
        Server().client("text-embedding-v4", dimensions=3)


def test_replies_under_several_names_are_one_models() -> None:
    names = iter("abcdefgh")

    def answer(body: dict[str, Any]) -> httpx.Response:
        made = orjson.loads(rows()(body).content)
        return httpx.Response(200, json={**made, "model": next(names)})

    assert 25 == len(Server(answer).client().embed([f"text {number}" for number in range(25)]))


def test_usage_may_be_missing_or_wrong() -> None:
    def answer(body: dict[str, Any]) -> httpx.Response:
        made = orjson.loads(rows()(body).content)
        return httpx.Response(200, json={**made, "usage": {"total_tokens": "many"}})

    assert 0 == Server(answer).client().embed(["a"]).usage.total_tokens


# Errors.

TOO_LONG = "This model's maximum context length is 8192 tokens. However, you requested 8193 tokens."
ERRORS: dict[str, tuple[int, Any, type[EmbeddingError], str]] = {
    "openai": (400, {"error": {"message": "no such", "type": "bad", "code": None}}, RequestError, "no such"),
    "old vllm": (400, {"object": "error", "message": TOO_LONG, "code": 400}, ContentError, "maximum context"),
    "a word": (401, {"error": "Unauthorized"}, AuthError, "authentication failed .401.: .*Unauthorized"),
    "tei": (
        422,
        {"message": "batch size 64 > maximum allowed batch size 32", "code": 422, "type": "Validation"},
        RequestError,
        "32 texts per request: pass a model_info with batch=32",
    ),
    "tei too long": (
        422,
        {"message": "`inputs` must have less than 512 tokens. Given: 600", "code": 422, "type": "Validation"},
        ContentError,
        "512 tokens",
    ),
    "tei overloaded": (
        429,
        {"message": "Model is overloaded", "type": "Overloaded"},
        RateLimitError,
        "overloaded",
    ),
    "tei backend": (
        424,
        {"message": "failed", "type": "Backend"},
        ServiceUnavailableError,
        "Backend: failed",
    ),
    "detail": (400, {"detail": "Model not found"}, RequestError, "Model not found"),
    "details": (
        422,
        {"detail": [{"loc": ["body", "input"], "msg": "field required", "type": "missing"}]},
        RequestError,
        "field required",
    ),
    "empty 401": (401, b"", AuthError, r"authentication failed \(401\): api_key was rejected by gw.corp"),
    "html": (
        502,
        b"<html><title>t</title><h1>Bad Gateway</h1></html>",
        ServiceUnavailableError,
        "Bad Gateway",
    ),
    "text": (413, b"length limit exceeded", RequestError, "length limit exceeded"),
    "bare 413": (413, b"", RequestError, "413"),
    "404": (404, {"detail": "Not Found"}, RequestError, "Requested: gw.corp/v1/embeddings"),
    "error in 200": (200, {"error": {"message": "broken"}}, EmbeddingError, "broken"),
}


@pytest.mark.parametrize(("status", "body", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_every_form_of_an_error_is_read(
    status: int, body: Any, kind: type[EmbeddingError], words: str
) -> None:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    server = Server(lambda body: httpx.Response(status, content=content))

    with pytest.raises(kind, match=words) as caught:
        server.client(api_key="sk-0123456789abcdef").embed(["a"])

    assert "gw.corp" == caught.value.provider
    assert "0123456789abcdef" not in str(caught.value)


def test_a_redirect_is_not_followed_and_shows_where_it_leads() -> None:
    server = Server(lambda body: httpx.Response(307, headers={"location": "https://login.corp/sso?k=canary"}))

    with pytest.raises(
        EmbeddingError, match=r"Requested: gw.corp/v1/embeddings, which redirects to login.corp/sso;"
    ) as caught:
        server.client().embed(["a"])

    assert 1 == len(server.requests)
    assert "canary" not in str(caught.value)


def test_a_batch_that_is_too_large_is_not_halved_silently() -> None:
    server = Server(lambda body: httpx.Response(413))

    with pytest.raises(BulkError):
        server.client().embed(TEXTS)

    assert 1 == len(server.requests)


def test_one_text_that_is_too_long_costs_no_other() -> None:
    def answer(body: dict[str, Any]) -> httpx.Response:
        return httpx.Response(400, json={"message": TOO_LONG}) if "bb" in body["input"] else rows()(body)

    with pytest.raises(BulkError) as caught:
        Server(answer).client().embed(TEXTS)

    assert [1] == list(caught.value.failures)


def test_async_is_the_same() -> None:
    server = Server()
    http = httpx.AsyncClient(transport=httpx.MockTransport(server))

    async def call() -> Any:
        async with AsyncClient("bge-m3", route="openai", base_url=GATEWAY, http_async_client=http) as client:
            return await client.embed(TEXTS)

    np.testing.assert_allclose(expected(TEXTS), asyncio.run(call()).vectors, rtol=1e-6)
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("kind", ["langchain", "llama_index"])
def test_the_integrations_reach_it(kind: str) -> None:
    server = Server()
    http = httpx.Client(transport=httpx.MockTransport(server))
    given: dict[str, Any] = {"route": "openai", "base_url": GATEWAY, "http_client": http}
    if kind == "langchain":
        from langchain_volc_dashscope import DashScopeEmbeddings

        made = DashScopeEmbeddings(model="bge-m3", **given).embed_documents(TEXTS)
    else:
        from llama_index_ext import DashScopeMultiModalEmbedding

        made = DashScopeMultiModalEmbedding(model_name="bge-m3", **given).get_text_embedding_batch(TEXTS)

    np.testing.assert_allclose(expected(TEXTS), made, rtol=1e-5)
