"""Text in columns of a terminal, where Chinese letters take two each. Pure."""

from __future__ import annotations

from unicodedata import combining, east_asian_width


def width(text: str) -> int:
    """Return how many columns a text takes: wide letters take two, combining marks none."""
    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(text: str, room: int, *, right: bool = False) -> str:
    """Fill a text with spaces to `room` columns; one that is longer stays as it is."""
    gap = " " * max(0, room - width(text))
    return gap + text if right else text + gap


def clipped(text: str, room: int) -> str:
    """Cut a text to `room` columns, with a mark where something is missing."""
    if width(text) <= room:
        return text
    kept, used = [], 0
    for letter in text:
        used += width(letter)
        if used > room - 1:
            break
        kept.append(letter)
    return "".join(kept) + "…"
