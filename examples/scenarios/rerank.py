"""
Retrieve by vector, then rerank: text → texts, text → pictures, and picture + text → products.

    python examples/scenarios/rerank.py

A vector search is cheap and coarse; a rerank model reads the query beside each candidate. All candidates of one
question go into one request, because scores of two requests cannot be compared.
"""

from __future__ import annotations

from functools import partial

import tables
from drawings import PICTURES, chair, drawn, picture
from retrieval import Store, ask, print_cost
from service import open_client, open_reranker

from volc_dashscope import Fused, Usage

MODEL, RERANK, RERANK_TEXTS = "qwen3-vl-embedding", "qwen3-vl-rerank", "qwen3-rerank"


def main() -> None:
    """Ask three times: texts with a text, pictures with a text, and pictures with a picture and a text."""
    texts = [
        *(row["headline"] for row in tables.read("headlines")),
        *(row["article"] for row in tables.read("help")),
        *(row["review"] for row in tables.read("reviews")),
    ]
    names = sorted(PICTURES)
    images = [picture(name) for name in names]
    with (
        open_client(MODEL) as client,
        open_reranker(RERANK_TEXTS) as text_reranker,
        open_reranker(RERANK) as reranker,
    ):
        store = Store([text[:8] for text in texts], texts, client.embed(texts).vectors)
        print_cost(f"embed {len(texts)} texts", Usage(), client.usage, client.model_info.price)
        print("\nquery: 忘记密码怎么办")
        ask(client, text_reranker, store, "忘记密码怎么办", "忘记密码怎么办")
        before = client.usage
        store = Store(names, images, client.embed(images).vectors)
        print_cost(f"embed {len(images)} pictures", before, client.usage, client.model_info.price)
        print("\nquery: 蓝色海景")
        ask(client, reranker, store, "蓝色海景", "蓝色海景")
        print("query: [red chair] this, but dark blue")
        # A rerank query is one text, image or video. The vector of both has found chairs; the text says which.
        shown = drawn(partial(chair, colour="#c23b2e"))
        ask(client, reranker, store, Fused("this, but dark blue", shown), "a dark blue chair")


if __name__ == "__main__":
    main()
