"""
What an intent is, and what intents are made of.

An intent says one wish twice, in our words and in the vendor's. The vendor's side holds arguments of its SDK, as
its pages and signatures spell them; what the SDK makes of them is seen at the socket only.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vendors import APIS

from volc_dashscope.inputs import Item
from volc_dashscope.models import ModelInfo

PICTURE = Path(__file__).with_name("red.png")
TEXT, OTHER = "red shoe", '蓝色的鞋 \n"quoted" \u2028 👟'
LINK, LINK_2 = "https://example.com/red-shoe.png", "https://example.com/a%20b.jpg?x=1&y=%2F"
CLIP = "https://example.com/clip.mp4"
STORED = "oss://shop/red-shoe.png"  # what `Emulator.publish` calls it
LINES, STORED_LINES = "https://example.com/texts.txt", "oss://shop/texts.txt"
DATA = "data:image/png;base64," + base64.b64encode(PICTURE.read_bytes()).decode()
FILM = "data:video/mp4;base64," + base64.b64encode(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(64)).decode()
TASK = "Given a question, find the picture that answers it"
# From reference/ark-api.md, section 3.1: the ends of each range.
KNOBS = {
    "fps": (0.2, 5),
    "max_video_tokens": (10_240, 204_800),
    "min_frame_tokens": (16, 128),
    "max_frame_tokens": (128, 640),
    "min_frames": (5, 16),
}


@dataclass(frozen=True, kw_only=True)
class Intent:
    """
    One wish.

    Attributes:
        claim: What is asked for, in a few words; unique for a row.
        door: The SDK resource that carries it, a key of `vendors.APIS`.
        theirs: Arguments of the SDK's calls, one mapping each.
        items, settings, call: What `Client.embed`, `Client` and `Client.embed` get; for a job the same of
            `FileJobs.submit`.
        path: What our base URL ends in; empty for the usual bare host.
        without: APIs of the SDK that cannot say it.
    """

    model_info: ModelInfo
    claim: str
    door: str
    theirs: tuple[Mapping[str, Any], ...]
    items: tuple[Item, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    without: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The name that goes on the wire."""
        return str(self.theirs[0]["model"])

    @property
    def apis(self) -> tuple[str, ...]:
        """The SDK APIs that can say it."""
        return tuple(api for api in APIS[self.door] if api not in self.without)


def chunks(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Return the requests a user of an SDK makes of many values: no more than the model takes at once."""
    return [values[start : start + size] for start in range(0, len(values), size)]


def words(count: int) -> list[str]:
    """Return short texts, each another."""
    return [f"text {number}" for number in range(count)]
