"""What is asked in each cassette. `scripts/record.py` records these calls and the tests play them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cassette_tape import HERE

from volc_dashscope import AsyncClient, Client, get_model_info
from volc_dashscope.errors import AuthError, EmbeddingError
from volc_dashscope.inputs import Fused, Image, Item
from volc_dashscope.results import EmbeddingResult

# A red square of 16 x 16 pixels.
RED = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAF0lEQVR4nGP8z0AaYCJR/aiGUQ1DSAMA"
    "QC4BH2bjRnMAAAAASUVORK5CYII="
)
WRONG_KEY = "sk-invalid"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """
    One call.

    Attributes:
        call: Arguments of `embed` besides the items.
        faults: What the emulator does wrong on the way; such a call cannot be recorded live.
        refused: The error the call ends in.
    """

    name: str
    model: str
    items: tuple[Item, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    refused: type[EmbeddingError] | None = None

    @property
    def provider(self) -> str:
        row = get_model_info(self.model)
        assert row is not None
        return row.provider

    def path(self, origin: str, root: Path = HERE) -> Path:
        return root / origin / f"{self.name}.yaml"

    def run(self, **settings: Any) -> EmbeddingResult:
        with Client(self.model, **self.settings, **settings) as client:
            return client.embed(self.items, **self.call)

    async def arun(self, **settings: Any) -> EmbeddingResult:
        async with AsyncClient(self.model, **self.settings, **settings) as client:
            return await client.embed(self.items, **self.call)


VISION = "doubao-embedding-vision-251215"
POEM = ("风急天高猿啸哀", "渚清沙白鸟飞回", "无边落木萧萧下", "不尽长江滚滚来")
TWELVE = (
    *POEM,
    "red",
    "green",
    "blue",
    "chair",
    "apple",
    "boat",
    "first line\nsecond line",
    '"quoted" \\ text',
)

RECORDED = (
    Scenario(name="ark-text", model=VISION, items=("天很蓝，海很深",), settings={"dimensions": 1024}),
    Scenario(name="ark-image", model=VISION, items=(Image.from_url(RED),), settings={"dimensions": 1024}),
    Scenario(
        name="ark-fused",
        model=VISION,
        items=(Fused("红色的正方形", Image.from_url(RED)),),
        settings={"dimensions": 1024},
    ),
    Scenario(
        name="ark-query",
        model=VISION,
        items=("a red square",),
        settings={
            "dimensions": 1024,
            "target_modality": "image",
            "instruct": "Find me an everyday image that matches the given caption",
        },
        call={"text_type": "query"},
    ),
    Scenario(
        name="ark-two-texts", model=VISION, items=("red apple", "blue sea"), settings={"dimensions": 1024}
    ),
    Scenario(name="ark-wrong-key", model=VISION, items=("hello",), refused=AuthError),
    Scenario(
        name="ark-throttled", model=VISION, items=("hello",), settings={"dimensions": 1024}, faults=("429",)
    ),
    Scenario(name="dashscope-batch", model="text-embedding-v4", items=TWELVE, settings={"dimensions": 64}),
    Scenario(
        name="dashscope-query",
        model="text-embedding-v4",
        items=("机器学习的相关论文",),
        settings={
            "dimensions": 64,
            "instruct": "Given a research paper query, retrieve relevant research paper",
        },
        call={"text_type": "query"},
    ),
    Scenario(
        name="dashscope-sparse",
        model="text-embedding-v4",
        items=POEM[:2],
        settings={"dimensions": 64},
        call={"output_type": "dense&sparse"},
    ),
    Scenario(
        name="dashscope-compatible",
        model="text-embedding-v4",
        items=POEM,
        settings={"dimensions": 64, "route": "openai"},
    ),
    Scenario(
        name="dashscope-independent",
        model="qwen3-vl-embedding",
        items=("红色的正方形", Image.from_url(RED)),
        settings={"dimensions": 256},
    ),
    Scenario(
        name="dashscope-fused-by-flag",
        model="qwen3-vl-embedding",
        items=(Fused("红色的正方形", Image.from_url(RED)),),
        settings={"dimensions": 256},
    ),
    Scenario(
        name="dashscope-fused-in-one-object",
        model="tongyi-embedding-vision-plus-2026-03-06",
        items=(Fused("红色的正方形", Image.from_url(RED)),),
        settings={"dimensions": 64},
    ),
    Scenario(name="dashscope-wrong-key", model="text-embedding-v4", items=("hello",), refused=AuthError),
    Scenario(
        name="dashscope-throttled",
        model="text-embedding-v4",
        items=("hello",),
        settings={"dimensions": 64},
        faults=("429",),
    ),
)

# The samples of scripts/fill_vectors.py. encoding_format is the page's own "float" instead of our base64.
DOCS = (
    Scenario(
        name="ark-api-image-text",
        model="doubao-embedding-vision-250615",
        items=(
            Fused(
                "天很蓝，海很深",
                Image.from_url("https://ark-project.tos-cn-beijing.volces.com/images/view.jpeg"),
            ),
        ),
        settings={"extra_body": {"encoding_format": "float"}},
    ),
    Scenario(
        name="dashscope-text-v3",
        model="text-embedding-v3",
        items=("衣服的质量杠杠的,很漂亮,不枉我等了这么久啊,喜欢,以后还来这里买",),
        settings={"dimensions": 1024},
        call={"text_type": None},
    ),
    Scenario(
        name="dashscope-media-text-sdk",
        model="tongyi-embedding-vision-plus",
        items=("通用多模態表徵模型樣本",),
    ),
    Scenario(
        name="dashscope-media-image-v1",
        model="multimodal-embedding-v1",
        items=(Image.from_url("https://dashscope.oss-cn-beijing.aliyuncs.com/images/256_1.png"),),
    ),
    Scenario(
        name="dashscope-media-bad-key",
        model="tongyi-embedding-vision-plus",
        items=("通用多模態表徵模型樣本",),
        refused=AuthError,
    ),
)
