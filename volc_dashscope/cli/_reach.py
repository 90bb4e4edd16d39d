"""Tests whether a service's host can be reached: opens a connection as a client does, and closes it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from base64 import b64encode
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from volc_dashscope._config import proxy_variable
from volc_dashscope._http import ssl_context

ReachResult = tuple[Literal["ok", "note", "fix"], str]


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
    worker = threading.Thread(target=lambda: results.append(_tried(place, proxy, seconds)), daemon=True)
    worker.start()
    worker.join(seconds)
    return results[0] if results else _silent(place, proxy, seconds)


def _silent(place: SplitResult, proxy: str | None, seconds: float) -> ReachResult:
    ways = "set HTTPS_PROXY" if proxy is None else f"correct {proxy_variable(place.geturl())}"
    return "fix", f"{_address(place)} did not answer within {seconds:g} s: check the firewall, or {ways}"


def _tried(place: SplitResult, proxy: str | None, seconds: float) -> ReachResult:
    began = time.monotonic()
    connection = _connection(place, proxy, seconds)
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        return "fix", (
            f"the certificate of {place.hostname} is not trusted ({error.verify_message}): if a proxy between "
            "uses its own certificate, set SSL_CERT_FILE to its CA file"
        )
    except TimeoutError:
        return _silent(place, proxy, seconds)
    except socket.gaierror:
        host = _address(urlsplit(proxy)) if proxy else place.hostname
        return (
            "fix",
            f"the name {host} cannot be resolved: check the network, DNS, --region or the base URL",
        )
    except ConnectionRefusedError:
        what = f"the proxy {_address(urlsplit(proxy))}" if proxy else _address(place)
        return "fix", f"nothing listens at {what}: start the server, or correct the proxy or the base URL"
    except HTTPException as error:
        variable = proxy_variable(place.geturl())
        return "fix", f"the proxy does not speak HTTP ({type(error).__name__}): correct {variable}"
    except OSError as error:
        way = "through the proxy " if proxy else ""
        return "fix", f"no connection {way}to {_address(place)}: {error.strerror or error}"
    finally:
        connection.close()
    return "ok", f"{_address(place)} answers in {(time.monotonic() - began) * 1000:.0f} ms"


def _connection(place: SplitResult, proxy: str | None, seconds: float) -> HTTPConnection:
    assert place.hostname is not None
    if proxy is None:
        return _plain_or_tls(place.scheme, place.hostname, place.port, seconds)
    # The connection to a proxy is plain; TLS goes through its tunnel.
    gate = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = _plain_or_tls(place.scheme, gate.hostname or "", gate.port or 80, seconds)
    headers = {}
    if gate.username:
        pair = f"{unquote(gate.username)}:{unquote(gate.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + b64encode(pair.encode()).decode()
    connection.set_tunnel(place.hostname, place.port, headers)
    return connection


def _plain_or_tls(scheme: str, host: str, port: int | None, seconds: float) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=seconds, context=ssl_context())
    return HTTPConnection(host, port, timeout=seconds)


def _address(place: SplitResult) -> str:
    return f"{place.hostname}:{place.port}" if place.port else str(place.hostname)
