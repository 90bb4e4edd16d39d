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
    """The proxy answered, and did not let us through."""


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
    gate = None if proxy is None else urlsplit(proxy)
    worker = threading.Thread(target=lambda: results.append(_tried(place, gate, seconds)), daemon=True)
    worker.start()
    worker.join(seconds)
    return results[0] if results else _silent(place, gate, seconds)


def _silent(place: SplitResult, gate: SplitResult | None, seconds: float) -> ReachResult:
    ways = "set HTTPS_PROXY" if gate is None else f"correct {proxy_variable(place.geturl())}"
    return "fix", f"{_address(place)} did not answer within {seconds:g} s: check the firewall, or {ways}"


def _tried(place: SplitResult, gate: SplitResult | None, seconds: float) -> ReachResult:
    began = time.monotonic()
    way = f" through the proxy {_address(gate)}" if gate else ""
    nearest = f"the proxy {_address(gate)}" if gate else _address(place)
    try:
        _connect(place, gate, seconds)
    except (ConfigError, _Refused) as error:
        return "fix", str(error)
    except ssl.SSLCertVerificationError as error:
        return "fix", (
            f"the certificate of {place.hostname}{way} is not trusted ({error.verify_message}): if a proxy between "
            "uses its own certificate, set SSL_CERT_FILE to its CA file"
        )
    except TimeoutError:
        return _silent(place, gate, seconds)
    except socket.gaierror:
        host = gate.hostname if gate else place.hostname
        other = proxy_variable(place.geturl()) if gate else "--region or the base URL"
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


def _connect(place: SplitResult, gate: SplitResult | None, seconds: float) -> None:
    """Connect as a client would, and close."""
    nearest = place if gate is None else gate
    connection = _plain_or_tls(nearest, seconds)
    try:
        connection.connect()
        if gate is not None:
            _ask(connection, place, gate)
            # A second TLS layer, within that of an https proxy, would need its own loop here.
            if place.scheme == "https" and gate.scheme != "https":
                ssl_context().wrap_socket(connection.sock, server_hostname=place.hostname).close()
    finally:
        connection.close()


def _ask(connection: HTTPConnection, place: SplitResult, gate: SplitResult) -> None:
    """
    Ask a proxy for a tunnel.

    Raises:
        _Refused: It gives none. The words it chose for that are not repeated.
    """
    target = f"{place.hostname}:{place.port or (443 if place.scheme == 'https' else 80)}"
    headers = {"Host": target}
    if gate.username:
        pair = f"{unquote(gate.username)}:{unquote(gate.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + b64encode(pair.encode()).decode()
    connection.request("CONNECT", target, headers=headers)
    # Read apart from the connection, which would close a socket whose reply has no length.
    answer = HTTPResponse(connection.sock, method="CONNECT")
    answer.begin()
    if not 200 <= answer.status < 300:
        known = {each.value: f" {each.phrase}" for each in HTTPStatus}
        raise _Refused(
            f"no connection through the proxy {_address(gate)} to {_address(place)}: it refused with "
            f"{answer.status}{known.get(answer.status, '')}; check {proxy_variable(place.geturl())} and NO_PROXY"
        )


def _plain_or_tls(place: SplitResult, seconds: float) -> HTTPConnection:
    assert place.hostname is not None
    if place.scheme == "https":
        return HTTPSConnection(place.hostname, place.port, timeout=seconds, context=ssl_context())
    return HTTPConnection(place.hostname, place.port, timeout=seconds)


def _address(place: SplitResult) -> str:
    return f"{place.hostname}:{place.port}" if place.port else str(place.hostname)
