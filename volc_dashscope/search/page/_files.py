"""Serves files of the album: whole, or as a thumbnail. Nothing outside the folder is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from volc_dashscope._media._files import open_fenced
from volc_dashscope._media._formats import HEAD_BYTES, sniff
from volc_dashscope._media._shrink import thumbnail
from volc_dashscope.errors import InputError
from volc_dashscope.search import Album, Entry

_PIECE = 256 * 1024
_SIDE = 480
# A URL of a file changes with it, so that a browser may keep what it has.
_KEPT = {"Cache-Control": "private, max-age=86400, immutable"}


def edition(album: Album, entry: Entry) -> str:
    """Return a value that changes when a file changes or is replaced."""
    try:
        status = album.path(entry).stat()
    except OSError:
        return "gone"
    whole = f"{album.folder.resolve()}\0{entry.name}\0{status.st_size}\0{status.st_mtime_ns}"
    return sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def file_reply(album: Album, entry: Entry, ranges: str | None) -> Response:
    """
    Return a file whole, or the part of it that a `Range` header names.

    Raises:
        HTTPException: It is gone, was replaced by something outside the folder, or is no picture or video.
    """
    file = _opened(album, entry)
    try:
        media = sniff(file.read(HEAD_BYTES))
        if media is None or media.kind != entry.kind:
            raise HTTPException(404, "the file is no longer an image or video")
        size = file.seek(0, 2)
        first, last = _span(ranges, size)
        file.seek(first)
    except BaseException:
        file.close()
        raise
    headers = {**_KEPT, "Accept-Ranges": "bytes", "Content-Length": str(last - first + 1)}
    if ranges is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status = 200 if ranges is None else 206
    pieces = _pieces(file, last - first + 1)
    return StreamingResponse(pieces, status, headers=headers, media_type=media.mime)


def thumbnail_reply(album: Album, entry: Entry) -> Response:
    """
    Return a thumbnail of a picture.

    Raises:
        HTTPException: It is gone, or Pillow cannot read it.
    """
    drawn = _thumbnail(album.folder, album.path(entry), edition(album, entry))
    if drawn is None:
        raise HTTPException(404, "there is no preview of this file")
    return Response(drawn, headers=_KEPT, media_type="image/webp")


def _opened(album: Album, entry: Entry) -> BinaryIO:
    try:
        return open_fenced(album.path(entry), album.folder)
    except InputError as error:
        raise HTTPException(404, "the file is no longer in the folder") from error


def _span(ranges: str | None, size: int) -> tuple[int, int]:
    """Return the first and last byte of a range; of several ranges the first is used."""
    if ranges is None:
        return 0, size - 1
    found = re.match(r"bytes=(\d{0,18})-(\d{0,18})", ranges, re.ASCII)
    if found is None or not (found[1] or found[2]):
        raise HTTPException(416, "the range is not a byte range")
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(size - 1, int(found[2]) if found[2] else size - 1)
    if first > last:
        raise HTTPException(416, "the file ends before the range", {"Content-Range": f"bytes */{size}"})
    return first, last


def _pieces(file: BinaryIO, left: int) -> Iterator[bytes]:
    with closing(file):
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


@lru_cache(maxsize=2000)
def _thumbnail(folder: Path, path: Path, edition: str) -> bytes | None:
    try:
        with open_fenced(path, folder) as file:
            drawn = thumbnail(file, _SIDE)
    except InputError:
        return None
    return None if drawn is None else drawn.data
