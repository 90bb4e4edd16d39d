"""
The vendors' SDKs as a user calls them, each against a given socket.

`dashscope` 2.x has two APIs: the classes of 1.x ("classic") and `dashscope.v2` ("v2"). Neither has a resource
for OpenAI-compatible embeddings (`v2.Client(protocol="openai")` changes chat only; its `embeddings` always posts
to the native path). For that route the `openai` package is used where it is installed, and otherwise
`client.embeddings` of Ark's SDK, which is openai-python 1.x under another name (its files say so) and writes the
same body.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import dashscope
import requests
from canary import KEY
from dashscope.common.env import base_http_api_url as dashscope_url
from volcenginesdkarkruntime import Ark, AsyncArk
from volcenginesdkarkruntime._constants import BASE_URL as ARK_URL

OPENAI = importlib.util.find_spec("openai") is not None

# The plan gateway serves the name without a date (reference/ark-api.md, section 1); no SDK knows its path.
_GATEWAYS = {"doubao-embedding-vision": "/api/plan/v3"}
_COMPATIBLE = "/compatible-mode/v1"

APIS = {
    "ark.multimodal": ("ark",),
    "ark.text": ("ark",),
    "ark.batch": ("ark",),
    "dashscope.text": ("classic", "v2"),
    "dashscope.media": ("classic", "v2"),
    "dashscope.jobs": ("classic", "v2"),
    "openai": ("openai" if OPENAI else "ark",),
}
# `dashscope` 2.0.2 exports no AioTextEmbedding; asynchronous texts are its v2 client's.
ASYNC_APIS = {**APIS, "dashscope.text": ("v2",), "dashscope.jobs": ("v2",)}

Arguments = Mapping[str, Any]


class Vendors:
    """Synchronous SDK clients, made once; no retries, so that a mistake shows at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = ExitStack()
        self._made: dict[Any, Any] = {}

    def call(self, api: str, door: str, arguments: Arguments) -> Any:
        """Carry out one call of an SDK's own."""
        return self._method(api, door, arguments["model"])(**_spoken(api, door, arguments))

    def upload(self, name: str, data: bytes) -> Any:
        """Upload a file for a batch on the compatible route."""
        client = self._once(_COMPATIBLE, self._openai if OPENAI else self._ark)
        return client.files.create(file=(name, data, "application/jsonl"), purpose="batch")

    def close(self) -> None:
        """Close every connection the SDKs keep."""
        self._stack.close()
        # The uploader keeps a session of its own.
        dashscope.api_entities.http_request.close_shared_sync_session()

    def _method(self, api: str, door: str, model: str) -> Callable[..., Any]:
        if api == "classic":
            return self._classic(door)
        if api == "v2":
            client = self._once("", self._v2)
            return _v2_method(client, door)
        if api == "openai":
            return self._once(_COMPATIBLE, self._openai).embeddings.create
        client = self._once(ark_path(door, model), self._ark)
        return _ark_method(client, door, model)

    def _classic(self, door: str) -> Callable[..., Any]:
        session = self._made.get("session")
        if session is None:
            session = self._made["session"] = self._stack.enter_context(requests.Session())
        if door == "dashscope.jobs":
            there = {"api_key": KEY, "base_address": native_url(self._url)}
            return lambda **more: dashscope.BatchTextEmbedding.async_call(**there, **more)
        kind = dashscope.TextEmbedding if door == "dashscope.text" else dashscope.MultiModalEmbedding
        settings = {"api_key": KEY, "base_address": native_url(self._url), "session": session}
        return lambda **more: kind.call(**{**settings, **more})

    def _once(self, path: str, make: Callable[[str], Any]) -> Any:
        if (make, path) not in self._made:
            self._made[make, path] = self._stack.enter_context(make(path))
        return self._made[make, path]

    def _ark(self, path: str) -> Ark:
        return Ark(base_url=self._url + path, api_key=KEY, max_retries=0)

    def _v2(self, path: str) -> Any:
        return dashscope.v2.Client(base_url=native_url(self._url) + path, api_key=KEY, max_retries=0)

    def _openai(self, path: str) -> Any:
        import openai

        return openai.OpenAI(base_url=self._url + path, api_key=KEY, max_retries=0)


async def acall(url: str, api: str, door: str, arguments: Arguments) -> Any:
    """Carry out one call of an SDK's asynchronous half."""
    spoken, model = _spoken(api, door, arguments), arguments["model"]
    async with AsyncExitStack() as stack:
        if api == "classic":
            session = await stack.enter_async_context(aiohttp.ClientSession())
            settings = {"api_key": KEY, "base_address": native_url(url), "session": session}
            return await dashscope.AioMultiModalEmbedding.call(**settings, **spoken)
        if api == "v2":
            client = dashscope.v2.AsyncClient(base_url=native_url(url), api_key=KEY, max_retries=0)
            client = await stack.enter_async_context(client)
            return await _v2_method(client, door)(**spoken)
        if api == "openai":
            import openai

            client = openai.AsyncOpenAI(base_url=url + _COMPATIBLE, api_key=KEY, max_retries=0)
        else:
            client = AsyncArk(base_url=url + ark_path(door, model), api_key=KEY, max_retries=0)
        client = await stack.enter_async_context(client)
        method: Callable[..., Awaitable[Any]] = _ark_method(client, door, model)
        return await method(**spoken)


def ark_path(door: str, model: str) -> str:
    """Return the path of the base URL: the SDK's own default where it has one."""
    if door == "openai":
        return _COMPATIBLE
    return _GATEWAYS.get(model) or urlsplit(ARK_URL).path


def native_url(url: str) -> str:
    """Return the base URL of native DashScope on a socket."""
    return url + urlsplit(dashscope_url).path


def _v2_method(client: Any, door: str) -> Any:
    if door == "dashscope.jobs":
        return client.embeddings.jobs.create
    return (client.embeddings if door == "dashscope.text" else client.multimodal.embeddings).create


def _ark_method(client: Any, door: str, model: str) -> Any:
    if door == "ark.batch":
        text = "-text-" in model
        return (client.batch.embeddings if text else client.batch.multimodal_embeddings).create
    return client.multimodal_embeddings.create if door == "ark.multimodal" else client.embeddings.create


def _spoken(api: str, door: str, arguments: Arguments) -> dict[str, Any]:
    """Return arguments the SDK may change; 1.x takes what it does not name as keywords, v2 as `parameters`."""
    spoken = deepcopy(dict(arguments))
    if api == "classic":
        spoken.update(spoken.pop("parameters", {}))
        spoken.update({"url": spoken.pop("file_url")} if "file_url" in spoken else {})
    return spoken
