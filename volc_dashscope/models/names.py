"""Spellings of model names, and the known name that a misspelt one resembles. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from operator import itemgetter

# Byte order mark, zero-width characters and direction marks, which are copied from pages together with a name.
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u202a\u202b\u202c\u202d\u202e"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
_PLAIN = str.maketrans(dict.fromkeys(_INVISIBLE, "") | dict.fromkeys(_DASHES, "-"))
_VERSION = re.compile(r"\d+(\.\d+)*")
_MAX_TYPOS = 2
# Below this length two edits turn one word into another.
_SHORTEST = 12


def plain(name: str) -> str:
    """
    Return a name as the services spell names: consoles and gateways show them with capitals, spaces, full-width
    letters, typographic dashes, and the vendor in front (`dashscope/text-embedding-v4`).
    """
    words = unicodedata.normalize("NFKC", name).translate(_PLAIN).strip(" \t\r\n/\"'`.,;。、")
    return re.sub(r"[\s_:@]+", "-", words.rpartition("/")[2].strip().lower())


def near(name: str, known: Iterable[str]) -> str | None:
    """Return the known name of which this one may be another spelling or version, or None."""
    spelt = plain(name)
    # The newest of several that are equally near.
    newest_first = sorted(known, reverse=True)
    ranked = sorted(
        ((_distance(spelt, candidate, _MAX_TYPOS + 1), candidate) for candidate in newest_first),
        key=itemgetter(0),
    )
    if ranked and ranked[0][0] <= _MAX_TYPOS and len(spelt) >= _SHORTEST:
        return ranked[0][1]
    shape = _VERSION.sub("#", spelt)
    for _, candidate in ranked:
        if shape == _VERSION.sub("#", candidate) or spelt.startswith(f"{candidate}-"):
            return candidate
    return None


def misspelt(name: str, known: Iterable[str]) -> str | None:
    """Return the known name of which this one is a typing error, or None; another version is not one."""
    spelt = plain(name)
    found = near(name, known)
    if found is None or spelt.startswith(f"{found}-"):
        return None
    return found if _VERSION.sub("#", spelt) != _VERSION.sub("#", found) else None


def _distance(first: str, second: str, most: int) -> int:
    """Count the letters to insert, drop, replace or swap; any count from `most` on is `most`."""
    if abs(len(first) - len(second)) >= most:
        return most
    before: list[int] = []
    row = list(range(len(second) + 1))
    for place, letter in enumerate(first, 1):
        before, last, row = row, before, [place]
        for at, there in enumerate(second, 1):
            cost = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (letter != there))
            if place > 1 and at > 1 and letter == second[at - 2] and first[place - 2] == there:
                cost = min(cost, last[at - 2] + 1)
            row.append(cost)
    return min(row[-1], most)
