"""Keys, hosts and refusals are the same wherever a request begins: core, jobs, both frameworks, rerankers and Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from canary import KEY
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

import langchain_volc_dashscope
import llama_index_ext
from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import (
    DashScopeMultiModalEmbedding,
    DashScopeSparseEmbedding,
    MultiModalNodeEmbedder,
    qdrant_sparse_fns,
)
from volc_dashscope import (
    AsyncClient,
    AsyncReranker,
    AuthError,
    BulkError,
    Client,
    ClientSettings,
    ConfigError,
    EmbeddingError,
    Reranker,
)
from volc_dashscope.jobs import AsyncFileJobs, BatchJobs, FileJobs
from volc_dashscope.ray import Embedder

TEXT, RANK = "text-embedding-v4", "qwen3-rerank"
LINK = "https://example.com/texts.txt"


class Refusing:
    """A handler function that refuses the key and remembers what it was asked."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        refusal = {"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "r-1"}
        return httpx.Response(401, json=refusal)

    def settings(self) -> dict[str, Any]:
        transport = httpx.MockTransport(self)
        return {
            "http_client": httpx.Client(transport=transport),
            "http_async_client": httpx.AsyncClient(transport=transport),
        }


async def _collected(rows: Any) -> list[Any]:
    return [row async for row in rows]


def _batch(settings: dict[str, Any], folder: Path) -> Any:
    jobs = BatchJobs(TEXT, **settings)
    jobs.write(["a"], folder / "lines.jsonl")
    return jobs.submit(folder / "lines.jsonl")


def _embedder(settings: dict[str, Any], folder: Path) -> Any:
    embedder = Embedder(TEXT, text_column="text", stop_on_account_error=True, **settings)
    return embedder({"text": np.array(["a"], dtype=object)})


def _chain(settings: dict[str, Any]) -> DashScopeEmbeddings:
    return DashScopeEmbeddings(model=TEXT, **settings)


def _index(settings: dict[str, Any]) -> DashScopeMultiModalEmbedding:
    return DashScopeMultiModalEmbedding(model=TEXT, **settings)


