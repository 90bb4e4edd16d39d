"""
Pay for each text once: vectors kept in one SQLite file, shared by threads, processes and later runs.

    python examples/scenarios/cached.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from service import open_client
from tables import read

from volc_dashscope.cache import SQLiteCache

MODEL = "text-embedding-v4"


def main() -> None:
    """Embed the headlines, the same on another day, and on a third with two new ones."""
    headlines = [row["headline"] for row in read("headlines")]
    days = (headlines, headlines, [*headlines, "新的一天", "又一条新闻"])
    with (
        TemporaryDirectory() as folder,
        SQLiteCache(Path(folder) / "vectors.sqlite") as cache,
        open_client(MODEL, cache=cache) as client,
    ):
        for day, texts in enumerate(days, start=1):
            before = client.usage
            client.embed(texts, text_type=None)
            spent = client.usage.total_tokens - before.total_tokens
            sent = client.usage.requests - before.requests
            print(f"day {day}: texts {len(texts)}, requests {sent}, tokens billed {spent}")
        # Another role is another vector, so nothing is found for it.
        client.embed(headlines[:1], text_type="query")
        print(f"\n{len(cache)} vectors kept, {cache.stats().value_bytes:,} bytes")


if __name__ == "__main__":
    main()
