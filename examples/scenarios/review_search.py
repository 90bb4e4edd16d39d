"""
Search reviews by what they are about: the product, or what went wrong.

    python examples/scenarios/review_search.py
"""

from __future__ import annotations

from ranking import print_ranking
from service import open_client, tell_what_a_key_changes
from tables import read

MODEL = "text-embedding-v4"
TASK = "Given a topic, retrieve reviews that are about it"
QUERIES = ("pet food", "美味的豆子", "whole wheat pasta", "bad delivery", "变质")


def main() -> None:
    """Embed reviews as documents, topics as queries."""
    reviews = [f"{row['title']}: {row['review']}" for row in read("reviews")]
    with open_client(MODEL, instruct=TASK) as client:
        stored = client.embed(reviews, text_type="document")
        asked = client.embed(QUERIES, text_type="query")
        for query, vector in zip(QUERIES, asked, strict=True):
            print_ranking(f"query: {query}", stored.vectors @ vector, reviews, top=2)
    tell_what_a_key_changes(MODEL, "reviews of what was asked for rank first", stored.vectors)


if __name__ == "__main__":
    main()
