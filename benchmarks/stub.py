"""
A loopback server that answers embedding requests with canned vectors as fast as Python can.

python -m benchmarks.stub --latency 0.05 [--dimension 1024] prints its port. It is no emulator: it looks at nothing
but the route and the number of texts, so that what is measured is the client.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
from typing import ClassVar

import numpy as np
import orjson

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def _vector(length: int) -> list[float]:
    return np.random.default_rng(length).standard_normal(length).astype(np.float32).astype(float).tolist()


def _whole(body: bytes) -> bytes:
    return _HEAD % len(body) + body


def _ark(length: int, packed: bool) -> bytes:
    vector = _vector(length)
    row = base64.b64encode(np.array(vector, dtype="<f4").tobytes()).decode() if packed else vector
    usage = {
        "prompt_tokens": 30,
        "total_tokens": 30,
        "prompt_tokens_details": {"text_tokens": 30, "image_tokens": 0},
    }
    data = {"object": "embedding", "embedding": row}
    body = {"id": "021", "created": 1, "object": "list", "model": "m", "data": data, "usage": usage}
    return _whole(orjson.dumps(body))


def _text(count: int, length: int) -> bytes:
    vector = _vector(length)
    rows = [{"text_index": index, "embedding": vector} for index in range(count)]
    body = {"output": {"embeddings": rows}, "usage": {"total_tokens": 5 * count}, "request_id": "r"}
    return _whole(orjson.dumps(body))


class Stub(asyncio.Protocol):
    """One connection."""

    latency = 0.0
    ark: ClassVar[dict[bool, bytes]] = {True: _ark(2048, True), False: _ark(2048, False)}
    texts: ClassVar[dict[int, bytes]] = {count: _text(count, 1024) for count in range(1, 26)}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = bytearray()
        self.needed = 0

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) < self.needed:
            return
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            start = head.find(b"content-length:")
            size = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            self.needed = end + 4 + size
            if len(self.buffer) < self.needed:
                return
            answer = self.answer(head, bytes(self.buffer[end + 4 : self.needed]))
            del self.buffer[: self.needed]
            self.needed = 0
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.write, answer)
            else:
                self.write(answer)

    def write(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)

    def answer(self, head: bytes, body: bytes) -> bytes:
        if b"multimodal" in head.split(b"\r\n", 1)[0]:
            return self.ark[b'"base64"' in body[-400:] or b'"base64"' in body[:400]]
        return self.texts[len(orjson.loads(body)["input"]["texts"])]


async def _serve(latency: float, dimension: int) -> None:
    Stub.latency = latency
    Stub.texts = {count: _text(count, dimension) for count in Stub.texts}
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--dimension", type=int, default=1024)
    given = parser.parse_args()
    asyncio.run(_serve(given.latency, given.dimension))
