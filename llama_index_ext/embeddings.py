"""`ArkMultiModalEmbedding` and `DashScopeMultiModalEmbedding`."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.schema import ImageType
from pydantic import AliasChoices, Field, SecretStr

from volc_dashscope import EmbeddingResult, Image, InputError, Usage
from volc_dashscope.fields import ClientFields, each, is_url
from volc_dashscope.models import Provider

_LARGEST_BATCH = 2048


class _MultiModal(ClientFields, MultiModalEmbedding):
    """What both classes do; they differ in the service and the default model."""

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    embed_batch_size: int = Field(default=0, ge=0, le=_LARGEST_BATCH, validate_default=False)

    @property
    def usage(self) -> Usage:
        """What this object has been billed so far."""
        return self._client.usage

    def _model_and_key(self) -> tuple[str, SecretStr | None]:
        return self.model_name, self.api_key

    def _make_client(self) -> Any:
        client = super()._make_client()
        if not self.embed_batch_size:
            # Core calls the sync hook once per embed_batch_size: large enough that requests overlap inside.
            self.embed_batch_size = min(_LARGEST_BATCH, 4 * client.card.batch * self.max_concurrency)
        return client

    def _get_query_embedding(self, query: str) -> Embedding:
        return _lists(self._client.embed([query], text_type="query"))[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return _lists(await self._client.aio.embed([query], text_type="query"))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return _lists(self._client.embed(texts))

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return _lists(await self._client.aio.embed(texts))

    def _get_image_embedding(self, img_file_path: ImageType) -> Embedding:
        return self._get_image_embeddings([img_file_path])[0]

    async def _aget_image_embedding(self, img_file_path: ImageType) -> Embedding:
        return (await self._aget_image_embeddings([img_file_path]))[0]

    def _get_image_embeddings(self, img_file_paths: list[ImageType]) -> list[Embedding]:
        return _lists(self._client.embed(each(img_file_paths, self._image, name="img_file_paths")))

    async def _aget_image_embeddings(self, img_file_paths: list[ImageType]) -> list[Embedding]:
        return _lists(await self._client.aio.embed(each(img_file_paths, self._image, name="img_file_paths")))

    def _image(self, given: object) -> Image:
        """Take an image in any form core hands it over: path, URL, data URI, stream, bytes, Pillow image."""
        if isinstance(given, Image):
            return given
        if isinstance(given, str) and is_url(given):
            return Image.from_url(given)
        if isinstance(given, str | Path):
            return Image.from_path(given, root=self.media_root)
        if isinstance(given, BytesIO):
            return Image.from_bytes(given.getvalue())
        if isinstance(given, bytes | bytearray):
            return Image.from_bytes(bytes(given))
        if callable(getattr(given, "save", None)):
            return Image.from_pil(given)  # type: ignore[arg-type]
        raise InputError(
            f"expected an image as path, URL, bytes, BytesIO or Image, got {type(given).__name__}"
        )


class ArkMultiModalEmbedding(_MultiModal):
    """
    Doubao embeddings of Volcengine Ark.

    Args:
        model_name: Model id, or an endpoint id `ep-…` together with `like=`. `model` is the same.
        api_key: Else the environment variable `ARK_API_KEY`.
        embed_batch_size: Items core hands over at once; 0 for 4 x batch x max_concurrency.

    Raises:
        ConfigError: No key, or a setting the model does not have.
    """

    provider_name: ClassVar[Provider] = "ark"

    model_name: str = Field(
        default="doubao-embedding-vision-251215", validation_alias=AliasChoices("model_name", "model")
    )

    @classmethod
    def class_name(cls) -> str:
        return "ArkMultiModalEmbedding"


class DashScopeMultiModalEmbedding(_MultiModal):
    """
    Qwen and Tongyi embeddings of Alibaba DashScope.

    Args:
        model_name: "text-embedding-v4", "qwen3-vl-embedding", ... `model` is the same.
        api_key: Else the environment variable `DASHSCOPE_API_KEY`.
        embed_batch_size: Items core hands over at once; 0 for 4 x batch x max_concurrency.

    Raises:
        ConfigError: No key, or a setting the model does not have.
    """

    provider_name: ClassVar[Provider] = "dashscope"

    model_name: str = Field(
        default="qwen3-vl-embedding", validation_alias=AliasChoices("model_name", "model")
    )

    @classmethod
    def class_name(cls) -> str:
        return "DashScopeMultiModalEmbedding"


def _lists(result: EmbeddingResult) -> list[Embedding]:
    vectors: list[Embedding] = result.vectors.tolist()
    return vectors
