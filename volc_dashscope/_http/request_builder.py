"""Builds HTTP requests: headers, with the key unless the request is for another host, and body."""

from __future__ import annotations

import os
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import cache
from typing import Generic, TypeVar

import httpx

from volc_dashscope import _config
from volc_dashscope._config.addresses import find_workspace
from volc_dashscope._http.faults import Progress
from volc_dashscope._types import Request, Secret
from volc_dashscope._version import __version__
from volc_dashscope.errors import BadReplyError, ConfigError
from volc_dashscope.models import Provider

T = TypeVar("T")

MAX_CACHED = 64
# `timeout` applies to sending one chunk: small chunks give a slow connection more time, large ones cost less CPU.
CHUNK_BYTES = 64 * 1024
_MAX_CONNECT_SECONDS = 10.0
# By default, Linux buffers up to 4 MB per connection. The slowest supported connection, 0.5 Mbit/s, sends one chunk
# a second.
_SEND_BUFFER_BYTES = 4 * 1024 * 1024
_SECONDS_PER_CHUNK = 1.0
_LONGEST_LABEL, _LONGEST_HOST = 63, 253  # RFC 1035, 2.3.4
# OpenSSL looks up the certificates of a folder by these file names.
_CERTIFICATE_HASH = re.compile(r"[0-9a-f]{8}\.\d+")
_WORKSPACE = "X-DashScope-WorkSpace"
# Headers that each request sets for its own body and reply. Setting them again would break the request or make the
# reply unreadable.
_OWN_HEADERS = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


class HeaderCache(Generic[T]):
    """Caches the prepared URL and headers of requests that have the same ones; a client has few of them."""

    def __init__(self, make: Callable[[Request], T]) -> None:
        self._make = make
        self._entries: dict[tuple[object, ...], T] = {}

    def __call__(self, request: Request) -> T:
        identity = (request.method, request.url, request.keyless, *request.headers.items())
        entry = self._entries.get(identity)
        if entry is None:
            if len(self._entries) >= MAX_CACHED:
                self._entries.clear()
            entry = self._entries[identity] = self._make(request)
        return entry

    def __len__(self) -> int:
        return len(self._entries)


class RequestBuilder:
    """
    Turns a `Request` into an `httpx.Request`.

    Args:
        key: Sent with requests to the service; None for a server that needs no key.
        timeout: Seconds for each step of a request.
    """

    def __init__(self, key: Secret | None, timeout: float) -> None:
        self._key = key
        # At most a day, because sockets do not accept infinity.
        self._timeout = min(timeout, 86_400.0)
        self._extensions = _timeouts(self._timeout, self._timeout)
        self.url_and_headers = HeaderCache(self._url_and_headers)
        self.user_headers = HeaderCache(self._user_headers)

    def headers(self, request: Request) -> dict[str, str]:
        """Return a request's headers, without host and length."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            **request.headers,
        }
        if self._key is not None and not request.keyless:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return headers

    def _url_and_headers(self, request: Request) -> tuple[httpx.URL, httpx.Headers]:
        url = parsed_url(request)
        return url, httpx.Headers({"Host": url.netloc.decode("ascii"), **self.headers(request)})

    def _user_headers(self, request: Request) -> dict[str, str]:
        parsed_url(request)
        return self.headers(request)

    def __call__(
        self, request: Request, until: float, *, proxied: bool = False
    ) -> tuple[httpx.Request, Progress]:
        """Return the `httpx.Request`, with timeouts that end at `until`, and the progress of its body."""
        url, headers = self.url_and_headers(request)
        body = _BodyStream(request.body)
        left = until - time.monotonic()
        # While the reply is awaited, the system may still be sending what it has buffered of a large body.
        read = self._timeout + min(len(request.body), _SEND_BUFFER_BYTES) // CHUNK_BYTES / _SECONDS_PER_CHUNK
        extensions = self._extensions
        if proxied or read > self._timeout or left < self._timeout:
            extensions = _timeouts(min(self._timeout, max(left, 0.001)), min(read, max(left, 0.001)))
        if proxied:
            body = _ProxiedBodyStream(request.body, extensions["timeout"])
        built = httpx.Request(request.method, url, headers=headers, stream=body, extensions=extensions)
        if request.body or request.method != "GET":
            built.headers["Content-Length"] = str(len(request.body))
        return built, body.progress


def parsed_url(request: Request) -> httpx.URL:
    """
    Return a request's URL.

    Raises:
        ConfigError: The host in `base_url` is not a valid host name.
        BadReplyError: The host of a URL that the service returned is not a valid host name.
    """
    try:
        url = httpx.URL(request.url)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError):
        host = ""
    # IPv6 addresses have no labels, and a name may end in the dot of the root domain.
    labels = host.removesuffix(".").split(".")
    if not host or len(host) > _LONGEST_HOST or any(not 0 < len(label) <= _LONGEST_LABEL for label in labels):
        if request.keyless:
            raise BadReplyError("the service returned a URL with an invalid host")
        raise ConfigError("the host in base_url is invalid: each label between dots needs 1 to 63 characters")
    return url


def _timeouts(seconds: float, read: float) -> dict[str, dict[str, float | None]]:
    return {
        "timeout": httpx.Timeout(seconds, connect=min(seconds, _MAX_CONNECT_SECONDS), read=read).as_dict()
    }


class _BodyStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """
    A request body in chunks.

    httpcore copies the unsent rest of a chunk after each write, so a large body must not be a single chunk.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.progress = Progress(len(body))

    def __iter__(self) -> Iterator[bytes]:
        self.progress.started, self.progress.ended = True, False
        if len(self._body) <= CHUNK_BYTES:
            yield self._body
        else:
            for start in range(0, len(self._body), CHUNK_BYTES):
                yield self._body[start : start + CHUNK_BYTES]
        self.progress.ended = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class _ProxiedBodyStream(_BodyStream):
    """
    As `_BodyStream`, for a request through a proxy.

    httpcore reads the proxy's reply to CONNECT before it asks for the body. Until then, the read timeout is the connect
    timeout. The change takes effect because httpcore looks each timeout up when it needs it.

    Args:
        timeouts: The timeouts of this request only; its read timeout is changed.
    """

    def __init__(self, body: bytes, timeouts: dict[str, float | None]) -> None:
        super().__init__(body)
        self._timeouts, self._read = timeouts, timeouts["read"]
        timeouts["read"] = timeouts["connect"]

    def __iter__(self) -> Iterator[bytes]:
        self._timeouts["read"] = self._read
        return super().__iter__()


