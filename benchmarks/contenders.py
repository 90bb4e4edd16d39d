"""
One client doing one workload once: python -m benchmarks.contenders NAME WORKLOAD PORT WIDTH, prints a JSON line.

W1: 2,000 texts, ten a request, d=1024. W2: 1,000 items of one request each, d=2048. W3: 100 pictures of 1 MB.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson

TEXTS = [f"text number {number}: the quick brown fox jumps over the lazy dog" for number in range(2000)]
ITEMS = TEXTS[:1000]
PICTURES = 100
V4, VISION = "text-embedding-v4", "doubao-embedding-vision-251215"


def _client(workload: str, port: int, width: int) -> dict[str, Any]:
    path, model = ("/api/v1", V4) if workload == "W1" else ("/api/v3", VISION)
    return {
        "model": model,
        "api_key": "k",
        "base_url": f"http://127.0.0.1:{port}{path}",
        "max_concurrency": width,
        "timeout": 60.0,
    }


def _items(workload: str, folder: str) -> list[Any]:
    from volc_dashscope import Image

    if workload == "W3":
        return [Image.from_path(path) for path in sorted(Path(folder).iterdir())]
    return list(TEXTS if workload == "W1" else ITEMS)


def ours_sync(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    from volc_dashscope import Client

    client = Client(**_client(workload, port, width))
    return lambda count: client.embed(_items(workload, folder)[:count])


def ours_async(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    from volc_dashscope import AsyncClient

    client = AsyncClient(**_client(workload, port, width))
    return lambda count: asyncio.run(client.embed(_items(workload, folder)[:count]))


def ours_aiohttp(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    """Our client over a client handed in: httpx with httpx-aiohttp's transport."""
    import httpx
    from httpx_aiohttp import AiohttpTransport

    from volc_dashscope import AsyncClient

    async def work(count: int) -> object:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(transport=AiohttpTransport(limits=limits), timeout=60) as own:
            client = AsyncClient(**_client(workload, port, width), http_async_client=own)
            return await client.embed(_items(workload, folder)[:count])

    return lambda count: asyncio.run(work(count))


