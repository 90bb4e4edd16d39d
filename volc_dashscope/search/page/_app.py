"""The page's routes. It can show the entries of one album and search them, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from volc_dashscope.client import Client
from volc_dashscope.errors import EmbeddingError, InputError, RateLimitError
from volc_dashscope.search import Album, Entry, PictureReranker
from volc_dashscope.search.map import Map, draw_map, group_names
from volc_dashscope.search.page._files import edition, file_reply, thumbnail_reply
from volc_dashscope.search.page._guard import Guard
from volc_dashscope.search.page._search import (
    MAX_TEXT_LENGTH,
    UPLOAD_SECONDS,
    NotAnImage,
    Uploads,
    max_image_bytes,
    read_query,
    search,
)

_STATIC = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "grid.js": "text/javascript",
    "map.js": "text/javascript",
    "viewer.js": "text/javascript",
    "words.json": "application/json",
    "icon.svg": "image/svg+xml",
}
# The row and the path, which is quoted as `repr` does.
_PLACE = re.compile(r"""^(row \d+: )?((file|image|video) ('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"): )?""")
LANGUAGES = {"en": "en", "zh": "zh-CN"}


def create_app(
    album: Album,
    client: Client,
    *,
    reranker: PictureReranker | None = None,
    stand_in: bool = False,
    upload_seconds: float = UPLOAD_SECONDS,
) -> Starlette:
    """
    Return the page for an album.

    It is protected against other pages in the same browser, but has no login: serve it on 127.0.0.1.

    Args:
        album: What `open_album` returned.
        client: Embeds the queries.
        reranker: Reorders the nearest pictures; the page shows both ranks.
        stand_in: Show on the page that the vectors come from the emulator.
        upload_seconds: Time limit for the upload of a picture, in seconds.
    """
    drawn = draw_map(album.vectors)
    page = _Page(album, client, drawn, reranker, stand_in=stand_in, upload_seconds=upload_seconds)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await page.client.close()
        if reranker is not None:
            await reranker.aclose()

    return Starlette(
        routes=[
            Route("/", page.index),
            Route("/static/{name}", page.static),
            Route("/api/album", page.album),
            Route("/api/search", page.search, methods=["POST"]),
            Route("/thumb/{place:int}", page.thumbnail),
            Route("/file/{place:int}", page.file),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={
            NotAnImage: _no_image,
            HTTPException: _refused,
            EmbeddingError: _failed,
            Exception: _broken,
        },
        lifespan=lifespan,
    )


class _Page:
    """The state that the routes share."""

    def __init__(
        self,
        album: Album,
        client: Client,
        drawn: Map,
        reranker: PictureReranker | None,
        *,
        stand_in: bool,
        upload_seconds: float,
    ) -> None:
        self._reranker = reranker
        self._album, self._model_info, self._map, self._stand_in = album, client.model_info, drawn, stand_in
        self._group_names = group_names([entry.name for entry in album.entries], drawn.groups)
        self._uploads = Uploads(upload_seconds)
        self.client = client.aio
        self._max_image_bytes = max_image_bytes(self.client)

    def index(self, request: Request) -> Response:
        language = language_of(request.headers.get("accept-language", ""), request.query_params.get("lang"))
        headers = {"Content-Language": language, "Vary": "Accept-Language"}
        # A link from elsewhere may be to a search, which is billed; browsers say where a page is opened from.
        foreign = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        return Response(index(language, foreign=foreign), headers=headers, media_type="text/html")

    def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            raise HTTPException(404, "there is no such page")
        return Response(static(name), media_type=_STATIC[name], headers={"Cache-Control": "no-cache"})

    def album(self, request: Request) -> Response:
        entries = [self._entry(place, entry) for place, entry in enumerate(self._album.entries)]
        return JSONResponse(
            {
                "folder": self._album.folder.resolve().name.encode(errors="replace").decode(),
                "model": self._model_info.name,
                "rerank": self._reranker.model if self._reranker is not None else None,
                "dimension": self._album.vectors.shape[1],
                "stand_in": self._stand_in,
                "fuses": self._model_info.fusion is not None,
                "max_bytes": self._max_image_bytes,
                "max_text": MAX_TEXT_LENGTH,
                "left_out": {name: _reason(error) for name, error in self._album.left_out.items()},
                "groups": self._group_names,
                "entries": entries,
            }
        )

    async def search(self, request: Request) -> Response:
        with self._uploads.slot(request):
            query = await read_query(request, self._album, self._max_image_bytes, self._uploads.seconds)
            return JSONResponse(await search(query, self._album, self.client, self._reranker))

    def thumbnail(self, request: Request) -> Response:
        return thumbnail_reply(self._album, self._at(request))

    def file(self, request: Request) -> Response:
        return file_reply(self._album, self._at(request), request.headers.get("range"))

    def _at(self, request: Request) -> Entry:
        place: int = request.path_params["place"]
        if place >= len(self._album):
            raise HTTPException(404, "there is no such file in the collection")
        return self._album.entries[place]

    def _entry(self, place: int, entry: Entry) -> dict[str, Any]:
        x, y = self._map.points[place].tolist()
        group = int(self._map.groups[place])
        found = {"name": entry.name, "kind": entry.kind, "v": edition(self._album, entry)}
        return {**found, "x": round(x, 4), "y": round(y, 4), "group": group}


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


def _reason(error: str) -> str:
    """Return why a file has no vector, without the row and the path: the page shows the name beside it."""
    return _PLACE.sub("", error)


def _no_image(request: Request, error: Exception) -> Response:
    # The page has its own text for the reason, in the reader's language.
    return JSONResponse({"error": str(error), "reason": "not_an_image"}, status_code=400)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, EmbeddingError)
    status = 400 if isinstance(error, InputError) else 429 if isinstance(error, RateLimitError) else 502
    return JSONResponse({"error": str(error), "kind": type(error).__name__}, status_code=status)


def _broken(request: Request, error: Exception) -> Response:
    # Starlette raises it again after this reply, so that it is in the terminal.
    return JSONResponse(
        {"error": "the server of this page failed; the terminal shows the error"}, status_code=500
    )


def language_of(accepted: str, chosen: str | None) -> str:
    """Return "en" or "zh": the one asked for, else the first that `Accept-Language` prefers."""
    if chosen is not None and chosen in LANGUAGES:
        return chosen
    found: list[tuple[str, str]] = re.findall(r"(?:^|,)\s*(\w+)[\w-]*(?:\s*;\s*q=([\d.]+))?", accepted)
    weighed = [(float(weight or 1), name.lower()) for name, weight in found if _is_number(weight)]
    best = sorted(weighed, key=lambda pair: -pair[0])
    return next((name for _, name in best if name in LANGUAGES), "en")


def index(language: str, *, foreign: bool) -> str:
    """Return the page in a language; one that another site opened sends no search by itself."""
    words = {name: escape(text) for name, text in _words()[language].items()}
    other = "en" if language == "zh" else "zh"
    return Template(static("index.html").decode()).substitute(
        words,
        lang=LANGUAGES[language],
        other=other,
        other_lang=LANGUAGES[other],
        opened=" data-opened" if foreign else "",
    )


@cache
def static(name: str) -> bytes:
    """Return a file of the page."""
    return files("volc_dashscope.search.page").joinpath("static", name).read_bytes()


def _words() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(static("words.json"))
    return found


def _is_number(text: str) -> bool:
    return text == "" or re.fullmatch(r"\d+(\.\d*)?", text) is not None
