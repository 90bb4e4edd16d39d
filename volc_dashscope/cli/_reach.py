"""Tests whether a service's host can be reached: opens a connection as a client does, and closes it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from base64 import b64encode
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from volc_dashscope._config import proxy_variable
from volc_dashscope._http import ssl_context
from volc_dashscope.errors import ConfigError

ReachResult = tuple[Literal["ok", "note", "fix"], str]


class _Refused(Exception):
    """The proxy answered, and refused the connection."""


def reach(url: str, *, proxy: str | None, seconds: float) -> ReachResult:
    """
    Connect to the host of a URL, through a proxy if there is one, send nothing, and return the result.

    Args:
        seconds: Limit for all of it; the lookup of a name has no limit of its own.
    """
    if proxy is not None and proxy.startswith("socks"):
        return "note", "not checked: the connection goes through a SOCKS proxy"
    results: list[ReachResult] = []
    place = urlsplit(url)
    proxy_place = None if proxy is None else urlsplit(proxy)
    worker = threading.Thread(
        target=lambda: results.append(_try_connect(place, proxy_place, seconds)), daemon=True
    )
    worker.start()
    worker.join(seconds)
    return results[0] if results else _no_answer(place, proxy_place, seconds)


def _no_answer(place: SplitResult, proxy: SplitResult | None, seconds: float) -> ReachResult:
    advice = "set HTTPS_PROXY" if proxy is None else f"correct {proxy_variable(place.geturl())}"
    return "fix", f"{_address(place)} did not answer within {seconds:g} s: check the firewall, or {advice}"


def _try_connect(place: SplitResult, proxy: SplitResult | None, seconds: float) -> ReachResult:
    began = time.monotonic()
    way = f" through the proxy {_address(proxy)}" if proxy else ""
    nearest = f"the proxy {_address(proxy)}" if proxy else _address(place)
    try:
        _connect(place, proxy, seconds)
    except (ConfigError, _Refused) as error:
        return "fix", str(error)
    except ssl.SSLCertVerificationError as error:
        return "fix", (
            f"the certificate of {place.hostname}{way} is not trusted ({error.verify_message}): if a proxy between "
            "uses its own certificate, set SSL_CERT_FILE to its CA file"
        )
    except TimeoutError:
        return _no_answer(place, proxy, seconds)
    except socket.gaierror:
        host = proxy.hostname if proxy else place.hostname
        other = proxy_variable(place.geturl()) if proxy else "--region or the base URL"
        return "fix", f"the name {host} cannot be resolved: check the network, DNS, {other}"
    except ConnectionRefusedError:
        return "fix", f"nothing listens at {nearest}: start the server, or correct the proxy or the base URL"
    except HTTPException as error:
        variable = proxy_variable(place.geturl())
        return "fix", f"the proxy does not speak HTTP ({type(error).__name__}): correct {variable}"
    except ssl.SSLError as error:
        reason = (error.reason or "failed").replace("_", " ").lower()
        return (
            "fix",
            f"TLS handshake with {_address(place)}{way} failed ({reason}): check the base URL and the proxy",
        )
    except OSError as error:
        return "fix", f"no connection to {_address(place)}{way}: {error.strerror or 'it failed'}"
    return "ok", f"{_address(place)} answers in {(time.monotonic() - began) * 1000:.0f} ms"


def _connect(place: SplitResult, proxy: SplitResult | None, seconds: float) -> None:
    """Connect as a client would, and close."""
    nearest = place if proxy is None else proxy
    connection = _plain_or_tls(nearest, seconds)
    try:
        connection.connect()
        if proxy is not None:
            _request_tunnel(connection, place, proxy)
            # A second TLS layer, within that of an https proxy, would need its own loop here.
            if place.scheme == "https" and proxy.scheme != "https":
                ssl_context().wrap_socket(connection.sock, server_hostname=place.hostname).close()
    finally:
        connection.close()


def _request_tunnel(connection: HTTPConnection, place: SplitResult, proxy: SplitResult) -> None:
    """
    Request a tunnel from a proxy.

    Raises:
        _Refused: It refuses. Its own message is not repeated.
    """
    target = f"{place.hostname}:{place.port or (443 if place.scheme == 'https' else 80)}"
    headers = {"Host": target}
    if proxy.username:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + b64encode(pair.encode()).decode()
    connection.request("CONNECT", target, headers=headers)
    # Read apart from the connection, which would close a socket whose reply has no length.
    answer = HTTPResponse(connection.sock, method="CONNECT")
    answer.begin()
    if not 200 <= answer.status < 300:
        known = {each.value: f" {each.phrase}" for each in HTTPStatus}
        raise _Refused(
            f"no connection through the proxy {_address(proxy)} to {_address(place)}: it refused with "
            f"{answer.status}{known.get(answer.status, '')}; check {proxy_variable(place.geturl())} and NO_PROXY"
        )


def _plain_or_tls(place: SplitResult, seconds: float) -> HTTPConnection:
    assert place.hostname is not None
    if place.scheme == "https":
        return HTTPSConnection(place.hostname, place.port, timeout=seconds, context=ssl_context())
    return HTTPConnection(place.hostname, place.port, timeout=seconds)


def _address(place: SplitResult) -> str:
    return f"{place.hostname}:{place.port}" if place.port else str(place.hostname)