def ours_httpx2(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    """Our client over a client handed in: httpx2's."""
    import httpx2

    from volc_dashscope import Client

    own = httpx2.Client(timeout=60, limits=httpx2.Limits(max_connections=width))
    client = Client(**_client(workload, port, width), http_client=own)
    return lambda count: client.embed(_items(workload, folder)[:count])


def httpx_lanes(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    """Bare `httpx.HTTPTransport`s of one connection each, one a thread; nothing checked or retried."""
    from benchmarks.floor import embed_by_lanes

    return lambda count: embed_by_lanes(workload, port, width, count, folder)


def httpx_lanes_async(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    """As `httpx_lanes`, with `httpx.AsyncHTTPTransport`, one a task."""
    from benchmarks.floor import aembed_by_lanes

    return lambda count: asyncio.run(aembed_by_lanes(workload, port, width, count, folder))


def ours_langchain(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings

    kind = DashScopeEmbeddings if workload == "W1" else ArkEmbeddings
    embed_model = kind(**_client(workload, port, width))
    return lambda count: embed_model.embed_documents(_items(workload, folder)[:count])


def ours_llama_index(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding

    kind = DashScopeMultiModalEmbedding if workload == "W1" else ArkMultiModalEmbedding
    embed_model = kind(**_client(workload, port, width))
    return lambda count: embed_model.get_text_embedding_batch(_items(workload, folder)[:count])


def floor(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    """Raw asyncio streams, orjson and numpy: nothing checked, nothing retried."""
    from benchmarks.floor import embed

    return lambda count: asyncio.run(embed(workload, port, width, count, folder))


def sharded_httpx(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    """httpx by hand, with what is known of it: clients of eight connections each, nothing checked or retried."""
    from benchmarks.floor import embed_by_httpx

    return lambda count: asyncio.run(embed_by_httpx(workload, port, width, count, folder))


def bare_aiohttp(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    """aiohttp by hand, in one session, nothing checked or retried."""
    from benchmarks.floor import embed_by_aiohttp

    return lambda count: asyncio.run(embed_by_aiohttp(workload, port, width, count, folder))


def stub(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    """The stub's own ceiling: requests written as fast as replies come, and no reply looked at."""
    from benchmarks.floor import exhaust

    return lambda count: asyncio.run(exhaust(workload, port, width, count, folder))


def dashscope_sdk(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    import dashscope
    import requests

    dashscope.base_http_api_url = f"http://127.0.0.1:{port}/api/v1"

    def work(count: int) -> object:
        # Its documented way to keep the connection; without it each call opens one.
        with requests.Session() as session:
            return [
                dashscope.TextEmbedding.call(
                    model=V4, input=TEXTS[at : at + 10], api_key="k", session=session
                ).output["embeddings"]
                for at in range(0, count, 10)
            ]

    return work


def dashscope_sdk_v2(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    from dashscope.v2 import Client as DashScopeClient

    client = DashScopeClient(api_key="k", base_url=f"http://127.0.0.1:{port}/api/v1")
    create = client.embeddings.create
    return lambda count: [create(model=V4, input=TEXTS[at : at + 10]) for at in range(0, count, 10)]


def ark_sdk(
    workload: str, port: int, width: int, folder: str, form: str = "float"
) -> Callable[[int], object]:
    from volcenginesdkarkruntime import Ark

    client = Ark(api_key="k", base_url=f"http://127.0.0.1:{port}/api/v3")

    def part(index: int) -> dict[str, Any]:
        if workload != "W3":
            return {"type": "text", "text": ITEMS[index]}
        import base64

        data = sorted(Path(folder).iterdir())[index].read_bytes()
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}

    def work(count: int) -> object:
        create = client.multimodal_embeddings.create
        replies = (
            create(model=VISION, input=[part(index)], encoding_format=form)  # type: ignore[list-item, arg-type]
            for index in range(count)
        )
        return [_decoded(reply.data.embedding) for reply in replies]

    return work


def _decoded(vector: Any) -> Any:
    """The SDK hands base64 on as it came; who asks for it decodes it."""
    return np.frombuffer(b64decode(vector), "<f4") if isinstance(vector, str) else vector


def ark_sdk_base64(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    return ark_sdk(workload, port, width, folder, "base64")


def ark_sdk_base64_async(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    return ark_sdk_async(workload, port, width, folder, "base64")


def ark_sdk_async(
    workload: str, port: int, width: int, folder: str, form: str = "float"
) -> Callable[[int], object]:
    from volcenginesdkarkruntime import AsyncArk

    async def run(count: int) -> object:
        gate = asyncio.Semaphore(width)
        async with AsyncArk(api_key="k", base_url=f"http://127.0.0.1:{port}/api/v3") as client:

            async def one(text: str) -> object:
                async with gate:
                    reply = await client.multimodal_embeddings.create(
                        model=VISION,
                        input=[{"type": "text", "text": text}],
                        encoding_format=form,  # type: ignore[arg-type]
                    )
                    return _decoded(reply.data.embedding)

            return await asyncio.gather(*(one(text) for text in ITEMS[:count]))

    return lambda count: asyncio.run(run(count))


def community(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    import dashscope
    from langchain_community.embeddings import DashScopeEmbeddings

    dashscope.base_http_api_url = f"http://127.0.0.1:{port}/api/v1"
    embed_model = DashScopeEmbeddings(model=V4, dashscope_api_key="k")
    return lambda count: embed_model.embed_documents(TEXTS[:count])


def llama_dashscope(workload: str, port: int, width: int, folder: str) -> Callable[[int], object]:
    import dashscope
    from llama_index.embeddings.dashscope import DashScopeEmbedding

    dashscope.base_http_api_url = f"http://127.0.0.1:{port}/api/v1"
    embed_model = DashScopeEmbedding(model_name=V4, api_key="k", embed_batch_size=10)
    return lambda count: embed_model.get_text_embedding_batch(TEXTS[:count])


CONTENDERS = {
    "floor": floor,
    "stub": stub,
    "sharded_httpx": sharded_httpx,
    "bare_aiohttp": bare_aiohttp,
    "ours_sync": ours_sync,
    "ours_async": ours_async,
    "ours_aiohttp": ours_aiohttp,
    "ours_httpx2": ours_httpx2,
    "httpx_lanes": httpx_lanes,
    "httpx_lanes_async": httpx_lanes_async,
    "ours_langchain": ours_langchain,
    "ours_llama_index": ours_llama_index,
    "dashscope": dashscope_sdk,
    "dashscope_v2": dashscope_sdk_v2,
    "ark": ark_sdk,
    "ark_async": ark_sdk_async,
    "ark_base64": ark_sdk_base64,
    "ark_base64_async": ark_sdk_base64_async,
    "community": community,
    "llama_index_dashscope": llama_dashscope,
}
COUNTS = {"W1": 2000, "W2": 1000, "W3": PICTURES}


def _pictures(folder: str) -> None:
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x04\x00\x00\x00\x03\x00\x08\x02\x00\x00\x00"
    for number in range(PICTURES):
        (Path(folder) / f"{number:03}.png").write_bytes(head + os.urandom(1_000_000))


def main(name: str, workload: str, port: int, width: int) -> None:
    """Do one workload and print its figures."""
    with TemporaryDirectory() as folder:
        if workload == "W3":
            _pictures(folder)
        work = CONTENDERS[name](workload, port, width, folder)
        work(20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu, wall = time.process_time(), time.perf_counter()
        work(COUNTS[workload])
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    count = COUNTS[workload]
    figures = {"cpu_per_1000": 1000 * cpu / count, "per_second": count / wall, "rss_mb": grown / 1024}
    print(orjson.dumps(figures).decode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
