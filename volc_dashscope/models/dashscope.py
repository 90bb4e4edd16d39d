"""Rows of Alibaba DashScope (Model Studio, Bailian)."""

from __future__ import annotations

from volc_dashscope.models.info import (
    ANY_MEDIA,
    MIB,
    TEXT_IMAGE_VIDEO,
    MediaRule,
    ModelInfo,
    Price,
    Route,
    Score,
)

TEXT_PAGE = "https://help.aliyun.com/zh/model-studio/text-embedding-synchronous-api"
FILE_PAGE = "https://help.aliyun.com/zh/model-studio/text-embedding-batch-api"
Q37_PAGE = "https://help.aliyun.com/zh/model-studio/qwen3-7-text-embedding"
MEDIA_PAGE = "https://help.aliyun.com/zh/model-studio/multimodal-embedding-api-reference"
GUIDE = "https://help.aliyun.com/zh/model-studio/user-guide/embedding"

_MANY_IMAGES = frozenset({"jpeg", "png", "webp", "bmp", "tiff", "ico", "dib", "icns", "sgi"})
_FEW_IMAGES = frozenset({"jpeg", "png", "bmp"})
_MANY_VIDEOS = frozenset({"mp4", "mpeg", "mov", "webm", "avi", "flv", "mkv"})
_FEW_VIDEOS = frozenset({"mp4", "avi", "mov"})

# Contradiction C9: the editions of the page say 5 or 10 MB, and 5 or 10 images. What the newest ones allow is not
# refused, and requests are filled with what all of them allow.
# Unsourced A25: qwen3-vl accepts ten images of 10 MB per request, as the newest page says (contradiction C9).
# Settled by one call with six images.
_QWEN_IMAGE = MediaRule(formats=_MANY_IMAGES, max_bytes=10 * MIB)
# Unsourced A11: qwen2.5-vl takes the formats, the 5 MB and the 32,000 tokens that its table shares with
# qwen3-vl.
_OLD_QWEN_IMAGE = MediaRule(formats=_MANY_IMAGES, max_bytes=5 * MIB)
_QWEN_VIDEO = MediaRule(formats=_FEW_VIDEOS, max_bytes=50 * MIB, inline=False)
_SNAPSHOT_IMAGE = MediaRule(formats=_MANY_IMAGES, max_bytes=10 * MIB)
_SNAPSHOT_VIDEO = MediaRule(formats=_MANY_VIDEOS, max_bytes=50 * MIB, inline=False)
_TONGYI_IMAGE = MediaRule(formats=_FEW_IMAGES, max_bytes=3 * MIB)
_TONGYI_VIDEO = MediaRule(formats=_MANY_VIDEOS, max_bytes=10 * MIB, inline=False)


def _text(name: str, **facts: object) -> ModelInfo:
    base: dict[str, object] = {
        "provider": "dashscope",
        "endpoint": "text",
        "routes": ("native", "openai"),
        "text_type": True,
        "source": TEXT_PAGE,
    }
    return ModelInfo(name=name, **{**base, **facts})  # type: ignore[arg-type]


def _file(name: str, languages: str) -> ModelInfo:
    return _text(
        name,
        endpoint="async",
        routes=("async",),
        dimensions=(1536,),
        default_dimension=1536,
        batch=100_000,
        max_tokens=2_048,
        price=Price(text=0.7),
        languages=languages,
        source=FILE_PAGE,
        note="file jobs only: volc_dashscope.jobs",
    )


def _media(name: str, **facts: object) -> ModelInfo:
    base: dict[str, object] = {
        "provider": "dashscope",
        "endpoint": "multimodal",
        "modalities": TEXT_IMAGE_VIDEO,
        # Unsourced A17: instruct and fps work for every multimodal model, multimodal-embedding-v1 included.
        # Settled by one call each.
        "instruct": True,
        "fps": (0.0, 1.0),
        "batch": 20,
        # Unsourced A22: the 10,485,760 bytes of an error message hold for the data URIs of every multimodal
        # model. Settled by one call at 9.9 MB.
        "max_data_uri_bytes": 10 * MIB,
        "source": MEDIA_PAGE,
    }
    return ModelInfo(name=name, **{**base, **facts})  # type: ignore[arg-type]


