"""One search from the page: reads the query, embeds it, and finds the nearest entries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request

from volc_dashscope.client import AsyncClient
from volc_dashscope.errors import InputError
from volc_dashscope.inputs import Fused, Image, Item
from volc_dashscope.models import MIB
from volc_dashscope.results import FloatArray
from volc_dashscope.search import Album, Found, PictureReranker, Reranked
from volc_dashscope.search.index import unit

LONGEST_TEXT = 2000
UPLOAD_SECONDS = 30.0
# A picture is in memory several times while it is embedded: as bytes, as base64 and as the request body.
_MOST_UPLOADS = 4
_MOST_RESULTS = 500
_USUAL_LIMIT = 10 * MIB
# With `max_image_pixels` a picture may have more bytes than the model takes; a photograph of 100 megapixels has these.
_LARGEST_SHRUNK = 50 * MIB


class Uploads:
    """
    Limits the pictures that are read and embedded at once; further ones are refused at once.

    Args:
        seconds: How long one may take to come.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running = 0

    @contextmanager
    def slot(self, request: Request) -> Iterator[None]:
        """
        Reserve a slot for the picture of a request; a request without a body needs none.

        Raises:
            HTTPException: All slots are in use.
        """
        headers = request.headers
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            yield
            return
        if self._running >= _MOST_UPLOADS:
            words = f"{_MOST_UPLOADS} image searches are already running; try again in a moment"
            raise HTTPException(503, words, {"Connection": "close"})
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


class NotAnImage(InputError):
    """An upload is not an image of a format that is read here."""


@dataclass(frozen=True, slots=True)
class Question:
    """
    A query of the page.

    Attributes:
        shortened: The text was longer than `LONGEST_TEXT` and was cut to its beginning.
        like: An entry whose own vector is the query, which costs nothing.
    """

    text: str
    shortened: bool
    picture: bytes
    like: int | None
    kind: Literal["image", "video"] | None
    top: int


async def read_question(request: Request, album: Album, most: int, seconds: float) -> Question:
    """
    Read a request: the picture is the body, everything else is in the URL.

    Args:
        most: Most bytes of a picture.
        seconds: How long it may take to come.

    Raises:
        HTTPException: The request is invalid.
    """
    given = request.query_params
    text, kind = given.get("text", "").strip(), given.get("kind") or None
    if kind not in (None, "image", "video"):
        raise HTTPException(400, "kind must be image, video or empty")
    question = Question(
        text=text[:LONGEST_TEXT],
        shortened=len(text) > LONGEST_TEXT,
        picture=await _body(request, most, seconds),
        like=_number(given, "like", len(album) - 1),
        kind=cast("Literal['image', 'video'] | None", kind),
        top=_number(given, "top", _MOST_RESULTS) or 60,
    )
    if not question.text and not question.picture and question.like is None:
        raise HTTPException(400, "the query is missing: pass a text, an image, or both")
    return question


async def answer(
    question: Question, album: Album, client: AsyncClient, reranker: PictureReranker | None = None
) -> dict[str, Any]:
    """
    Return the ranking for a query, and what it cost.

    With a reranker the nearest pictures come first, in its order, and all others follow by vector.

    Raises:
        EmbeddingError: The question cannot be embedded or ranked.
    """
    vector, tokens, fused = await _vector(question, album, client)
    found: Sequence[Found] = album.search(vector, top=question.top, kind=question.kind)
    why, reranked = None, 0
    if reranker is not None:
        asked, why = _rerankable(question, album, found)
        if asked is not None:
            before = reranker.usage.total_tokens
            found, reranked = await _reranked(asked, found, album, reranker)
            tokens += reranker.usage.total_tokens - before
    return {
        "results": [_result(one) for one in found],
        "fused": fused,
        "tokens": tokens,
        "shortened": question.shortened,
        "reranked": reranked,
        "not_reranked": why,
    }


def _result(one: Found) -> dict[str, Any]:
    shown = {"place": one.place, "rank": one.rank, "score": round(one.score, 4)}
    if isinstance(one, Reranked):
        shown |= {"vector_rank": one.vector_rank, "vector_score": round(one.vector_score, 4)}
    return shown


def _rerankable(question: Question, album: Album, found: Sequence[Found]) -> tuple[Item | None, str | None]:
    """Return what the rerank model is asked, or None with the name of the reason."""
    if not any(one.entry.kind == "image" for one in found):
        return None, "no_pictures"
    if question.like is not None:
        entry = album.entries[question.like]
        if entry.kind == "video":
            return None, "video_question"
        return Image.from_path(album.path(entry), root=album.folder), None
    if question.text and question.picture:
        return None, "two_parts"
    return question.text or _image(question.picture), None


async def _reranked(
    asked: Item, found: Sequence[Found], album: Album, reranker: PictureReranker
) -> tuple[list[Found], int]:
    """Return the nearest pictures in the reranker's order and then all else, and how many were reranked."""
    nearest = [one for one in found if one.entry.kind == "image"][: reranker.candidates]
    best = await reranker.abest(asked, nearest, album)
    places = {one.place for one in best}
    others = [one for one in found if one.place not in places]
    numbered = [replace(one, rank=rank) for rank, one in enumerate(others, start=len(best) + 1)]
    return [*best, *numbered], len(best)


def largest(client: AsyncClient) -> int:
    """Return the most bytes of a picture: the model's limit, or more if the client shrinks it first."""
    rule = client.model_info.image
    most = rule.max_bytes if rule is not None else _USUAL_LIMIT
    return most if client.max_image_pixels is None else max(most, _LARGEST_SHRUNK)


async def _vector(question: Question, album: Album, client: AsyncClient) -> tuple[FloatArray, int, bool]:
    """Return the question's vector, the tokens it cost, and whether several parts were embedded as one."""
    if question.like is not None:
        return album.vectors[question.like], 0, False
    parts: list[Any] = [question.text] if question.text else []
    if question.picture:
        parts.append(_image(question.picture))
    fused = len(parts) > 1 and client.model_info.fusion is not None
    items: list[Item] = [Fused(*parts)] if fused else parts
    result = await client.embed(items, text_type="query")
    # A model that takes one part at a time embeds each; entries near to both are near the mean.
    return unit(result.vectors).mean(axis=0), result.usage.total_tokens, fused


def _image(data: bytes) -> Image:
    try:
        return Image.from_bytes(data)
    except InputError as error:
        raise NotAnImage(str(error)) from error


async def _body(request: Request, most: int, seconds: float) -> bytes:
    words = f"the image is larger than {most / 1e6:.0f} MB, the largest size for a search"
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or len(said) > 15 or int(said) > most:
        raise HTTPException(413, words)
    found = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                found += piece
                if len(found) > most:
                    raise HTTPException(413, words)
    except TimeoutError as error:
        raise HTTPException(408, "the image did not arrive in time", {"Connection": "close"}) from error
    return bytes(found)


def _number(given: Mapping[str, str], name: str, most: int) -> int | None:
    text = given.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > most:
        raise HTTPException(400, f"{name} is not a number from 0 to {most}")
    return int(text)
