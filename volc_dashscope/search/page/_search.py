"""Searches for the page: reads the query, embeds it, and finds the nearest entries."""

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

MAX_TEXT_LENGTH = 2000
UPLOAD_SECONDS = 30.0
# While a picture is embedded, it is in memory several times: as bytes, as base64 and as the request body.
_MAX_UPLOADS = 4
_MAX_RESULTS = 500
_DEFAULT_IMAGE_BYTES = 10 * MIB
# With `max_image_pixels`, a picture may be larger than the model accepts; this is the size of a 100-megapixel photo.
_MAX_SHRUNK_BYTES = 50 * MIB


class Uploads:
    """
    Limits how many pictures are uploaded and embedded at the same time; further ones are refused.

    Args:
        seconds: Time limit for one upload.
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
        if self._running >= _MAX_UPLOADS:
            message = f"{_MAX_UPLOADS} image searches are already running; try again in a moment"
            raise HTTPException(503, message, {"Connection": "close"})
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


class NotAnImage(InputError):
    """An upload is not an image, or not of a supported format."""


@dataclass(frozen=True, slots=True)
class Query:
    """
    A query of the page.

    Attributes:
        shortened: The text was longer than `MAX_TEXT_LENGTH` and was cut.
        like: Number of an entry whose stored vector is the query; such a search costs nothing.
    """

    text: str
    shortened: bool
    picture: bytes
    like: int | None
    kind: Literal["image", "video"] | None
    top: int


async def read_query(request: Request, album: Album, max_bytes: int, seconds: float) -> Query:
    """
    Read a request: the picture is the body, everything else is in the URL.

    Args:
        max_bytes: Maximum size of a picture.
        seconds: Time limit for the upload.

    Raises:
        HTTPException: The request is invalid.
    """
    parameters = request.query_params
    text, kind = parameters.get("text", "").strip(), parameters.get("kind") or None
    if kind not in (None, "image", "video"):
        raise HTTPException(400, "kind must be image, video or empty")
    query = Query(
        text=text[:MAX_TEXT_LENGTH],
        shortened=len(text) > MAX_TEXT_LENGTH,
        picture=await _body(request, max_bytes, seconds),
        like=_number(parameters, "like", len(album) - 1),
        kind=cast("Literal['image', 'video'] | None", kind),
        top=_number(parameters, "top", _MAX_RESULTS) or 60,
    )
    if not query.text and not query.picture and query.like is None:
        raise HTTPException(400, "the query is missing: pass a text, an image, or both")
    return query


async def search(
    query: Query, album: Album, client: AsyncClient, reranker: PictureReranker | None = None
) -> dict[str, Any]:
    """
    Return the ranking for a query, and its cost.

    With a reranker, the nearest pictures come first, in its order, and all other entries follow by vector score.

    Raises:
        EmbeddingError: The query cannot be embedded or reranked.
    """
    vector, tokens, fused = await _vector(query, album, client)
    found: Sequence[Found] = album.search(vector, top=query.top, kind=query.kind)
    why, reranked = None, 0
    if reranker is not None:
        rerank_query, why = _rerank_query(query, album, found)
        if rerank_query is not None:
            before = reranker.usage.total_tokens
            found, reranked = await _reranked(rerank_query, found, album, reranker)
            tokens += reranker.usage.total_tokens - before
    return {
        "results": [_result(hit) for hit in found],
        "fused": fused,
        "tokens": tokens,
        "shortened": query.shortened,
        "reranked": reranked,
        "not_reranked": why,
    }


def _result(hit: Found) -> dict[str, Any]:
    result = {"place": hit.place, "rank": hit.rank, "score": round(hit.score, 4)}
    if isinstance(hit, Reranked):
        result |= {"vector_rank": hit.vector_rank, "vector_score": round(hit.vector_score, 4)}
    return result


def _rerank_query(query: Query, album: Album, found: Sequence[Found]) -> tuple[Item | None, str | None]:
    """Return the query for the rerank model, or None and the reason why the results are not reranked."""
    if not any(hit.entry.kind == "image" for hit in found):
        return None, "no_pictures"
    if query.like is not None:
        entry = album.entries[query.like]
        if entry.kind == "video":
            return None, "video_question"
        return Image.from_path(album.path(entry), root=album.folder), None
    if query.text and query.picture:
        return None, "two_parts"
    return query.text or _image(query.picture), None


async def _reranked(
    rerank_query: Item, found: Sequence[Found], album: Album, reranker: PictureReranker
) -> tuple[list[Found], int]:
    """Return the nearest pictures in the reranker's order, then all others; and how many were reranked."""
    nearest = [hit for hit in found if hit.entry.kind == "image"][: reranker.candidates]
    best = await reranker.abest(rerank_query, nearest, album)
    places = {hit.place for hit in best}
    others = [hit for hit in found if hit.place not in places]
    numbered = [replace(hit, rank=rank) for rank, hit in enumerate(others, start=len(best) + 1)]
    return [*best, *numbered], len(best)


def max_image_bytes(client: AsyncClient) -> int:
    """Return the maximum size of a picture: the model's limit, or more if the client shrinks it first."""
    rule = client.model_info.image
    max_bytes = rule.max_bytes if rule is not None else _DEFAULT_IMAGE_BYTES
    return max_bytes if client.max_image_pixels is None else max(max_bytes, _MAX_SHRUNK_BYTES)


async def _vector(query: Query, album: Album, client: AsyncClient) -> tuple[FloatArray, int, bool]:
    """Return the query's vector, the tokens billed, and whether several parts were embedded as one."""
    if query.like is not None:
        return album.vectors[query.like], 0, False
    parts: list[Any] = [query.text] if query.text else []
    if query.picture:
        parts.append(_image(query.picture))
    fused = len(parts) > 1 and client.model_info.fusion is not None
    items: list[Item] = [Fused(*parts)] if fused else parts
    result = await client.embed(items, text_type="query")
    # A model that accepts one part at a time embeds each part; entries near both are near the mean.
    return unit(result.vectors).mean(axis=0), result.usage.total_tokens, fused


def _image(data: bytes) -> Image:
    try:
        return Image.from_bytes(data)
    except InputError as error:
        raise NotAnImage(str(error)) from error


async def _body(request: Request, max_bytes: int, seconds: float) -> bytes:
    message = f"the image is larger than {max_bytes / 1e6:.0f} MB, the largest size for a search"
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or len(length) > 15 or int(length) > max_bytes:
        raise HTTPException(413, message)
    found = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                found += chunk
                if len(found) > max_bytes:
                    raise HTTPException(413, message)
    except TimeoutError as error:
        raise HTTPException(408, "the image did not arrive in time", {"Connection": "close"}) from error
    return bytes(found)


def _number(parameters: Mapping[str, str], name: str, maximum: int) -> int | None:
    text = parameters.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > maximum:
        raise HTTPException(400, f"{name} is not a number from 0 to {maximum}")
    return int(text)
