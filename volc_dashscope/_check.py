"""Whether an item or a setting fits a model's row. Everything here happens before a byte is sent. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from volc_dashscope._tokens import fewest_text_tokens
from volc_dashscope._wire import Ask
from volc_dashscope.errors import ConfigError, InputError
from volc_dashscope.inputs import Frames, Fused, Image, Item, Part, Video, modalities, parts
from volc_dashscope.models import MediaRule, ModelCard

_DATA_URI_OVERHEAD = 40
# Where no page states a bound, so that one item never fills the memory: no known model takes texts a tenth as
# long, and the one service that names a bound for bodies takes half as much.
_LARGEST_TEXT = 16 * 1024 * 1024
_LARGEST_ITEM = 128 * 1024 * 1024
_KNOBS = {
    "max_video_tokens": (10_240, 204_800),
    "min_frame_tokens": (16, 128),
    "max_frame_tokens": (128, 640),
    "min_frames": (5, 16),
}


def check_settings(ask: Ask) -> None:
    """
    Refuse settings and call arguments the model or route does not have.

    Raises:
        ConfigError: A dimension, route or request parameter the row forbids.
        InputError: An instruction or sparse output where there is none.
    """
    card = ask.card
    if ask.route not in card.routes:
        raise ConfigError(f"{card.name} has no route {ask.route!r}; it has: {', '.join(card.routes)}")
    if ask.upload and (card.provider != "dashscope" or not card.multimodal):
        raise ConfigError(
            f"upload=True is for media of DashScope's models; {card.name} "
            + ("embeds text only" if card.provider == "dashscope" else f"is served by {card.provider}")
        )
    _check_dimension(ask)
    _check_role(ask)
    _check_outputs(ask)
    _check_level("res_level", ask.res_level, 0, card.res_level, card)
    _check_level("max_video_frames", ask.max_video_frames, 1, card.max_video_frames, card)


def check_items(items: Sequence[Item], ask: Ask, *, first: int = 0) -> None:
    """
    Refuse the first item that does not fit the model.

    Args:
        first: Index of the first of them, where they are a part of a longer list.

    Raises:
        InputError: With the item's index, what was seen and what is allowed.
    """
    fault = next(_faults(items, ask, first), None)
    if fault is not None:
        raise fault


def _faults(items: Sequence[Item], ask: Ask, first: int) -> Iterator[InputError]:
    """Yield errors instead of raising them: no frame that holds an item gets into a report of a crash."""
    for index, item in enumerate(items, first):
        try:
            check_item(item, ask)
        except InputError as error:
            fault = InputError(f"item {index}: {error}", index=index)
            fault.__cause__ = error.with_traceback(None)
            yield fault


def check_item(item: Item, ask: Ask) -> None:
    """Refuse one item that does not fit the model; the error does not know its position yet."""
    if isinstance(item, str):
        _check_text(item, ask.card)
        return
    if not isinstance(item, Image | Video | Frames | Fused):
        raise InputError(f"expected str, Image, Video, Frames or Fused, got {type(item).__name__}")
    card, whole = ask.card, parts(item)
    foreign = [kind for kind in modalities(item) if kind not in card.modalities]
    if foreign:
        raise InputError(f"{card.name} embeds {_listed(sorted(card.modalities))}, not {_listed(foreign)}")
    if len(whole) > 1:
        _check_fusion(whole, card)
    if ask.sparse and any(not isinstance(part, str) for part in whole) and card.provider == "ark":
        raise InputError(f"{card.name} gives sparse vectors for text only")
    for part in whole:
        _check_part(part, ask)
    _check_body(whole, ask)


def _check_part(part: Part, ask: Ask) -> None:
    card = ask.card
    if isinstance(part, str):
        _check_text(part, card)
    elif isinstance(part, Image):
        _check_media(part, card.image, ask)
    elif isinstance(part, Video):
        _check_media(part, card.video, ask)
        _check_sampling(part, card)
    else:
        if card.max_frames is not None and len(part.images) > card.max_frames:
            raise InputError(f"{len(part.images)} frames; {card.name} accepts at most {card.max_frames}")
        for image in part.images:
            _check_media(image, card.image, ask)


def _check_text(text: str, card: ModelCard) -> None:
    if not text:
        raise InputError("empty text; a text needs at least one character")
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError("the text holds a lone surrogate, which is not valid Unicode") from error
    if size > (card.max_text_bytes or _LARGEST_TEXT):
        largest = card.max_text_bytes or _LARGEST_TEXT
        raise InputError(f"text of {size:,} bytes; {_taker(card.max_text_bytes, card)} at most {largest:,}")
    if card.max_tokens is not None and not card.truncates and size > card.max_tokens:
        fewest = fewest_text_tokens(text)
        if fewest > card.max_tokens:
            raise InputError(
                f"text of {len(text):,} characters is at least {fewest:,} tokens; "
                f"{card.name} accepts at most {card.max_tokens:,}"
            )


def _check_media(media: Image | Video, rule: MediaRule | None, ask: Ask) -> None:
    card = ask.card
    kind = "image" if isinstance(media, Image) else "video"
    if media.url is not None and media.url.startswith("oss:") and card.provider != "dashscope":
        raise InputError(f"oss:// URLs are DashScope's; {card.name} is served by {card.provider}")
    if rule is None or not media.inline:
        return
    if not rule.inline and not ask.upload:
        hint = "; upload=True puts it into temporary storage first" if card.provider == "dashscope" else ""
        raise InputError(f"{card.name} takes a {kind} by public URL only, not as a file or bytes{hint}")
    if media.format not in rule.formats:
        raise InputError(f"{kind} format {media.format}; {card.name} accepts {_listed(sorted(rule.formats))}")
    size = media.size_bytes or 0
    if size > rule.max_bytes:
        raise InputError(f"{kind} of {size:,} bytes; {card.name} accepts at most {rule.max_bytes:,}")
    if card.max_data_uri_bytes is not None and not ask.upload and _encoded(size) > card.max_data_uri_bytes:
        raise InputError(
            f"{kind} of {size:,} bytes is {_encoded(size):,} as a data URI; "
            f"{card.name} accepts at most {card.max_data_uri_bytes:,}"
        )
    if isinstance(media, Image):
        _check_pixels(media, rule, card)


def _check_pixels(image: Image, rule: MediaRule, card: ModelCard) -> None:
    if image.width is None or image.height is None:
        return
    seen = f"image is {image.width}x{image.height}"
    if min(image.width, image.height) < rule.min_side:
        raise InputError(f"{seen}; {card.name} needs at least {rule.min_side} pixels on each side")
    if rule.max_pixels and image.width * image.height > rule.max_pixels:
        raise InputError(f"{seen}; {card.name} accepts at most {rule.max_pixels:,} pixels")


def _check_sampling(video: Video, card: ModelCard) -> None:
    if not card.known:
        return
    if video.fps is not None:
        if card.fps is None:
            raise InputError(f"{card.name} has no fps for a video")
        low, high = card.fps
        if not low <= video.fps <= high:
            raise InputError(f"fps {video.fps:g}; {card.name} accepts {low:g} to {high:g}")
    for name, (low, high) in _KNOBS.items():
        value = getattr(video, name)
        if value is None:
            continue
        if not card.video_knobs:
            raise InputError(f"{card.name} has no {name} for a video")
        if not low <= value <= high:
            raise InputError(f"{name} {value}; {card.name} accepts {low:,} to {high:,}")
    if video.min_frame_tokens and video.max_frame_tokens and video.max_frame_tokens < video.min_frame_tokens:
        raise InputError(
            f"max_frame_tokens {video.max_frame_tokens} is below min_frame_tokens {video.min_frame_tokens}"
        )


def _check_fusion(whole: Iterable[Part], card: ModelCard) -> None:
    if card.fusion is None:
        raise InputError(f"{card.name} gives one vector per part and cannot fuse several into one")
    whole = tuple(whole)
    count = Counter("text" if isinstance(part, str) else type(part).__name__.lower() for part in whole)
    if card.fusion == "object":
        doubled = [kind for kind, number in count.items() if number > 1]
        if doubled:
            raise InputError(
                f"{count[doubled[0]]} parts of kind {doubled[0]}; {card.name} fuses at most one of each kind "
                f"(several images go in as Frames)"
            )
    limits = {"text": card.max_texts, "image": card.max_images, "video": card.max_videos}
    # Frames are images to the service, so that a picture beside them counts with them.
    inside = {"image": sum(len(part.images) for part in whole if isinstance(part, Frames))}
    for kind, limit in limits.items():
        number = count[kind] + inside.get(kind, 0)
        if limit is not None and number > limit:
            raise InputError(
                f"{number} parts of kind {kind}; {card.name} accepts at most {limit} in one item"
            )
    if card.fusion == "flag" and count.total() > card.batch:
        raise InputError(f"{count.total()} parts; {card.name} accepts at most {card.batch} in one item")


def _check_body(whole: Iterable[Part], ask: Ask) -> None:
    card, sizes = ask.card, []
    for part in whole:
        for media in part.images if isinstance(part, Frames) else (part,):
            if isinstance(media, str):
                sizes.append(len(media.encode()))
            elif media.inline:
                sizes.append(_encoded(media.size_bytes or 0))
    # What goes into storage goes there one by one.
    size = max(sizes, default=0) if ask.upload else sum(sizes)
    largest = card.max_request_bytes or _LARGEST_ITEM
    if size > largest:
        raise InputError(
            f"the item makes a request of {size:,} bytes; {_taker(card.max_request_bytes, card)} at most "
            f"{largest:,}"
        )


def _taker(limit: int | None, card: ModelCard) -> str:
    """Say whose limit it is: the model's, or ours where no page states one."""
    return f"{card.name} accepts" if limit is not None else "this library sends"


