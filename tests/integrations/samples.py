"""What the tests of both integrations hand over, and how they call an integration that either framework made."""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings
from PIL import Image as Pillow

import langchain_volc_dashscope
import llama_index_ext
from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding

ARK = "doubao-embedding-vision-251215"
VL = "qwen3-vl-embedding"
V4 = "text-embedding-v4"
PICTURE_URL = "https://example.com/red-shoe.png"
VIDEO_URL = "https://example.com/cat.mp4"
LANGCHAIN = (ArkEmbeddings, DashScopeEmbeddings)
LLAMA_INDEX = (ArkMultiModalEmbedding, DashScopeMultiModalEmbedding)
INTEGRATIONS = (*LANGCHAIN, *LLAMA_INDEX)
# Every class that makes a client.
KINDS = (
    *LANGCHAIN,
    langchain_volc_dashscope.DashScopeRerank,
    *LLAMA_INDEX,
    llama_index_ext.ArkSparseEmbedding,
    llama_index_ext.DashScopeSparseEmbedding,
    llama_index_ext.DashScopeRerank,
)


def picture(colour: str = "red") -> Pillow.Image:
    return Pillow.new("RGB", (32, 32), colour)


def documents(embed_model: Any, texts: list[str]) -> list[list[float]]:
    """Embed texts as documents, whatever the framework calls it."""
    return (
        embed_model.embed_documents(texts)
        if isinstance(embed_model, Embeddings)
        else embed_model.get_text_embedding_batch(texts)
    )


async def adocuments(embed_model: Any, texts: list[str]) -> list[list[float]]:
    """As `documents`, awaited."""
    if isinstance(embed_model, Embeddings):
        return await embed_model.aembed_documents(texts)
    return await embed_model.aget_text_embedding_batch(texts)


def query(embed_model: Any, text: str) -> list[float]:
    """Embed a text as a query, whatever the framework calls it."""
    return (
        embed_model.embed_query(text)
        if isinstance(embed_model, Embeddings)
        else embed_model.get_query_embedding(text)
    )


def images(embed_model: Any, given: list[str]) -> list[list[float]]:
    """Embed images, whatever the framework calls it."""
    return (
        embed_model.embed_image(given)
        if isinstance(embed_model, Embeddings)
        else embed_model.get_image_embedding_batch(given)
    )


def settings_of(embed_model: Any) -> dict[str, Any]:
    """Return what `to_dict` gives, without what is new in each call."""
    return {name: value for name, value in embed_model.to_dict().items() if name != "nonce"}
