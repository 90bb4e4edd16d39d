"""The calls of `MultiModalEmbedding` for images, and the same for videos."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.schema import ImageType

from llama_index_ext.batches import kept_on_failure, list_model, note_batch
from llama_index_ext.events import instrumented
from volc_dashscope import Client, EmbeddingResult, Image, Item, OnError, TextType, Video
from volc_dashscope.inputs import Savable
from volc_dashscope.integrations.hybrid import check_items, whole_call
from volc_dashscope.integrations.settings import convert_each, require_event_loop

# The types that core passes, and other types that represent an image.
Picture: TypeAlias = ImageType | Path | bytes | bytearray | Image | Savable


class MediaCalls(MultiModalEmbedding):
    """Embeds images as core passes them, and videos, for which core has no methods."""

    if TYPE_CHECKING:
        _client: Client

        def embed_items(
            self,
            items: Sequence[Item],
            *,
            text_type: TextType | None = "document",
            on_error: OnError = "raise",
        ) -> EmbeddingResult: ...

        def _image(self, image: object) -> Image: ...

        def _video(self, video: object) -> Video: ...

        async def aembed_items(
            self,
            items: Sequence[Item],
            *,
            text_type: TextType | None = "document",
            on_error: OnError = "raise",
        ) -> EmbeddingResult: ...

    def get_video_embedding(self, video: object) -> Embedding:
        """Embed one video: path, URL, data URI, stream, bytes or `Video`."""
        return self.get_video_embeddings([video])[0]

    async def aget_video_embedding(self, video: object) -> Embedding:
        """As `get_video_embedding`, awaited."""
        return (await self.aget_video_embeddings([video]))[0]

    def get_video_embeddings(self, videos: Sequence[object]) -> list[Embedding]:
        """Embed videos in order."""
        return rows_of(self.embed_items(convert_each(videos, self._video, name="videos")))

    async def aget_video_embeddings(self, videos: Sequence[object]) -> list[Embedding]:
        """As `get_video_embeddings`, awaited."""
        return rows_of(await self.aembed_items(convert_each(videos, self._video, name="videos")))

    def get_image_embedding(self, img_file_path: Picture) -> Embedding:
        """Embed one image: path, URL, data URI, stream, bytes or Pillow image."""
        image = self._image(img_file_path)
        with instrumented(self, [image.label()]) as vectors:
            vectors.append(self._get_image_embedding(image))  # type: ignore[arg-type]
        return vectors[0]

    async def aget_image_embedding(self, img_file_path: Picture) -> Embedding:
        """As `get_image_embedding`, awaited."""
        image = self._image(img_file_path)
        with instrumented(self, [image.label()]) as vectors:
            vectors.append(await self._aget_image_embedding(image))  # type: ignore[arg-type]
        return vectors[0]

    def get_image_embedding_batch(
        self, img_file_paths: Sequence[Picture], show_progress: bool = False
    ) -> list[Embedding]:
        """Embed images in order, `embed_batch_size` per event."""
        rows: list[Embedding] = []
        batches = self._image_batches(img_file_paths)
        with kept_on_failure(self._client):
            for images in batches:
                with instrumented(self, [image.label() for image in images]) as vectors:
                    call = whole_call(images, list_model(self._client))
                    result = call.run(self._client, "document", progress=show_progress)
                    vectors.extend(note_batch(images, result))
                rows.extend(vectors)
        return rows

    async def aget_image_embedding_batch(
        self, img_file_paths: Sequence[Picture], show_progress: bool = False
    ) -> list[Embedding]:
        """As `get_image_embedding_batch`, awaited; at most `num_workers` batches at once, if that is set."""
        require_event_loop()
        batches = self._image_batches(img_file_paths)
        gate = asyncio.Semaphore(self.num_workers or len(batches) or 1)

        async def batch_rows(images: list[Image]) -> list[Embedding]:
            async with gate:
                with instrumented(self, [image.label() for image in images]) as vectors:
                    call = whole_call(images, list_model(self._client))
                    result = await call.arun(self._client.aio, "document", progress=show_progress)
                    vectors.extend(note_batch(images, result))
                return vectors

        with kept_on_failure(self._client):
            tasks = [asyncio.ensure_future(batch_rows(images)) for images in batches]
            try:
                return [row for rows in await asyncio.gather(*tasks) for row in rows]
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _get_image_embedding(self, img_file_path: ImageType) -> Embedding:
        return self._get_image_embeddings([img_file_path])[0]

    async def _aget_image_embedding(self, img_file_path: ImageType) -> Embedding:
        return (await self._aget_image_embeddings([img_file_path]))[0]

    def _get_image_embeddings(self, img_file_paths: list[ImageType]) -> list[Embedding]:
        return rows_of(self._client.embed(convert_each(img_file_paths, self._image, name="img_file_paths")))

    async def _aget_image_embeddings(self, img_file_paths: list[ImageType]) -> list[Embedding]:
        return rows_of(
            await self._client.aio.embed(convert_each(img_file_paths, self._image, name="img_file_paths"))
        )

    def _image_batches(self, pictures: Sequence[Picture]) -> list[list[Image]]:
        images = convert_each(pictures, self._image, name="img_file_paths")
        size = self.embed_batch_size
        if len(images) > size:
            check_items(self._client, images)
        return [images[start : start + size] for start in range(0, len(images), size)]


def rows_of(result: EmbeddingResult) -> list[Embedding]:
    """Return the vectors as lists, as core expects them."""
    vectors: list[Embedding] = result.vectors.tolist()
    return vectors
