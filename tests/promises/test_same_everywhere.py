"""Sync, async, LangChain and LlamaIndex give one item the same vector, byte for byte."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import ImageNode
from paintings import data_uri, painted
from promise import ARK, Breakage, sized, texts

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding, MultiModalNodeEmbedder
from volc_dashscope import AsyncClient, Fused, Image, Item

VL = "qwen3-vl-embedding"
INTEGRATIONS = {
    ARK: (ArkEmbeddings, ArkMultiModalEmbedding),
    VL: (DashScopeEmbeddings, DashScopeMultiModalEmbedding),
}
BREAKAGES = [
    Breakage(
        "volc_dashscope/_lifecycle.py",
        "other.__dict__.update(self.__dict__)",
        "other.__dict__ |= {**self.__dict__, '_spec': __import__('dataclasses').replace(self._spec, normalize=False)}",
        "test_every_way_gives_the_same_bytes",
    ),
    Breakage(
        "volc_dashscope/providers/ark.py",
        'if spec.text_type == "document":\n        return {"inst',
        'if spec.text_type == "query":\n        return {"inst',
        "test_documents_and_queries_differ_where_the_service_tells_them_apart",
    ),
]


def _png(number: int) -> bytes:
    colour = (number * 37 % 256, number * 91 % 256, number * 13 % 256)
    return painted(colour, (20 + number % 5, 20))


def _uri(number: int) -> str:
    return data_uri(_png(number))


def _mixed(number: int) -> list[Item]:
    words = texts(number)
    kinds = [
        lambda place: words[place],
        lambda place: Image.from_bytes(_png(place)),
        lambda place: Image.from_url(f"https://example.com/red-{place}.png"),
        lambda place: Fused(words[place], Image.from_bytes(_png(place))),
    ]
    return [kinds[place % 4](place) for place in range(number)]


def _bits(rows: Any) -> list[bytes]:
    return [np.asarray(row, dtype=np.float32).tobytes() for row in rows]


async def _through_llama_index_async(model: Any, number: int) -> list[Any]:
    words = texts(number)
    nodes = [
        ImageNode(text=words[place], image=b64encode(_png(place)).decode()) for place in range(3, number, 4)
    ]
    urls = [f"https://example.com/red-{place}.png" for place in range(2, number, 4)]
    rows: list[Any] = [None] * number
    rows[0::4], rows[1::4], rows[2::4], embedded = await asyncio.gather(
        model.aget_text_embedding_batch([words[place] for place in range(0, number, 4)]),
        model.aget_image_embedding_batch([_uri(place) for place in range(1, number, 4)]),
        model.aget_image_embedding_batch(urls),
        MultiModalNodeEmbedder(embed_model=model, fuse="always").acall(nodes),
    )
    rows[3::4] = [node.embedding for node in embedded]
    return rows


def _through_llama_index(model: Any, number: int) -> list[Any]:
    """Each kind of item through the hook a user of LlamaIndex has for it."""
    words = texts(number)
    rows: list[Any] = [None] * number
    rows[0::4] = model.get_text_embedding_batch([words[place] for place in range(0, number, 4)])
    rows[1::4] = model.get_image_embedding_batch([_uri(place) for place in range(1, number, 4)])
    rows[2::4] = model.get_image_embedding_batch(
        [f"https://example.com/red-{place}.png" for place in range(2, number, 4)]
    )
    nodes = [
        ImageNode(text=words[place], image=b64encode(_png(place)).decode()) for place in range(3, number, 4)
    ]
    embedded = MultiModalNodeEmbedder(embed_model=model, fuse="always")(nodes)
    rows[3::4] = [node.embedding for node in embedded]
    return rows


async def _streamed(client: AsyncClient, items: list[Item]) -> list[Any]:
    return [row async for _, row in client.stream(items)]


@pytest.mark.parametrize("model", INTEGRATIONS)
def test_every_way_gives_the_same_bytes(inside, measured, model) -> None:
    number = sized(500)
    items = _mixed(number)
    langchain, llama_index = INTEGRATIONS[model]
    settings = inside.settings(langchain.provider_name)
    client = inside.client(model)
    chain, index = langchain(model=model, **settings), llama_index(model_name=model, **settings)

    ways = {
        "sync": client.embed(items).vectors,
        "async": asyncio.run(client.aio.embed(items)).vectors,
        "sync stream": [row for _, row in client.stream(items)],
        "async stream": asyncio.run(_streamed(client.aio, items)),
        "LangChain": chain.embed_contents(items),
        "LangChain, async": asyncio.run(chain.aembed_contents(items)),
        "LlamaIndex": _through_llama_index(index, number),
        "LlamaIndex, async": asyncio.run(_through_llama_index_async(index, number)),
    }

    expected = _bits(ways["sync"])
    measured(f"{number} items, {len(ways)} ways")
    assert {} == {way: "differs" for way, rows in ways.items() if expected != _bits(rows)}


def test_documents_and_queries_differ_where_the_service_tells_them_apart(inside) -> None:
    client = inside.client(ARK)

    client.embed(["text"], text_type="document")
    client.embed(["text"], text_type="query")

    document, query = (entry.body["instructions"] for entry in inside.emulator.ledger)
    assert document.startswith("Instruction:Compress the text")
    assert query.startswith("Target_modality:")
