"""The checks of `volc-dashscope doctor`; each gives one finding, which says what to do."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

from volc_dashscope import _config
from volc_dashscope._http import check_proxy
from volc_dashscope._types import Secret, counted
from volc_dashscope._version import __version__
from volc_dashscope.cli._reach import reach
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError, EmbeddingError
from volc_dashscope.models import ModelInfo, Provider, get_model_info, list_models

State = Literal["ok", "note", "fix"]

# The model that a service is tested with, by its cheapest request.
TEST_MODELS: dict[Provider, str] = {"ark": "doubao-embedding-vision-251215", "dashscope": "text-embedding-v4"}


@dataclass(frozen=True, slots=True)
class Package:
    """A package that the library or an extra needs: its lowest version, and the first version that is too new."""

    name: str
    least: str = "0"
    below: str = ""


CORE = (
    Package("httpx", "0.27", "1"),
    Package("numpy", "1.26"),
    Package("orjson", "3.10"),
    Package("wcwidth", "0.2.13"),
    Package("click", "8.1"),
)
EXTRAS: dict[str, tuple[Package, ...]] = {
    "langchain": (Package("langchain-core", "1.0", "2"),),
    "llama-index": (Package("llama-index-core", "0.14", "0.15"),),
    "images": (Package("pillow", "10.3"),),
    "emulator": (Package("pillow", "10.3"),),
    "multi": (Package("zstandard", "0.22"), Package("blosc2", "2.7")),
    "bulk": (Package("pyarrow", "17"), Package("tqdm", "4.66")),
    "serve": (
        Package("starlette", "0.40"),
        Package("uvicorn", "0.30"),
        Package("pillow", "10.3"),
    ),
    "fast": (Package("pybase64", "1.4"),),
    "ray": (Package("ray", "2.30"),),
    "otel": (Package("opentelemetry-api", "1.27", "2"),),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """
    The result of one check.

    Attributes:
        state: "ok"; "note" for something not everybody needs; "fix" for something that must be corrected.
        words: The result as a sentence; for "fix" also what to do.
    """

    about: str
    state: State
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCheck:
    """The address of one service, and the key and proxy for it."""

    provider: Provider
    region: str | None
    base_url: str | None
    workspace: str | None
    timeout: float
    connect: bool
    send: bool


def installed() -> Iterator[Finding]:
    """Check Python, the packages of the core and the extras."""
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("Python", "ok", f"{platform.python_version()} on {system}")
    yield Finding("volc-dashscope", "ok", __version__)
    for name, packages in {"core": CORE, **EXTRAS}.items():
        yield _packages(name, packages)


def _packages(extra: str, packages: tuple[Package, ...]) -> Finding:
    about = "packages" if extra == "core" else f"extra {extra}"
    command = 'pip install "volc-dashscope"' if extra == "core" else f'pip install "volc-dashscope[{extra}]"'
    found = {package: _version(package.name) for package in packages}
    if None in found.values():
        return Finding(about, "fix" if extra == "core" else "note", f"not installed: {command}")
    for package, installed_version in found.items():
        if not _fits(installed_version or "", package):
            required = f">={package.least}" + (f",<{package.below}" if package.below else "")
            return Finding(
                about,
                "fix",
                f'{package.name} {installed_version} does not fit: pip install "{package.name}{required}"',
            )
    return Finding(about, "ok", ", ".join(f"{package.name} {version}" for package, version in found.items()))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _fits(version: str, package: Package) -> bool:
    number = _number(version)
    return number >= _number(package.least) and not (package.below and number >= _number(package.below))


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def service(check: ServiceCheck) -> Iterator[Finding]:
    """Check the key, the host, the proxy and the connection of one service; a request is sent only on demand."""
    provider = check.provider
    yield (key := _key(provider))
    try:
        address = _url(check)
        url, place = address.url, address.place
    except ConfigError as error:
        yield Finding(f"{provider} host", "fix", str(error))
        return
    yield Finding(f"{provider} host", "ok", f"{_shown(url)} ({place})")
    yield (proxy := _proxy(provider, url))
    if check.connect and proxy.state != "fix":
        state, message = reach(url, proxy=_config.find_proxy(url), seconds=check.timeout)
        yield Finding(f"{provider} connection", state, message)
    if check.send:
        yield (
            _answer(check)
            if key.state == "ok"
            else Finding(f"{provider} request", "note", "not sent: no key is set")
        )


def _key(provider: Provider) -> Finding:
    variable, about = _config.KEY_VARIABLE[provider], f"{provider} key"
    try:
        key = _config.find_key(provider, None)
    except ConfigError as error:
        if str(error).startswith("no API key"):
            return Finding(about, "note", f"not set: export {variable}=...")
        return Finding(about, "fix", str(error))
    if key is None or len(key) < 16:
        message = (
            f"{variable} is set, but it is too short for a key: copy the whole key (it is not shown here)"
        )
        return Finding(about, "fix", message)
    return Finding(about, "ok", f"{variable} is set and looks valid (it is not shown here)")


def _test_model(check: ServiceCheck) -> ModelInfo:
    """Return the row of the model that a service is tested with; a region may have a different one."""
    row = get_model_info(TEST_MODELS[check.provider])
    assert row is not None
    if check.region is None or check.region in row.regions:
        return row
    there = (each for each in list_models() if each.provider == check.provider and each.ready)
    return next((each for each in there if check.region in each.regions), row)


def _url(check: ServiceCheck) -> _config.Address:
    row = _test_model(check)
    return _config.find_url(
        row, route="native", base_url=check.base_url, region=check.region, workspace=check.workspace
    )


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _proxy(provider: str, url: str) -> Finding:
    about, proxy = f"{provider} proxy", _config.find_proxy(url)
    if proxy is None:
        return Finding(about, "ok", "none")
    variable = _config.proxy_variable(url)
    try:
        parts = urlsplit(proxy)
        url = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        check_proxy(Secret(proxy))
    except ValueError:
        parts, url = urlsplit(""), ""
    if parts.scheme not in ("http", "https", "socks5", "socks5h") or not parts.hostname:
        message = f"{variable} is not a proxy URL: use http://host:port or socks5://host:port, or unset it"
        return Finding(about, "fix", message)
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        return Finding(about, "fix", f'{variable} is a SOCKS proxy, {url}: pip install "httpx[socks]"')
    return Finding(about, "ok", f"{url}, from {variable}")


def _answer(check: ServiceCheck) -> Finding:
    about, model = f"{check.provider} request", _test_model(check).name
    try:
        with Client(
            model,
            region=check.region,
            base_url=check.base_url,
            workspace=check.workspace,
            timeout=check.timeout,
            max_retries=0,
        ) as client:
            usage = client.embed(["ok"]).usage
    except EmbeddingError as error:
        return Finding(about, "fix", str(error))
    return Finding(about, "ok", f"{model} answered; {counted(usage.total_tokens, 'tokens')} billed")
