"""What the tests of both faces hand over, and how they call a face that either framework made."""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings
from PIL import Image as Pillow

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding

ARK = "doubao-embedding-vision-251215"
VL = "qwen3-vl-embedding"
V4 = "text-embedding-v4"
PICTURE_URL = "https://example.com/red-shoe.png"
VIDEO_URL = "https://example.com/cat.mp4"
LANGCHAIN = (ArkEmbeddings, DashScopeEmbeddings)
LLAMA_INDEX = (ArkMultiModalEmbedding, DashScopeMultiModalEmbedding)
FACES = (*LANGCHAIN, *LLAMA_INDEX)


def picture(colour: str = "red") -> Pillow.Image:
    return Pillow.new("RGB", (32, 32), colour)


def documents(face: Any, texts: list[str]) -> list[list[float]]:
    """Embed texts as documents, whatever the framework calls it."""
    return (
        face.embed_documents(texts) if isinstance(face, Embeddings) else face.get_text_embedding_batch(texts)
    )


async def adocuments(face: Any, texts: list[str]) -> list[list[float]]:
    """As `documents`, awaited."""
    if isinstance(face, Embeddings):
        return await face.aembed_documents(texts)
    return await face.aget_text_embedding_batch(texts)


def query(face: Any, text: str) -> list[float]:
    """Embed a text as a query, whatever the framework calls it."""
    return face.embed_query(text) if isinstance(face, Embeddings) else face.get_query_embedding(text)


def images(face: Any, given: list[str]) -> list[list[float]]:
    """Embed images, whatever the framework calls it."""
    return face.embed_image(given) if isinstance(face, Embeddings) else face.get_image_embedding_batch(given)


def settings_of(embed_model: Any) -> dict[str, Any]:
    """Return what `to_dict` gives, without what is new in each call."""
    return {name: value for name, value in embed_model.to_dict().items() if name != "nonce"}
