"""Estimates requests, tokens and price of a call. Needs no key, reads no file and sends nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Unpack

from volc_dashscope._config import find_rerank_model
from volc_dashscope._options import ClientOptions, settings_of
from volc_dashscope._request.batching import plan
from volc_dashscope._request.items import as_sent, items_of
from volc_dashscope._request.ranking import check_rerank_settings, checked_pairs, estimated_tokens
from volc_dashscope._request.validation import check_call, check_items, is_shrunk, sent_pixels
from volc_dashscope._types import RequestSpec, TextType, counted
from volc_dashscope.inputs import Image, Item, Video, flat_parts, modalities
from volc_dashscope.models import Modality, ModelInfo
from volc_dashscope.models.rerank import RerankModelInfo
from volc_dashscope.models.tokens import ark_image_bounds, ark_video_bounds, level_image_tokens, text_tokens
from volc_dashscope.settings import ClientSettings

__all__ = ["Estimate", "estimate_cost", "estimate_rerank_cost"]

_MILLION = 1_000_000
_TEXT_RULE = (
    "text tokens are estimated, because no page publishes the tokenizer: 1 for each Chinese, Japanese or Korean "
    "character, 1 for every 4 other characters, and 1 more"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """
    What a call would cost. A pair is (lower bound, upper bound); the latter is None where no page documents one.

    ```python
    estimate = estimate_cost(["a red shoe"] * 25, "text-embedding-v4")
    print(estimate.items, estimate.requests, estimate.currency)
    ```
    ```text
    25 3 CNY
    ```

    Attributes:
        items: Number of items; for a rerank, of documents.
        requests: Requests for vectors a client would send without a cache and without retries; lines of the file
            on the batch route, files on the async route.
        text_tokens: Estimated, see `rule`.
        image_tokens: By the model's documented formula, of every image it can be applied to.
        video_tokens: The documented range of every video that has one, narrowed by its length where
            `Video.seconds` and the page allow.
        tokens: The total; the upper bound includes the cap for each image of unknown size.
        unknown: Items with an image or video that is not in `image_tokens` or `video_tokens`: its size is not
            known (an image by URL), or no page says what the model counts for it.
        price: In `currency`; None where the model's row has no price for the route.
        as_of: Date of the published price.
        rule: How the tokens and the price were counted, as text.
        seconds_at_limit: Shortest time possible at the requests and tokens per minute in the model's row, for the
            upper bound of tokens (the lower where there is none); None where the row has neither limit.
        model_info: The model's row.
    """

    items: int
    requests: int
    text_tokens: int
    image_tokens: int
    video_tokens: tuple[int, int]
    tokens: tuple[int, int | None]
    unknown: int
    price: tuple[float, float | None] | None
    currency: str | None
    as_of: str | None
    rule: str
    seconds_at_limit: float | None
    model_info: ModelInfo = field(repr=False)


def estimate_cost(
    items: Iterable[Item],
    model: str | ClientSettings,
    *,
    text_type: TextType | None = "document",
    **settings: Unpack[ClientOptions],
) -> Estimate:
    """
    Count what `Client(model, ...).embed(items)` would send and cost.

    Args:
        items: As for `Client.embed`.
        model: The model's name, with `settings` by the names of `ClientSettings`; or a `ClientSettings`.
        text_type: The role, as for `Client.embed`.
        settings: Those that shape requests, tokens or price count: `route="batch"` is counted at the Batch price.

    Raises:
        ConfigError: An unknown model, or a setting it does not have.
        InputError: An item does not fit the model.
    """
    return estimate_spec(items, replace(usual_spec(model, settings), text_type=text_type))


def usual_spec(
    model: str | ClientSettings, settings: ClientOptions, *, owner: str = "estimate_cost"
) -> RequestSpec:
    """
    Return the spec that shapes requests, with the model's default route where none is given.

    Raises:
        ConfigError: An unknown model, a setting it does not have, or settings given twice.
    """
    arguments = settings_of(model, settings, owner=owner)
    routes = arguments.row().routes
    # Models that have file jobs only use them, also without `route=`.
    route = routes[0] if arguments.route in (None, "native") else arguments.route
    return replace(arguments, route=route).offline_spec()


def estimate_rerank_cost(
    pairs: Iterable[tuple[Item, Iterable[Item]]],
    model: str = "qwen3-vl-rerank",
    *,
    base_model: str | None = None,
    model_info: RerankModelInfo | None = None,
    instruct: str | None = None,
    truncate: bool = False,
    max_image_pixels: int | None = None,
    region: str | None = None,
) -> Estimate:
    """
    Count what a `Reranker` would send and cost, one request for each query with its documents.

    Tokens of a request are query tokens x documents + document tokens (page text-rerank-api). No page says what an
    image or a video counts, so with one of them there is no upper bound.

    Example:
        >>> estimate_rerank_cost([("a red shoe", ["blue hat", "red shoes"])], "qwen3-rerank").requests
        1

    Args:
        pairs: (query, documents), each as for `Reranker.rerank`; the `items` of the answer are documents.
        model, base_model, model_info, instruct, truncate, max_image_pixels, region: As for `Reranker`.

    Raises:
        EmbeddingError: An unknown or discontinued model; or a query, document or list that it does not accept.
    """
    row = find_rerank_model(model, base_model=base_model, model_info=model_info)
    spec = rerank_spec(
        model, row, instruct=instruct, truncate=truncate, max_image_pixels=max_image_pixels, region=region
    )
    return estimate_pairs(checked_pairs(pairs, row, spec), spec)


def rerank_spec(model: str, row: RerankModelInfo, **options: Unpack[ClientOptions]) -> RequestSpec:
    """
    Return the spec of a reranker's requests, without a key.

    Raises:
        InputError: An instruction for a model that takes none.
    """
    options |= {"provider": "dashscope", "model_info": row.as_model_info(model)}
    spec = ClientSettings(model, **options).offline_spec()
    check_rerank_settings(row, spec, None)
    return spec


def estimate_pairs(pairs: Iterable[tuple[Item, list[Item]]], spec: RequestSpec) -> Estimate:
    """Count what checked pairs would send and cost."""
    count, requests = _Count(), 0
    for query, documents in pairs:
        requests += bool(documents)
        count.items += len(documents)
        count.text += estimated_tokens(query, documents)
        media = [item for item in (query, *documents) if modalities(item)[0] != "text"] if documents else []
        count.unknown += len(media)
        count.unbounded |= bool(media)
        for item in (query, *documents) if documents else ():
            count.kinds.update(modalities(item))
    return _estimate(count, spec, requests, _rerank_rule(count, spec))


def _rerank_rule(count: _Count, spec: RequestSpec) -> str:
    reasons = [
        "A rerank request is billed query tokens x documents + document tokens",
        _TEXT_RULE,
        "what the service adds, instruction included, is unpublished and not counted",
    ]
    if count.unbounded:
        reasons.append(
            "images and videos are not counted: no page says how many tokens they are for this model"
        )
    if spec.model_info.price is not None:
        reasons.append(f"price per million tokens as published for {spec.model_info.price.region}")
    return "; ".join(reasons) + "."


def estimate_spec(items: Iterable[Item], spec: RequestSpec, *, checked: bool = False) -> Estimate:
    """Count what items would send and cost; `checked` says that they are already in the form that is sent."""
    check_call(spec)
    count = _Count()
    requests = sum(1 for _ in plan(count.over(items, spec, checked=checked), spec))
    return _estimate(count, spec, requests, _rule(count, spec))


def _estimate(count: _Count, spec: RequestSpec, requests: int, rule: str) -> Estimate:
    row, price = spec.model_info, _price(count, spec)
    lower, upper = count.text + count.media[0], None if count.unbounded else count.text + count.media[1]
    return Estimate(
        items=count.items,
        requests=requests,
        text_tokens=count.text,
        image_tokens=count.images,
        video_tokens=count.videos,
        tokens=(lower, upper),
        unknown=count.unknown,
        price=price,
        currency=row.price.currency if row.price and price else None,
        as_of=row.price.as_of if row.price and price else None,
        rule=rule,
        seconds_at_limit=_seconds(requests, lower if upper is None else upper, spec),
        model_info=row,
    )


@dataclass(slots=True)
class _Count:
    """Tokens so far. `media` bounds those of images and videos together, unless `unbounded`."""

    items: int = 0
    text: int = 0
    images: int = 0
    videos: tuple[int, int] = (0, 0)
    media: tuple[int, int] = (0, 0)
    unknown: int = 0
    unbounded: bool = False
    shrunk: int = 0
    kinds: set[Modality] = field(default_factory=set)

    def over(self, items: Iterable[Item], spec: RequestSpec, *, checked: bool) -> Iterator[tuple[int, Item]]:
        """Count each item as it passes; an iterator of a million items is never turned into a list."""
        lazy = isinstance(items, Iterator) and not hasattr(items, "readline")
        for index, original in enumerate(items if lazy else items_of(items)):
            item = original if checked else as_sent(original, spec)[0]
            if not checked:
                check_items((item,), spec, first=index)
            self.items += 1
            self.add(item, spec)
            yield index, item

    def add(self, item: Item, spec: RequestSpec) -> None:
        known = True
        for part in flat_parts(item):
            if isinstance(part, str):
                self.text += _text(part, spec)
            elif not self._add_medium(part, spec):
                known = False
        self.kinds.update(modalities(item))
        self.unknown += not known

    def _add_medium(self, medium: Image | Video, spec: RequestSpec) -> bool:
        """Count one image or video and say whether its tokens are known, or at least their range."""
        if isinstance(medium, Video):
            bounds = _video(medium, spec.model_info)
            known = bounds is not None
            self.videos = _sum(self.videos, bounds or (0, 0))
        else:
            bounds = _image(medium, spec)
            self.shrunk += is_shrunk(medium, spec)
            known = bounds is not None and bounds[0] == bounds[1]
            self.images += bounds[0] if bounds and known else 0
        self.media = _sum(self.media, bounds or (0, 0))
        self.unbounded |= bounds is None
        return known


def _text(text: str, spec: RequestSpec) -> int:
    tokens = text_tokens(text)
    if spec.model_info.truncates and spec.model_info.max_tokens is not None:
        tokens = min(tokens, spec.model_info.max_tokens)
    # Ark's text models take the task as a prefix of each query, so it is text like any other.
    prefixed = (
        spec.model_info.provider == "ark" and spec.model_info.endpoint == "text" and spec.text_type == "query"
    )
    return tokens + (text_tokens(spec.instruct) if prefixed and spec.instruct else 0)


def _image(image: Image, spec: RequestSpec) -> tuple[int, int] | None:
    if spec.model_info.res_level is not None:
        exact = level_image_tokens(spec.res_level)
        return None if exact is None else (exact, exact)
    if spec.model_info.provider != "ark":
        return None
    return ark_image_bounds(*(sent_pixels(image, spec) or (None, None)))


def _video(video: Video, model_info: ModelInfo) -> tuple[int, int] | None:
    if model_info.provider != "ark":
        return None
    return ark_video_bounds(
        seconds=video.seconds,
        fps=video.fps,
        max_video_tokens=video.max_video_tokens,
        min_frame_tokens=video.min_frame_tokens,
        max_frame_tokens=video.max_frame_tokens,
        min_frames=video.min_frames,
    )


def _sum(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    return left[0] + right[0], left[1] + right[1]


# Unsourced A38: video is billed at the price of images. Settled by a bill.
def _price(count: _Count, spec: RequestSpec) -> tuple[float, float | None] | None:
    rates = _rates(spec)
    if rates is None:
        return None
    text, media = rates
    low, high = ((count.text * text + tokens * media) / _MILLION for tokens in count.media)
    return low, None if count.unbounded else high


def _rates(spec: RequestSpec) -> tuple[float, float] | None:
    """Price of a million text and of a million media tokens on the route."""
    price = spec.model_info.price
    if price is None:
        return None
    if spec.route == "batch":
        return None if price.batch is None else (price.batch, price.batch)
    return price.text, price.text if price.image is None else price.image


def _seconds(requests: int, tokens: int, spec: RequestSpec) -> float | None:
    if spec.route not in ("native", "openai"):  # jobs have quotas of their own
        return None
    limits = ((requests, spec.model_info.requests_per_minute), (tokens, spec.model_info.tokens_per_minute))
    return max((60 * used / limit for used, limit in limits if limit), default=None)


def _rule(count: _Count, spec: RequestSpec) -> str:
    model_info, reasons = spec.model_info, []
    if "text" in count.kinds:
        reasons.append(_TEXT_RULE)
        if model_info.truncates and model_info.max_tokens is not None:
            reasons.append(
                f"a text is at most {model_info.max_tokens} tokens, because the service truncates it"
            )
    if model_info.endpoint == "multimodal":
        reasons.append(
            "the preset text and instructions that the service adds and bills are unpublished and not counted"
        )
    if count.kinds & {"image", "frames"}:
        reasons.append(_image_rule(spec))
    if count.shrunk:
        most = f"{spec.max_image_pixels:,} pixels"
        reasons.append(
            f"images of more than {most} are shrunk to that before sending: {counted(count.shrunk, 'images')}"
        )
    if "video" in count.kinds:
        reasons.append(_video_rule(model_info))
    if model_info.price is not None and _rates(spec) is not None:
        kind = "Batch price" if spec.route == "batch" else "price"
        reasons.append(f"{kind} per million tokens as published for {model_info.price.region}")
        if "video" in count.kinds:
            reasons.append("videos are priced like images")
    whole = "; ".join(reasons)
    return f"{whole[:1].upper()}{whole[1:]}." if whole else ""


def _image_rule(spec: RequestSpec) -> str:
    if spec.model_info.res_level is not None and level_image_tokens(spec.res_level) is not None:
        level = 1 if spec.res_level is None else spec.res_level
        return f"an image is {level_image_tokens(level)} tokens at res_level {level}"
    if spec.model_info.provider == "ark":
        return (
            "an image is min(width x height / 784, 1312) tokens, rounded up; one of unknown size is not counted "
            "and adds 1312 to the upper bound"
        )
    return "images are not counted: no page says how many tokens they are for this model"


def _video_rule(model_info: ModelInfo) -> str:
    if model_info.provider != "ark":
        return "videos are not counted: no page says how many tokens they are for this model"
    return (
        "a video is 10,240 to 81,920 tokens, by length and fps if the length is known (fewer than 16 frames "
        "are 10,240, more than 640 are 81,920), or within its own token and frame settings if it has them"
    )
