"""Reranking of a search: a rerank model orders the nearest pictures by vector again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from volc_dashscope.errors import InputError
from volc_dashscope.inputs import Image, Item
from volc_dashscope.rerank import Reranker, RerankResult
from volc_dashscope.results import Usage
from volc_dashscope.search.index import Album, Entry, Found  # noqa: F401 - type hints of `Found` are read here

# Enough to find what its vector ranks a little too low; each picture of a request is billed by its tokens.
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
    """

    vector_rank: int
    vector_score: float


class PictureReranker:
    """
    Orders the nearest pictures of an album again, one request a question.

    ```python
    order = PictureReranker(Reranker("qwen3-vl-rerank"))
    (vector,) = client.embed(["a yellow banana"], text_type="query").vectors
    best = order.best("a yellow banana", album.search(vector, top=2), album, top=1)
    print(len(best), best[0].rank)
    ```
    ```text
    1 1
    ```
    """

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        most = reranker.model_info.max_images
        self.candidates = _CANDIDATES if most is None else min(_CANDIDATES, most)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._reranker.model_info.name

    @property
    def usage(self) -> Usage:
        """What was billed so far."""
        return self._reranker.usage

    def best(self, question: Item, nearest: Sequence[Found], album: Album, *, top: int) -> list[Found]:
        """
        Return the best of the nearest pictures, best first.

        A picture that is gone, or that the model does not take, is left out.
        """
        asked = _Pictures(nearest, album)
        while asked.images:
            try:
                most = min(top, len(asked.images)) or None
                return asked.ranked(self._reranker.rerank(question, asked.images, top_n=most))
            except InputError as error:
                asked.leave_out(error)
        return []

    async def abest(self, question: Item, nearest: Sequence[Found], album: Album) -> list[Found]:
        """Return all of the nearest pictures, best first, as `best` does."""
        asked = _Pictures(nearest, album)
        while asked.images:
            try:
                return asked.ranked(await self._reranker.aio.rerank(question, asked.images))
            except InputError as error:
                asked.leave_out(error)
        return []

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._reranker.aio.close()


class _Pictures:
    """
    The pictures of one question.

    Attributes:
        images: Those that can still be reranked.
    """

    def __init__(self, nearest: Sequence[Found], album: Album) -> None:
        self.images: list[Image] = []
        self._found: list[Found] = []
        for one in nearest:
            try:
                self.images.append(Image.from_path(album.path(one.entry), root=album.folder))
            except InputError:
                continue  # it was deleted or replaced since the folder was scanned
            self._found.append(one)

    def leave_out(self, error: InputError) -> None:
        """Drop the picture that an error is about; raise an error about anything else. Nothing was sent so far."""
        if error.index is None:
            raise error
        del self.images[error.index], self._found[error.index]

    def ranked(self, found: Sequence[RerankResult]) -> list[Found]:
        """Return the results of the rerank model as places in the album."""
        ranked = [(self._found[one.index], one.score) for one in found]
        return [
            Reranked(rank, score, one.place, one.entry, one.rank, one.score)
            for rank, (one, score) in enumerate(ranked, start=1)
        ]
