"""Reads the body of a reply, up to a bound."""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Protocol

from volc_dashscope._http.faults import Late, TooLarge, Undecodable, class_names
from volc_dashscope._types import Reply, Request
from volc_dashscope.errors import ConfigError

if TYPE_CHECKING:
    import asyncio

# The largest regular reply is a batch of 25 vectors of 4096 floats in text, under 3 MB. Requests for more say so.
_LARGEST_REPLY = 32 * 1024 * 1024
_PIECE = 1024 * 1024
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 47}


class Response(Protocol):
    """The part of httpx's response, and of libraries with the same API, that is used here."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Any: ...  # each library's own; `raw` is used of it
    @property
    def is_stream_consumed(self) -> bool: ...
    @property
    def stream(self) -> Any: ...  # likewise; it is iterated
    def iter_bytes(self) -> Iterator[bytes]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...


class Body:
    """
    A reply's body, in memory or in the file its request names.

    Compressed bytes are unpacked here, piece by piece: HTTP libraries unpack a whole chunk before anyone can
    count, and 64 KB may hold 66 MB.

    Args:
        request: Says where the body goes and how large it may be.
        status: Of the reply; only under 200 a file is written.
        headers: Of the reply, as they came.
        unpacked: The HTTP library has unpacked the body already.

    Raises:
        Undecodable: A coding that was not asked for.
    """

    def __init__(
        self, request: Request, status: int, headers: Iterable[tuple[bytes, bytes]], *, unpacked: bool = False
    ) -> None:
        self._status = status
        self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        self._bytes_left = request.largest or _LARGEST_REPLY
        self._memory = BytesIO()
        self._target: IO[bytes] = self._memory
        coding = self._headers.get("content-encoding", "").strip().lower()
        bits = _WINDOW_BITS.get(coding)
        self._unpack = None if bits is None or unpacked else zlib.decompressobj(bits)
        self._begun = False
        if coding not in ("", "identity", *_WINDOW_BITS) and not unpacked:
            raise Undecodable
        if request.into is not None and status == 200:
            self._target = request.into
            self._target.seek(0)
            self._target.truncate()

    def add(self, chunk: bytes) -> None:
        """
        Keep a chunk.

        Raises:
            TooLarge: That is more than the reply may hold.
            Undecodable: The chunk cannot be unpacked.
        """
        if self._unpack is None:
            return self._keep(chunk)
        if self._unpack.eof and chunk:
            raise Undecodable
        self._begun = self._begun or bool(chunk)
        while chunk:
            try:
                self._keep(self._unpack.decompress(chunk, _PIECE))
            except zlib.error as error:
                raise Undecodable from error
            chunk = self._unpack.unconsumed_tail
        return None

    def _keep(self, chunk: bytes) -> None:
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            raise TooLarge
        try:
            self._target.write(chunk)
        except OSError as error:
            raise _unwritable(error) from error

    def reply(self) -> Reply:
        """
        Return the complete reply, with what is in memory.

        Raises:
            Undecodable: The compressed bytes end before their checksum. All of the text may be there already, but
                it is not verified, so the request is sent again.
        """
        # A refusal may name a coding and have no body at all.
        if self._begun and self._unpack is not None and not self._unpack.eof:
            raise Undecodable
        try:
            self._target.flush()  # a full disk is noticed now, and not where the file is read
        except OSError as error:
            raise _unwritable(error) from error
        return Reply(self._status, self._headers, self._memory.getvalue(), time.time())


def reply_of(error: Exception) -> Reply | None:
    """
    Return the reply that a hook of the user's client refused with `raise_for_status`, or None.

    Its status and headers are there, which say whether and when to try again. Its body is there only if the hook has
    read it: the client has closed the response.
    """
    response = getattr(error, "response", None)
    if "HTTPStatusError" not in class_names(error) or response is None:
        return None
    try:
        content = response.content if response.is_stream_consumed else b""
    except RuntimeError:  # the hook has read it in pieces, and kept none
        content = b""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, content[:_LARGEST_REPLY], time.time())


def _unwritable(error: OSError) -> ConfigError:
    # Not a fault of the line: another attempt would only download it again.
    return ConfigError(
        f"the reply cannot be written to a temporary file ({(error.strerror or 'failed').lower()}); free space, or "
        "set TMPDIR to a folder on another disk"
    )


def read(request: Request, response: Response, until: float) -> Reply:
    """
    Read the whole body and close the response, at the deadline `until` at the latest.

    Closing a response before its end closes its connection.

    Raises:
        Late, TooLarge, Undecodable: The body is not what a reply may be.
        Exception: What the HTTP library raises.
    """
    try:
        body = _body(request, response)
        for chunk in response.iter_bytes() if response.is_stream_consumed else response.stream:
            if time.monotonic() > until:
                raise Late
            body.add(chunk)
    finally:
        response.close()
    return body.reply()


async def aread(request: Request, response: Response, *, shielded: bool = False) -> Reply:
    """
    As `read`, for tasks, whose deadline is a timeout around all of it.

    Args:
        shielded: Close the response to the end where this task is cancelled meanwhile: httpx and its like never
            free the place of a response in their pool whose closing was cancelled.
    """
    try:
        body = _body(request, response)
        async for chunk in response.aiter_bytes() if response.is_stream_consumed else response.stream:
            body.add(chunk)
    finally:
        await (_closed(response) if shielded else response.aclose())
    return body.reply()


_closing: set[asyncio.Task[None]] = set()


async def _closed(response: Response) -> None:
    import asyncio  # a client of threads does without it

    task = asyncio.ensure_future(response.aclose())
    _closing.add(task)  # the event loop itself holds tasks weakly
    task.add_done_callback(_forget_task)
    await asyncio.shield(task)


def _forget_task(task: asyncio.Task[None]) -> None:
    _closing.discard(task)
    if not task.cancelled():
        task.exception()  # read, so that the event loop does not log it


def _body(request: Request, response: Response) -> Body:
    # A hook of the user's may have read it.
    return Body(request, response.status_code, response.headers.raw, unpacked=response.is_stream_consumed)
