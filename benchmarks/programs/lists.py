"""Line 3: what an integration (langchain, llama_index) needs to return lists: CPU a row, and its peak beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from figures import canned_texts, say, timed

DIMENSION = 64
ROWS = 100_000


def _langchain(settings: dict[str, Any]) -> Callable[[list[str]], list[list[float]]]:
    from langchain_volc_dashscope import DashScopeEmbeddings

    return DashScopeEmbeddings(**settings).embed_documents


def _llama_index(settings: dict[str, Any]) -> Callable[[list[str]], list[list[float]]]:
    from llama_index_ext import DashScopeMultiModalEmbedding

    return DashScopeMultiModalEmbedding(**settings).get_text_embedding_batch


INTEGRATIONS = {"langchain": _langchain, "llama_index": _llama_index}


def main(name: str) -> None:
    """Embed a few texts, then many, and weigh the lists."""
    embed = INTEGRATIONS[name](
        {
            "model": "text-embedding-v4",
            "dimensions": DIMENSION,
            "api_key": "k",
            "http_client": canned_texts(DIMENSION),
        }
    )
    texts = [f"a text that is number {number}" for number in range(ROWS)]
    embed(texts[:2_000])
    rows: list[list[float]] = []
    figures = timed(lambda: rows.extend(embed(texts)))
    # Floats of one row are objects of their own, as `tolist` makes them.
    size = sum(sys.getsizeof(row) + sys.getsizeof(row[0]) * len(row) for row in rows) + sys.getsizeof(rows)
    say(row_us=1e6 * figures["cpu"] / ROWS, times_lists=1e6 * figures["mb"] / size, mb=figures["mb"])


if __name__ == "__main__":
    main(sys.argv[1])
