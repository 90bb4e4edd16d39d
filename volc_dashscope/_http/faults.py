"""
Turns an HTTP library's exception into a `Fault`: why no complete reply arrived.

Exceptions are recognised by the names of their classes, which httpx and the libraries of its API share, so that a
client handed in may come from any of them. Their texts are not repeated: those of proxies and URLs may hold a
password. Messages show only the reasons of the operating system and the TLS library.
"""

from __future__ import annotations

import errno
import http
import os
import ssl
from collections.abc import Iterator

from volc_dashscope._types import Fault, Reply

# Libraries name their own exceptions so; anything else that a client handed in raises is its own.
# "ClientError" is aiohttp's, which httpx-aiohttp lets through where an answer is not HTTP.
_KNOWN = frozenset({"HTTPError", "StreamError", "InvalidURL", "ClientError"})
_RESET = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_LARGE_BODY = 1_000_000
# What h11, and so httpx and httpx2, say of bytes that cannot begin a reply.
_NOT_HTTP = ("illegal status line", "illegal request line")


class Undecodable(Exception):
    """The body is not in the coding it names, or in one that was not asked for."""


class TooLarge(Exception):
    """The body is larger than it may be."""


class Late(Exception):
    """The reply was not complete at the deadline."""


OWN_ERRORS = (Undecodable, TooLarge, Late)


class Progress:
    """How much of a request's body its transport has read, and whether a reply has begun."""

    __slots__ = ("answered", "begun", "ended", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.begun = self.ended = self.answered = False


def is_known(error: Exception) -> bool:
    """Whether an exception is a failed exchange and not a programming error."""
    return isinstance(error, (*OWN_ERRORS, OSError)) or not _KNOWN.isdisjoint(class_names(error))


def fault_of(
    error: Exception, progress: Progress | None = None, proxy: str | None = None, *, answered: bool = False
) -> Fault:
    """
    Return why there is no reply.

    Args:
        progress: How far the exchange had come, where that is known.
        proxy: Host and port of the proxy that was used.
        answered: A reply had begun; for exchanges without `progress`.
    """
    if isinstance(error, OWN_ERRORS):
        return _of_ours(error)
    names = class_names(error)
    if "ProxyError" in names:
        return _of_proxy(error, proxy or "the proxy")
    if not names.isdisjoint(("ConnectError", "ConnectTimeout")):
        return _unconnected(error, late="ConnectTimeout" in names, proxy=proxy)
    unsent = progress is not None and not progress.begun
    if not names.isdisjoint(("TimeoutException", "TimeoutError")):
        if unsent:  # a proxy has not answered yet
            return Fault("connect", "timed out", cause=error, place=proxy)
        reason = "the HTTP client's connection pool is full" if "PoolTimeout" in names else ""
        return Fault("timeout", reason, cause=error)
    reason = _reason(error)
    if progress is not None and progress.size > _LARGE_BODY and _cut(error, progress):
        return Fault("upload", reason, cause=error, size=progress.size)
    if unsent:
        return Fault("connect", reason or "closed immediately", cause=error, place=proxy)
    if answered or (progress is not None and progress.answered):
        return Fault("broken", reason, cause=error)
    return Fault("unanswered", _not_http(error) or reason, cause=error)


def _of_ours(error: Exception) -> Fault:
    if isinstance(error, TooLarge):
        return Fault("too large", cause=error)
    if isinstance(error, Late):
        return Fault("late", cause=error)
    return Fault("broken", "the reply cannot be decompressed", cause=error)


def _not_http(error: Exception) -> str:
    return "its answer is not HTTP" if str(error).startswith(_NOT_HTTP) else ""


def refused_by_proxy(reply: Reply, proxy: str | None) -> Fault | None:
    """Return the fault of a reply that only a proxy gives; requests over plain http are passed on without a tunnel."""
    if reply.status != http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return None
    return Fault("proxy", "407 Proxy Authentication Required", place=proxy or "the proxy")


def _of_proxy(error: Exception, proxy: str) -> Fault:
    """Read the status a proxy answered with; a proxy chooses its own words, which are not repeated."""
    status = str(error)[:3]
    if not status.isdigit():
        # A SOCKS proxy has no statuses: it cannot reach the host, or does not let us in.
        unreachable = "could not connect" in str(error)
        return Fault("connect" if unreachable else "proxy", "it refused", cause=error, place=proxy)
    try:
        phrase = f"{status} {http.HTTPStatus(int(status)).phrase}"
    except ValueError:
        phrase = status
    return Fault("connect" if status >= "500" else "proxy", phrase, cause=error, place=proxy)


def _unconnected(error: Exception, *, late: bool, proxy: str | None) -> Fault:
    for cause in _causes(error):
        # aiohttp derives its own from these and leaves out what they say; the originals are their causes.
        if isinstance(cause, ssl.SSLCertVerificationError):
            if words := getattr(cause, "verify_message", ""):
                return Fault("certificate", words.rstrip("."), cause=error, place=proxy)
        elif isinstance(cause, ssl.SSLError) and not isinstance(
            cause, ssl.SSLEOFError | ssl.SSLZeroReturnError
        ):
            reason = (getattr(cause, "reason", "") or "failed").replace("_", " ").lower()
            return Fault("tls", reason, cause=error, place=proxy)
    # httpx-aiohttp calls each failure to connect a timeout.
    return Fault("connect", _reason(error) or ("timed out" if late else ""), cause=error, place=proxy)


def _cut(error: Exception, progress: Progress) -> bool:
    """Whether a body was still being sent; what the system had taken of it may never have been read."""
    return not progress.ended or any(
        isinstance(cause, OSError) and cause.errno in _RESET for cause in _causes(error)
    )


def _reason(error: Exception) -> str:
    """Return the operating system's reason, as in "connection refused"."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            # Its number is the TLS library's, not the system's.
            return "closed by the server"
        if isinstance(cause, OSError) and cause.errno is not None:
            words = cause.strerror if cause.errno < 0 else os.strerror(cause.errno)
            return (words or "").lower()
    return ""


def class_names(error: BaseException) -> set[str]:
    """Return the names of an exception's class and of those it is derived from."""
    return {kind.__name__ for kind in type(error).__mro__}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that led to it, but for the steps of a TLS handshake that was under way."""
    waiting, seen = [error], set[int]()
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        if not isinstance(found, ssl.SSLWantReadError | ssl.SSLWantWriteError):
            yield found
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
        waiting += [cause for cause in (found.__cause__, found.__context__) if cause is not None]
