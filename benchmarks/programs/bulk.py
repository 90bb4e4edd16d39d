"""Line 2: CPU a row of `embed_file` with its defaults, d=64, ten texts a request, and the growth of its memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from figures import say, timed

from volc_dashscope import Client
from volc_dashscope.bulk import embed_file

ROWS = 50_000


def main() -> None:
    """Embed a few rows, then many."""
    client = Client("text-embedding-v4", api_key="k", dimensions=64, base_url=f"{os.environ['STUB']}/api/v1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in (1_000, ROWS):
            source = folder / f"{rows}.txt"
            source.write_text("".join(f"{row} of many texts, each with a few words\n" for row in range(rows)))
            figures = timed(lambda source=source: embed_file(source, f"{source}.parquet", model=client))
    client.close()
    say(row_us=1e6 * figures["cpu"] / ROWS, mb=figures["mb"])


if __name__ == "__main__":
    main()
