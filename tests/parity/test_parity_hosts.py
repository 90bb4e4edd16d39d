"""Without a base URL, requests go to the host and path that the vendor's SDK chooses for the same arguments."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from canary import KEY

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the SDKs import is not ours
    import dashscope
    from vendors import ARK_URL

import httpx

from volc_dashscope import Client, get_model_info
from volc_dashscope.errors import EmbeddingError

VARIABLES = (
    "ARK_BASE_URL",
    "DASHSCOPE_BASE_URL",
    "DASHSCOPE_HTTP_BASE_URL",
    "DASHSCOPE_WORKSPACE",
    "DASHSCOPE_REGION",
)
HOSTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "nothing": ({}, {}),
    "workspace": ({"workspace": "ws-shop"}, {}),
    "workspace and region": ({"workspace": "ws-shop", "region": "ap-southeast-1"}, {}),
    "workspace in hong kong": ({"workspace": "ws-shop", "region": "cn-hongkong"}, {}),
    "singapore": ({"region": "ap-southeast-1"}, {}),
    "hong kong": ({"region": "cn-hongkong"}, {}),
    "workspace by variable": ({}, {"DASHSCOPE_WORKSPACE": "ws-env"}),
    "region by variable": ({}, {"DASHSCOPE_REGION": "ap-southeast-1"}),
    "both by variable": ({}, {"DASHSCOPE_WORKSPACE": "ws-env", "DASHSCOPE_REGION": "cn-hongkong"}),
    "workspace over the variable": ({"workspace": "ws-shop"}, {"DASHSCOPE_WORKSPACE": "ws-env"}),
    "url over workspace": ({"workspace": "ws-shop", "base_url": "https://proxy.corp/api/v1"}, {}),
    "url by variable": ({}, {"DASHSCOPE_BASE_URL": "https://proxy.corp/api/v1"}),
    "url by the old variable": ({}, {"DASHSCOPE_HTTP_BASE_URL": "https://proxy.corp/api/v1"}),
    "url by variable over workspace": (
        {"workspace": "ws-shop"},
        {"DASHSCOPE_BASE_URL": "https://proxy.corp/api/v1"},
    ),
}


def asked(model: str, **settings: Any) -> httpx.Request:
    """Return the one request that embedding a text sends."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(400)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = Client(model, api_key=KEY, max_retries=0, http_client=http, **settings)
    with pytest.raises(EmbeddingError):
        client.embed(["a"])
    return seen[0]


@pytest.mark.parametrize(("settings", "variables"), HOSTS.values(), ids=HOSTS.keys())
def test_dashscope_is_where_the_newest_sdk_says(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], variables: dict[str, str]
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a workspace
        theirs = dashscope.v2.Client(api_key=KEY, **settings).config

    ours = asked("text-embedding-v4", **settings)

    path = "/services/embeddings/text-embedding/text-embedding"
    assert theirs.base_url + path == str(ours.url)
    assert theirs.workspace == ours.headers.get("x-dashscope-workspace")


def test_ark_is_where_the_sdk_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    assert f"{ARK_URL}/embeddings/multimodal" == str(asked("doubao-embedding-vision-251215").url)


def test_the_regions_with_workspaces_are_the_sdks() -> None:
    from dashscope.v2._config import VALID_REGIONS

    from volc_dashscope._config.hosts import WORKSPACE_REGIONS

    row = get_model_info("text-embedding-v4")
    assert row is not None
    assert set(row.regions) <= set(VALID_REGIONS)
    assert VALID_REGIONS == WORKSPACE_REGIONS