def _check_dimension(ask: Ask) -> None:
    card, dimension = ask.card, ask.dimension
    if dimension is None:
        return
    if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1:
        raise ConfigError(f"dimensions must be a positive integer, got {dimension!r}")
    if card.dimensions and dimension not in card.dimensions:
        allowed = ", ".join(str(length) for length in card.dimensions)
        raise ConfigError(f"dimensions={dimension}; {card.name} has {allowed}")


def _check_role(ask: Ask) -> None:
    card = ask.card
    for name in ("instruct", "target_modality", "query_instructions", "document_instructions"):
        value = getattr(ask, name)
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{name} must be a non-empty text")
        if ask.route == "openai":
            raise InputError(f"{name} cannot be sent on the openai route; use route='native'")
        if not card.instruct:
            raise InputError(f"{card.name} takes no instruction; leave out {name}")
        if name != "instruct" and (card.provider != "ark" or card.endpoint != "multimodal"):
            raise InputError(f"{name} belongs to Ark's vision models; {card.name} takes instruct only")
    if ask.text_type not in ("query", "document", None):
        raise InputError(f"text_type must be 'query', 'document' or None, got {ask.text_type!r}")


def _check_outputs(ask: Ask) -> None:
    card = ask.card
    if ask.output_type not in ("dense", "sparse", "dense&sparse", "multi"):
        raise InputError(f"output_type {ask.output_type!r}; there are dense, sparse, dense&sparse and multi")
    if ask.sparse and ask.route == "openai":
        raise InputError("the openai route gives dense vectors only; use route='native'")
    if ask.sparse and not card.sparse:
        raise InputError(f"{card.name} gives no sparse vectors")
    if ask.output_type == "multi" and not card.multi_vector:
        raise InputError(f"{card.name} gives no multi-vectors")


def _check_level(name: str, value: int | None, low: int, high: int | None, card: ModelCard) -> None:
    if value is None or not card.known:
        return
    if high is None:
        raise ConfigError(f"{card.name} has no {name}")
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r}; {card.name} accepts {low} to {high}")


def _encoded(size: int) -> int:
    return (size + 2) // 3 * 4 + _DATA_URI_OVERHEAD


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
