"""Base URLs: checks the one given by the user or the environment, or chooses one by region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from volc_dashscope import models
from volc_dashscope._config.arguments import refuse_keys
from volc_dashscope._config.environment import (
    REGION_VARIABLE,
    URL_VARIABLES,
    WORKSPACE_VARIABLE,
    first_of,
)
from volc_dashscope._config.hosts import (
    SHARED_HOSTS,
    WORKSPACE_REGIONS,
    host_fault,
    is_local_network,
    is_loopback,
    is_website,
    owner_of,
    region_of,
)
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo, Provider, Route, list_models

_NATIVE_PATH: dict[Provider, str] = {"ark": "/api/v3", "dashscope": "/api/v1"}
_OPENAI_PATH = "/compatible-mode/v1"
_FOREIGN_PATH = "/v1"
# The paths that a vendor's host serves; any other is a mistake (reference, hosts and paths).
_VENDOR_PATHS: dict[Provider, tuple[str, ...]] = {
    "ark": ("/api/v3", "/api/plan/v3", "/api/coding/v3", "/api/v3/batch"),
    # The last is that of the rerankers.
    "dashscope": ("/api/v1", _OPENAI_PATH, "/compatible-api/v1"),
}
# Endings of full endpoint URLs, as the pages print them; the base URL is what comes before.
_ENDPOINTS = (
    r"(/services/.*|/embeddings(/multimodal)?|/(chat/)?completions|/responses|/models|/images/generations"
    r"|/files|/batches|/uploads|/tasks|/tokenization|/rerank|/reranks|/messages)\Z"
)
_PLACEHOLDER = r"[<>{}]|\$\w|%\w+%(?![0-9A-Fa-f])|\.\.\.|…"
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"


class Address(NamedTuple):
    """
    Where requests go.

    Attributes:
        url: Base URL, without a slash at its end.
        place: Its name in messages about keys: "region cn-beijing" or "host gw.corp".
        host: Host, with its port if one was given.
        foreign: Neither a host of the vendor nor set by the vendor's own variable. The key of the environment is
            not sent there.
    """

    url: str
    place: str
    host: str
    foreign: bool = False

    @property
    def region(self) -> str | None:
        """Region of a vendor's host, "" if its name does not say which; None for any other host."""
        name = (urlsplit(self.url).hostname or "").removesuffix(".")
        return region_of(name) or (None if owner_of(name) is None else "")


