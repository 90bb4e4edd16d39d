"""Key, region, URL: where a client talks to and as whom. The only reader of `os.environ`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from volc_dashscope import models
from volc_dashscope._types import Secret
from volc_dashscope._version import __version__
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo, Provider, Route

KEY_VARIABLE = {"ark": "ARK_API_KEY", "dashscope": "DASHSCOPE_API_KEY"}
_URL_VARIABLES = {
    "ark": ("ARK_BASE_URL",),
    "dashscope": ("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL"),
}
_NATIVE_PATH = {"ark": "/api/v3", "dashscope": "/api/v1"}
_OPENAI_PATH = "/compatible-mode/v1"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

# Regions with a host of their own; the others are reached per workspace.
_HOSTS: dict[str, dict[str, str]] = {
    "ark": {
        "cn-beijing": "https://ark.cn-beijing.volces.com",
        "ap-southeast-1": "https://ark.ap-southeast.bytepluses.com",
    },
    "dashscope": {
        "cn-beijing": "https://dashscope.aliyuncs.com",
        "cn-beijing-finance": "https://dashscope-finance.aliyuncs.com",
        "ap-southeast-1": "https://dashscope-intl.aliyuncs.com",
        "cn-hongkong": "https://cn-hongkong.dashscope.aliyuncs.com",
    },
}
_WORKSPACE_REGIONS = (
    "cn-beijing",
    "ap-southeast-1",
    "cn-hongkong",
    "us-east-1",
    "eu-central-1",
    "ap-northeast-1",
)


def find_model_info(
    model: str, *, provider: Provider | None, base_model: str | None, model_info: ModelInfo | None
) -> ModelInfo:
    """
    Return the row that says what `model` can do.

    A model_info passed in wins, then `base_model`, then the table, then a permissive model_info for `provider`.

    Raises:
        ConfigError: The name is unknown and neither `base_model`, `model_info` nor `provider` says what it is.
    """
    if not isinstance(model, str) or not model.strip():
        raise ConfigError(f"model must be a model or endpoint id, got {model!r}")
    found = model_info
    if found is None and base_model is not None:
        found = models.get_model_info(base_model)
        if found is None:
            raise ConfigError(f"base_model={base_model!r} is not in the table of models: {_names()}")
    if found is None:
        found = models.get_model_info(model)
    if found is None:
        if provider is None:
            raise ConfigError(
                f"{model!r} is not in the table of models; say which model it is like "
                f'(base_model="doubao-embedding-vision-251215"), or whose it is (provider="ark" or "dashscope")'
            )
        found = _permissive(model, provider)
    if provider is not None and provider != found.provider:
        raise ConfigError(f"{found.name} is served by {found.provider}, not by {provider!r}")
    if not found.ready:
        raise ConfigError(f"{found.name} cannot be used: {found.note}")
    return found.renamed(model)


def find_key(
    provider: Provider, given: Secret | str | None, environ: Mapping[str, str] | None = None
) -> Secret:
    """
    Return the key: the argument, else the service's environment variable.

    White space around a key is dropped (files end in a newline). A key is never printed, and no variable here or
    in the caller holds one as text when this raises: reports of crashes show local variables.

    Raises:
        ConfigError: No key, or one that cannot stand in a header.
    """
    variable = KEY_VARIABLE[provider]
    origin = "api_key" if given is not None else f"the environment variable {variable}"
    given = sealed(given if given is not None else _read(variable, environ))
    if given is None or not given.reveal().strip():
        raise ConfigError(f"no API key: pass api_key or set the environment variable {variable}")
    given = Secret(given.reveal().strip())
    if not _fits_header(given.reveal()):
        raise ConfigError(
            f"{origin} holds a character that cannot stand in a header (a line break, a space or a "
            f"non-ASCII character); copy the key again (it is not shown here)"
        )
    return given


def has_key(provider: Provider, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment holds a key for a service."""
    return bool((_read(KEY_VARIABLE[provider], environ) or "").strip())


def sealed(key: Secret | str | None) -> Secret | None:
    """Return a key as one that no `repr` shows."""
    return key if key is None or isinstance(key, Secret) else Secret(key)


def _fits_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


def _read(variable: str, environ: Mapping[str, str] | None) -> str | None:
    return (os.environ if environ is None else environ).get(variable)


