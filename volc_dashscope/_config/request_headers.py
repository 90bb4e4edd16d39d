"""The headers of every request, without the key."""

from __future__ import annotations

import re
from collections.abc import Mapping

from volc_dashscope._config.addresses import find_workspace
from volc_dashscope._version import __version__
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import Provider

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


def find_headers(
    provider: Provider,
    workspace: str | None,
    default_headers: Mapping[str, str] | None,
    *,
    foreign: bool = False,
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """
    Return the headers of every request, without the key.

    Args:
        foreign: The server is not the vendor's: what the environment says of a workspace is not for it.

    Raises:
        ConfigError: A header that would replace the key, or a value that cannot stand in a header.
    """
    headers = {"User-Agent": f"volc-dashscope/{__version__}", **(default_headers or {})}
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigError(f"default_headers: {name!r} is no name of a header")
        if name.lower() == "authorization":
            raise ConfigError("default_headers must not hold Authorization; pass api_key")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise ConfigError(f"default_headers[{name!r}] holds a character that cannot stand in a header")
    named = find_workspace(provider, workspace, {} if foreign else environ)
    if named is not None and provider == "dashscope":
        # Unsourced A59: the workspace header is harmless on the workspace's own host, as the vendor's SDK sends it.
        headers["X-DashScope-WorkSpace"] = named
    return headers
