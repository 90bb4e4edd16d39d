"""
What no HTTP client can detect: a second well-formed reply behind the first. python -m benchmarks.glued_replies

A server on 127.0.0.1 answers each request with the number it holds. After 2 % of the replies it sends another one,
half a millisecond later, on the same connection. Each client makes 500 calls, 16 at a time, and we count the answers
that belong to another request.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import orjson

CALLS, WIDTH, SHARE, DELAY = 500, 16, 0.02, 0.0005
MODEL = "doubao-embedding-vision-251215"


def reply(number: int) -> bytes:
    """Return a whole reply of Ark's whose vector holds a number."""
    vector = [float(number + 1)] * 1024
    vector[0] = -vector[0]
    vector[1] = float(10 * (number + 1))
    data = {"object": "embedding", "embedding": vector}
    body = orjson.dumps(
        {"id": "1", "object": "list", "model": MODEL, "data": data, "usage": {"total_tokens": 1}}
    )
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random) -> None:
    """Answer one connection until it ends."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(
                next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if b"content-length" in line)
            )
            body = orjson.loads(await reader.readexactly(length))
            number = int(body["input"][0]["text"])
            writer.write(reply(number))
            await writer.drain()
            if chance.random() < SHARE:
                await asyncio.sleep(DELAY)
                writer.write(reply(number + 100_000))
    except (asyncio.IncompleteReadError, ConnectionError, StopIteration):
        writer.close()


async def listen() -> None:
    """Serve until the process is ended, and print the port."""
    chance = random.Random(1)
    server = await asyncio.start_server(lambda r, w: serve(r, w, chance), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


def body(number: int) -> dict[str, object]:
    """Return the request for a number."""
    return {"model": MODEL, "input": [{"type": "text", "text": str(number)}], "dimensions": 1024}


def number_of(vector: list[float]) -> int:
    """Return the number a vector holds."""
    return round(-vector[0]) - 1


def in_threads(ask: Callable[[int], int]) -> int:
    """Count wrong answers of a function asked from 16 threads."""
    with ThreadPoolExecutor(WIDTH) as pool:
        return sum(found != number for number, found in enumerate(pool.map(ask, range(CALLS))))


def by_requests(url: str) -> int:
    """Use one session of requests."""
    import requests
    from requests.adapters import HTTPAdapter

    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=WIDTH))
        return in_threads(
            lambda number: number_of(session.post(url, json=body(number)).json()["data"]["embedding"])
        )


def by_httpx(url: str) -> int:
    """Use one client of httpx."""
    with httpx.Client() as client:
        return in_threads(
            lambda number: number_of(client.post(url, json=body(number)).json()["data"]["embedding"])
        )


def by_aiohttp(url: str) -> int:
    """Use one session of aiohttp."""
    import aiohttp

    async def run() -> int:
        gate = asyncio.Semaphore(WIDTH)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WIDTH)) as session:

            async def ask(number: int) -> bool:
                async with gate, session.post(url, json=body(number)) as answer:
                    found = orjson.loads(await answer.read())
                    return number_of(found["data"]["embedding"]) != number

            return sum(await asyncio.gather(*map(ask, range(CALLS))))

    return asyncio.run(run())


def _wrong(rows: np.ndarray) -> int:
    """Rows are not normalised, so that the first component still holds the number."""
    return sum(number_of(row.tolist()) != number for number, row in enumerate(rows))


def ours(root: str) -> int:
    """Use `Client`."""
    from volc_dashscope import Client

    settings = {
        "api_key": "k",
        "base_url": root,
        "dimensions": 1024,
        "normalize": False,
        "max_concurrency": WIDTH,
    }
    with Client(MODEL, **settings) as client:
        return _wrong(client.embed([str(number) for number in range(CALLS)]).vectors)


def ours_async(root: str) -> int:
    """Use `AsyncClient`."""
    from volc_dashscope import AsyncClient

    settings = {
        "api_key": "k",
        "base_url": root,
        "dimensions": 1024,
        "normalize": False,
        "max_concurrency": WIDTH,
    }

    async def run() -> int:
        async with AsyncClient(MODEL, **settings) as client:
            return _wrong((await client.embed([str(number) for number in range(CALLS)])).vectors)

    return asyncio.run(run())


def main() -> None:
    """Print one line for each client: wrong answers in three runs of 500 calls."""
    if sys.argv[1:] == ["serve"]:
        asyncio.run(listen())
    command = [sys.executable, "-m", "benchmarks.glued_replies", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            compare(f"http://127.0.0.1:{int(server.stdout.readline())}/api/v3")
        finally:
            server.kill()


def compare(root: str) -> None:
    """Let each client call three times."""
    url = f"{root}/embeddings/multimodal"
    for name, count, place in (
        ("requests", by_requests, url),
        ("httpx", by_httpx, url),
        ("aiohttp", by_aiohttp, url),
        ("ours_sync", ours, root),
        ("ours_async", ours_async, root),
    ):
        print(f"{name:12} {' '.join(str(count(place)) for _ in range(3))}")


if __name__ == "__main__":
    main()