def find_url(
    model_info: ModelInfo,
    *,
    route: Route,
    base_url: str | None,
    region: str | None,
    workspace: str | None,
    environ: Mapping[str, str] | None = None,
) -> tuple[str, str]:
    """
    Return the base URL for `route` and a short name of the place, for messages about keys.

    Raises:
        ConfigError: An unknown region, a region that needs a workspace, or a URL that is not https
            (plain http is for loopback only).
    """
    given = base_url or next(
        (url for name in _URL_VARIABLES[model_info.provider] if (url := _read(name, environ))), None
    )
    if given is None or (region is not None and base_url is None):
        place = region or model_info.regions[0]
        return _join(_host(model_info.provider, place, workspace), model_info, route), f"region {place}"
    parts = _split(given.strip())
    if not is_private(given):
        raise ConfigError(
            f"base_url must start with https:// (http:// is for 127.0.0.1 only), got scheme {parts.scheme!r}"
        )
    if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("base_url must be a host and a path, without credentials or a query")
    return _join(given.strip().rstrip("/"), model_info, route), f"host {parts.hostname}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        whole = parts.port is None or parts.port >= 0
    except ValueError:
        whole = False
    if not whole or not url.isprintable() or " " in url:
        raise ConfigError("base_url is not a URL: a host, a port or a character in it is not possible")
    return parts


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what goes to a URL: https, or http to this machine."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def check_patience(
    counts: Mapping[str, object], seconds: Mapping[str, object], rates: Mapping[str, object] | None = None
) -> None:
    """
    Refuse numbers that bound nothing.

    Args:
        counts: Settings that must be whole numbers from 1 (`max_retries` from 0), by name.
        seconds: Settings that must be positive seconds, by name.
        rates: Settings that must be positive numbers a minute, or None, by name.
    """
    for name, number in (rates or {}).items():
        if number is not None and not _positive(number):
            raise ConfigError(f"{name} must be a positive number or None, got {number!r}")
    for name, number in counts.items():
        least = 0 if name == "max_retries" else 1
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ConfigError(f"{name} must be a whole number from {least}, got {number!r}")
    for name, number in seconds.items():
        if not _positive(number):
            raise ConfigError(f"{name} must be positive seconds, got {number!r}")


def _positive(number: object) -> bool:
    # The comparison is also False for NaN.
    return isinstance(number, int | float) and not isinstance(number, bool) and number > 0


def _join(root: str, model_info: ModelInfo, route: Route) -> str:
    native = model_info.api_path or _NATIVE_PATH[model_info.provider]
    if route in ("openai", "batch") and model_info.provider == "dashscope":
        return root.removesuffix(_OPENAI_PATH).removesuffix(native) + _OPENAI_PATH
    root = root.removesuffix(_OPENAI_PATH)
    # A bare host gets the service's path; any path given is the user's own gateway and kept.
    return root if urlsplit(root).path.strip("/") else root + native


def _host(provider: Provider, region: str, workspace: str | None) -> str:
    shared = _HOSTS[provider].get(region)
    if shared is not None:
        return shared
    if provider == "dashscope" and region in _WORKSPACE_REGIONS:
        if workspace is None:
            raise ConfigError(f"region {region!r} has no shared host: pass workspace= as well")
        return f"https://{_host_label(workspace)}.{region}.maas.aliyuncs.com"
    known = sorted({*_HOSTS[provider], *(_WORKSPACE_REGIONS if provider == "dashscope" else ())})
    raise ConfigError(f"region {region!r} is not known for {provider}; known: {', '.join(known)}")


def _host_label(workspace: str) -> str:
    if not workspace.isascii() or not workspace.replace("-", "").replace("_", "").isalnum():
        raise ConfigError("workspace must be letters, digits, '-' and '_' only")
    return workspace


def _permissive(model: str, provider: Provider) -> ModelInfo:
    if provider not in _NATIVE_PATH:
        raise ConfigError(f'provider must be "ark" or "dashscope", got {provider!r}')
    ark = provider == "ark"
    return ModelInfo(
        name=model,
        provider=provider,
        endpoint="multimodal",
        dimensions=(),
        default_dimension=None,
        reduces="server",
        modalities=models.TEXT_IMAGE_VIDEO if ark else models.ANY_MEDIA,
        fusion="always" if ark else "object",
        instruct=True,
        sparse=ark,
        multi_vector=ark,
        video_knobs=ark,
        source="",
        as_of="",
        note="not in the table: one item a request, nothing optional unless asked",
        known=False,
    )


def _names() -> str:
    return ", ".join(row.name for row in models.list_models() if row.ready)


def find_proxy(url: str) -> str | None:
    """Return the proxy the environment names for a URL, by the usual variables; never one for loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _LOOPBACK or proxy_bypass(host):
        return None
    proxies: dict[str, str] = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def find_headers(
    provider: Provider, workspace: str | None, default_headers: Mapping[str, str] | None
) -> dict[str, str]:
    """
    Return the headers of every request, without the key.

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
    if workspace is not None and provider == "dashscope":
        headers["X-DashScope-WorkSpace"] = _host_label(workspace)
    return headers
