"""
Find a picture by a text: five fruits and "香蕉", the example on Ark's own page.

    python examples/scenarios/picture_by_text.py
"""

from __future__ import annotations

from drawings import picture
from ranking import print_ranking
from service import open_client, wants_bar

MODEL = "doubao-embedding-vision-251215"
FRUITS = ("red_apple", "banana", "orange", "grapes", "watermelon")
QUERIES = ("香蕉", "a bunch of purple grapes")


def main() -> None:
    """Embed five pictures as documents, two texts as queries, and compare."""
    # The store holds pictures only, and the query's instruction says so.
    with open_client(MODEL, target_modality="image") as client:
        pictures = client.embed([picture(name) for name in FRUITS], progress=wants_bar())
        queries = client.embed(QUERIES, text_type="query")
        tokens = client.usage.total_tokens
        print(f"{len(pictures)} pictures, {client.dimension} dimensions, {tokens} tokens billed\n")
        for query, vector in zip(QUERIES, queries, strict=True):
            print_ranking(f"query: {query}", pictures.vectors @ vector, FRUITS)


if __name__ == "__main__":
    main()