@cache
def ssl_context() -> ssl.SSLContext:
    """
    Return the shared SSL context: httpx's certificates, or the file or folder that the environment names.

    Reading the certificates takes 20 ms, so it is done once per process.

    Raises:
        ConfigError: The file that a variable names cannot be used.
    """
    found = _config.find_certificates()
    variable, path = found or ("", "")
    try:
        context = httpx.create_ssl_context() if found is None else _named_context(variable, path)
    except OSError as error:  # also all of ssl's own
        raise ConfigError(_unusable(variable, path, error)) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _named_context(variable: str, path: str) -> ssl.SSLContext:
    # OpenSSL's own variable may name several folders.
    paths = path.split(os.pathsep) if variable == "SSL_CERT_DIR" else [path]
    folders = [folder for folder in paths if os.path.isdir(folder)]
    if not folders:
        return ssl.create_default_context(cafile=path)
    if not any(_CERTIFICATE_HASH.fullmatch(name) for folder in folders for name in os.listdir(folder)):
        # OpenSSL accepts such a folder silently and then trusts no certificate.
        raise ConfigError(
            f"{variable} cannot be used: {path}: the folder has no certificate named by its hash; use a file, or "
            "run openssl rehash on the folder"
        )
    return ssl.create_default_context(capath=os.pathsep.join(folders))


def _unusable(variable: str, path: str, error: OSError) -> str:
    log = _config.key_log()
    if log is not None and error.filename == log:
        variable, path = "SSLKEYLOGFILE", log
    if isinstance(error, ssl.SSLError):
        reason = "it contains no certificates in PEM format"
    else:
        reason = (error.strerror or "it cannot be read").lower()
    return f"{variable or 'the TLS library'} cannot be used: {path or 'its certificates'}: {reason}"


def find_headers(
    provider: Provider,
    workspace: str | None,
    default_headers: Mapping[str, str] | None,
    *,
    foreign: bool = False,
) -> dict[str, str]:
    """
    Return the headers of every request, without the key.

    Args:
        foreign: The server is not the vendor's, so a workspace from the environment is not sent to it.

    Raises:
        ConfigError: The library sets one of the headers itself, or a name or value is not valid in a header.
    """
    if default_headers is not None and not isinstance(default_headers, Mapping):
        raise ConfigError(f"default_headers must be a mapping, got {type(default_headers).__name__}")
    headers = dict(default_headers or {})
    for name, value in headers.items():
        _check_header(name, value, provider)
    if not any(name.lower() == "user-agent" for name in headers):
        headers["User-Agent"] = f"volc-dashscope/{__version__}"
    workspace = find_workspace(provider, workspace, {} if foreign else None)
    if workspace is not None and provider == "dashscope":
        # Unsourced A59: the workspace header is harmless on the workspace's own host, as the vendor's SDK sends it.
        headers[_WORKSPACE] = workspace
    return headers


def _check_header(name: object, value: object, provider: Provider) -> None:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ConfigError(f"default_headers: {name!r} is not a valid header name")
    if name.lower() == "authorization":
        raise ConfigError("default_headers must not contain Authorization; pass api_key")
    if name.lower() == _WORKSPACE.lower() and provider == "dashscope":
        raise ConfigError(f"default_headers must not contain {name}; pass workspace")
    if name.lower() in _OWN_HEADERS:
        raise ConfigError(f"default_headers must not contain {name}: each request sets it")
    if not isinstance(value, str):
        raise ConfigError(f"default_headers[{name!r}] must be a str, got {type(value).__name__}")
    if not value.isascii() or not value.isprintable():
        raise ConfigError(f"default_headers[{name!r}] contains a character that is not allowed in a header")
