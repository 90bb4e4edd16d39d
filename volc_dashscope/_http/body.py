"""Reads the body of a reply, up to a maximum size."""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Protocol

from volc_dashscope._http.faults import DeadlineExceeded, TooLarge, Undecodable, class_names
from volc_dashscope._types import Reply, Request
from volc_dashscope.errors import ConfigError

if TYPE_CHECKING:
    import asyncio

# The largest regular reply is a batch of 25 vectors of 4096 floats in text, under 3 MB. Requests for more say so.
_MAX_REPLY_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 47}


class Response(Protocol):
    """The part of httpx's response, and of libraries with the same API, that is used here."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Any: ...  # of each library's own type; only `raw` is used
    @property
    def is_stream_consumed(self) -> bool: ...
    @property
    def stream(self) -> Any: ...  # as above; it is only iterated
    def iter_bytes(self) -> Iterator[bytes]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...


class Body:
    """
    A reply's body, in memory or in the file its request names.

    Compressed bytes are decompressed here, a part at a time. HTTP libraries decompress a whole chunk before its size
    can be checked, and 64 KB may decompress to 66 MB.

    Args:
        request: Says where the body goes and how large it may be.
        status: Status of the reply; the file is written only if it is 200.
        headers: Headers of the reply, as received.
        unpacked: The HTTP library has already decompressed the body.

    Raises:
        Undecodable: The reply has a content coding that was not requested.
    """

    def __init__(
        self, request: Request, status: int, headers: Iterable[tuple[bytes, bytes]], *, unpacked: bool = False
    ) -> None:
        self._status = status
        self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        self._bytes_left = request.largest or _MAX_REPLY_BYTES
        self._memory = BytesIO()
        self._target: IO[bytes] = self._memory
        coding = self._headers.get("content-encoding", "").strip().lower()
        bits = _WINDOW_BITS.get(coding)
        self._unpack = None if bits is None or unpacked else zlib.decompressobj(bits)
        self._has_data = False
        if coding not in ("", "identity", *_WINDOW_BITS) and not unpacked:
            raise Undecodable
        if request.into is not None and status == 200:
            self._target = request.into
            self._target.seek(0)
            self._target.truncate()

    def add(self, chunk: bytes) -> None:
        """
        Store a chunk.

        Raises:
            TooLarge: The reply is larger than allowed.
            Undecodable: The chunk cannot be decompressed.
        """
        if self._unpack is None:
            return self._keep(chunk)
        if self._unpack.eof and chunk:
            raise Undecodable
        self._has_data = self._has_data or bool(chunk)
        while chunk:
            try:
                self._keep(self._unpack.decompress(chunk, _CHUNK_BYTES))
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
        Return the complete reply; a body that was written to a file is not in it.

        Raises:
            Undecodable: The compressed bytes end before their checksum. The text may be complete, but it is not
                verified, so the request is sent again.
        """
        # An error reply may name a coding but have no body.
        if self._has_data and self._unpack is not None and not self._unpack.eof:
            raise Undecodable
        try:
            self._target.flush()  # so that a full disk is noticed here and not where the file is read
        except OSError as error:
            raise _unwritable(error) from error
        return Reply(self._status, self._headers, self._memory.getvalue(), time.time())


def reply_of(error: Exception) -> Reply | None:
    """
    Return the reply that a hook of the user's client refused with `raise_for_status`, or None.

    Its status and headers are available and determine whether and when to retry. Its body is available only if the
    hook has read it, because the client has closed the response.
    """
    response = getattr(error, "response", None)
    if "HTTPStatusError" not in class_names(error) or response is None:
        return None
    try:
        content = response.content if response.is_stream_consumed else b""
    except RuntimeError:  # the hook has streamed the body and kept none of it
        content = b""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, content[:_MAX_REPLY_BYTES], time.time())


def _unwritable(error: OSError) -> ConfigError:
    # Not a network error: another attempt would only download the reply again.
    return ConfigError(
        f"the reply cannot be written to a temporary file ({(error.strerror or 'failed').lower()}); free space, or "
        "set TMPDIR to a folder on another disk"
    )


def read(request: Request, response: Response, until: float) -> Reply:
    """
    Read the whole body and close the response, by the deadline `until` at the latest.

    Closing a response before its end closes its connection.

    Raises:
        DeadlineExceeded, TooLarge, Undecodable: The body is late, too large or cannot be decompressed.
        Exception: Any error of the HTTP library.
    """
    try:
        body = _body(request, response)
        for chunk in response.iter_bytes() if response.is_stream_consumed else response.stream:
            if time.monotonic() > until:
                raise DeadlineExceeded
            body.add(chunk)
    finally:
        response.close()
    return body.reply()


async def aread(request: Request, response: Response, *, shielded: bool = False) -> Reply:
    """
    As `read`, for tasks, whose deadline is a timeout around all of it.

    Args:
        shielded: Finish closing the response even if this task is cancelled. If closing is cancelled, httpx and
            libraries with its API never free the response's place in their pool.
    """
    try:
        body = _body(request, response)
        async for chunk in response.aiter_bytes() if response.is_stream_consumed else response.stream:
            body.add(chunk)
    finally:
        await (_close_shielded(response) if shielded else response.aclose())
    return body.reply()


_closing: set[asyncio.Task[None]] = set()


async def _close_shielded(response: Response) -> None:
    import asyncio  # the sync client does not need it

    task = asyncio.ensure_future(response.aclose())
    _closing.add(task)  # the event loop itself holds tasks weakly
    task.add_done_callback(_forget_task)
    await asyncio.shield(task)


def _forget_task(task: asyncio.Task[None]) -> None:
    _closing.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved, so that the event loop does not log it


def _body(request: Request, response: Response) -> Body:
    # A hook of the user's client may have read the body.
    return Body(request, response.status_code, response.headers.raw, unpacked=response.is_stream_consumed)
