"""
Sort headlines into groups that nobody has named: k-means on unit vectors.

    python examples/scenarios/clustering.py
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from ranking import Floats, unit
from service import open_client, tell_what_a_key_changes
from tables import read

MODEL = "text-embedding-v4"
GROUPS = 3


def k_means(rows: Floats, groups: int, *, rounds: int = 20) -> NDArray[np.intp]:
    """Return the group of each row. Each centre starts where it is farthest from the earlier ones."""
    centres = rows[:1]
    while len(centres) < groups:
        centres = np.vstack([centres, rows[np.argmin((rows @ centres.T).max(axis=1))]])
    for _ in range(rounds):
        label = np.argmax(rows @ centres.T, axis=1)
        centres = unit(np.vstack([rows[label == group].sum(axis=0) for group in range(groups)]))
    return np.argmax(rows @ centres.T, axis=1)


def main() -> None:
    """All texts are alike here, so no role is given."""
    rows = read("headlines")
    with open_client(MODEL) as client:
        vectors = client.embed([row["headline"] for row in rows], text_type=None).vectors
    label = k_means(vectors, GROUPS)
    alike = 0
    for group in range(GROUPS):
        members = [row for row, found in zip(rows, label, strict=True) if found == group]
        sections = Counter(row["section"] for row in members)
        alike += sections.most_common(1)[0][1]
        print(f"group {group + 1}: " + ", ".join(f"{count} {name}" for name, count in sections.most_common()))
        print(*(f"  {row['headline']}" for row in members), sep="\n")
    print(f"\n{alike} of {len(rows)} headlines are in a group of mostly their own section")
    tell_what_a_key_changes(MODEL, "a group holds headlines of one subject", vectors)


if __name__ == "__main__":
    main()
