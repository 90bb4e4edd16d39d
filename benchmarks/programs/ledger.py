"""Line 5: memory that the emulator keeps after 100 pictures of 1 MB, in its own process."""

from __future__ import annotations

import base64
import gc
import io

import numpy as np
import orjson
from figures import memory, say
from PIL import Image

from volc_dashscope.emulator import Emulator

PICTURES = 100
PATH = "/api/v3/embeddings/multimodal"


def _body(number: int) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (580, 580, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG", compress_level=0)
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    part = {"type": "image_url", "image_url": {"url": url}}
    return orjson.dumps({"model": "doubao-embedding-vision-251215", "input": [part]})


def main() -> None:
    """Ask for two pictures, then for 100 more, and compare."""
    app = Emulator().app
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    for number in range(PICTURES + 2):
        if number == 2:
            gc.collect()
            before = memory("VmRSS")
        assert app.handle("POST", PATH, "", headers, _body(number)).status == 200
    gc.collect()
    say(mb=memory("VmRSS") - before)


if __name__ == "__main__":
    main()
