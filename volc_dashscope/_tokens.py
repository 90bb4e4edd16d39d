"""Token counts before the service tells: estimates for pacing and pricing, bounds for refusing. Pure."""

from __future__ import annotations

import math

# Ark guide (docs/82379/1409291): tokens = min(width x height / 784, 1312) for one image.
_ARK_PIXELS_PER_TOKEN = 784
_ARK_IMAGE_CAP = 1312


def text_tokens(text: str) -> int:
    """Estimate: one token per character outside ASCII, one per four ASCII characters. Tends to be high."""
    if text.isascii():
        return 1 + len(text) // 4
    wide = _wide(text)
    return 1 + wide + (len(text) - wide) // 4


def fewest_text_tokens(text: str) -> int:
    """A count no tokenizer of these models goes below on prose: to refuse what is certainly too long."""
    if text.isascii():
        return len(text) // 12
    wide = _wide(text)
    return wide // 3 + (len(text) - wide) // 12


def ark_image_tokens(width: int, height: int) -> int:
    """Tokens of one image by Ark's formula; the page's examples fit rounding up."""
    return min(math.ceil(width * height / _ARK_PIXELS_PER_TOKEN), _ARK_IMAGE_CAP)


def _wide(text: str) -> int:
    # A character of U+0800 and up takes three bytes or more: (bytes - characters) / 2 counts them at C speed.
    return (len(text.encode("utf-8", "replace")) - len(text)) // 2
