"""Estimates of token counts: for rate limits and prices, and lower bounds to refuse too long texts. Pure."""

from __future__ import annotations

import math

# Ark guide (docs/82379/1409291): tokens = min(width x height / 784, 1312) for one image.
_ARK_PIXELS_PER_TOKEN = 784
_ARK_IMAGE_CAP = 1312
# Same page: one video costs 10k to 80k tokens.
_ARK_VIDEO_WINDOW = (10 * 1024, 80 * 1024)
# Same page, on one frame, and on the fewest and most frames: they are 16 at 640 tokens, or 640 at 128.
_ARK_FRAME_TOKENS = (128, 640)
_ARK_FRAMES = (16, 640)
# Ark API page (docs/82379/1523520): the range of fps.
# Unsourced A60: without fps, Ark uses a value from the range that its page allows. Settled by one video.
_ARK_FPS = (0.2, 5.0)
# Ark API page (docs/82379/1523520): smallest min_frames and min_frame_tokens, largest max_video_tokens. The
# defaults are "per model" and not printed.
# Unsourced A31: the defaults of Ark's frame settings are unknown, so that an estimate spans the whole range.
# Settled by one call.
_ARK_SAMPLING_ENDS = (5, 16, 204_800)
# DashScope, multimodal-embedding-api-reference: tokens of one image at res_level 0 to 3; the default is 1.
_LEVEL_TOKENS = (127, 402, 578, 1026)


# Unsourced A32: a text has one token per Chinese character and one per four other characters. Settled by the usage
# of 100 texts.
def text_tokens(text: str) -> int:
    """Return an estimate: one token per non-ASCII character, one per four ASCII characters. Tends to be high."""
    if text.isascii():
        return 1 + len(text) // 4
    wide = _wide(text)
    return 1 + wide + (len(text) - wide) // 4


def cut_to_tokens(text: str, most: int) -> str:
    """Return the longest beginning of a text that has at most `most` tokens by `text_tokens`."""
    if text_tokens(text) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_tokens(text[:middle]) <= most else (low, middle - 1)
    return text[:low]


# Unsourced A26: no tokenizer makes fewer than one token of 12 ASCII or 3 Chinese characters. Settled by the
# usage of long texts.
def fewest_text_tokens(text: str) -> int:
    """Return a lower bound of the tokens of prose with these models' tokenizers, to refuse texts certainly too long."""
    if text.isascii():
        return len(text) // 12
    wide = _wide(text)
    return wide // 3 + (len(text) - wide) // 12


# Unsourced A33: Ark rounds the tokens of an image up. Settled by an image of 1,000 x 1,000.
def ark_image_tokens(width: int, height: int) -> int:
    """Return the tokens of one image by Ark's formula; the page's examples are rounded up."""
    return min(math.ceil(width * height / _ARK_PIXELS_PER_TOKEN), _ARK_IMAGE_CAP)


def ark_image_bounds(width: int | None, height: int | None) -> tuple[int, int]:
    """Return the fewest and most tokens of one image on Ark: equal if its size is known, else up to the maximum."""
    if not width or not height:
        return 0, _ARK_IMAGE_CAP
    exact = ark_image_tokens(width, height)
    return exact, exact


def ark_video_bounds(
    *,
    seconds: float | None = None,
    fps: float | None = None,
    max_video_tokens: int | None = None,
    min_frame_tokens: int | None = None,
    max_frame_tokens: int | None = None,
    min_frames: int | None = None,
) -> tuple[int, int]:
    """
    Return the fewest and most tokens of one video on Ark.

    Without token and frame fields the range of the guide applies, narrowed by the length. With one of them the rules of
    the API page apply: at least `min_frames`, at most `max_video_tokens`, and the end of its range for a field that is
    left out.

    Args:
        seconds: The video's length; None keeps the whole range.
        fps: Frames per second; None for all that the page allows.
    """
    if (max_video_tokens, min_frame_tokens, max_frame_tokens, min_frames) == (None,) * 4:
        if seconds is None:
            return _ARK_VIDEO_WINDOW
        slow, fast = _ARK_FPS if fps is None else (fps, fps)
        return _ark_frame_bounds(seconds * slow)[0], _ark_frame_bounds(seconds * fast)[1]
    frames, frame_tokens, most = _ARK_SAMPLING_ENDS
    return (min_frames or frames) * (min_frame_tokens or frame_tokens), max_video_tokens or most


def _ark_frame_bounds(frames: float) -> tuple[int, int]:
    """
    Return the fewest and most tokens of one video of so many frames, by the guide's rules.

    Fewer than 16 count as 16 of 640 tokens, more than 640 as 640 of 128. In between a frame has 128 to 640 tokens
    and the video stays within its range; the exact rule is not printed.
    """
    fewest, most = _ARK_VIDEO_WINDOW
    if frames < _ARK_FRAMES[0]:
        return fewest, fewest
    if frames > _ARK_FRAMES[1]:
        return most, most
    small, large = _ARK_FRAME_TOKENS
    return max(fewest, small * math.floor(frames)), min(most, large * math.ceil(frames))


def level_image_tokens(res_level: int | None) -> int | None:
    """Return the tokens of one image at a `res_level`, whatever its size; None for an unlisted level."""
    level = 1 if res_level is None else res_level
    return _LEVEL_TOKENS[level] if level < len(_LEVEL_TOKENS) else None


def _wide(text: str) -> int:
    # A character of U+0800 and up takes three bytes or more: (bytes - characters) / 2 counts them at C speed.
    return (len(text.encode("utf-8", "replace")) - len(text)) // 2
