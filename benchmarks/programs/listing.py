"""Line 2: a folder of 50,000 pictures, FOLDER: what its preview takes, and the time until the first request."""

from __future__ import annotations

import sys
import tempfile
import time
from threading import Event
from typing import Any

import httpx
from figures import say, timed

from volc_dashscope import Client
from volc_dashscope.bulk import count_rows, embed_file, open_source, preview

MODEL = "doubao-embedding-vision-251215"


def main(folder: str) -> None:
    """Count the files, begin to embed them, and stop at the first request; then preview the folder."""
    stop = Event()
    reached: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if not reached:
            reached.extend((time.process_time() - cpu, time.perf_counter() - clock))
            stop.set()
        return httpx.Response(401, json={"error": {"code": "AuthenticationError", "message": "no"}})

    http: Any = httpx.Client(transport=httpx.MockTransport(answer))
    client = Client(MODEL, api_key="k", http_client=http)
    with tempfile.TemporaryDirectory() as output:
        cpu, clock = time.process_time(), time.perf_counter()
        source = open_source(folder, format="folder")
        count_rows(source)
        try:
            embed_file(source, f"{output}/out.parquet", model=client, stop=stop)
        except Exception:
            assert reached
    shown = timed(lambda: preview(open_source(folder, format="folder"), model=MODEL))
    say(cpu=reached[0], seconds=reached[1], preview_cpu=shown["cpu"], preview_seconds=shown["seconds"])


if __name__ == "__main__":
    main(sys.argv[1])
