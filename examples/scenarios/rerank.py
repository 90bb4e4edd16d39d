"""
Retrieve by vector, then rerank: text → pictures, and picture + text → products.

    python examples/scenarios/rerank.py

A vector search is cheap and coarse; a rerank model reads the query beside each candidate. All candidates of one
question go into one request, because scores of two requests cannot be compared.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from drawings import PICTURES, chair, drawn, picture
from ranking import Floats, ranked
from service import open_client, open_reranker

from volc_dashscope import Client, Fused, Image, Item, Reranker, Usage
from volc_dashscope.models import Price

MODEL, RERANK = "qwen3-vl-embedding", "qwen3-vl-rerank"
FOUND, KEPT = 40, 5  # the model ranks at most 40 pictures in a request


class Store(NamedTuple):
    """Pictures and their vectors."""

    names: list[str]
    images: list[Image]
    rows: Floats


def told(step: str, before: Usage, after: Usage, price: Price | None) -> None:
    """Print what a step sent, and the most its tokens cost at the printed price."""
    assert price is not None
    requests, tokens = after.requests - before.requests, after.total_tokens - before.total_tokens
    # Rerank replies do not tell the tokens of pictures from those of texts; pictures cost more.
    cost = tokens * (price.image or price.text) / 1_000_000
    print(f"{step:<28} {requests:>2} requests  {tokens:>6} tokens  at most CNY {cost:.5f}")


def ask(client: Client, reranker: Reranker, store: Store, question: Item, text: str) -> None:
    """Print the best pictures by vector, and what the reranker makes of the first of them."""
    start = client.usage
    query = client.embed([question], text_type="query").vectors[0]
    told("embed the question", start, client.usage, client.model_info.price)
    first = ranked(store.rows @ query, top=FOUND)
    begun = reranker.usage
    best = reranker.rerank(text, [store.images[position] for position in first], top_n=KEPT)
    told(f"rerank {len(first)} to {KEPT}", begun, reranker.usage, reranker.model_info.price)
    print("\n  by vector            by rerank")
    for rank, result in enumerate(best):
        print(f"  {store.names[first[rank]]:<20} {store.names[first[result.index]]:<20} {result.score:.3f}")
    print()


def main() -> None:
    """Ask twice: with a text, and with a picture and a text."""
    names = sorted(PICTURES)
    images = [picture(name) for name in names]
    with open_client(MODEL) as client, open_reranker(RERANK) as reranker:
        store = Store(names, images, client.embed(images).vectors)
        told(f"embed {len(images)} pictures", Usage(), client.usage, client.model_info.price)
        print("\nquery: 蓝色海景")
        ask(client, reranker, store, "蓝色海景", "蓝色海景")
        print("query: [red chair] this, but dark blue")
        # A rerank query is one text, image or video. The vector of both has found chairs; the text says which.
        shown = drawn(partial(chair, colour="#c23b2e"))
        ask(client, reranker, store, Fused("this, but dark blue", shown), "a dark blue chair")


if __name__ == "__main__":
    main()
