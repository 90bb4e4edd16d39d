"""The stores that the table's tests run on: the four embedded ones, or with `STORES=1` those of `make stores`."""

from __future__ import annotations

import os

ON_SERVERS = bool(os.environ.get("STORES"))
if ON_SERVERS:
    from li_databases import STORE_SETUPS
else:
    from li_local_stores import STORE_SETUPS

# The block of llama-index.md that holds their table.
TABLE = "databases" if ON_SERVERS else "stores"

# Core's index of two stores keeps nodes by the numbers that stores give; FAISS gives each of the two the same ones.
OF_TWO_STORES = [name for name in STORE_SETUPS if name != "FAISS"]

__all__ = ["OF_TWO_STORES", "STORE_SETUPS", "TABLE"]
