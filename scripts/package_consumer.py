"""What a user writes with all three packages, for type checkers to read from an installed wheel."""

from __future__ import annotations

import asyncio

import numpy as np
from langchain_core.documents import Document
from llama_index.core.schema import BaseNode, TextNode
from numpy.typing import NDArray

from langchain_volc_dashscope import ArkEmbeddings, MediaDocument, content_blocks, media, media_of
from llama_index_ext import DashScopeMultiModalEmbedding, MultiModalNodeEmbedder, fingerprint, query_bundle
from volc_dashscope import (
    AsyncClient,
    BulkError,
    Client,
    EmbeddingError,
    EmbeddingResult,
    Fused,
    Image,
    ModelInfo,
    Usage,
    estimate_cost,
    get_model_info,
    list_models,
)
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.emulator import Emulator


def core() -> NDArray[np.float32]:
    """Use the client, its results and its errors."""
    row: ModelInfo | None = get_model_info("text-embedding-v4")
    dimension: int = (row or list_models()[0]).dimensions[0]
    with SQLiteCache("vectors.sqlite") as cache, Client("text-embedding-v4", cache=cache) as client:
        try:
            result: EmbeddingResult = client.embed(["a", Fused("b", Image.from_path("b.png"))])
        except BulkError as error:
            failures: dict[int, EmbeddingError] = error.failures
            result = error.result
            print(sorted(failures), error.request_id, error.retryable)
        usage: Usage = client.usage
    print(dimension, estimate_cost(["a"], "text-embedding-v4").price, usage.total_tokens, result.request_ids)
    return result.vectors


async def awaited() -> int:
    """Use the asynchronous client against the emulator."""
    emulator = Emulator()
    async with AsyncClient("qwen3-vl-embedding", http_async_client=emulator.http_async_client()) as client:
        result = await client.embed(["a"], text_type="query", output_type="dense")
    texts: list[str] = emulator.ledger.texts
    return len(result.vectors) + len(texts)


def langchain() -> list[float]:
    """Use the LangChain integration."""
    embed_model = ArkEmbeddings(model="doubao-embedding-vision-251215", dimensions=1024)
    document: Document = MediaDocument(Image.from_url("https://example.com/a.png"), caption="a")
    print(len(content_blocks([document])))  # type: ignore[misc]  # LangChain's own blocks hold Any
    print(media_of(document), embed_model.fingerprint, embed_model.dimension)
    rows: list[list[float]] = embed_model.embed_documents(["a", media(Image.from_path("a.png"))])
    return rows[0] + embed_model.embed_query("a")


def llama_index() -> list[float]:
    """Use the LlamaIndex integration."""
    embed_model = DashScopeMultiModalEmbedding(model_name="qwen3-vl-embedding", dimensions=1024)
    nodes: list[BaseNode] = list(
        MultiModalNodeEmbedder(embed_model=embed_model)(fingerprint([TextNode(text="a")]))
    )
    bundle = query_bundle("a", image="a.png", embed_model=embed_model)
    print(nodes[0].get_embedding(), bundle.query_str)
    return embed_model.get_text_embedding("a")


if __name__ == "__main__":
    print(core(), asyncio.run(awaited()), langchain(), llama_index())
