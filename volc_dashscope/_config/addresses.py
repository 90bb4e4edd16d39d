"""Base URLs: from what a user gives or the environment holds to the one that paths are appended to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

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
    is_loopback,
    is_near,
    is_page,
    owner_of,
    region_of,
)
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo, Provider, Route, list_models, list_rerank_models

_NATIVE_PATH: dict[Provider, str] = {"ark": "/api/v3", "dashscope": "/api/v1"}
_OPENAI_PATH = "/compatible-mode/v1"
_FOREIGN_PATH = "/v1"
# What may stand behind a vendor's host; anything else would be a wrong path (reference, hosts and paths).
_VENDOR_PATHS: dict[Provider, tuple[str, ...]] = {
    "ark": ("/api/v3", "/api/plan/v3", "/api/coding/v3", "/api/v3/batch"),
    # The last is that of the rerankers.
    "dashscope": ("/api/v1", _OPENAI_PATH, "/compatible-api/v1"),
}
# Ends of whole endpoints, as pages print them; what is before them is the base.
_ENDPOINTS = re.compile(
    r"(/services/.*|/embeddings(/multimodal)?|/(chat/)?completions|/responses|/models|/images/generations"
    r"|/files|/batches|/uploads|/tasks|/tokenization|/rerank|/reranks|/messages)\Z"
)
_PLACEHOLDER = re.compile(r"[<>{}]|\$\w|%\w+%(?![0-9A-Fa-f])|\.\.\.|…")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where requests go.

    Attributes:
        url: Base URL, without a slash at its end.
        place: What to call it where keys are spoken of: "region cn-beijing" or "host gw.corp".
        host: Host, with its port if one was given.
        foreign: No host of the vendor, and not named by the vendor's own variable: its key from the environment
            is not sent there.
    """

    url: str
    place: str
    host: str
    foreign: bool = False


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
    Return where `route` of a model is: by `base_url`, else the service's variable, else workspace and region.

    Raises:
        ConfigError: A region that is unknown, that the model is not offered in or that needs a workspace; a URL
            that is none, that others could read, or that leads to a path the service does not have.
    """
    provider = model_info.provider
    if not isinstance(insecure_http, bool):
        raise ConfigError(f"insecure_http must be True or False, got {insecure_http!r}")
    _check_names(provider, base_url=base_url, region=region, workspace=workspace)
    named = None if base_url is not None else first_of(URL_VARIABLES[provider], environ)
    if base_url is not None and base_url.strip():
        setting, given = "base_url", base_url
    elif named is not None and region is None:
        setting, given = f"base_url (from {named[0]})", named[1]
    else:
        return _by_region(model_info, route, region, workspace, environ)
    parts = _split(given.strip(), setting)
    _check_scheme(parts, setting, route, insecure_http)
    return _address(parts, setting, model_info, route, theirs=named is not None)


def _address(
    parts: SplitResult, setting: str, model_info: ModelInfo, route: Route, *, theirs: bool
) -> Address:
    """Return the address a URL means; `theirs` says that it came from the service's own variable."""
    # A dot at its end makes a name complete for DNS; certificates and the table of hosts have none.
    provider, host = model_info.provider, (parts.hostname or "").removesuffix(".")
    if is_page(host):
        raise ConfigError(
            f"{setting} is a page of the vendor's, not its API; leave it out, or use the host of your region: "
            + ", ".join(SHARED_HOSTS[provider].values())
        )
    owner = owner_of(host)
    theirs = theirs or owner is not None
    if owner is not None and owner != provider:
        raise ConfigError(f"{setting} is a host of {owner}; {model_info.name} is served by {provider}")
    if owner is not None and (there := region_of(host)) is not None:
        _check_region(model_info, there)
    netloc = re.sub(r"\.(?=:\d+\Z|\Z)", "", parts.netloc.lower())
    compatible = route == "openai" and not theirs
    path = _path(parts.path, model_info, route, setting, owner=owner, compatible=compatible)
    return Address(
        f"{parts.scheme}://{netloc}{path}",
        f"host {host}",
        netloc,
        # An environment that names both key and URL means the one for the other; a process on this machine that
        # speaks the vendor's form is an emulator or a proxy of the user's own.
        foreign=not theirs and (compatible or not is_loopback(host)),
    )


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what goes to a URL: https, or http to this machine."""
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
    setting, given = "workspace", workspace
    if given is None and provider in WORKSPACE_VARIABLE:
        named = first_of([WORKSPACE_VARIABLE[provider]], environ)
        setting, given = (f"workspace (from {named[0]})", named[1].strip()) if named else (setting, None)
    given = given.strip() if isinstance(given, str) else given
    if given is not None and (not isinstance(given, str) or not _LABEL.fullmatch(given)):
        raise ConfigError(
            f"{setting} must be letters, digits, '-' and '_' only, at most 63: it is part of a host"
        )
    return given


def _check_names(provider: Provider, **names: object) -> None:
    for name, value in names.items():
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{name} must be a str, got {type(value).__name__}")
    if provider == "ark" and names["workspace"] is not None:
        raise ConfigError("workspace belongs to DashScope; Ark has none")


# Unsourced A57: paths are the same on workspace, finance, Hong Kong and BytePlus hosts. Settled by one call
# each.
def _by_region(
    model_info: ModelInfo,
    route: Route,
    region: str | None,
    workspace: str | None,
    environ: Mapping[str, str] | None,
) -> Address:
    """As dashscope 2.0.2 chooses (v2/_config.py): the workspace's host, else the host all share."""
    provider = model_info.provider
    named = first_of([REGION_VARIABLE[provider]] if provider in REGION_VARIABLE else [], environ)
    where = region or (named[1].strip() if named else None) or model_info.regions[0]
    known = sorted({*SHARED_HOSTS[provider], *(WORKSPACE_REGIONS if provider == "dashscope" else ())})
    if where not in known:
        raise ConfigError(f"region {where!r} is not known for {provider}; known: {', '.join(known)}")
    _check_region(model_info, where)
    space = find_workspace(provider, workspace, environ)
    if provider == "dashscope" and space is not None and where in WORKSPACE_REGIONS:
        host = f"{space.lower()}.{where}.maas.aliyuncs.com"
    elif where in SHARED_HOSTS[provider]:
        host = SHARED_HOSTS[provider][where]
    else:
        raise ConfigError(f"region {where!r} has no shared host: pass workspace= as well")
    return Address(f"https://{host}{_usual_path(model_info, route)}", f"region {where}", host)


