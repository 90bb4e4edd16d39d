"""The token that stands for a medium at the end of a text."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"⟦media:sha256:([0-9a-f]{64})⟧\Z")


def with_token(caption: str, key: str) -> str:
    """Return a caption, on one line, that ends in the token of an item's digest."""
    return " ".join([*caption.split(), f"⟦media:sha256:{key}⟧"])


def key_of(text: str) -> str | None:
    """Return the digest in the whole token a text ends in, or None."""
    found = _TOKEN.search(text)
    return found[1] if found else None


def caption_of(text: str) -> str:
    """Return a text without its media token."""
    found = _TOKEN.search(text)
    return text[: found.start()].rstrip() if found else text
