"""What the rerank example does with a question: retrieve by vector, rerank, and print what each step cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ranking import Floats, ranked

from volc_dashscope import Client, Item, Reranker, Usage
from volc_dashscope.models import Price

FOUND, KEPT = 50, 5


class Store(NamedTuple):
    """Texts or pictures and their vectors."""

    names: list[str]
    items: Sequence[Item]
    rows: Floats


def print_cost(step: str, before: Usage, after: Usage, price: Price | None) -> None:
    """Print what a step sent, and the most its tokens cost at the printed price."""
    assert price is not None
    requests, tokens = after.requests - before.requests, after.total_tokens - before.total_tokens
    # Rerank replies do not tell the tokens of pictures from those of texts; pictures cost more.
    cost = tokens * (price.image or price.text) / 1_000_000
    print(f"{step:<28} {requests:>2} requests  {tokens:>6} tokens  at most CNY {cost:.5f}")


def ask(client: Client, reranker: Reranker, store: Store, question: Item, text: str) -> None:
    """Print the best by vector, and what the reranker makes of the first of them."""
    start = client.usage
    query = client.embed([question], text_type="query").vectors[0]
    print_cost("embed the question", start, client.usage, client.model_info.price)
    # A request takes fewer pictures than texts (qwen3-vl-rerank: 40).
    most = FOUND if isinstance(store.items[0], str) else min(FOUND, reranker.model_info.max_images or 0)
    first = ranked(store.rows @ query, top=most)
    usage_before = reranker.usage
    best = reranker.rerank(text, [store.items[position] for position in first], top_n=KEPT)
    print_cost(f"rerank {len(first)} to {KEPT}", usage_before, reranker.usage, reranker.model_info.price)
    print("\n  by vector            by rerank")
    for rank, result in enumerate(best):
        print(f"  {store.names[first[rank]]:<20} {store.names[first[result.index]]:<20} {result.score:.3f}")
    print()
