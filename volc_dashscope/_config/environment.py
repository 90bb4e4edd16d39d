"""What the environment says. The only reader of `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from volc_dashscope._config.hosts import is_loopback

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
    """Return the proxy the environment names for a URL, by the usual variables; never one for this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies: dict[str, str] = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