WAYS: dict[str, Callable[[dict[str, Any], Path], Any]] = {
    "embed": lambda settings, folder: Client(TEXT, **settings).embed(["a"]),
    "embed many": lambda settings, folder: Client(TEXT, **settings).embed(["a"] * 25),
    "stream": lambda settings, folder: list(Client(TEXT, **settings).stream(["a"])),
    "async embed": lambda settings, folder: asyncio.run(AsyncClient(TEXT, **settings).embed(["a"])),
    "async stream": lambda settings, folder: asyncio.run(
        _collected(AsyncClient(TEXT, **settings).stream(["a"]))
    ),
    "from settings": lambda settings, folder: Client.from_settings(ClientSettings(TEXT, **settings)).embed(
        ["a"]
    ),
    "batch jobs": _batch,
    "file jobs": lambda settings, folder: FileJobs(**settings).submit(LINK),
    "async file jobs": lambda settings, folder: asyncio.run(AsyncFileJobs(**settings).submit(LINK)),
    "ray": _embedder,
    "rerank": lambda settings, folder: Reranker(RANK, **settings).rerank("a", ["b"]),
    "async rerank": lambda settings, folder: asyncio.run(AsyncReranker(RANK, **settings).rerank("a", ["b"])),
    "LangChain documents": lambda settings, folder: _chain(settings).embed_documents(["a"]),
    "LangChain query": lambda settings, folder: _chain(settings).embed_query("a"),
    "LangChain async": lambda settings, folder: asyncio.run(_chain(settings).aembed_documents(["a"])),
    "LangChain sparse": lambda settings, folder: _chain(settings).qdrant_sparse().embed_documents(["a"]),
    "LangChain rerank": lambda settings, folder: langchain_volc_dashscope.DashScopeRerank(
        model=RANK, **settings
    ).compress_documents([Document("a")], "b"),
    "LlamaIndex texts": lambda settings, folder: _index(settings).get_text_embedding_batch(["a"]),
    "LlamaIndex query": lambda settings, folder: _index(settings).get_query_embedding("a"),
    "LlamaIndex nodes": lambda settings, folder: MultiModalNodeEmbedder(embed_model=_index(settings))(
        [TextNode(text="a")]
    ),
    "LlamaIndex sparse": lambda settings, folder: DashScopeSparseEmbedding(
        **settings
    ).get_text_embedding_batch(["a"]),
    "LlamaIndex qdrant": lambda settings, folder: qdrant_sparse_fns(_index(settings))[0](["a"]),
    "LlamaIndex rerank": lambda settings, folder: llama_index_ext.DashScopeRerank(
        model=RANK, **settings
    ).postprocess_nodes([NodeWithScore(node=TextNode(text="a"))], query_str="b"),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@every_way
def test_a_key_that_the_service_refuses_is_named_with_its_host_first(monkeypatch, tmp_path, way) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

    with pytest.raises((AuthError, BulkError)) as caught:
        way(Refusing().settings(), tmp_path)

    error = caught.value.failures[0] if isinstance(caught.value, BulkError) else caught.value
    expected = "authentication failed (401): DASHSCOPE_API_KEY was rejected by dashscope.aliyuncs.com"
    assert str(error).startswith(expected)
    assert "Invalid API-key provided. A key is valid in one region only" in str(error)
    assert KEY not in str(error)


KEYS = {
    "quotes": '"sk-canary"',
    "variable": "${DASHSCOPE_API_KEY}",
    "placeholder": "<your-key>",
    "path": "/run/secrets/canary",
}


@every_way
@pytest.mark.parametrize(("reason", "key"), KEYS.items(), ids=KEYS)
def test_a_key_that_is_none_is_refused_before_anything_is_sent(tmp_path, way, reason, key) -> None:
    server = Refusing()

    with pytest.raises(ConfigError, match=f"api_key .*({reason}|brackets)") as caught:
        way({"api_key": key, **server.settings()}, tmp_path)

    assert [] == server.urls
    assert "canary" not in str(caught.value)


PASTED = [
    "https://dashscope.aliyuncs.com",
    "https://dashscope.aliyuncs.com/api/v1/",
    "https://DashScope.aliyuncs.com/compatible-mode/v1/embeddings",
    "https://dashscope.aliyuncs.com/api/v1/services/embeddings/text-embedding/text-embedding",
    "https://dashscope.aliyuncs.com/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding",
    "https://dashscope.aliyuncs.com/api/v1/services/rerank/text-rerank/text-rerank",
    "https://dashscope.aliyuncs.com/compatible-api/v1/reranks",
]


@every_way
@pytest.mark.parametrize("pasted", PASTED)
def test_a_pasted_endpoint_leads_where_no_setting_leads(tmp_path, way, pasted) -> None:
    usual, given = Refusing(), Refusing()
    for number, (server, more) in enumerate([(usual, {}), (given, {"base_url": pasted})]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(EmbeddingError):
            way({"api_key": KEY, **more, **server.settings()}, folder)

    assert usual.urls
    assert set(usual.urls) == set(given.urls)


@every_way
@pytest.mark.parametrize(
    "base_url", ["https://dashscope.aliyuncs.com/v1", "https://gateway.example/api/v1?x=1", "https://a..b"]
)
def test_a_url_that_leads_nowhere_is_refused_before_anything_is_sent(tmp_path, way, base_url) -> None:
    server = Refusing()

    with pytest.raises(ConfigError, match="base_url"):
        way({"api_key": KEY, "base_url": base_url, **server.settings()}, tmp_path)

    assert [] == server.urls


@every_way
def test_a_workspace_has_its_own_host_everywhere(tmp_path, way) -> None:
    server = Refusing()

    with pytest.raises(EmbeddingError):
        way({"api_key": KEY, "workspace": "WS-1", **server.settings()}, tmp_path)

    assert {"ws-1.cn-beijing.maas.aliyuncs.com"} == {httpx.URL(url).host for url in server.urls}
