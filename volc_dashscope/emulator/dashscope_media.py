"""
DashScope's native multimodal embedding: independent or fused vectors, as the model defines it.

Page: help.aliyun.com/zh/model-studio/multimodal-embedding-api-reference. It gives no message for most errors;
those here follow the pattern of the published ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from volc_dashscope.emulator import media, tokens
from volc_dashscope.emulator.dashscope import DashScope, body_of, invalid, parameters
from volc_dashscope.emulator.encoding import embedded_all
from volc_dashscope.emulator.exchange import Refusal, Request, Response, reply
from volc_dashscope.emulator.uploads import Uploads
from volc_dashscope.emulator.vectors import ImagePart, LinkPart, Part, TextPart
from volc_dashscope.models import MediaRule, ModelInfo

# Unsourced A43: DashScope's refusals of a wrong fusion, kind or number follow the published ones. Settled by
# one bad call each.
_ALGO = "<400> InternalError.Algo.InvalidParameter: "
_DOWNLOAD = _ALGO + "Failed to download multimodal content"
_URL = _ALGO + "The provided URL does not appear to be valid. Ensure it is correctly formatted."
_KEYS = {"text": "text", "image": "image", "video": "video", "multi_images": "frames"}
_TEMPLATE_TOKENS = 18  # qwen3-vl counts a template; its length is not published


class MediaRow(Protocol):
    """The limits of a model for images and videos."""

    @property
    def image(self) -> MediaRule | None: ...

    @property
    def video(self) -> MediaRule | None: ...


@dataclass(slots=True)
class Element:
    """One element of `contents`: its kinds, its parts and its tokens."""

    kinds: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    text_tokens: int = 0
    image_tokens: int = 0
    images: int = 0
    seconds: float = 0.0


class Multimodal:
    """The multimodal route of one DashScope service; `oss://` URLs are looked up in `uploads`."""

    def __init__(self, service: DashScope, uploads: Uploads) -> None:
        self._service = service
        self._uploads = uploads

    def embed(self, request: Request) -> Response:
        """Answer the native `POST …/multimodal-embedding/multimodal-embedding`."""
        body = body_of(request)
        row = self._service.row(body, "multimodal")
        options = parameters(body)
        _check_options(row, options)
        elements = [self._element(request, row, item, options) for item in _contents(row, body)]
        _check_counts(row, elements)
        size = _dimension(row, options.get("dimension"))
        task = (options.get("instruct") or "") if row.instruct else ""
        groups = _groups(row, elements, options)
        dense = embedded_all([parts for parts, _ in groups], row, size, instruction=task)
        entries = [
            {"index": index, "embedding": dense[index], "type": kind}
            for index, (_, kind) in enumerate(groups)
        ]
        usage, total = _usage(row, elements, len(entries))
        payload = {"output": {"embeddings": entries}, "usage": usage, "request_id": request.id}
        return reply(payload, tokens=total)

    def _element(self, request: Request, row: ModelInfo, item: Any, options: Mapping[str, Any]) -> Element:
        """Read one element; a bare string is text and null members are unset."""
        members = {"text": item} if isinstance(item, str) else item
        if not isinstance(members, dict):
            raise invalid(_ALGO + "Input should be a valid dictionary or string: input.contents")
        element = Element()
        for key, value in members.items():
            if key not in _KEYS or value is None:
                continue
            if _KEYS[key] not in row.modalities:
                raise invalid(_ALGO + f"{key} is not supported by this model: input.contents")
            element.kinds.append(key)
            self._add(element, request, row, key, value, options)
        if not element.kinds:
            raise invalid(_ALGO + "Value error, contents has no text, image or video: input.contents")
        return element

    def _add(
        self,
        element: Element,
        request: Request,
        row: ModelInfo,
        key: str,
        value: Any,
        options: Mapping[str, Any],
    ) -> None:
        if key == "text":
            element.parts.append(TextPart(_text(row, value)))
            element.text_tokens += min(tokens.text(value), row.max_tokens or tokens.text(value))
            return
        if key == "video":
            element.parts.append(self.video(request, row, value))
            element.image_tokens += _video_price(row, options)
            element.seconds += tokens.LINK_SECONDS
            return
        urls = value if key == "multi_images" else [value]
        if not isinstance(urls, list) or not urls or (key != "image" and len(urls) > (row.max_frames or 0)):
            raise invalid(_ALGO + f"{key} should hold 1 to {row.max_frames} images: input.contents")
        for url in urls:
            part = self.image(request, row, url)
            element.parts.append(part)
            element.images += 1
            element.image_tokens += _image_price(row, part, options)

    def image(self, request: Request, row: MediaRow, url: Any) -> Part:
        """Read an image from a URL or a data URI, or refuse it."""
        if not isinstance(url, str) or not url:
            raise invalid(_URL)
        if not url.startswith("data:"):
            stored = self._stored(request, row, url, "image")
            if stored is None:
                return LinkPart(url, "image")
            mime, data = "", stored
        else:
            most = row.max_data_uri_bytes if isinstance(row, ModelInfo) else None
            if most is not None and len(url) > most:
                # The page prints the closing quote.
                raise invalid(f"Exceeded limit on max bytes per data-uri item : {most}'")
            found = media.data_uri(url)
            if found is None:
                raise invalid(_URL)
            mime, data = found
        problem = media.objection(row.image, "image", mime, data) if row.image else "no images"
        if problem:
            raise invalid(_ALGO + problem)
        return ImagePart(data)

    def video(self, request: Request, row: MediaRow, url: Any) -> Part:
        """Read a video from a URL, or refuse it."""
        if not isinstance(url, str) or url.startswith("data:"):
            raise invalid(_URL)
        self._stored(request, row, url, "video")
        return LinkPart(url, "video")

    def _stored(self, request: Request, row: MediaRow, url: str, kind: str) -> bytes | None:
        """Return the uploaded bytes of an `oss://` URL, or None for another valid link."""
        if url.startswith("oss://"):
            if request.headers.get("x-dashscope-ossresourceresolve") != "enable":
                raise invalid(_URL)
            data = self._uploads.get(url, request.now)
            if data is None:
                raise invalid(_DOWNLOAD)
            return data
        if not url.startswith(("http://", "https://")):
            raise invalid(_URL)
        rule = row.image if kind == "image" else row.video
        claimed = media.url_format(url)
        if media.unreachable(url):
            raise invalid(_DOWNLOAD)
        if claimed and rule and claimed not in rule.formats:
            raise invalid(_ALGO + f"{kind} format {claimed} is not supported")
        return None


def _contents(row: ModelInfo, body: Mapping[str, Any]) -> list[Any]:
    content = body.get("input")
    if content is None:
        raise Refusal(400, "BadRequest.EmptyInput", 'Required parameter "input" missing from request.')
    if not isinstance(content, dict):
        raise Refusal(400, "BadRequest.IllegalInput", "The input parameter requires json format.")
    contents = content.get("contents")
    if not isinstance(contents, list) or not contents:
        raise invalid(_ALGO + "Value error, contents should be a non-empty list: input.contents")
    capped = row.max_images is not None and row.fusion != "always"
    if capped and len(contents) > row.batch:
        message = (
            f"Value error, batch size is invalid, it should not be larger than {row.batch}.: input.contents"
        )
        raise invalid(_ALGO + message)
    return contents


def _check_options(row: ModelInfo, options: Mapping[str, Any]) -> None:
    if options.get("output_type") not in (None, "dense"):
        raise invalid(_ALGO + "Value error, output_type should be dense: parameters.output_type")
    if not isinstance(options.get("instruct") or "", str):
        raise invalid(_ALGO + "Value error, instruct should be a string: parameters.instruct")
    _check_range("fps", options.get("fps"), row.fps)
    _check_range("res_level", options.get("res_level"), row.res_level and (0, row.res_level))
    most = row.max_video_frames
    _check_range("max_video_frames", options.get("max_video_frames"), most and (1, most))


def _check_range(name: str, value: Any, bounds: tuple[float, float] | int | None) -> None:
    """Refuse a number out of its range; a model without the parameter ignores it."""
    if value is None or not isinstance(bounds, tuple):
        return
    low, high = bounds
    kinds = (int, float) if name == "fps" else int
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise invalid(_ALGO + f"Range of {name} should be [{low:g}, {high:g}]")


def _check_counts(row: ModelInfo, elements: list[Element]) -> None:
    found = {
        "text": sum(element.kinds.count("text") for element in elements),
        "image": sum(element.images for element in elements),
        "video": sum(element.kinds.count("video") for element in elements),
    }
    # "As long as the tokens of the input stay within the cap of one batch."
    words = sum(element.text_tokens for element in elements)
    if row.request_tokens is not None and words > row.request_tokens:
        raise invalid(_ALGO + f"Range of input length should be [1, {row.request_tokens}]")
    caps = {"text": row.max_texts, "image": row.max_images, "video": row.max_videos}
    for kind, most in caps.items():
        if most is not None and found[kind] > most:
            raise invalid(_ALGO + f"The number of {kind} should not be larger than {most}: input.contents")
    if row.fusion is None and any(len(element.kinds) > 1 for element in elements):
        raise invalid(_ALGO + "Value error, an element should hold one modality: input.contents")


def _groups(
    row: ModelInfo, elements: list[Element], options: Mapping[str, Any]
) -> list[tuple[list[Part], str]]:
    """
    Return the parts and the `type` of each vector.

    qwen3-vl fuses with `enable_fusion`, and also if one element has several keys: the first is from one edition of
    the page, the second from the embedding guide.
    """
    if row.fusion == "always" or (row.fusion == "flag" and options.get("enable_fusion") is True):
        return [([part for element in elements for part in element.parts], "fusion")]
    together, alone = ("fusion", "vl") if row.fusion == "flag" else ("fused", "")
    return [
        (element.parts, together if len(element.kinds) > 1 else alone or element.kinds[0])
        for element in elements
    ]


def _text(row: ModelInfo, value: Any) -> str:
    """Return a text within the limit; multimodal-embedding-v1 cuts longer texts (page of 2025)."""
    if not isinstance(value, str) or not value:
        raise invalid(_ALGO + f"Range of input length should be [1, {row.max_tokens}]")
    if row.max_tokens is None or not tokens.exceeds(value, row.max_tokens):
        return value
    if not row.truncates:
        raise invalid(_ALGO + f"Range of input length should be [1, {row.max_tokens}]")
    return tokens.cut(value, row.max_tokens)


def _dimension(row: ModelInfo, value: Any) -> int:
    """Return the dimension of the reply; the undated tongyi models have one dimension and ignore the field."""
    if value is None or row.reduces != "server" or row.default_dimension is None:
        return row.default_dimension or 0
    if isinstance(value, bool) or value not in row.dimensions:
        raise invalid(
            _ALGO + f"Value error, dimension should be in {sorted(row.dimensions)}: parameters.dimension"
        )
    return int(value)


def _image_price(row: ModelInfo, part: Part, options: Mapping[str, Any]) -> int:
    if row.res_level is not None:
        level = options.get("res_level")
        return tokens.level(1 if level is None else level)
    # Unsourced A36: a picture counts by Ark's formula for qwen-vl and multimodal-embedding-v1 in the
    # emulator. Settled by one call.
    # No page says how many tokens an image has for the other models, so Ark's formula is used.
    return media.picture_tokens(part.data) if isinstance(part, ImagePart) else tokens.image(*tokens.LINK_SIZE)


def _video_price(row: ModelInfo, options: Mapping[str, Any]) -> int:
    if row.res_level is None:
        return tokens.video(fps=float(1.0 if options.get("fps") is None else options["fps"]))
    level = options.get("res_level")
    return int(options.get("max_video_frames") or 8) * tokens.level(1 if level is None else level)


def _usage(row: ModelInfo, elements: list[Element], vectors: int) -> tuple[dict[str, Any], int]:
    """Return `usage` with the keys of this model, and the billed total."""
    text_tokens = sum(element.text_tokens for element in elements)
    if row.fusion == "flag":
        text_tokens += _TEMPLATE_TOKENS
    image_tokens = sum(element.image_tokens for element in elements)
    total = text_tokens + image_tokens
    if row.fusion == "flag":
        return {"input_tokens": text_tokens, "image_tokens": image_tokens, "total_tokens": total}, total
    if row.fusion == "always":
        return {"input_tokens": text_tokens, "image_tokens": image_tokens}, total
    if "frames" in row.modalities:
        return {
            "input_tokens": total,
            "input_tokens_details": {"image_tokens": image_tokens, "text_tokens": text_tokens},
            "output_tokens": vectors,
            "total_tokens": total + vectors,
        }, total + vectors
    images = sum(element.images for element in elements)
    duration = math.ceil(sum(element.seconds for element in elements))  # an integer in the printed samples
    return {
        "input_tokens": text_tokens,
        "image_tokens": image_tokens,
        "image_count": images,
        "duration": duration,
    }, total
