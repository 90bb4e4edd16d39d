"""
The stores that the table's tests run on, and what they cannot do: (store, entry, modality) -> (raised, why).

The five that need no server, or with `STORES=1` those of `make stores`.
"""

from __future__ import annotations

import os

ON_SERVERS = bool(os.environ.get("STORES"))
if ON_SERVERS:
    from lc_databases import LIMITS, STORE_SETUPS
else:
    from lc_local_stores import LIMITS, STORE_SETUPS

# The block of langchain.md that holds their table.
BLOCK = "databases" if ON_SERVERS else "stores"

__all__ = ["BLOCK", "LIMITS", "ON_SERVERS", "STORE_SETUPS"]
