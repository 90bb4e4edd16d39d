"""The methods that vector stores call to embed images, and the same for videos."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from volc_dashscope import Image, Item, TextType, Video
from volc_dashscope.inputs import is_url
from volc_dashscope.integrations.hybrid import whole_call
from volc_dashscope.integrations.settings import ClientFields, convert_each


class MediaCalls(ClientFields):
    """Embeds images and videos as documents, by URL or path, with the method names that stores call."""

    show_progress_bar: bool = Field(default=False, description="Show a progress bar (needs tqdm).")

    def embed_image(self, uris: Sequence[str]) -> list[list[float]]:
        """
        Embed images as documents.

        Args:
            uris: `http(s):`, `data:` and `oss:` are URLs; anything else is a path or a `file:` URI, inside
                `media_root` if set.

        Raises:
            InputError: An image cannot be read or does not fit the model. Nothing was sent.
            BulkError: Some of many images failed.
        """
        return self._embed_media(convert_each(uris, self._image, name="uris"))

    async def aembed_image(self, uris: Sequence[str]) -> list[list[float]]:
        """As `embed_image`, awaited."""
        return await self._aembed_media(convert_each(uris, self._image, name="uris"))

    def embed_images(self, uris: Sequence[str]) -> list[list[float]]:
        """The same as `embed_image`, which some stores call by this name."""
        return self.embed_image(uris)

    async def aembed_images(self, uris: Sequence[str]) -> list[list[float]]:
        """The same as `aembed_image`, which some stores call by this name."""
        return await self.aembed_image(uris)

    def embed_video(self, uris: Sequence[str]) -> list[list[float]]:
        """Embed videos as documents; arguments and errors as for `embed_image`."""
        return self._embed_media(convert_each(uris, self._video, name="uris"))

    async def aembed_video(self, uris: Sequence[str]) -> list[list[float]]:
        """As `embed_video`, awaited."""
        return await self._aembed_media(convert_each(uris, self._video, name="uris"))

    def _role(self, of_method: TextType) -> TextType | None:
        raise NotImplementedError

    def _embed_media(self, items: Sequence[Item]) -> list[list[float]]:
        call, role = whole_call(items), self._role("document")
        return call.lists(self._client, role, progress=self.show_progress_bar)

    async def _aembed_media(self, items: Sequence[Item]) -> list[list[float]]:
        call, role = whole_call(items), self._role("document")
        return await call.alists(self._client.aio, role, progress=self.show_progress_bar)

    def _image(self, uri: str) -> Image:
        if is_url(uri):
            return Image.from_url(uri)
        return Image.from_path(uri, root=self.media_root)

    def _video(self, uri: str) -> Video:
        if is_url(uri):
            return Video.from_url(uri)
        return Video.from_path(uri, root=self.media_root)
