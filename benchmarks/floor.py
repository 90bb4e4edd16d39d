"""
What a hand-written client for one workload costs, with nothing checked and nothing retried.

`embed` is the floor, the other `embed_by_...` are the same with a library, and `exhaust` does not even read the
replies.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import httpx
import numpy as np
import orjson

from benchmarks.contenders import ITEMS, TEXTS, V4, VISION

_TEXT = "/api/v1/services/embeddings/text-embedding/text-embedding"
_MEDIA = "/api/v3/embeddings/multimodal"
# Seconds over which the workers start, as the client's do. Workers that start together stay in step: their replies come
# together and are read in one turn of the event loop, which no service offers.
_RAMP = 0.032


def _body(workload: str, index: int, files: list[Path]) -> tuple[str, bytes]:
    if workload == "W1":
        texts = TEXTS[10 * index : 10 * index + 10]
        return _TEXT, orjson.dumps({"model": V4, "input": {"texts": texts}, "parameters": {}})
    if workload == "W2":
        part: object = {"type": "text", "text": ITEMS[index]}
    else:
        uri = b'"data:image/png;base64,' + base64.b64encode(files[index].read_bytes()) + b'"'
        part = {"type": "image_url", "image_url": {"url": orjson.Fragment(uri)}}
    return _MEDIA, orjson.dumps({"model": VISION, "input": [part], "encoding_format": "base64"})


def _put(
    table: np.ndarray, workload: str, index: int, content: bytes, decode: Callable[[str], bytes]
) -> None:
    """Write the rows of a reply into the table."""
    reply = orjson.loads(content)
    if workload == "W1":
        for row in reply["output"]["embeddings"]:
            table[10 * index + row["text_index"]] = row["embedding"]
    else:
        table[index] = np.frombuffer(decode(reply["data"]["embedding"]), dtype="<f4")


async def embed(workload: str, port: int, width: int, count: int, folder: str) -> np.ndarray:
    """Return the rows of one workload."""
    requests = count // 10 if workload == "W1" else count
    files = sorted(Path(folder).iterdir()) if workload == "W3" else []
    table = np.empty((count, 1024 if workload == "W1" else 2048), dtype=np.float32)
    todo = iter(range(requests))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        for index in todo:
            path, body = _body(workload, index, files)
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
            head += f"content-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            size = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0])
            _put(table, workload, index, await reader.readexactly(size), base64.b64decode)
        writer.close()

    await asyncio.gather(*(worker() for _ in range(width)))
    return table


async def embed_by_httpx(workload: str, port: int, width: int, count: int, folder: str) -> np.ndarray:
    """Return the rows of one workload, by httpx in clients of eight connections each."""
    requests = count // 10 if workload == "W1" else count
    table = np.empty((count, 1024 if workload == "W1" else 2048), dtype=np.float32)
    todo = iter(range(requests))
    ssl_context = httpx.create_ssl_context()
    clients = [httpx.AsyncClient(verify=ssl_context, timeout=60) for _ in range(max(1, width // 8))]

    async def worker(client: httpx.AsyncClient) -> None:
        for index in todo:
            path, body = _body(workload, index, [])
            answer = await client.post(
                f"http://127.0.0.1:{port}{path}", content=body, headers={"authorization": "Bearer k"}
            )
            _put(table, workload, index, answer.content, base64.b64decode)

    await asyncio.gather(*(worker(clients[number % len(clients)]) for number in range(width)))
    for client in clients:
        await client.aclose()
    return table


async def embed_by_aiohttp(workload: str, port: int, width: int, count: int, folder: str) -> np.ndarray:
    """Return the rows of one workload, by aiohttp, with base64 by pybase64."""
    import aiohttp
    import pybase64

    requests = count // 10 if workload == "W1" else count
    files = sorted(Path(folder).iterdir()) if workload == "W3" else []
    table = np.empty((count, 1024 if workload == "W1" else 2048), dtype=np.float32)
    todo = iter(range(requests))

    async def worker(session: aiohttp.ClientSession) -> None:
        for index in todo:
            path, body = _body(workload, index, files)
            headers = {"authorization": "Bearer k", "content-type": "application/json"}
            async with session.post(f"http://127.0.0.1:{port}{path}", data=body, headers=headers) as answer:
                reply = await answer.read()
            _put(table, workload, index, reply, pybase64.b64decode)

    limits = aiohttp.ClientTimeout(total=None, connect=10, sock_read=60)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limits) as session:
        await asyncio.gather(*(worker(session) for _ in range(width)))
    return table


def _lane_request(workload: str, port: int, index: int, files: list[Path]) -> httpx.Request:
    path, body = _body(workload, index, files)
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    timeout = {"timeout": {"connect": 60.0, "read": 60.0, "write": 60.0, "pool": 60.0}}
    url = f"http://127.0.0.1:{port}{path}"
    return httpx.Request("POST", url, content=body, headers=headers, extensions=timeout)


@cache
def _ssl_context() -> ssl.SSLContext:
    """Return the certificates, read once a process as by the client, and not in each measured run."""
    return httpx.create_ssl_context()


def embed_by_lanes(workload: str, port: int, width: int, count: int, folder: str) -> np.ndarray:
    """Return the rows of one workload, by httpx's transports in threads, one connection each."""
    requests = count // 10 if workload == "W1" else count
    files = sorted(Path(folder).iterdir()) if workload == "W3" else []
    table = np.empty((count, 1024 if workload == "W1" else 2048), dtype=np.float32)
    todo = iter(range(requests))
    context, one = _ssl_context(), httpx.Limits(max_connections=1)

    def worker(number: int) -> None:
        time.sleep(_RAMP * number / width)
        with httpx.HTTPTransport(verify=context, limits=one) as transport:
            for index in todo:
                answer = transport.handle_request(_lane_request(workload, port, index, files))
                _put(table, workload, index, answer.read(), base64.b64decode)

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return table