def _check_region(model_info: ModelInfo, region: str) -> None:
    if not model_info.known or region in model_info.regions:
        return
    # A row made of a rerank model's has no length of vectors.
    reranks = model_info.default_dimension is None
    # The page text-embedding-synchronous-api lists Beijing's finance cloud beside Beijing.
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
        there = [row.name for row in list_rerank_models() if not row.successor and region in row.regions]
    raise ConfigError(
        f"{model_info.name} is not offered in region {region!r}; it has: {', '.join(model_info.regions)}"
        + (f" (offered there: {', '.join(there)})" if there else "")
    )


def _split(url: str, setting: str) -> SplitResult:
    """Take a URL apart, or say what is wrong with it without showing it: it may hold a key."""
    if _PLACEHOLDER.search(url):
        raise ConfigError(f"{setting} holds a placeholder or a variable that was not replaced; write it out")
    if url[:1] in "\"'`“”‘’" or url[-1:] in "\"'`“”‘’":
        raise ConfigError(f"{setting} has quotes around it; take them off")
    if not url.isprintable() or " " in url or "\\" in url:
        raise ConfigError(f"{setting} is not a URL: it holds a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(
            f"{setting} is not a URL: a host or a port in it is not possible"
        ) from error.with_traceback(None)
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{setting} holds a user name or a password; leave it out and pass api_key")
    if parts.scheme in ("http", "https") and (fault := host_fault((parts.hostname or "").lower())):
        raise ConfigError(f"{setting} must be a host and a path: {fault}")
    if port == 0 or parts.netloc.endswith(":"):
        raise ConfigError(f"{setting} is not a URL: its port is not possible")
    if "?" in url or "#" in url:
        raise ConfigError(f"{setting} must be a host and a path, without a query or a fragment")
    return parts


def _check_scheme(parts: SplitResult, setting: str, route: Route, insecure_http: bool) -> None:
    if parts.scheme == "https":
        return
    host = parts.hostname or ""
    # Servers of one's own speak plain http inside a network; with a vendor's key only this machine is near enough.
    near = is_near(host) if route == "openai" else is_loopback(host)
    if parts.scheme != "http" or not (near or insecure_http):
        raise ConfigError(
            f"{setting} must start with https:// (http:// is for "
            + ("this machine and private networks" if route == "openai" else "127.0.0.1")
            + f" only, as the key could be read on the way; insecure_http=True allows it), "
            f"got scheme {parts.scheme!r}"
        )


def _path(
    given: str, model_info: ModelInfo, route: Route, setting: str, *, owner: Provider | None, compatible: bool
) -> str:
    """
    Return the path of a base URL that was given, complete and without the end of an endpoint.

    Args:
        compatible: The server is anybody's who speaks the OpenAI form; nothing is known of its paths.
    """
    path = re.sub("/{2,}", "/", given).rstrip("/")
    if re.search(r"/\.{1,2}(/|\Z)|%2e|%2f|%5c", path, re.IGNORECASE):
        raise ConfigError(f"{setting} holds '.' or '..' as a part of its path")
    base = _ENDPOINTS.sub("", path).rstrip("/")
    usual = _usual_path(model_info, route)
    if owner is not None:
        if base and base not in _VENDOR_PATHS[owner]:
            raise ConfigError(
                f"{setting} has the path {base}, which {owner} does not serve embeddings under; "
                f"it has: {', '.join(_VENDOR_PATHS[owner])}"
            )
        return base if base and (owner == "ark" or base == usual) else usual
    if path and not base:
        return ""  # a whole endpoint right behind the host is used as it is
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
