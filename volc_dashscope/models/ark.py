"""Rows of Volcengine Ark (Doubao)."""

from __future__ import annotations

from volc_dashscope.models.info import (
    MIB,
    TEXT_IMAGE,
    TEXT_IMAGE_VIDEO,
    MediaRule,
    ModelInfo,
    Price,
)

GUIDE = "https://www.volcengine.com/docs/82379/1409291"
API = "https://www.volcengine.com/docs/82379/1523520"
BYTEPLUS = "https://docs.byteplus.com/en/docs/ModelArk/1409291"
TEXT_PAGE = "https://github.com/Hajimi-Commune/VolcanoArkDocs"  # mirror of the text pages, 2025-12-19

# "smaller than 10 MB", "greater than 14 px", "less than 36,000,000 px": the bounds here are inclusive.
_IMAGE = MediaRule(
    formats=frozenset({"jpeg", "png", "gif", "webp", "bmp", "tiff", "ico", "dib", "icns", "sgi", "jpeg2000"}),
    max_bytes=10 * MIB - 1,
    min_side=15,
    max_pixels=35_999_999,
)
_VIDEO = MediaRule(formats=frozenset({"mp4", "avi", "mov"}), max_bytes=50 * MIB)
_PRICE = Price(text=0.70, image=1.80, as_of="2025-12-19")


def _vision(name: str, **facts: object) -> ModelInfo:
    base: dict[str, object] = {
        "provider": "ark",
        "endpoint": "multimodal",
        "fusion": "always",
        "image": _IMAGE,
        "max_request_bytes": 64 * MIB,
        "price": _PRICE,
        "requests_per_minute": 15_000,
        "tokens_per_minute": 1_200_000,
        "languages": "zh en",
        "source": GUIDE,
    }
    return ModelInfo(name=name, **{**base, **facts})  # type: ignore[arg-type]


def _vision_251215(name: str, **facts: object) -> ModelInfo:
    return _vision(
        name,
        **{
            "dimensions": (2048, 1024),
            "default_dimension": 2048,
            "reduces": "server",
            "modalities": TEXT_IMAGE_VIDEO,
            "video": _VIDEO,
            "fps": (0.2, 5.0),
            "video_knobs": True,
            "instruct": True,
            "sparse": True,
            "multi_vector": True,
            "max_tokens": 128_000,
            "source": API,
            **facts,
        },
    )


def _vision_250615(name: str, **facts: object) -> ModelInfo:
    # The page gates the sampling fields and `instructions` to 251215 and later; sparse starts here.
    return _vision_251215(
        name, **{"fps": None, "video_knobs": False, "instruct": False, "multi_vector": False, **facts}
    )


def _text(name: str, **facts: object) -> ModelInfo:
    base: dict[str, object] = {
        "provider": "ark",
        "endpoint": "text",
        # The page allows 256 and advises at most 4 texts or 4096 tokens in one request.
        "batch": 4,
        "max_texts": 256,
        "max_tokens": 4096,
        "request_tokens": 4096,
        "max_text_bytes": 100_000,
        "price": Price(text=0.70, as_of="2025-12-19"),
        "requests_per_minute": 1_000,
        "tokens_per_minute": 800_000,
        "note": "being retired by the service",
        "source": TEXT_PAGE,
    }
    return ModelInfo(name=name, **{**base, **facts})  # type: ignore[arg-type]


_PLAN = "plan gateways only; answers as doubao-embedding-vision-251215"
_ABROAD: dict[str, object] = {
    "regions": ("ap-southeast-1",),
    "source": BYTEPLUS,
    "price": None,
    "requests_per_minute": None,
    "tokens_per_minute": None,
    "max_tokens": None,
}

# Unsourced A39: doubao-embedding-vision-251215 costs what 250615 costs. Settled by a bill.
ROWS: tuple[ModelInfo, ...] = (
    _vision_251215("doubao-embedding-vision-251215"),
    _vision_250615("doubao-embedding-vision-250615"),
    _vision(
        "doubao-embedding-vision-250328",
        dimensions=(2048, 1024),
        default_dimension=2048,
        reduces="client",
        modalities=TEXT_IMAGE,
        max_texts=1,
        max_images=1,
        max_tokens=8_000,
    ),
    _vision(
        "doubao-embedding-vision-241215",
        dimensions=(3072,),
        default_dimension=3072,
        modalities=TEXT_IMAGE,
        max_texts=1,
        max_images=1,
        max_tokens=8_000,
        price=None,
        requests_per_minute=None,
        tokens_per_minute=None,
    ),
    _vision_251215(
        "doubao-embedding-vision",
        note=_PLAN,
        api_path="/api/plan/v3",
        price=None,
        requests_per_minute=None,
        tokens_per_minute=None,
    ),
    _vision_251215("skylark-embedding-vision-251215", **_ABROAD),
    _vision_250615("skylark-embedding-vision-250615", **_ABROAD),
    _text(
        "doubao-embedding-large-text-250515",
        dimensions=(2048, 1024, 512, 256),
        default_dimension=2048,
        reduces="client",
        instruct=True,
    ),
    _text("doubao-embedding-large-text-240915", dimensions=(4096,), default_dimension=4096),
    _text(
        "doubao-embedding-text-240715",
        dimensions=(2560, 2048, 1024, 512),
        default_dimension=2560,
        reduces="client",
        price=Price(text=0.50, as_of="2025-12-19"),
        requests_per_minute=1_200,
        tokens_per_minute=1_200_000,
    ),
)
