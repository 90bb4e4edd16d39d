"""
The rerank models of DashScope, one row each. Ark has none.

Pages: help.aliyun.com/zh/model-studio/text-rerank-api (editions up to 2026-10-12) and the models' own pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volc_dashscope.models.info import MIB, TEXT, TEXT_IMAGE_VIDEO, MediaRule, Modality, ModelInfo, Price
from volc_dashscope.models.names import plain

__all__ = ["RERANK_ROWS", "RerankModelInfo", "RerankRoute", "get_rerank_model_info", "list_rerank_models"]

RerankRoute = Literal["native", "openai"]

_PAGE = "https://help.aliyun.com/zh/model-studio/text-rerank-api"
_AS_OF = "2026-11-29"


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankModelInfo:
    """
    One rerank model's row.

    ```python
    print(get_rerank_model_info("qwen3-vl-rerank").max_images)
    ```
    ```text
    40
    ```

    Attributes:
        name: Model id as the service spells it.
        routes: "native", and "openai" for the flat form under `/compatible-api/v1/reranks`.
        modalities: What the query and a document may be.
        max_documents: Documents in one request; None where no page says.
        max_texts: Texts in one request, if a mixed list has a limit of its own.
        max_images: Images in one request, likewise.
        max_videos: Videos in one request, likewise.
        max_item_tokens: Longest query or document in tokens. The service cuts longer ones without saying so.
        max_item_characters: Longest document that the service accepts; None where no page says.
        max_request_tokens: Most tokens in one request: query tokens x documents + document tokens.
        instruct: Whether a request can hold an instruction.
        fps: Allowed share of a video's frames; None where the parameter does not exist.
        image: What is accepted as an image.
        video: What is accepted as a video.
        price: Per million input tokens; output is free.
        region_prices: Prices printed for regions other than that of `price`.
        requests_per_minute: Default limit of an account; None if no page states one.
        tokens_per_minute: Likewise.
        regions: Regions that offer the model, the default one first.
        languages: Languages as the page lists them; empty if it lists none.
        successor: Model to use instead of one that the service has stopped; "" for a working one.
        source: Page the row was read from.
        as_of: Date the row was read.
    """

    name: str
    routes: tuple[RerankRoute, ...] = ("native",)
    modalities: frozenset[Modality] = TEXT
    max_documents: int | None = 500
    max_texts: int | None = None
    max_images: int | None = None
    max_videos: int | None = None
    max_item_tokens: int | None = 4_000
    max_item_characters: int | None = None
    max_request_tokens: int = 120_000
    instruct: bool = False
    fps: tuple[float, float] | None = None
    image: MediaRule | None = None
    video: MediaRule | None = None
    price: Price | None = None
    region_prices: tuple[Price, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    regions: tuple[str, ...] = ("cn-beijing",)
    languages: str = ""
    successor: str = ""
    source: str = _PAGE
    as_of: str = _AS_OF

    def as_model_info(self, name: str) -> ModelInfo:
        """Return the row as a `ModelInfo`, for the checks of items and requests, under the name that is sent."""
        return ModelInfo(
            name=name,
            provider="dashscope",
            endpoint="multimodal" if self.multimodal else "text",
            dimensions=(),
            default_dimension=None,
            source=self.source,
            as_of=self.as_of,
            routes=self.routes,
            modalities=self.modalities,
            max_tokens=self.max_item_tokens,
            instruct=self.instruct,
            image=self.image,
            video=self.video,
            fps=self.fps,
            price=self.price,
            region_prices=self.region_prices,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            regions=self.regions,
        )

    @property
    def multimodal(self) -> bool:
        """Whether pictures and videos can be ranked."""
        return self.modalities != TEXT


# Unsourced U2: rerank media have the formats and bytes of the embedding model of the same family. Settled by one
# call with a large picture.
_IMAGE = MediaRule(
    formats=frozenset({"jpeg", "png", "webp", "bmp", "tiff", "ico", "dib", "icns", "sgi"}), max_bytes=10 * MIB
)
_VIDEO = MediaRule(formats=frozenset({"mp4", "avi", "mov"}), max_bytes=50 * MIB, inline=False)

RERANK_ROWS: tuple[RerankModelInfo, ...] = (
    RerankModelInfo(
        name="qwen3-vl-rerank",
        modalities=TEXT_IMAGE_VIDEO,
        max_documents=100,
        max_texts=100,
        max_images=40,
        max_videos=4,
        max_item_tokens=8_000,
        instruct=True,
        fps=(0.0, 1.0),
        # Unsourced U3: oss:// URLs are not resolved when reranking; nothing is uploaded for it. Settled by
        # one call.
        image=_IMAGE,
        video=_VIDEO,
        # Unsourced U7: a video costs what a picture costs. Settled by a bill.
        price=Price(text=0.7, image=1.8, as_of=_AS_OF),
        requests_per_minute=600,
        tokens_per_minute=9_000_000,
        languages="33",
    ),
    RerankModelInfo(
        name="qwen3.7-text-rerank",
        routes=("native", "openai"),
        # Unsourced U1: qwen3.7-text-rerank takes 500 documents, as third-party code sends, of 32,768 tokens
        # (contradiction R3). Settled by one call each.
        max_documents=500,
        max_item_tokens=32_768,
        instruct=True,
        price=Price(text=0.5, as_of=_AS_OF),
        requests_per_minute=3_000,
        source="https://help.aliyun.com/en/model-studio/qwen3-7-text-rerank",
    ),
    RerankModelInfo(
        name="qwen3-rerank",
        routes=("native", "openai"),
        instruct=True,
        price=Price(text=0.5, as_of=_AS_OF),
        region_prices=(Price(text=0.1, currency="USD", as_of=_AS_OF, region="ap-southeast-1"),),
        requests_per_minute=5_400,
        tokens_per_minute=5_000_000_000,
        regions=("cn-beijing", "ap-southeast-1"),
        languages="100+",
    ),
    RerankModelInfo(
        name="gte-rerank-v2",
        max_item_characters=300_000,
        max_request_tokens=30_000,
        price=Price(text=0.8, as_of=_AS_OF),
        requests_per_minute=5_040,
        tokens_per_minute=4_980_000_000,
        languages="50+",
    ),
    RerankModelInfo(
        name="gte-rerank",
        max_request_tokens=30_000,
        languages="50+",
        successor="qwen3-rerank",  # stopped on 2026-05-30 (page text-rerank-api, 2026-06-30)
    ),
)
_BY_NAME = {row.name: row for row in RERANK_ROWS}


def list_rerank_models() -> tuple[RerankModelInfo, ...]:
    """Return every row, the newest first; a stopped model has a `successor`."""
    return RERANK_ROWS


def get_rerank_model_info(name: str) -> RerankModelInfo | None:
    """
    Return the row of a rerank model, or None for a name the table does not have.

    Other spellings are forgiven as by `get_model_info`.
    """
    return _BY_NAME.get(name) or _BY_NAME.get(plain(name))