def _snapshot(name: str, **facts: object) -> ModelInfo:
    return _media(
        name,
        reduces="server",
        modalities=ANY_MEDIA,
        max_images=64,
        max_videos=8,
        max_frames=64,
        fusion="object",
        max_tokens=1_024,
        image=_SNAPSHOT_IMAGE,
        video=_SNAPSHOT_VIDEO,
        res_level=3,
        max_video_frames=64,
        languages="30+",
        **facts,
    )


def _tongyi(name: str, **facts: object) -> ModelInfo:
    return _media(
        name,
        # Unsourced A4: the first components of a full vector are a valid shorter one for tongyi-embedding-
        # vision-plus and -flash. Settled by a comparison with a reply asked at that length.
        # Contradiction C8: one edition lists lengths to choose from, a newer one says the length is fixed.
        reduces="either",
        modalities=ANY_MEDIA,
        max_frames=8,
        max_tokens=1_024,
        # "No limit on elements as long as the tokens stay within one batch's cap."
        # Unsourced A23: the 1,024 tokens of tongyi-plus and -flash are shared by all texts of a request.
        # Settled by two texts of 600 tokens.
        request_tokens=1_024,
        image=_TONGYI_IMAGE,
        video=_TONGYI_VIDEO,
        regions=("cn-beijing", "ap-southeast-1"),
        languages="zh en",
        **facts,
    )


# Contradiction C18: some model pages call Batch unsupported where the price table prints its price. Every model with
# a printed Batch price has the route; a refusal is the service's to give.
_WITH_BATCH: tuple[Route, ...] = ("native", "openai", "batch")
_TEN_LANGUAGES = "zh en es fr pt id ja ko de ru"
_SIX_LANGUAGES = "zh en es fr pt id"

