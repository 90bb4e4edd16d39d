"""Reranking of a search: a rerank model reorders the pictures whose vectors are nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from volc_dashscope.errors import InputError
from volc_dashscope.inputs import Image, Item
from volc_dashscope.rerank import Reranker, RerankResult
from volc_dashscope.results import Usage
from volc_dashscope.search.index import Album, Entry, Found  # noqa: F401 - type hints of `Found` are read here

# Enough to include pictures that their vectors rank a little too low; each picture in a request is billed.
_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Reranked(Found):
    """
    A result with its rank and score by vector; `score` is the rerank model's.

    ```python
    order = PictureReranker(Reranker("qwen3-vl-rerank"))
    (vector,) = client.embed(["a yellow banana"], text_type="query").vectors
    for found in order.best("a yellow banana", album.search(vector, top=2), album, top=2):
        print(found.rank, 1 <= found.vector_rank <= 2)
    ```
    ```text
    1 True
    2 True
    ```

    Attributes:
        rank: Position by the rerank model, from 1.
        score: Score of the rerank model, from 0 to 1; comparable within one search only.
        place: As in `Found`.
        entry: As in `Found`.
        vector_rank: Rank by vector, from 1.
        vector_score: Cosine similarity.
    """

    vector_rank: int
    vector_score: float


class PictureReranker:
    """
    Reorders the nearest pictures of an album by a rerank model, with one request per query.

    ```python
    order = PictureReranker(Reranker("qwen3-vl-rerank"))
    (vector,) = client.embed(["a yellow banana"], text_type="query").vectors
    best = order.best("a yellow banana", album.search(vector, top=2), album, top=1)
    print(len(best), best[0].rank)
    ```
    ```text
    1 1
    ```

    Args:
        reranker: Its model must accept images, such as `qwen3-vl-rerank`.
    """

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        max_images = reranker.model_info.max_images
        self.candidates = _CANDIDATES if max_images is None else min(_CANDIDATES, max_images)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._reranker.model_info.name

    @property
    def usage(self) -> Usage:
        """The usage billed so far."""
        return self._reranker.usage

    def best(self, query: Item, nearest: Sequence[Found], album: Album, *, top: int) -> list[Found]:
        """
        Return the best of the nearest pictures, best first.

        Pictures that were deleted, or that the model does not accept, are left out.

        Args:
            query: A text or an image.
            nearest: Results of `Album.search` that are images.
            album: The album that was searched.
            top: How many results to return.

        Raises:
            EmbeddingError: The service refused the request.
        """
        pictures = _Pictures(nearest, album)
        while pictures.images:
            try:
                top_n = min(top, len(pictures.images)) or None
                return pictures.ranked(self._reranker.rerank(query, pictures.images, top_n=top_n))
            except InputError as error:
                pictures.leave_out(error)
        return []

    async def abest(self, query: Item, nearest: Sequence[Found], album: Album) -> list[Found]:
        """Return all of the nearest pictures, best first, as `best` does."""
        pictures = _Pictures(nearest, album)
        while pictures.images:
            try:
                return pictures.ranked(await self._reranker.aio.rerank(query, pictures.images))
            except InputError as error:
                pictures.leave_out(error)
        return []

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._reranker.aio.close()


class _Pictures:
    """
    The pictures of one query.

    Attributes:
        images: Those that can still be reranked.
    """

    def __init__(self, nearest: Sequence[Found], album: Album) -> None:
        self.images: list[Image] = []
        self._found: list[Found] = []
        for hit in nearest:
            try:
                self.images.append(Image.from_path(album.path(hit.entry), root=album.folder))
            except InputError:
                continue  # it was deleted or replaced since the folder was scanned
            self._found.append(hit)

    def leave_out(self, error: InputError) -> None:
        """Remove the picture that an error is about; raise any other error. Nothing has been sent yet."""
        if error.index is None:
            raise error
        del self.images[error.index], self._found[error.index]

    def ranked(self, found: Sequence[RerankResult]) -> list[Found]:
        """Return the results of the rerank model as entries of the album."""
        ranked = [(self._found[hit.index], hit.score) for hit in found]
        return [
            Reranked(rank, score, hit.place, hit.entry, hit.rank, hit.score)
            for rank, (hit, score) in enumerate(ranked, start=1)
        ]