async def aembed_by_lanes(workload: str, port: int, width: int, count: int, folder: str) -> np.ndarray:
    """As `embed_by_lanes`, in tasks."""
    requests = count // 10 if workload == "W1" else count
    files = sorted(Path(folder).iterdir()) if workload == "W3" else []
    table = np.empty((count, 1024 if workload == "W1" else 2048), dtype=np.float32)
    todo = iter(range(requests))
    context, one = _ssl_context(), httpx.Limits(max_connections=1)

    async def worker(number: int) -> None:
        await asyncio.sleep(_RAMP * number / width)
        async with httpx.AsyncHTTPTransport(verify=context, limits=one) as transport:
            for index in todo:
                answer = await transport.handle_async_request(_lane_request(workload, port, index, files))
                _put(table, workload, index, await answer.aread(), base64.b64decode)

    await asyncio.gather(*(worker(number) for number in range(width)))
    return table


class _Blast(asyncio.Protocol):
    """Sends one request after another on a connection and counts what comes back."""

    def __init__(self, request: bytes, todo: Iterator[int], done: asyncio.Future[None]) -> None:
        self._request, self._todo, self._done = request, todo, done
        self._awaited = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if not self._awaited:
            head, _, _ = data.partition(b"\r\n\r\n")
            size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            self._awaited = len(head) + 4 + size
        self._awaited -= len(data)
        if not self._awaited:
            self._next()

    def _next(self) -> None:
        if next(self._todo, None) is None:
            self._transport.close()
            self._done.set_result(None)
        else:
            self._transport.write(self._request)


async def exhaust(workload: str, port: int, width: int, count: int, folder: str) -> None:
    """Make the stub answer as often as a workload does."""
    requests = count // 10 if workload == "W1" else count
    path, body = _body(workload, 0, sorted(Path(folder).iterdir())[:1] if workload == "W3" else [])
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    request, todo = head.encode() + body, iter(range(requests))
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(width)]
    for end in ends:
        await loop.create_connection(partial(_Blast, request, todo, end), "127.0.0.1", port)
    await asyncio.gather(*ends)
