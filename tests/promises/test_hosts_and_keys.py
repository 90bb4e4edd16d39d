"""
A key goes to its own service only, and requests go where the settings say.

The vendor's key of the environment never reaches another host, buckets below the vendor's own domain included.
Plain `http://` beyond a private network is asked for by name. A path that was given is kept, and a workspace has its own host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from canary import KEY
from promise import Breakage

from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding
from volc_dashscope import AsyncClient, AsyncReranker, Client, ConfigError, EmbeddingError, Reranker

BREAKAGES = [
    Breakage(
        "volc_dashscope/_config/keys.py",
        "    if key is None and foreign:\n        return None\n",
        "",
        "test_the_key_of_the_environment_goes_to_no_foreign_host",
    ),
    Breakage(
        "volc_dashscope/_config/hosts.py",
        r"ark(-[a-z0-9-]+)?\.[a-z0-9-]+\.(volces",
        r".*\.(volces",
        "test_the_key_of_the_environment_goes_to_no_foreign_host",
    ),
    Breakage(
        "volc_dashscope/_config/addresses.py",
        "or not (near or insecure_http)",
        "",
        "test_plain_http_is_asked_for_by_name",
    ),
    Breakage(
        "volc_dashscope/_config/addresses.py",
        "return base or _FOREIGN_PATH",
        "return _OPENAI_PATH",
        "test_a_path_that_was_given_is_kept",
    ),
    Breakage(
        "volc_dashscope/_config/addresses.py",
        'if provider == "dashscope" and space is not None and region_name',
        'if provider == "ark" and space is not None and region_name',
        "test_a_workspace_has_its_own_host",
    ),
]
TEXT, ARK = "text-embedding-v4", "doubao-embedding-vision-251215"


class Server:
    """A handler function that refuses everything and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(404, json={"code": "NotFound", "message": "nothing is here"})

    def settings(self) -> dict[str, Any]:
        transport = httpx.MockTransport(self)
        return {
            "http_client": httpx.Client(transport=transport),
            "http_async_client": httpx.AsyncClient(transport=transport),
        }


def _embed(model: str, settings: dict[str, Any]) -> Any:
    return Client(model, **settings).embed(["a"])


def _aembed(model: str, settings: dict[str, Any]) -> Any:
    return asyncio.run(AsyncClient(model, **settings).embed(["a"]))


def _chain(model: str, settings: dict[str, Any]) -> Any:
    return DashScopeEmbeddings(model=model, **settings).embed_documents(["a"])


def _index(model: str, settings: dict[str, Any]) -> Any:
    return DashScopeMultiModalEmbedding(model=model, **settings).get_text_embedding_batch(["a"])


WAYS = {"sync": _embed, "async": _aembed, "LangChain": _chain, "LlamaIndex": _index}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def _asked(way: Callable[..., Any], model: str, **settings: Any) -> httpx.Request:
    server = Server()
    with pytest.raises(EmbeddingError):
        way(model, {**settings, **server.settings()})
    (request,) = server.requests
    return request


FOREIGN = {
    "gateway": {"model": TEXT, "base_url": "https://gateway.example/api/v1"},
    "any model": {"model": "bge-m3", "route": "openai", "base_url": "https://gateway.example/v1"},
    "this machine": {"model": "bge-m3", "route": "openai", "base_url": "http://127.0.0.1:11434/v1"},
    "bucket": {"model": TEXT, "base_url": "https://bucket.oss-cn-beijing.aliyuncs.com"},
    "look-alike": {"model": TEXT, "base_url": "https://dashscope.aliyuncs.com.evil.example"},
}


@every_way
@pytest.mark.parametrize("settings", FOREIGN.values(), ids=FOREIGN)
def test_the_key_of_the_environment_goes_to_no_foreign_host(monkeypatch, way, settings) -> None:
    for name in ("DASHSCOPE_API_KEY", "ARK_API_KEY"):
        monkeypatch.setenv(name, KEY)

    request = _asked(way, **settings)
    ark = _asked(_embed, ARK, base_url="https://bucket.tos-cn-beijing.volces.com")

    assert [None, None] == [one.headers.get("authorization") for one in (request, ark)]


@every_way
def test_plain_http_is_asked_for_by_name(way) -> None:
    settings = {"route": "openai", "base_url": "http://gateway.example/v1", "api_key": KEY}
    server = Server()

    with pytest.raises(ConfigError, match="insecure_http=True"):
        way("bge-m3", {**settings, **server.settings()})
    request = _asked(way, "bge-m3", insecure_http=True, **settings)

    assert [] == server.requests
    assert "http://gateway.example/v1/embeddings" == str(request.url)


PATHS = {
    "https://gateway.example": "/v1/embeddings",
    "https://gateway.example/v1": "/v1/embeddings",
    "https://gateway.example/team/a/v1/": "/team/a/v1/embeddings",
    "https://gateway.example/v1/embeddings": "/v1/embeddings",
}


@every_way
@pytest.mark.parametrize(("base_url", "path"), PATHS.items())
def test_a_path_that_was_given_is_kept(way, base_url, path) -> None:
    request = _asked(way, "bge-m3", route="openai", base_url=base_url)

    assert path == request.url.path


def _rerank(model: str, settings: dict[str, Any]) -> Any:
    return Reranker("qwen3-rerank", **settings).rerank("a", ["b"])


def _arerank(model: str, settings: dict[str, Any]) -> Any:
    return asyncio.run(AsyncReranker("qwen3-rerank", **settings).rerank("a", ["b"]))


@pytest.mark.parametrize("way", [*WAYS.values(), _rerank, _arerank], ids=[*WAYS, "rerank", "async rerank"])
@pytest.mark.parametrize("region", ["cn-beijing", "ap-southeast-1"])
def test_a_workspace_has_its_own_host(way, region) -> None:
    request = _asked(way, TEXT, api_key=KEY, workspace="WS-1", region=region)

    assert f"ws-1.{region}.maas.aliyuncs.com" == request.url.host
    assert f"Bearer {KEY}" == request.headers["authorization"]
