"""
Turns an HTTP library's exception into a `Fault`: why no complete reply arrived.

Exceptions are recognised by their class names, which httpx and the libraries with its API share, so that the user's
client may be of any of them. Messages do not repeat the text of an exception, because that of a proxy or URL error may
contain a password; they show only the reason from the operating system or the TLS library.
"""

from __future__ import annotations

import errno
import http
import os
import ssl
from collections.abc import Iterator

from volc_dashscope._types import Fault, Reply

# Base classes of the libraries' exceptions; anything else that a user's client raises is passed on unchanged.
# "ClientError" is aiohttp's; httpx-aiohttp passes it on when a reply is not HTTP.
_LIBRARY_ERRORS = frozenset({"HTTPError", "StreamError", "InvalidURL", "ClientError"})
_RESET = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_LARGE_BODY_BYTES = 1_000_000
# How the messages of h11, and so of httpx and httpx2, begin when the reply is not HTTP.
_NOT_HTTP = ("illegal status line", "illegal request line")


class Undecodable(Exception):
    """The body is not in the content coding it names, or is in one that was not requested."""


class TooLarge(Exception):
    """The body is larger than allowed."""


class DeadlineExceeded(Exception):
    """The reply was not complete at the deadline."""


OWN_ERRORS = (Undecodable, TooLarge, DeadlineExceeded)


class Progress:
    """How much of a request's body its transport has read, and whether a reply has started."""

    __slots__ = ("answered", "ended", "size", "started")

    def __init__(self, size: int) -> None:
        self.size = size
        self.started = self.ended = self.answered = False


def is_known(error: Exception) -> bool:
    """Whether an exception is a network failure and not a programming error."""
    return isinstance(error, (*OWN_ERRORS, OSError)) or not _LIBRARY_ERRORS.isdisjoint(class_names(error))


def fault_of(
    error: Exception, progress: Progress | None = None, proxy: str | None = None, *, answered: bool = False
) -> Fault:
    """
    Return the reason why there is no complete reply.

    Args:
        progress: How far the exchange got, if known.
        proxy: Host and port of the proxy that was used.
        answered: A reply had started; for exchanges without `progress`.
    """
    if isinstance(error, OWN_ERRORS):
        return _own_fault(error)
    names = class_names(error)
    if "ProxyError" in names:
        return _proxy_fault(error, proxy or "the proxy")
    if not names.isdisjoint(("ConnectError", "ConnectTimeout")):
        return _connect_fault(error, late="ConnectTimeout" in names, proxy=proxy)
    unsent = progress is not None and not progress.started
    if not names.isdisjoint(("TimeoutException", "TimeoutError")):
        if unsent:  # a proxy has not answered yet
            return Fault("connect", "timed out", cause=error, place=proxy)
        reason = "the HTTP client's connection pool is full" if "PoolTimeout" in names else ""
        return Fault("timeout", reason, cause=error)
    reason = _reason(error)
    if progress is not None and progress.size > _LARGE_BODY_BYTES and _body_interrupted(error, progress):
        return Fault("upload", reason, cause=error, size=progress.size)
    if unsent:
        return Fault("connect", reason or "closed immediately", cause=error, place=proxy)
    if answered or (progress is not None and progress.answered):
        return Fault("broken", reason, cause=error)
    return Fault("unanswered", _not_http(error) or reason, cause=error)


def _own_fault(error: Exception) -> Fault:
    if isinstance(error, TooLarge):
        return Fault("too large", cause=error)
    if isinstance(error, DeadlineExceeded):
        return Fault("late", cause=error)
    return Fault("broken", "the reply cannot be decompressed", cause=error)


def _not_http(error: Exception) -> str:
    return "its answer is not HTTP" if str(error).startswith(_NOT_HTTP) else ""


def refused_by_proxy(reply: Reply, proxy: str | None) -> Fault | None:
    """Return a fault if the reply can only be the proxy's: a proxy forwards plain http requests without a tunnel."""
    if reply.status != http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return None
    return Fault("proxy", "407 Proxy Authentication Required", place=proxy or "the proxy")


def _proxy_fault(error: Exception, proxy: str) -> Fault:
    """Read the status that a proxy replied with; its own reason phrase is not repeated."""
    status = str(error)[:3]
    if not status.isdigit():
        # A SOCKS proxy has no status codes: it cannot reach the host, or it denies access.
        unreachable = "could not connect" in str(error)
        return Fault("connect" if unreachable else "proxy", "it refused", cause=error, place=proxy)
    try:
        phrase = f"{status} {http.HTTPStatus(int(status)).phrase}"
    except ValueError:
        phrase = status
    return Fault("connect" if status >= "500" else "proxy", phrase, cause=error, place=proxy)


def _connect_fault(error: Exception, *, late: bool, proxy: str | None) -> Fault:
    for cause in _causes(error):
        # aiohttp raises subclasses of these without the reason; the originals are their causes.
        if isinstance(cause, ssl.SSLCertVerificationError):
            if message := getattr(cause, "verify_message", ""):
                return Fault("certificate", message.rstrip("."), cause=error, place=proxy)
        elif isinstance(cause, ssl.SSLError) and not isinstance(
            cause, ssl.SSLEOFError | ssl.SSLZeroReturnError
        ):
            reason = (getattr(cause, "reason", "") or "failed").replace("_", " ").lower()
            return Fault("tls", reason, cause=error, place=proxy)
    # httpx-aiohttp reports every failure to connect as a timeout.
    return Fault("connect", _reason(error) or ("timed out" if late else ""), cause=error, place=proxy)


def _body_interrupted(error: Exception, progress: Progress) -> bool:
    """Whether the connection broke during the upload. The system may have buffered a body that was never sent."""
    return not progress.ended or any(
        isinstance(cause, OSError) and cause.errno in _RESET for cause in _causes(error)
    )


def _reason(error: Exception) -> str:
    """Return the operating system's reason, as in "connection refused"."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            # Its errno is the TLS library's, not the system's.
            return "closed by the server"
        if isinstance(cause, OSError) and cause.errno is not None:
            message = cause.strerror if cause.errno < 0 else os.strerror(cause.errno)
            return (message or "").lower()
    return ""


def class_names(error: BaseException) -> set[str]:
    """Return the names of an exception's class and of those it is derived from."""
    return {kind.__name__ for kind in type(error).__mro__}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, without those that only mark the steps of a TLS handshake."""
    queue, visited = [error], set[int]()
    while queue:
        current = queue.pop(0)
        if id(current) in visited:
            continue
        visited.add(id(current))
        if not isinstance(current, ssl.SSLWantReadError | ssl.SSLWantWriteError):
            yield current
        if isinstance(current, BaseExceptionGroup):
            queue += current.exceptions
        queue += [cause for cause in (current.__cause__, current.__context__) if cause is not None]
