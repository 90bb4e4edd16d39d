"""Line 1: what `SQLiteCache` is asked for 5,000 texts, and CPU of a call whose rows it all has."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from typing import Any

from figures import canned_texts, say

from volc_dashscope import Client
from volc_dashscope.cache import SQLiteCache

DIMENSION = 64
CALLS = 3


def main() -> None:
    """Fill a cache by one call, and ask for the same texts again."""
    asked: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*arguments, **options)
        db.set_trace_callback(asked.append)
        return db

    texts = [f"a text that is number {number}" for number in range(5_000)]
    with tempfile.TemporaryDirectory() as folder:
        sqlite3.connect = traced  # type: ignore[assignment]
        with SQLiteCache(f"{folder}/counted.sqlite") as cache:
            client = _client(cache)
            asked.clear()
            client.embed(texts)
        sqlite3.connect = connect
        with SQLiteCache(f"{folder}/timed.sqlite") as cache:
            client = _client(cache)
            client.embed(texts)
            client.embed(texts)
            start = time.process_time()
            for _ in range(CALLS):
                client.embed(texts)
            spent = time.process_time() - start
    say(
        selects=sum(statement.startswith("SELECT key, value") for statement in asked),
        transactions=sum(statement.startswith("BEGIN") for statement in asked),
        hit_us=1e6 * spent / CALLS / len(texts),
    )


def _client(cache: SQLiteCache) -> Client:
    http = canned_texts(DIMENSION)
    return Client("text-embedding-v4", api_key="k", dimensions=DIMENSION, cache=cache, http_client=http)


if __name__ == "__main__":
    main()
