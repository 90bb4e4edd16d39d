"""Environment variables. The only module that reads `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from volc_dashscope._config.hosts import in_networks, is_local_network

KEY_VARIABLE = {"ark": "ARK_API_KEY", "dashscope": "DASHSCOPE_API_KEY"}
URL_VARIABLES = {
    "ark": ("ARK_BASE_URL",),
    # The second is the name in the vendor's SDK 1.x.
    "dashscope": ("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL"),
}
WORKSPACE_VARIABLE = {"dashscope": "DASHSCOPE_WORKSPACE"}
REGION_VARIABLE = {"dashscope": "DASHSCOPE_REGION"}


def read(variable: str, environ: Mapping[str, str] | None) -> str | None:
    """Return a variable's value, or None."""
    return (os.environ if environ is None else environ).get(variable)


def first_of(variables: Iterable[str], environ: Mapping[str, str] | None) -> tuple[str, str] | None:
    """Return the first variable that holds more than white space, and its value."""
    for variable in variables:
        value = read(variable, environ)
        if value is not None and value.strip():
            return variable, value
    return None


def find_proxy(url: str) -> str | None:
    """
    Return the proxy for a URL, from the usual environment variables.

    The exceptions in NO_PROXY are names, names with ports, and networks (`203.0.113.0/24`), as for curl; also
    `*.example.com`, which other programs know. Commas or spaces stand between them.

    Servers on this machine or in a private network are reached without a proxy: an outside one would read the
    requests, or not reach them. To use a proxy for them, pass your own HTTP client.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies: dict[str, str] = getproxies()
    found = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    if not found:  # the checks below search all variables again
        return None
    port = parts.port or (80 if parts.scheme == "http" else 443)
    named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    # The standard library knows the exceptions in the settings of the system, where NO_PROXY is not set.
    if is_local_network(host) or proxy_bypass(host):
        return None
    exceptions = proxies.get("no", "").replace(",", " ").split()
    if in_networks(host, exceptions) or any(_covers(name, host, named) for name in exceptions):
        return None
    # As for curl, a proxy without a scheme is an http one.
    return found if "://" in found else f"http://{found}"


def _covers(exception: str, host: str, named: str) -> bool:
    """Return whether NO_PROXY's `example.com` or `*.example.com` names a host, given without and with its port."""
    exception = exception.lower()
    if exception.startswith("*"):
        return host.endswith(exception[1:]) or named.endswith(exception[1:])
    ending = f".{exception.removeprefix('.')}"
    return f".{host}".endswith(ending) or f".{named}".endswith(ending)


def proxy_variable(url: str) -> str:
    """Return the variable, as it is spelled, from which `find_proxy` takes a proxy; HTTPS_PROXY where none is set."""
    for name in (urlsplit(url).scheme, "all"):
        proxy = getproxies().get(name)
        for variable in (f"{name}_proxy", f"{name}_PROXY".upper()):
            if proxy and read(variable, None) == proxy:
                return variable
    return "HTTPS_PROXY"


def find_certificates() -> tuple[str, str] | None:
    """Return the first variable that names a file or folder of trusted certificates, and its value."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            return name, path
    return None


def key_log() -> str | None:
    """Return the file to which the TLS library writes its session keys (SSLKEYLOGFILE)."""
    return os.environ.get("SSLKEYLOGFILE")
