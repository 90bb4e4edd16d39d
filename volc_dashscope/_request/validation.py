"""Whether an item or a setting fits a model's row. Everything here happens before a byte is sent. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from volc_dashscope import _media
from volc_dashscope._request.items import Refused
from volc_dashscope._types import RequestSpec
from volc_dashscope.errors import ConfigError, InputError
from volc_dashscope.inputs import (
    Frames,
    Fused,
    Image,
    Item,
    Part,
    Video,
    flat_parts,
    lone_surrogate,
    modalities,
    parts,
)
from volc_dashscope.models import MediaRule, ModelInfo
from volc_dashscope.models.tokens import fewest_text_tokens

_DATA_URI_OVERHEAD = 40
# Bounds where no page states one, so that one item cannot fill the memory: no known model takes texts a tenth as
# long, and the one service that states a bound for bodies takes half as much.
# Unsourced A21: a text of 16 MiB or an item of 128 MiB is too large if no page states a limit; the bounds are ours.
_LARGEST_TEXT = 16 * 1024 * 1024
_LARGEST_ITEM = 128 * 1024 * 1024
_SAMPLING_RANGES = {
    "max_video_tokens": (10_240, 204_800),
    "min_frame_tokens": (16, 128),
    "max_frame_tokens": (128, 640),
    "min_frames": (5, 16),
}


def check_settings(spec: RequestSpec) -> None:
    """
    Refuse settings the model or route does not have. Done once, when a client is made.

    Raises:
        ConfigError: A dimension, route or request parameter the row forbids.
        InputError: An instruction where there is none.
    """
    model_info = spec.model_info
    if spec.route not in model_info.routes:
        raise ConfigError(
            f"{model_info.name} has no route {spec.route!r}; its routes are {', '.join(model_info.routes)}"
        )
    if spec.upload and (model_info.provider != "dashscope" or not model_info.multimodal):
        raise ConfigError(
            f"upload=True works with media of DashScope models only; {model_info.name} "
            + (
                "embeds text only"
                if model_info.provider == "dashscope"
                else f"is served by {model_info.provider}"
            )
        )
    _check_dimension(spec)
    _check_instructions(spec)
    _check_max_pixels(spec)
    _check_level("res_level", spec.res_level, 0, model_info.res_level, model_info)
    _check_level("max_video_frames", spec.max_video_frames, 1, model_info.max_video_frames, model_info)


def check_call(spec: RequestSpec) -> None:
    """
    Refuse arguments of a call that do not exist, or that the model or route does not have.

    Raises:
        InputError: A wrong role or output type, or sparse output where there is none.
    """
    if spec.text_type not in ("query", "document", None):
        raise InputError(f"text_type must be 'query', 'document' or None, got {spec.text_type!r}")
    if spec.output_type not in ("dense", "sparse", "dense&sparse", "multi"):
        raise InputError(
            f"output_type must be 'dense', 'sparse', 'dense&sparse' or 'multi', got {spec.output_type!r}"
        )
    if spec.sparse and spec.route == "openai":
        raise InputError("route='openai' supports dense vectors only; use route='native'")
    if spec.sparse and not spec.model_info.sparse:
        raise InputError(f"{spec.model_info.name} does not support sparse vectors")
    if spec.output_type == "multi" and not spec.model_info.multi_vector:
        raise InputError(f"{spec.model_info.name} does not support multi-vectors")


def check_items(items: Sequence[Item], spec: RequestSpec, *, first: int = 0) -> None:
    """
    Refuse the first item that does not fit the model.

    Args:
        first: Index of the first of them, where they are a part of a longer list.

    Raises:
        InputError: With the item's index, what was seen and what is allowed.
    """
    for index, item in enumerate(items, first):
        if isinstance(item, Refused):
            continue
        try:
            check_item(item, spec)
        except InputError as error:
            raise InputError(f"item {index}: {error}", index=index) from error


def check_item(item: Item, spec: RequestSpec) -> None:
    """Refuse one item that does not fit the model; the error has no position yet."""
    if isinstance(item, str):
        _check_text(item, spec.model_info)
        return
    if not isinstance(item, (Image, Video, Frames, Fused)):
        raise InputError(
            f"expected str, Image, Video, Frames or Fused, got {_media.type_name(item)}{_media.constructor_hint(item)}"
        )
    model_info, whole = spec.model_info, parts(item)
    foreign = [kind for kind in modalities(item) if kind not in model_info.modalities]
    if foreign:
        raise InputError(
            f"{model_info.name} embeds {_listed(sorted(model_info.modalities))}, not {_listed(foreign)}"
        )
    if len(whole) > 1:
        _check_fusion(whole, model_info)
    if spec.sparse and any(not isinstance(part, str) for part in whole) and model_info.provider == "ark":
        # Unsourced A7: Ark refuses sparse_embedding with a picture. Settled by one call.
        raise InputError(f"{model_info.name} supports sparse vectors for text only")
    for part in whole:
        _check_part(part, spec)
    _check_body(item, spec)


def _check_part(part: Part, spec: RequestSpec) -> None:
    model_info = spec.model_info
    if isinstance(part, str):
        _check_text(part, model_info)
    elif isinstance(part, Image):
        _check_media(part, model_info.image, spec)
    elif isinstance(part, Video):
        _check_media(part, model_info.video, spec)
        _check_sampling(part, model_info)
    else:
        if model_info.max_frames is not None and len(part.images) > model_info.max_frames:
            raise InputError(
                f"{len(part.images)} frames; {model_info.name} accepts at most {model_info.max_frames}"
            )
        for image in part.images:
            _check_media(image, model_info.image, spec)


def most_characters(spec: RequestSpec) -> int:
    """
    Return a length up to which every ASCII text fits the model and is sent as it is.

    With this, a stream of millions checks most of them by one comparison.
    """
    model_info = spec.model_info
    largest = model_info.max_text_bytes or _LARGEST_TEXT
    # A token has at least one character.
    return largest if model_info.max_tokens is None else min(largest, model_info.max_tokens)


def _check_text(text: str, model_info: ModelInfo) -> None:
    if not text:
        raise InputError("empty text; a text needs at least one character")
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError(lone_surrogate(error.start)) from error
    if size > (model_info.max_text_bytes or _LARGEST_TEXT):
        largest = model_info.max_text_bytes or _LARGEST_TEXT
        raise InputError(
            f"text of {size:,} bytes; {_who_accepts(model_info.max_text_bytes, model_info)} at most {largest:,}"
        )
    if model_info.max_tokens is not None and not model_info.truncates and size > model_info.max_tokens:
        fewest = fewest_text_tokens(text)
        if fewest > model_info.max_tokens:
            raise InputError(
                f"text of {len(text):,} characters is at least {fewest:,} tokens; {model_info.name} accepts at "
                f"most {model_info.max_tokens:,}; split it, or cut it with truncate=True"
            )


def _check_media(media: Image | Video, rule: MediaRule | None, spec: RequestSpec) -> None:
    model_info = spec.model_info
    kind = "image" if isinstance(media, Image) else "video"
    if media.url is not None and media.url.startswith("oss:") and model_info.provider != "dashscope":
        raise InputError(
            f"oss:// URLs work with DashScope models only; {model_info.name} is served by {model_info.provider}"
        )
    if rule is None or not media.inline:
        return
    if not rule.inline and not spec.upload:
        hint = (
            "; upload=True uploads it to temporary storage first"
            if model_info.provider == "dashscope"
            else ""
        )
        raise InputError(
            f"{model_info.name} accepts a {kind} by public URL only, not as a file or bytes{hint}"
        )
    if media.format not in rule.formats:
        raise InputError(
            f"{kind} format {media.format}; {model_info.name} accepts {_listed(sorted(rule.formats))}"
        )
    if not is_shrunk(media, spec):
        _check_bytes(media, kind, rule, spec)
    if isinstance(media, Image) and (pixels := sent_pixels(media, spec)) is not None:
        _check_pixels(pixels, rule, model_info)


def sent_pixels(image: Image, spec: RequestSpec) -> tuple[int, int] | None:
    """Return width and height as they are sent, or None where they are unknown."""
    pixels = image.source.pixels
    return None if pixels is None else _media.shrunk_size(pixels, spec.max_image_pixels)


def is_shrunk(media: Image | Video, spec: RequestSpec) -> bool:
    """Return whether this image is shrunk before it is sent; its bytes are known, and checked, only then."""
    if spec.max_image_pixels is None:
        return False
    return isinstance(media, Image) and sent_pixels(media, spec) != media.source.pixels


def _check_bytes(media: Image | Video, kind: str, rule: MediaRule, spec: RequestSpec) -> None:
    model_info, size = spec.model_info, media.size_bytes or 0
    if size > rule.max_bytes:
        raise InputError(f"{kind} of {size:,} bytes; {model_info.name} accepts at most {rule.max_bytes:,}")
    if (
        model_info.max_data_uri_bytes is not None
        and not spec.upload
        and _encoded(size) > model_info.max_data_uri_bytes
    ):
        raise InputError(
            f"{kind} of {size:,} bytes is {_encoded(size):,} bytes as a data URI; "
            f"{model_info.name} accepts at most {model_info.max_data_uri_bytes:,}"
        )


# Unsourced A27: Ark's aspect ratio of 1 to 100, printed on one page only, is not enforced. Settled by one
# call at 1:101.
def _check_pixels(size: tuple[int, int], rule: MediaRule, model_info: ModelInfo) -> None:
    width, height = size
    actual = f"image is {width}x{height}"
    if min(size) < rule.min_side:
        raise InputError(f"{actual}; {model_info.name} needs at least {rule.min_side} pixels on each side")
    if rule.max_pixels and width * height > rule.max_pixels:
        raise InputError(f"{actual}; {model_info.name} accepts at most {rule.max_pixels:,} pixels")


def _check_sampling(video: Video, model_info: ModelInfo) -> None:
    if not model_info.known:
        return
    if video.fps is not None:
        if model_info.fps is None:
            raise InputError(f"{model_info.name} does not support fps for a video")
        low, high = model_info.fps
        if not low <= video.fps <= high:
            raise InputError(f"fps {video.fps:g}; {model_info.name} accepts {low:g} to {high:g}")
    for name, (low, high) in _SAMPLING_RANGES.items():
        value = getattr(video, name)
        if value is None:
            continue
        if not model_info.video_knobs:
            raise InputError(f"{model_info.name} does not support {name} for a video")
        if not low <= value <= high:
            raise InputError(f"{name} {value}; {model_info.name} accepts {low:,} to {high:,}")


def _check_fusion(whole: Iterable[Part], model_info: ModelInfo) -> None:
    if model_info.fusion is None:
        raise InputError(f"{model_info.name} cannot fuse several parts into one vector")
    whole = tuple(whole)
    count = Counter("text" if isinstance(part, str) else type(part).__name__.lower() for part in whole)
    if model_info.fusion == "object":
        doubled = [kind for kind, number in count.items() if number > 1]
        if doubled:
            raise InputError(
                f"{count[doubled[0]]} parts of kind {doubled[0]}; {model_info.name} fuses at most one of each kind "
                f"(pass several images as Frames)"
            )
    limits = {"text": model_info.max_texts, "image": model_info.max_images, "video": model_info.max_videos}
    # To the service frames are images, so they count together with pictures.
    inside = {"image": sum(len(part.images) for part in whole if isinstance(part, Frames))}
    for kind, limit in limits.items():
        number = count[kind] + inside.get(kind, 0)
        if limit is not None and number > limit:
            raise InputError(
                f"{number} parts of kind {kind}; {model_info.name} accepts at most {limit} in one item"
            )
    if model_info.fusion == "flag" and count.total() > model_info.batch:
        raise InputError(
            f"{count.total()} parts; {model_info.name} accepts at most {model_info.batch} in one item"
        )


def _check_body(item: Item, spec: RequestSpec) -> None:
    model_info, sizes = spec.model_info, []
    for part in flat_parts(item):
        if isinstance(part, str):
            sizes.append(len(part.encode()))
        elif part.inline and not is_shrunk(part, spec):
            sizes.append(_encoded(part.size_bytes or 0))
    # What goes into storage goes there one by one.
    size = max(sizes, default=0) if spec.upload else sum(sizes)
    largest = model_info.max_request_bytes or _LARGEST_ITEM
    if size > largest:
        raise InputError(
            f"the request for this item has {size:,} bytes; "
            f"{_who_accepts(model_info.max_request_bytes, model_info)} at most {largest:,}"
        )


def _who_accepts(limit: int | None, model_info: ModelInfo) -> str:
    """Name the owner of a limit in a message: the model, or this library where no page states one."""
    return f"{model_info.name} accepts" if limit is not None else "this library accepts"


def _check_dimension(spec: RequestSpec) -> None:
    model_info, dimension = spec.model_info, spec.dimension
    if dimension is None:
        return
    if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1:
        raise ConfigError(f"dimensions must be a positive integer, got {dimension!r}")
    if model_info.dimensions and dimension not in model_info.dimensions:
        allowed = ", ".join(str(length) for length in model_info.dimensions)
        raise ConfigError(f"dimensions={dimension}; {model_info.name} accepts {allowed}")


def _check_instructions(spec: RequestSpec) -> None:
    model_info = spec.model_info
    for name in ("instruct", "target_modality", "query_instructions", "document_instructions"):
        value = getattr(spec, name)
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{name} must be a str that is not blank, got {value!r}")
        if spec.route == "openai":
            raise InputError(f"{name} cannot be sent with route='openai'; use route='native'")
        if not model_info.instruct:
            raise InputError(f"{model_info.name} does not support an instruction; leave out {name}")
        if name != "instruct" and (model_info.provider != "ark" or model_info.endpoint != "multimodal"):
            raise InputError(f"{name} is for Ark's vision models only; {model_info.name} accepts instruct")


def _check_max_pixels(spec: RequestSpec) -> None:
    model_info, most = spec.model_info, spec.max_image_pixels
    if most is None:
        return
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ConfigError(f"max_image_pixels must be a whole number from 1, got {most!r}")
    if "image" not in model_info.modalities:
        raise ConfigError(f"{model_info.name} does not accept images; leave out max_image_pixels")


def _check_level(name: str, value: int | None, low: int, high: int | None, model_info: ModelInfo) -> None:
    if value is None or not model_info.known:
        return
    if high is None:
        raise ConfigError(f"{model_info.name} does not support {name}; leave it out")
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r}; {model_info.name} accepts {low} to {high}")


def _encoded(size: int) -> int:
    return (size + 2) // 3 * 4 + _DATA_URI_OVERHEAD


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
