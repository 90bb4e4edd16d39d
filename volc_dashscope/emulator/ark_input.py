"""The `input` of Ark's multimodal endpoint: its parts, their limits and their token counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from volc_dashscope.emulator import media, tokens
from volc_dashscope.emulator.exchange import Refusal
from volc_dashscope.emulator.vectors import ImagePart, LinkPart, Part, TextPart, VideoPart
from volc_dashscope.models import ModelInfo

# Members of `video_url` from 251215 on (API page, 2026-08). Bounds are inclusive.
_SAMPLING_RANGES = {
    "fps": (0.2, 5),
    "max_video_tokens": (10240, 204800),
    "min_frame_tokens": (16, 128),
    "max_frame_tokens": (128, 640),
    "min_frames": (5, 16),
}


@dataclass(frozen=True, slots=True)
class Content:
    """The parts of one request and the tokens of each kind."""

    parts: tuple[Part, ...]
    text_tokens: int
    image_tokens: int
    video_tokens: int

    @property
    def only_text(self) -> bool:
        """Return whether the request has text only."""
        return all(isinstance(part, TextPart) for part in self.parts)


# Unsourced A42: Ark's refusals without a published message are 400 InvalidParameter and name the field. Settled
# by one invalid call per field.
def invalid(param: str, reason: str) -> Refusal:
    """Return Ark's error for a field, with Ark's own wording and grammar."""
    message = f"The parameter `{param}` specified in the request are not valid: {reason}."
    return Refusal(400, "InvalidParameter", message, param)


def missing(param: str) -> Refusal:
    """Return Ark's error for a required field that is absent or empty."""
    return Refusal(
        400, "MissingParameter", f"The request failed because it is missing `{param}` parameter.", param
    )


def read(row: ModelInfo, value: Any) -> Content:
    """Return the content of `input`, or refuse it."""
    if not value:
        raise missing("input")
    if not isinstance(value, list):
        raise invalid("input", "expected an array of objects")
    parts: list[Part] = []
    cost: Counter[str] = Counter()
    for index, item in enumerate(value):
        kind, part, price = _part(row, item, f"input[{index}]")
        parts.append(part)
        cost[kind] += price
    _check_counts(row, [item["type"] for item in value])
    # A video has its own limit, up to 204,800 tokens, so it does not count against the context here.
    if row.max_tokens is not None and cost["text"] + cost["image_url"] > row.max_tokens:
        raise Refusal(
            400, "OutofContextError", "Total tokens of image and text exceed max message tokens.", "input"
        )
    return Content(tuple(parts), cost["text"], cost["image_url"], cost["video_url"])


def _check_counts(row: ModelInfo, kinds: list[str]) -> None:
    for kind, most in (("text", row.max_texts), ("image_url", row.max_images), ("video_url", row.max_videos)):
        if most is not None and kinds.count(kind) > most:
            raise invalid("input", f"at most {most} {kind} is allowed by this model")


def _part(row: ModelInfo, item: Any, field: str) -> tuple[str, Part, int]:
    kind = item.get("type") if isinstance(item, dict) else None
    if kind is None:
        raise missing(f"{field}.type") if isinstance(item, dict) else invalid(field, "expected an object")
    if kind == "text":
        text = item.get("text")
        if not isinstance(text, str) or not text:
            raise missing(f"{field}.text")
        return kind, TextPart(text), tokens.text(text)
    if kind not in ("image_url", "video_url"):
        raise invalid(f"{field}.type", f"unknown type {kind}")
    holder = item.get(kind)
    url = holder.get("url") if isinstance(holder, dict) else holder
    if not isinstance(url, str):
        raise missing(f"{field}.{kind}.url")
    if kind == "image_url":
        part, price = _image(row, url, field)
        return kind, part, price
    if "video" not in row.modalities:
        raise invalid(f"{field}.type", "video input is not supported by this model")
    sampling = _sampling(holder, field) if row.video_knobs and isinstance(holder, dict) else {}
    video = _video(row, url, field)
    return kind, video, _video_price(video, sampling)


def _image(row: ModelInfo, url: str, field: str) -> tuple[Part, int]:
    if not url or url.endswith(";base64,"):
        raise Refusal(400, "InvalidImageURL.EmptyURL", "Empty base64 image url.", field)
    if not url.startswith("data:"):
        _check_link(row, url, f"{field}.image_url", "image")
        return LinkPart(url, "image"), tokens.image(*tokens.LINK_SIZE)
    found = media.data_uri(url)
    if found is None:
        raise Refusal(400, "InvalidImageURL.InvalidFormat", "Invalid base64 image url.", field)
    problem = media.objection(row.image, "image", *found) if row.image else "images are not supported"
    if problem:
        raise invalid(f"{field}.image_url", problem)
    return ImagePart(found[1]), media.picture_tokens(found[1])


def _video(row: ModelInfo, url: str, field: str) -> VideoPart | LinkPart:
    if not url.startswith("data:"):
        _check_link(row, url, f"{field}.video_url", "video")
        return LinkPart(url, "video")
    found = media.data_uri(url)
    problem = "invalid base64 video url" if found is None else None
    if found and row.video:
        problem = media.objection(row.video, "video", *found)
    if problem or not found:
        raise invalid(f"{field}.video_url", problem or "video is not supported by this model")
    return VideoPart(found[1])


def _check_link(row: ModelInfo, url: str, field: str, kind: str) -> None:
    rule = row.image if kind == "image" else row.video
    if not url.startswith(("http://", "https://")):
        raise invalid(field, f"invalid {kind} url")
    if media.unreachable(url):
        raise invalid(field, f"failed to download the {kind}")
    claimed = media.url_format(url)
    if claimed and rule and claimed not in rule.formats:
        raise invalid(field, f"{kind} format {claimed} is not supported")


def _sampling(holder: Mapping[str, Any], field: str) -> dict[str, float]:
    """Return the sampling fields that are set, each inside its range."""
    chosen: dict[str, float] = {}
    for name, (low, high) in _SAMPLING_RANGES.items():
        value = holder.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise invalid(f"{field}.video_url.{name}", f"{name} must be between {low} and {high}")
        chosen[name] = value
    if chosen.get("max_frame_tokens", 640) < chosen.get("min_frame_tokens", 16):
        raise invalid(f"{field}.video_url.max_frame_tokens", "max_frame_tokens is below min_frame_tokens")
    return chosen


def _video_price(video: VideoPart | LinkPart, sampling: Mapping[str, float]) -> int:
    return tokens.video(
        seconds=media.video_seconds(video.data) if isinstance(video, VideoPart) else tokens.LINK_SECONDS,
        fps=sampling.get("fps", 1.0),
        frame_tokens=(int(sampling.get("min_frame_tokens", 128)), int(sampling.get("max_frame_tokens", 640))),
        min_frames=int(sampling.get("min_frames", 16)),
        budget=int(sampling.get("max_video_tokens", 80 * 1024)),
    )
