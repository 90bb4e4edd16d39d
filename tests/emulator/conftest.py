"""Each test that asks for `wire` runs twice: in-process and through a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from volc_dashscope.emulator import Emulator
from volc_dashscope.emulator.pytest_plugin import (  # noqa: F401 - pytest finds fixtures by name
    ark_dashscope_emulator,
    ark_dashscope_emulator_env,
)

KEY = {"authorization": "Bearer test-key"}
ARK = "/api/v3/embeddings"
ARK_MULTIMODAL = "/api/v3/embeddings/multimodal"
TEXT = "/api/v1/services/embeddings/text-embedding/text-embedding"
MULTIMODAL = "/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding"
COMPATIBLE = "/compatible-mode/v1/embeddings"


@dataclass(frozen=True)
class Wire:
    """One emulator under one mount, and a client that reaches it."""

    emulator: Emulator
    client: httpx.Client
    mount: str

    def ark(self, *parts: dict[str, Any], model: str = "doubao-embedding-vision-251215", **more: Any) -> Any:
        return self.client.post(ARK_MULTIMODAL, json={"model": model, "input": list(parts), **more})

    def text(self, *texts: str, model: str = "text-embedding-v4", **parameters: Any) -> httpx.Response:
        body = {"model": model, "input": {"texts": list(texts)}, "parameters": parameters}
        return self.client.post(TEXT, json=body)

    def media(self, *contents: Any, model: str = "qwen3-vl-embedding", **parameters: Any) -> httpx.Response:
        body = {"model": model, "input": {"contents": list(contents)}, "parameters": parameters}
        return self.client.post(MULTIMODAL, json=body)

    def compatible(self, value: Any, model: str = "text-embedding-v4", **more: Any) -> httpx.Response:
        return self.client.post(COMPATIBLE, json={"model": model, "input": value, **more})


@pytest.fixture(params=["in-process", "socket"])
def mounted(request: pytest.FixtureRequest) -> Iterator[Callable[..., Wire]]:
    """Yield a function that makes a `Wire` from the settings of an `Emulator`."""
    with ExitStack() as stack:

        def make(*args: Any, timeout: float = 10.0, **settings: Any) -> Wire:
            emulator = Emulator(*args, **settings)
            if request.param == "socket":
                stack.enter_context(emulator)
                # Reading the authorities takes 20 ms, and no byte here is encrypted.
                client = httpx.Client(
                    base_url=emulator.url, headers=KEY, trust_env=False, timeout=timeout, verify=False
                )
            else:
                client = emulator.http_client()
                client.base_url = httpx.URL("https://dashscope.aliyuncs.com")
                client.headers.update(KEY)
                client.timeout = httpx.Timeout(timeout)
            return Wire(emulator, stack.enter_context(client), request.param)

        yield make


@pytest.fixture
def wire(mounted: Callable[..., Wire]) -> Wire:
    """Return an emulator without faults or limits."""
    return mounted()
