"""
How much a shorter vector costs in quality and saves in room: one request, cut to several lengths.

    python examples/scenarios/dimensions.py

A vector is cut by keeping its first components and dividing by what is then its length. Asking the service for
the shorter vector (`dimensions=256`) is the same request at the same price; `Client` does either.
"""

from __future__ import annotations

import numpy as np
from ranking import Floats, unit
from service import open_client, tell_what_a_key_changes
from tables import read

MODEL = "text-embedding-v4"
LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)


def mean_reciprocal_rank(questions: Floats, articles: Floats) -> tuple[float, int]:
    """Return the mean of 1/rank of the right article (the one in the same row), and how often it is first."""
    scores = questions @ articles.T
    own = np.diag(scores)[:, None]
    ranks = 1 + np.count_nonzero(scores > own, axis=1)
    return float(np.mean(1 / ranks)), int(np.count_nonzero(ranks == 1))


def main() -> None:
    """Ask for the longest vectors once and measure each length on them."""
    rows = read("help")
    with open_client(MODEL, dimensions=max(LENGTHS)) as client:
        questions = client.embed([row["question"] for row in rows], text_type="query").vectors
        articles = client.embed([row["article"] for row in rows], text_type="document").vectors
        print(f"{len(rows)} questions, {len(rows)} articles, {client.usage.requests} requests\n")
    print("dimensions | bytes | right first | mean reciprocal rank")
    for length in LENGTHS:
        mean, first = mean_reciprocal_rank(unit(questions[:, :length]), unit(articles[:, :length]))
        shown = f"{first} of {len(rows)}"
        print(f"{length:>10} | {4 * length:>5} | {shown:>11} | {mean:.3f} {'#' * round(30 * mean)}")
    tell_what_a_key_changes(MODEL, "how much quality each length keeps", articles)


if __name__ == "__main__":
    main()
