"""
Token counts of a request.

Image and video formulas are those of the Ark guide (82379/1409291, section on tokens); the four `res_level`
prices are DashScope's (multimodal-embedding-api-reference). No vendor publishes its tokenizer, so text is
counted by a simple rule of this emulator: a Chinese, Japanese or Korean character is a token, other words have one
token per four letters, rounded up, and any other visible character is a token.
"""

from __future__ import annotations

import math
import re

_CHARACTER = r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
_LETTERS = r"(?:(?![\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff])\w){1,4}"
_TOKEN = re.compile(rf"{_CHARACTER}|{_LETTERS}|[^\w\s]")
# To count only: a group of characters that are a token each, or letters that are one together.
_COUNTED = re.compile(rf"({_CHARACTER}+|[^\w\s]+)|{_LETTERS}")
_IMAGE_CAP = 1312
_PIXELS_PER_TOKEN = 784
_RES_LEVEL = (127, 402, 578, 1026)
_FRAME_TOKENS = (128, 640)
# Unsourced A34: a video on Ark has clamp(81920 / frames, 128, 640) tokens a frame at one frame a second.
# Settled by a video of 60 s.
_FRAMES = (16, 640)
_VIDEO_CAP = 80 * 1024

# A link is never fetched, so its size is made up: 640 x 480 pixels, 30 seconds.
# Unsourced A37: a link in the emulator is 640 x 480 pixels and 30 seconds; nothing is fetched.
LINK_SIZE = (640, 480)
LINK_SECONDS = 30.0


def text(value: str) -> int:
    """Tokens of a text; spaces cost nothing."""
    found = _COUNTED.findall(value)
    return sum(map(len, found)) + found.count("")


def exceeds(value: str, most: int) -> bool:
    """Return whether a text has more tokens than `most`. Most texts need no count: a token has a character at least."""
    return len(value) > most and text(value) > most


def words(value: str) -> list[str]:
    """The tokens themselves."""
    return _TOKEN.findall(value)


def image(width: int, height: int) -> int:
    """Tokens of an image: min(w x h / 784, 1312), rounded up."""
    return min(math.ceil(width * height / _PIXELS_PER_TOKEN), _IMAGE_CAP)


def level(value: int) -> int:
    """Tokens of an image at a `res_level`."""
    return _RES_LEVEL[value]


def video(
    *,
    seconds: float = LINK_SECONDS,
    fps: float = 1.0,
    frame_tokens: tuple[int, int] = _FRAME_TOKENS,
    min_frames: int = _FRAMES[0],
    budget: int = _VIDEO_CAP,
) -> int:
    """
    Tokens of a video.

    The page gives both ends (640 frames of 128 tokens, 16 frames of 640) and says that the total between them stays
    inside the window; here each frame gets an equal share of the window, within its bounds.
    """
    frames = max(min_frames, min(_FRAMES[1], round(seconds * fps)))
    share = max(frame_tokens[0], min(frame_tokens[1], budget // frames))
    return min(frames, max(min_frames, budget // share)) * share


def cut(value: str, most: int) -> str:
    """Return the first `most` tokens of a text."""
    ends = [match.end() for match in _TOKEN.finditer(value)]
    return value if len(ends) <= most else value[: ends[most - 1]]
