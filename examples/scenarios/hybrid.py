"""
Search by meaning and by exact words at once: dense and sparse vectors of one request, two rankings made one.

    python examples/scenarios/hybrid.py
"""

from __future__ import annotations

import numpy as np
from ranking import Floats, print_ranking, ranked
from service import open_client

from volc_dashscope import SparseVector

MODEL = "text-embedding-v4"
GOODS = (
    "降噪耳机 WH-1000XM5，黑色，续航三十小时",
    "降噪耳机 WH-1000XM4，银色，可折叠",
    "入耳式运动耳机 SP-510，防水",
    "头戴式游戏耳机，带麦克风",
    "蓝牙音箱 SRS-XB100，户外用",
    "耳机收纳盒，适合多种型号",
)
QUERIES = ("XM4", "跑步时听音乐用什么")


def dot(query: SparseVector, document: SparseVector) -> float:
    """Return the product of two sparse vectors: the weights of the words they share."""
    weights = document.as_dict()
    return sum(weight * weights.get(word, 0.0) for word, weight in query.as_dict().items())


def fused(*rankings: Floats, k: int = 60) -> Floats:
    """Add 1/(k + rank) over the rankings, where an item is in them: scores of different scales need no weights."""
    total = np.zeros_like(rankings[0])
    for scores in rankings:
        for rank, position in enumerate(ranked(scores), start=1):
            total[position] += 1 / (k + rank) if scores[position] > 0 else 0
    return total


def main() -> None:
    """Each text brings both of its vectors, at the price of one."""
    with open_client(MODEL) as client:
        goods = client.embed(GOODS, output_type="dense&sparse")
        asked = client.embed(QUERIES, text_type="query", output_type="dense&sparse")
        print(f"{len(GOODS) + len(QUERIES)} texts, both vectors of each, {client.usage.requests} requests\n")
        for position, query in enumerate(QUERIES):
            dense = goods.vectors @ asked.vectors[position]
            sparse = np.array([dot(asked.sparse[position], other) for other in goods.sparse], np.float32)
            print_ranking(f"query: {query} (dense)", dense, GOODS, top=2)
            if sparse.any():
                print_ranking(f"query: {query} (sparse)", sparse, GOODS, top=2)
            else:
                print(f"query: {query} (sparse)\n  no word in common with any\n")
            print_ranking(f"query: {query} (both)", fused(dense, sparse), GOODS, top=2)


if __name__ == "__main__":
    main()
