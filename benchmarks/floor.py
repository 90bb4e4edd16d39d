"""The floor: what a hand-written client for one workload costs, with nothing checked and nothing retried."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import numpy as np
import orjson

from benchmarks.contenders import ITEMS, TEXTS, V4, VISION

_TEXT = "/api/v1/services/embeddings/text-embedding/text-embedding"
_MEDIA = "/api/v3/embeddings/multimodal"


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


async def embed(workload: str, port: int, width: int, count: int, folder: str) -> np.ndarray:
    """Return the rows of one workload."""
    requests = count // 10 if workload == "W1" else count
    files = sorted(Path(folder).iterdir()) if workload == "W3" else []
    table = np.empty((count, 1024 if workload == "W1" else 2048), dtype=np.float32)
    todo = iter(range(requests))

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        for index in todo:
            path, body = _body(workload, index, files)
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
            head += f"content-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            size = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0])
            reply = orjson.loads(await reader.readexactly(size))
            if workload == "W1":
                for row in reply["output"]["embeddings"]:
                    table[10 * index + row["text_index"]] = row["embedding"]
            else:
                table[index] = np.frombuffer(base64.b64decode(reply["data"]["embedding"]), dtype="<f4")
        writer.close()

    await asyncio.gather(*(lane() for _ in range(width)))
    return table
