"""
Recommend what is like the things a reader has read: the mean of their vectors is the reader's taste.

    python examples/scenarios/recommendation.py
"""

from __future__ import annotations

from ranking import print_ranking, unit
from service import open_client, tell_what_a_key_changes
from tables import read

MODEL = "text-embedding-v4"
READ = ("世界杯决赛上演点球大战", "奥运会中国队在跳水项目再添一金", "马拉松选手打破赛会纪录")


def main() -> None:
    """Headlines are compared with headlines: no text plays another role, so none is given."""
    rows = read("headlines")
    labels = [f"[{row['section']}] {row['headline']}" for row in rows]
    with open_client(MODEL) as client:
        vectors = client.embed([row["headline"] for row in rows], text_type=None).vectors
    seen = [position for position, row in enumerate(rows) if row["headline"] in READ]
    new = [position for position in range(len(rows)) if position not in seen]
    taste = unit(vectors[seen].mean(axis=0))
    print("has read:", *(f"  {labels[position]}" for position in seen), sep="\n")
    print_ranking("recommended:", vectors[new] @ taste, [labels[position] for position in new], top=5)
    tell_what_a_key_changes(MODEL, "the section that was read is recommended", vectors)


if __name__ == "__main__":
    main()