def find_url(
    model_info: ModelInfo,
    *,
    route: Route,
    base_url: str | None,
    region: str | None,
    workspace: str | None,
    insecure_http: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Address:
    """
    Return the address of a model's `route`: `base_url`, else the service's variable, else by workspace and region.

    Raises:
        ConfigError: The region is unknown, does not offer the model, or needs a workspace. The URL is invalid, sends
            the key unencrypted, or has a path that the service does not serve.
    """
    provider = model_info.provider
    if not isinstance(insecure_http, bool):
        raise ConfigError(f"insecure_http must be True or False, got {insecure_http!r}")
    refuse_keys(base_url=base_url, region=region)
    _check_names(provider, base_url=base_url, region=region, workspace=workspace)
    named = None if base_url is not None else first_of(URL_VARIABLES[provider], environ)
    if base_url is not None:
        setting, url = "base_url", base_url
    elif named is not None and region is None:
        setting, url = f"base_url (from {named[0]})", named[1]
    else:
        return _by_region(model_info, route, region, workspace, environ)
    parts = _split(url.strip(), setting)
    _check_scheme(parts, setting, route, insecure_http)
    return _address(parts, setting, model_info, route, of_vendor=named is not None)


def _address(
    parts: SplitResult, setting: str, model_info: ModelInfo, route: Route, *, of_vendor: bool
) -> Address:
    """Return the address that a URL stands for; `of_vendor` says that it came from the service's own variable."""
    # A fully qualified name may end in a dot; names in certificates and in the table of hosts do not.
    provider, host = model_info.provider, (parts.hostname or "").removesuffix(".")
    if is_website(host):
        raise ConfigError(
            f"{setting} is a web page of the vendor, not an API address; leave it out, or use a host of its API: "
            + ", ".join(SHARED_HOSTS[provider].values())
        )
    owner = owner_of(host)
    of_vendor = of_vendor or owner is not None
    if owner is not None and owner != provider:
        raise ConfigError(f"{setting} is a host of {owner}; {model_info.name} is served by {provider}")
    if owner is not None and (there := region_of(host)) is not None:
        _check_region(model_info, there)
    netloc = re.sub(r"\.(?=:\d+\Z|\Z)", "", parts.netloc.lower())
    compatible = route == "openai" and not of_vendor
    path = _path(parts.path, model_info, route, setting, owner=owner, compatible=compatible)
    return Address(
        f"{parts.scheme}://{netloc}{path}",
        f"host {host}",
        netloc,
        # A key and a URL from the same environment belong together; a server on this machine with the vendor's paths
        # is an emulator or the user's own proxy.
        foreign=not of_vendor and (compatible or not is_loopback(host)),
    )


def is_encrypted_or_local(url: str) -> bool:
    """Return whether requests to a URL cannot be read on the way: https, or http to this machine."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def find_workspace(
    provider: Provider, workspace: str | None, environ: Mapping[str, str] | None
) -> str | None:
    """
    Return the workspace: the argument, else the variable of the vendor's SDK, else None.

    Raises:
        ConfigError: It cannot be part of a host.
    """
    setting, value = "workspace", workspace
    if value is None and provider in WORKSPACE_VARIABLE:
        named = first_of([WORKSPACE_VARIABLE[provider]], environ)
        setting, value = (f"workspace (from {named[0]})", named[1].strip()) if named else (setting, None)
    value = value.strip() if isinstance(value, str) else value
    refuse_keys(**{setting: value})
    if value is not None and (not isinstance(value, str) or not re.fullmatch(_LABEL, value)):
        raise ConfigError(
            f"{setting} must be 1 to 63 letters, digits, '-' and '_', because it is part of a host; got {value!r}"
        )
    return value


def _check_names(provider: Provider, **names: object) -> None:
    for name, value in names.items():
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{name} must be a str, got {type(value).__name__}")
        if value is not None and name != "workspace" and not value.strip():
            # Taken as absent, it would send what is embedded to the vendor instead of the host that was meant.
            raise ConfigError(f"{name} is empty; leave it out, or set the variable that it comes from")
    if provider == "ark" and names["workspace"] is not None:
        raise ConfigError("workspace is a setting of DashScope; Ark has no workspaces")


# Unsourced A57: paths are the same on workspace, finance, Hong Kong and BytePlus hosts. Settled by one call
# each.
def _by_region(
    model_info: ModelInfo,
    route: Route,
    region: str | None,
    workspace: str | None,
    environ: Mapping[str, str] | None,
) -> Address:
    """Return the workspace's host, else the shared one, as dashscope 2.0.2 does (v2/_config.py)."""
    provider = model_info.provider
    named = first_of([REGION_VARIABLE[provider]] if provider in REGION_VARIABLE else [], environ)
    region_name = region or (named[1].strip() if named else None) or model_info.regions[0]
    known = sorted({*SHARED_HOSTS[provider], *(WORKSPACE_REGIONS if provider == "dashscope" else ())})
    if region_name not in known:
        raise ConfigError(f"region {region_name!r} is not known for {provider}; known are {', '.join(known)}")
    _check_region(model_info, region_name)
    space = find_workspace(provider, workspace, environ)
    if provider == "dashscope" and space is not None and region_name in WORKSPACE_REGIONS:
        host = f"{space.lower()}.{region_name}.maas.aliyuncs.com"
    elif region_name in SHARED_HOSTS[provider]:
        host = SHARED_HOSTS[provider][region_name]
    else:
        raise ConfigError(f"region {region_name!r} has no shared host; pass workspace= too")
    return Address(f"https://{host}{_usual_path(model_info, route)}", f"region {region_name}", host)


def _check_region(model_info: ModelInfo, region: str) -> None:
    if not model_info.known or region in model_info.regions:
        return
    # A row made from a rerank model has no vector length.
    reranks = model_info.default_dimension is None
    # The page text-embedding-synchronous-api lists Beijing's finance cloud in addition to Beijing.
    if (
        region == "cn-beijing-finance"
        and model_info.endpoint == "text"
        and not reranks
        and "cn-beijing" in model_info.regions
    ):
        return
    there = [
        row.name
        for row in list_models()
        if row.ready and row.provider == model_info.provider and region in row.regions
        and row.endpoint == model_info.endpoint
    ]  # fmt: skip
    if reranks:
        there = [
            row.name for row in models.list_rerank_models() if not row.successor and region in row.regions
        ]
    raise ConfigError(
        f"{model_info.name} is not offered in region {region!r}; its regions are {', '.join(model_info.regions)}"
        + (f" (offered there: {', '.join(there)})" if there else "")
    )


def _split(url: str, setting: str) -> SplitResult:
    """Split a URL. Errors do not show it, because it may hold a key."""
    if re.search(_PLACEHOLDER, url):
        raise ConfigError(
            f"{setting} contains a placeholder or an unexpanded variable; replace it by its value"
        )
    if url[:1] in "\"'`“”‘’" or url[-1:] in "\"'`“”‘’":
        raise ConfigError(f"{setting} has quotes around it; remove them")
    if not url.isprintable() or " " in url or "\\" in url:
        raise ConfigError(f"{setting} is not a URL: it contains a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{setting} is not a URL: its host or port is invalid") from error.with_traceback(
            None
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{setting} contains a user name or a password; remove it and pass api_key")
    if parts.scheme in ("http", "https") and (fault := host_fault((parts.hostname or "").lower())):
        raise ConfigError(f"{setting} must be a host and a path: {fault}")
    if port == 0 or parts.netloc.endswith(":"):
        raise ConfigError(f"{setting} is not a URL: its port is invalid")
    if "?" in url or "#" in url:
        raise ConfigError(f"{setting} must be a host and a path, without a query or a fragment")
    return parts


def _check_scheme(parts: SplitResult, setting: str, route: Route, insecure_http: bool) -> None:
    if parts.scheme == "https":
        return
    host = parts.hostname or ""
    # A private server may use plain http inside its network; a vendor's key is sent over http to this machine only.
    near = is_local_network(host) if route == "openai" else is_loopback(host)
    if parts.scheme != "http" or not (near or insecure_http):
        raise ConfigError(
            f"{setting} must start with https:// (http:// is for "
            + ("this machine and private networks" if route == "openai" else "127.0.0.1")
            + f" only, because others could read the key on its way; insecure_http=True allows it), "
            f"got scheme {parts.scheme!r}"
        )


def _path(
    path: str, model_info: ModelInfo, route: Route, setting: str, *, owner: Provider | None, compatible: bool
) -> str:
    """
    Return the full path of a given base URL, without the ending of an endpoint.

    Args:
        compatible: Any server with an OpenAI-compatible API; its paths are not known.
    """
    normalized = re.sub("/{2,}", "/", path).rstrip("/")
    if re.search(r"/\.{1,2}(/|\Z)|%2e|%2f|%5c", normalized, re.IGNORECASE):
        raise ConfigError(f"{setting} has '.' or '..' as a segment of its path")
    base = re.sub(_ENDPOINTS, "", normalized).rstrip("/")
    usual = _usual_path(model_info, route)
    if owner is not None:
        if base and base not in _VENDOR_PATHS[owner]:
            raise ConfigError(
                f"{setting} has the path {base}, where {owner} serves no embeddings; "
                f"its paths are {', '.join(_VENDOR_PATHS[owner])}"
            )
        return base if base and (owner == "ark" or base == usual) else usual
    if normalized and not base:
        return ""  # a full endpoint directly after the host is used as it is
    if compatible:
        return base or _FOREIGN_PATH
    if model_info.provider == "dashscope":
        base, other = base.removesuffix(_OPENAI_PATH).removesuffix(_NATIVE_PATH["dashscope"]), base
        if base != other or not base:
            # The vendor's own path, of this route or the other.
            return base + usual
    return (
        base + usual if route in ("openai", "batch") and model_info.provider == "dashscope" else base or usual
    )


def _usual_path(model_info: ModelInfo, route: Route) -> str:
    if route in ("openai", "batch") and model_info.provider == "dashscope":
        return _OPENAI_PATH
    return model_info.api_path or _NATIVE_PATH[model_info.provider]
