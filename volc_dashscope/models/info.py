"""The row of one model: its limits, abilities and prices. Code asks the row, never the model's name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Provider = Literal["ark", "dashscope"]
Endpoint = Literal["multimodal", "text", "async"]
Route = Literal["native", "openai", "batch", "async"]
Modality = Literal["text", "image", "video", "frames"]
Fusion = Literal["always", "flag", "object"]
Reduction = Literal["server", "either", "client"]

MIB = 1024 * 1024

TEXT: frozenset[Modality] = frozenset({"text"})
TEXT_IMAGE: frozenset[Modality] = TEXT | {"image"}
TEXT_IMAGE_VIDEO: frozenset[Modality] = TEXT_IMAGE | {"video"}
ANY_MEDIA: frozenset[Modality] = TEXT_IMAGE_VIDEO | {"frames"}


# Unsourced A28: bounds are inclusive unless the page says less than.
@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRule:
    """
    What a model accepts of one kind of media.

    ```python
    rule = get_model_info("qwen3-vl-embedding").image
    print("png" in rule.formats, rule.inline)
    ```
    ```text
    True True
    ```

    Attributes:
        formats: Canonical format names, as `volc_dashscope._media` sniffs them ("jpeg", "png", "mp4", ...).
        max_bytes: Largest file, inclusive.
        inline: Bytes can be sent as a data URI; False means a public URL only.
        min_side: Smallest width or height in pixels, inclusive; 0 means the page states none.
        max_pixels: Largest width x height, inclusive; 0 means the page states none.
    """

    formats: frozenset[str]
    max_bytes: int
    inline: bool = True
    min_side: int = 0
    max_pixels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """
    Price in `currency` per million input tokens in `region`, as printed on the page on `as_of`.

    ```python
    price = get_model_info("text-embedding-v4").price
    print(price.text, price.batch, price.currency)
    ```
    ```text
    0.5 0.25 CNY
    ```

    Attributes:
        text: Per million text tokens.
        image: Per million tokens of images and videos; None if they cost the same as text.
        batch: Per million tokens through Batch jobs; None if the page prints no such price.
        currency: "CNY" or "USD".
        as_of: Date the price was read.
        region: Region the price is for.
    """

    text: float
    image: float | None = None
    # Unsourced A54: Batch works for every model with a printed Batch price. Settled by one line per model.
    batch: float | None = None
    currency: str = "CNY"
    as_of: str = "2026-11-21"
    region: str = "cn-beijing"


@dataclass(frozen=True, slots=True)
class Score:
    """
    Benchmark scores (0-100) of a text model at one dimension, from the vendor's embedding guide.

    ```python
    for score in get_model_info("text-embedding-v4").scores:
        print(score.dimension, score.mteb)
    ```
    ```text
    512 64.73
    1024 68.36
    2048 71.58
    ```

    Attributes:
        dimension: Length of the vectors that were scored.
        mteb: MTEB average.
        mteb_retrieval: MTEB retrieval tasks.
        cmteb: C-MTEB average.
        cmteb_retrieval: C-MTEB retrieval tasks.
    """

    dimension: int
    mteb: float
    mteb_retrieval: float
    cmteb: float
    cmteb_retrieval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """
    One model's row.

    ```python
    row = get_model_info("text-embedding-v4")
    print(row.default_dimension, row.batch, sorted(row.modalities))
    ```
    ```text
    1024 10 ['text']
    ```

    Attributes:
        name: Model id as the service spells it.
        provider: "ark" or "dashscope".
        endpoint: The form of its requests: "multimodal", "text", or "async" (file jobs only).
        routes: Ways to reach it: "native" requests, the "openai" compatible one, "batch" and "async" jobs.
        dimensions: Every length of a vector that can be requested; empty if unknown.
        default_dimension: Length if none is requested; None if unknown.
        source: Page the row was read from.
        as_of: Date the row was read.
        reduces: Who shortens a vector: "server" (a request field), "client" (first d components),
            "either" (the field is sent on request; a full-length reply is cut), None (fixed length).
        batch: Items per request; 1 where one request is one vector.
        modalities: Kinds of content of one item.
        max_texts: Texts in one request; None means no stated limit.
        max_images: Images, likewise.
        batch_images: Images up to which requests are filled, if fewer than `max_images`.
        max_videos: Videos, likewise.
        max_frames: Images in one `Frames` item.
        fusion: How several parts become one vector: "always" (any request is one vector), "flag"
            (`enable_fusion`), "object" (all keys in one element), None (the model cannot fuse).
        max_tokens: Longest text in tokens.
        truncates: Whether the service cuts longer texts instead of refusing them.
        max_text_bytes: Longest text in bytes of UTF-8; None if no page states one.
        text_type: Whether a request can name the role.
        instruct: Whether a request can have an instruction.
        sparse: Whether it returns sparse vectors.
        multi_vector: Whether it returns a vector of each token.
        image: What is accepted as an image; None if no page states it.
        video: What is accepted as a video, likewise.
        fps: Allowed sampling range for a video; None where the parameter does not exist.
        video_knobs: Whether requests have Ark's sampling fields for a video.
        res_level: Highest value allowed; None where the parameter does not exist.
        max_video_frames: Highest number of frames taken from a video, likewise.
        request_tokens: Most text tokens in one request.
        max_request_bytes: Largest request body; None where no page says.
        max_data_uri_bytes: Longest single data URI; None where no page says.
        price: Price in its first region; None if no page prints one.
        region_prices: Prices printed for regions other than that of `price`.
        requests_per_minute: Default limit of an account; None if no page states one.
        tokens_per_minute: Likewise.
        regions: Regions that offer the model, the default one first.
        languages: Languages as the page lists them; empty if it lists none.
        api_path: Path of the gateway that serves the model, if not the usual one.
        scores: Benchmark scores by dimension, if the vendor publishes them.
        note: What is special about the model, for display.
        ready: False for a row that is listed for completeness and cannot be used; `note` says why.
        known: False for a row that was made for a name outside the table.
    """

    name: str
    provider: Provider
    endpoint: Endpoint
    dimensions: tuple[int, ...]
    default_dimension: int | None
    source: str
    as_of: str = "2026-11-21"
    routes: tuple[Route, ...] = ("native",)
    reduces: Reduction | None = None
    batch: int = 1
    modalities: frozenset[Modality] = TEXT
    max_texts: int | None = None
    max_images: int | None = None
    batch_images: int | None = None
    max_videos: int | None = None
    max_frames: int | None = None
    fusion: Fusion | None = None
    max_tokens: int | None = None
    # Unsourced A29: multimodal-embedding-v1 cuts texts at 512 tokens; all others refuse longer ones. Settled
    # by one call.
    truncates: bool = False
    max_text_bytes: int | None = None
    text_type: bool = False
    instruct: bool = False
    sparse: bool = False
    multi_vector: bool = False
    image: MediaRule | None = None
    video: MediaRule | None = None
    fps: tuple[float, float] | None = None
    video_knobs: bool = False
    res_level: int | None = None
    max_video_frames: int | None = None
    request_tokens: int | None = None
    max_request_bytes: int | None = None
    max_data_uri_bytes: int | None = None
    price: Price | None = None
    region_prices: tuple[Price, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    # Unsourced A56: a model that is not offered in a region returns an error and not another model's vector.
    # Settled by one call.
    regions: tuple[str, ...] = ("cn-beijing",)
    languages: str = ""
    # Unsourced A58: Ark's plan gateways serve /embeddings/multimodal below their own path. Settled by one
    # call.
    api_path: str | None = None
    scores: tuple[Score, ...] = ()
    note: str = ""
    ready: bool = True
    known: bool = True

    def renamed(self, name: str) -> ModelInfo:
        """Return the same row under another name (an endpoint id, a snapshot)."""
        return replace(self, name=name)

    def priced_in(self, region: str | None) -> ModelInfo:
        """Return the row with the price published for a region, or without a price where none is published."""
        if region is None or self.price is None or region == self.price.region:
            return self
        return replace(
            self, price=next((price for price in self.region_prices if price.region == region), None)
        )

    @property
    def multimodal(self) -> bool:
        """Whether images or videos can be embedded."""
        return self.modalities != TEXT
