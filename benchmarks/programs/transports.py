"""Line 2: CPU a row of httpx's bare transports with the requests of `bulk.py`, which no bulk job can go below."""

from __future__ import annotations

import os
import threading
import time

import httpx
import orjson
from figures import say

ROWS, TEXTS, WIDTH = 50_000, 10, 8
_URL = f"{os.environ['STUB']}/api/v1/services/embeddings/text-embedding/text-embedding"
_TIMEOUT = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), 60.0)}


def _request(first: int) -> httpx.Request:
    texts = [f"{row} of many texts, each with a few words" for row in range(first, first + TEXTS)]
    body = {"model": "text-embedding-v4", "input": {"texts": texts}, "parameters": {"dimension": 64}}
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    return httpx.Request("POST", _URL, content=orjson.dumps(body), headers=headers, extensions=_TIMEOUT)


def main() -> None:
    """Send the requests in as many threads as a client does, and read the bytes of the replies."""
    context, one = httpx.create_ssl_context(), httpx.Limits(max_connections=1)
    todo = iter(range(0, ROWS, TEXTS))

    def worker() -> None:
        with httpx.HTTPTransport(verify=context, limits=one) as transport:
            for first in todo:
                transport.handle_request(_request(first)).read()

    threads = [threading.Thread(target=worker) for _ in range(WIDTH)]
    cpu = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(row_us=1e6 * (time.process_time() - cpu) / ROWS)


if __name__ == "__main__":
    main()
