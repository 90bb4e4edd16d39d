"""Groups items into batches within a model's limits, lazily and in input order; builds their requests. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from threading import Lock

from volc_dashscope._limits.rate_limiter import RequestCost
from volc_dashscope._request.validation import is_shrunk, sent_pixels
from volc_dashscope._types import Batch, ProviderCodec, Reply, Request, RequestSpec, Rows
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import Frames, Image, Item, Video, parts
from volc_dashscope.models import ModelInfo
from volc_dashscope.models.tokens import ark_image_tokens, text_tokens

# No page of DashScope states a largest body; this bounds the memory of one request.
# Unsourced A20: a request carries at most 32 MiB of media; the bound is ours, for memory.
_INLINE_BYTES = 32 * 1024 * 1024
# A picture is shrunk only once its request is planned. Until then it counts as its pixels with transparency, of which
# PNG needs no more. An image that then cannot be shrunk is sent unchanged, and its request may have more bytes.
_BYTES_PER_PIXEL = 4


@dataclass(slots=True)
class _Load:
    """The size of a batch so far, in the units that the model's row limits."""

    elements: int = 0
    images: int = 0
    videos: int = 0
    tokens: int = 0
    inline: int = 0

    def add(self, other: _Load) -> None:
        self.elements += other.elements
        self.images += other.images
        self.videos += other.videos
        self.tokens += other.tokens
        self.inline += other.inline


def plan(items: Iterable[tuple[int, Item]], spec: RequestSpec) -> Iterator[Batch]:
    """
    Group items into requests.

    Neighbours share a request up to the batch size and the limits per kind of the model's row, if their
    request-level parameters are the same. Where one request is one vector, each item has a request of its own.
    """
    model_info = spec.model_info
    if model_info.batch == 1:
        for position, item in items:
            yield Batch((position,), (item,))
        return
    if model_info.endpoint == "text" and model_info.request_tokens is None:
        # Every item is one text, so that only their number counts.
        numbered = iter(items)
        while group := tuple(islice(numbered, model_info.batch)):
            yield Batch(*zip(*group, strict=True))
        return
    positions: list[int] = []
    members: list[Item] = []
    load, key = _Load(), None
    for position, item in items:
        weight, own_key = _weigh(item, spec), request_key(item, model_info)
        if members and (own_key != key or own_key is None or not _fits(load, weight, model_info)):
            yield Batch(tuple(positions), tuple(members))
            positions, members, load = [], [], _Load()
        positions.append(position)
        members.append(item)
        load.add(weight)
        key = own_key
    if members:
        yield Batch(tuple(positions), tuple(members))


def request_key(item: Item, model_info: ModelInfo) -> tuple[object, ...] | None:
    """Return the request-level parameters of an item; None if it has to be alone in its request."""
    if model_info.batch == 1 or (model_info.fusion == "always" and model_info.endpoint == "multimodal"):
        return None
    if isinstance(item, str):
        return ()
    whole = parts(item)
    if len(whole) > 1 and model_info.fusion == "flag":
        return None
    return tuple({part.fps: None for part in whole if isinstance(part, Video) and part.fps is not None})


def tokens(item: Item, model_info: ModelInfo) -> int:
    """Estimate an item's tokens for the rate limiter. Media of unknown size count as 0."""
    if isinstance(item, str):
        return text_tokens(item)
    total = 0
    for part in parts(item):
        if isinstance(part, str):
            total += text_tokens(part)
        elif isinstance(part, Image) and model_info.provider == "ark" and part.source.pixels is not None:
            total += ark_image_tokens(*part.source.pixels)
    return total


def _weigh(item: Item, spec: RequestSpec) -> _Load:
    if isinstance(item, str):
        return _Load(elements=1, tokens=text_tokens(item))
    load = _Load(elements=len(parts(item)))
    for part in parts(item):
        if isinstance(part, str):
            load.tokens += text_tokens(part)
        elif isinstance(part, Video):
            load.videos += 1
            load.inline += part.size_bytes or 0
        else:
            images = part.images if isinstance(part, Frames) else (part,)
            load.images += len(images)
            load.inline += sum(_sent_bytes(image, spec) for image in images)
    return load


def _sent_bytes(image: Image, spec: RequestSpec) -> int:
    """Return the bytes of an image, or the most that it will have after it is shrunk."""
    size = image.size_bytes or 0
    pixels = sent_pixels(image, spec) if is_shrunk(image, spec) else None
    return size if pixels is None else min(size, _BYTES_PER_PIXEL * pixels[0] * pixels[1])


def _fits(load: _Load, more: _Load, model_info: ModelInfo) -> bool:
    most_images = model_info.batch_images or model_info.max_images
    return (
        load.elements + more.elements <= model_info.batch
        and (most_images is None or load.images + more.images <= most_images)
        and (model_info.max_videos is None or load.videos + more.videos <= model_info.max_videos)
        and (model_info.request_tokens is None or load.tokens + more.tokens <= model_info.request_tokens)
        and load.inline + more.inline <= _INLINE_BYTES
    )


class LearnedLength:
    """The length of an unknown model's rows: that of the first reply, whichever call and thread it is for."""

    def __init__(self, value: int | None = None) -> None:
        self.value = value
        self._lock = Lock()

    def agrees(self, length: int) -> bool:
        """Return whether a reply's rows have the length of the first reply's, which sets it."""
        with self._lock:
            if self.value is None:
                self.value = length
            return self.value == length


class BatchOperation:
    """
    A batch as an operation: builds its request and reads the reply.

    Args:
        length: Shared by all requests of a client.
    """

    __slots__ = ("_batch", "_codec", "_length", "_spec", "cost")

    def __init__(self, batch: Batch, spec: RequestSpec, codec: ProviderCodec, length: LearnedLength) -> None:
        self._batch, self._spec, self._codec, self._length = batch, spec, codec, length
        total = 0
        for item in batch.items:
            total += text_tokens(item) if isinstance(item, str) else tokens(item, spec.model_info)
        self.cost = RequestCost(1, total)

    def build(self) -> Request:
        return self._codec.build(self._batch, self._spec)

    def read(self, reply: Reply) -> Rows | EmbeddingError:
        outcome = self._codec.read(reply, self._batch, self._spec)
        if not isinstance(outcome, Rows) or outcome.vectors is None or self._spec.expected is not None:
            return outcome
        if self._length.agrees(outcome.vectors.shape[1]):
            return outcome
        # Another thread's reply arrived first and set the length; read this one again with that length.
        return self._codec.read(reply, self._batch, replace(self._spec, learned=self._length.value))