# Contradiction C20: prices of other regions are printed in two currencies; the one of the region is given.
ROWS: tuple[ModelInfo, ...] = (
    _text(
        "qwen3.7-text-embedding",
        routes=_WITH_BATCH,
        dimensions=(2560, 2048, 1536, 1024, 768, 512, 256),
        default_dimension=1024,
        reduces="server",
        batch=20,
        max_tokens=128_000,
        instruct=True,
        sparse=True,
        price=Price(text=0.5, batch=0.25, as_of="2026-09-20"),
        region_prices=(Price(text=0.07, currency="USD", as_of="2026-10-12", region="ap-southeast-1"),),
        requests_per_minute=24_000,
        regions=("cn-beijing", "ap-southeast-1"),
        languages="201",
        source=Q37_PAGE,
        as_of="2026-09-20",
    ),
    _text(
        "qwen3.7-text-embedding-flash",
        routes=_WITH_BATCH,
        dimensions=(1024, 768, 512, 256),
        default_dimension=1024,
        reduces="server",
        batch=20,
        max_tokens=128_000,
        instruct=True,
        sparse=True,
        price=Price(text=0.125, batch=0.063, as_of="2026-09-20"),
        languages="201",
        source=Q37_PAGE,
        as_of="2026-09-20",
    ),
    _text(
        "text-embedding-v4",
        routes=_WITH_BATCH,
        dimensions=(2048, 1536, 1024, 768, 512, 256, 128, 64),
        default_dimension=1024,
        reduces="server",
        batch=10,
        max_tokens=8_192,
        instruct=True,
        sparse=True,
        price=Price(text=0.5, batch=0.25),
        region_prices=(
            Price(text=0.07, currency="USD", region="ap-southeast-1"),
            Price(text=0.07, currency="USD", region="cn-hongkong"),
        ),
        regions=("cn-beijing", "ap-southeast-1", "cn-hongkong"),
        languages="100+",
        scores=(
            Score(512, 64.73, 56.34, 68.79, 73.33),
            Score(1024, 68.36, 59.30, 70.14, 73.98),
            Score(2048, 71.58, 61.97, 71.99, 75.01),
        ),
    ),
    _text(
        "text-embedding-v3",
        routes=_WITH_BATCH,
        dimensions=(1024, 768, 512, 256, 128, 64),
        default_dimension=1024,
        reduces="server",
        batch=10,
        max_tokens=8_192,
        sparse=True,
        price=Price(text=0.5, batch=0.25),
        region_prices=(Price(text=0.514, region="ap-southeast-1"),),
        regions=("cn-beijing", "ap-southeast-1"),
        languages="50+",
        scores=(
            Score(64, 57.40, 46.52, 59.19, 62.03),
            Score(128, 60.19, 52.51, 63.81, 68.22),
            Score(256, 61.13, 54.41, 65.92, 71.07),
            Score(512, 62.11, 54.30, 66.81, 71.88),
            Score(768, 62.43, 54.74, 67.90, 72.29),
            Score(1024, 63.39, 55.41, 68.92, 73.23),
        ),
    ),
    _text(
        "text-embedding-v2",
        routes=_WITH_BATCH,
        dimensions=(1536,),
        default_dimension=1536,
        batch=25,
        max_tokens=2_048,
        price=Price(text=0.7, batch=0.35),
        languages=_TEN_LANGUAGES,
        scores=(Score(1536, 60.13, 49.49, 62.17, 62.78),),
        source=GUIDE,
    ),
    _text(
        "text-embedding-v1",
        routes=_WITH_BATCH,
        dimensions=(1536,),
        default_dimension=1536,
        batch=25,
        max_tokens=2_048,
        price=Price(text=0.7, batch=0.35),
        languages=_SIX_LANGUAGES,
        scores=(Score(1536, 58.30, 45.47, 59.84, 56.59),),
        source=GUIDE,
    ),
    _file("text-embedding-async-v2", _TEN_LANGUAGES),
    _file("text-embedding-async-v1", _SIX_LANGUAGES),
    _media(
        "qwen3-vl-embedding",
        dimensions=(2560, 2048, 1536, 1024, 768, 512, 256),
        default_dimension=2560,
        reduces="server",
        max_images=10,
        batch_images=5,
        max_videos=1,
        fusion="flag",
        max_tokens=32_000,
        image=_QWEN_IMAGE,
        video=_QWEN_VIDEO,
        price=Price(text=0.7, image=1.8),
        languages="33",
    ),
    _media(
        "qwen2.5-vl-embedding",
        dimensions=(2048, 1024, 768, 512),
        default_dimension=1024,
        reduces="server",
        batch=1,
        max_texts=1,
        max_images=1,
        max_videos=1,
        fusion="always",
        max_tokens=32_000,
        image=_OLD_QWEN_IMAGE,
        video=_QWEN_VIDEO,
        price=Price(text=0.7, image=1.8),
        languages="11",
    ),
    _snapshot(
        "tongyi-embedding-vision-plus-2026-03-06",
        dimensions=(1152, 1024, 512, 256, 128, 64),
        default_dimension=1152,
        price=Price(text=0.5, image=0.5),
    ),
    _snapshot(
        "tongyi-embedding-vision-flash-2026-03-06",
        dimensions=(768, 512, 256, 128, 64),
        default_dimension=768,
        price=Price(text=0.15, image=0.15),
    ),
    _tongyi(
        "tongyi-embedding-vision-plus",
        dimensions=(1152, 1024, 512, 256, 128, 64),
        default_dimension=1152,
        price=Price(text=0.5, image=0.5),
        region_prices=(Price(text=0.09, image=0.09, currency="USD", region="ap-southeast-1"),),
    ),
    _tongyi(
        "tongyi-embedding-vision-flash",
        dimensions=(768, 512, 256, 128, 64),
        default_dimension=768,
        price=Price(text=0.15, image=0.15),
        region_prices=(Price(text=0.09, image=0.03, currency="USD", region="ap-southeast-1"),),
    ),
    _media(
        "multimodal-embedding-v1",
        dimensions=(1024,),
        default_dimension=1024,
        max_texts=20,
        max_images=1,
        max_videos=1,
        max_tokens=512,
        truncates=True,
        image=_TONGYI_IMAGE,
        video=_TONGYI_VIDEO,
        price=Price(text=0.7, image=0.9),
        requests_per_minute=120,
        languages="zh en",
    ),
    _media(
        "multimodal-embedding-one-peace-v1",
        dimensions=(),
        default_dimension=None,
        modalities=frozenset({"text", "image"}),
        batch=1,
        fusion="always",
        fps=None,
        instruct=False,
        ready=False,
        note="legacy; only the vendor's SDK mentions it, and no page gives its length or limits",
    ),
)
