"""
python -m benchmarks.ray_pictures

CPU one Ray worker's embedder spends on a picture, by its size in bytes, beside a stub that answers after 50 ms.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zlib

import numpy as np

from volc_dashscope.ray import Embedder

CASES = ((200, 2_000), (100_000, 2_000), (1_000_000, 300))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(size: int) -> bytes:
    """Return a picture of 56 x 56, filled up to a size with a chunk that decoders skip."""
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 56, 56, 8, 0, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(bytes(57 * 56))) + _chunk(b"IEND", b"")
    return head + _chunk(b"zzZz", os.urandom(max(0, size - len(head) - len(body) - 12))) + body


def main() -> None:
    """Measure and print, a line for each size."""
    stub = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stub", "--latency", "0.05"], stdout=subprocess.PIPE
    )
    try:
        assert stub.stdout is not None
        url = f"http://127.0.0.1:{int(stub.stdout.readline())}/api/v3"
        embedder = Embedder(
            "doubao-embedding-vision-251215",
            image_column="image",
            api_key="k",
            base_url=url,
            max_concurrency=16,
        )
        for size, count in CASES:
            column = np.empty(count, dtype=object)
            column[:] = [_png(size) for _ in range(count)]
            embedder({"image": column[:50]})
            began, used = time.monotonic(), time.process_time()
            failed = embedder({"image": column})["error"].drop_null()
            seconds, used = time.monotonic() - began, time.process_time() - used
            assert not len(failed), failed[0]
            print(
                f"{size:9,} bytes: {1000 * used / count:.2f} ms of CPU, {count / seconds:.0f} pictures a second"
            )
    finally:
        stub.kill()
        stub.wait()


if __name__ == "__main__":
    main()
