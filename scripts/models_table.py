"""Write the tables of models in READMEs and docs from the rows: python scripts/models_table.py [--check]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from marked import write_blocks

from volc_dashscope.models import MediaRule, ModelInfo, get_model_info, list_models

KINDS = ("text", "image", "video", "frames")
# The READMEs show what a new user would choose from; docs/*/models.md shows every row.
CURRENT = (
    "doubao-embedding-vision-251215",
    "qwen3-vl-embedding",
    "tongyi-embedding-vision-plus-2026-03-06",
    "tongyi-embedding-vision-flash-2026-03-06",
    "qwen3.7-text-embedding",
    "text-embedding-v4",
)
Words = Mapping[str, str]

ENGLISH: Words = {
    "models": "model | embeds | dimensions (**default**) | a request holds | CNY per million tokens | regions",
    "choice": "embeds | model | languages | CNY per million tokens | dimensions | MTEB · CMTEB | also | regions",
    "limits": "model | items | tokens of a text | image | video | request body | RPM · TPM",
    "scores": "model | dimension | MTEB | MTEB retrieval | CMTEB | CMTEB retrieval",
    **{kind: kind for kind in KINDS},
    "fused": ", fused",
    "one": "one item",
    "many": "{:,} items",
    "fusion": "fused vectors",
    "sparse": "sparse vectors",
    "multi": "token vectors",
    "instruct": "instructions",
    "roles": "roles",
    "batch": "half price by Batch",
    "comma": ", ",
    "at": "{} at {}",
    "cut": "{:,}, longer is cut",
    "pixels": "sides from {} px, fewer than {:,} px in all",
    "size": "{} MB",
    "below": "under {} MB",
    "url": "{}, by URL only",
}
CHINESE: Words = {
    "models": "模型 | 可向量化 | 维度（**默认**） | 一次请求 | 元/百万 Token | 地域",
    "choice": "可向量化 | 模型 | 语种 | 元/百万 Token | 维度 | MTEB · CMTEB | 另外支持 | 地域",
    "limits": "模型 | 每次请求条数 | 单条文本 Token | 图片 | 视频 | 请求体 | RPM · TPM",
    "scores": "模型 | 维度 | MTEB | MTEB 检索 | CMTEB | CMTEB 检索",
    "text": "文本",
    "image": "图片",
    "video": "视频",
    "frames": "多帧",
    "fused": "，可融合",
    "one": "1 项",
    "many": "{:,} 项",
    "fusion": "融合向量",
    "sparse": "稀疏向量",
    "multi": "Token 级向量",
    "instruct": "任务指令",
    "roles": "区分角色",
    "batch": "Batch 半价",
    "comma": "、",
    "at": "{}（{} 维）",
    "cut": "{:,}，超出部分被截断",
    "pixels": "边长不小于 {} px，总像素少于 {:,}",
    "size": "{} MB",
    "below": "小于 {} MB",
    "url": "{}，仅支持 URL",
}
# Notes of rows, where the table shows them.
NOTES = {
    "being retired by the service": "服务方正在下线",
    "file jobs only: volc_dashscope.jobs": "仅文件任务：volc_dashscope.jobs",
    "plan gateways only; answers as doubao-embedding-vision-251215": (
        "仅套餐网关可用，等同 doubao-embedding-vision-251215"
    ),
    "legacy; only the vendor's SDK mentions it, and no page gives its length or limits": (
        "旧模型，仅官方 SDK 提及，没有文档给出维度与限制"
    ),
}


def overview(words: Words) -> str:
    """Return the READMEs' table: six current models."""
    return _table(words["models"], [_overview(get_model_info(name), words) for name in CURRENT])


def choice(words: Words) -> str:
    """Return the table to choose from: by what can be embedded, then by price."""
    usable = [model_info for model_info in list_models() if model_info.ready]
    usable.sort(
        key=lambda model_info: (
            len(model_info.modalities),
            model_info.price.text if model_info.price else float("inf"),
        )
    )
    return _table(words["choice"], [_choice(model_info, words) for model_info in usable])


def limits(words: Words) -> str:
    """Return the table of limits."""
    return _table(
        words["limits"], [_limits(model_info, words) for model_info in list_models() if model_info.ready]
    )


def scores(words: Words) -> str:
    """Return the benchmark scores the vendor prints, by dimension."""
    rows = []
    for model_info in list_models():
        for score in sorted(model_info.scores, key=lambda score: score.dimension):
            numbers = (score.mteb, score.mteb_retrieval, score.cmteb, score.cmteb_retrieval)
            rows.append(
                [f"`{model_info.name}`", str(score.dimension), *(f"{number:.2f}" for number in numbers)]
            )
    return _table(words["scores"], rows)


# File, marker, what stands between the markers, language.
TABLES: tuple[tuple[str, str, Callable[[Words], str], Words], ...] = (
    ("README.md", "models", overview, ENGLISH),
    ("README.zh-CN.md", "models", overview, CHINESE),
    ("docs/en/models.md", "choice", choice, ENGLISH),
    ("docs/en/models.md", "scores", scores, ENGLISH),
    ("docs/zh/models.md", "choice", choice, CHINESE),
    ("docs/zh/models.md", "scores", scores, CHINESE),
    ("docs/en/errors.md", "limits", limits, ENGLISH),
    ("docs/zh/errors.md", "limits", limits, CHINESE),
)


def _overview(model_info: ModelInfo, words: Words) -> list[str]:
    note = f" ({_note(model_info, words)})" if not model_info.ready else ""
    return [
        f"`{model_info.name}`",
        _kinds(model_info, words) + (words["fused"] if model_info.fusion else ""),
        _lengths(model_info),
        _items(model_info, words),
        _price(model_info),
        " ".join(model_info.regions) + note,
    ]


def _choice(model_info: ModelInfo, words: Words) -> list[str]:
    best = max(model_info.scores, key=lambda score: score.dimension, default=None)
    scores = f"{best.mteb:.2f} · {best.cmteb:.2f}" if best else ""
    extras = {
        "fusion": model_info.fusion is not None,
        "sparse": model_info.sparse,
        "multi": model_info.multi_vector,
        "instruct": model_info.instruct,
        "roles": model_info.text_type,
        "batch": model_info.price is not None
        and model_info.price.batch is not None
        and "batch" in model_info.routes,
    }
    also = [words[name] for name, has in extras.items() if has]
    return [
        _kinds(model_info, words),
        f"`{model_info.name}`",
        model_info.languages or "?",
        _price(model_info),
        _lengths(model_info),
        words["at"].format(scores, best.dimension) if best else "",
        words["comma"].join([*also, *([_note(model_info, words)] if model_info.note else [])]),
        " ".join(model_info.regions),
    ]


def _limits(model_info: ModelInfo, words: Words) -> list[str]:
    tokens = f"{model_info.max_tokens:,}" if model_info.max_tokens else "?"
    if model_info.truncates and model_info.max_tokens:
        tokens = words["cut"].format(model_info.max_tokens)
    rates = [
        f"{rate:,}" if rate else "?"
        for rate in (model_info.requests_per_minute, model_info.tokens_per_minute)
    ]
    return [
        f"`{model_info.name}`",
        f"{model_info.batch:,}",
        tokens,
        _media(model_info.image, words),
        _media(model_info.video, words),
        _size(model_info.max_request_bytes, words) if model_info.max_request_bytes else "?",
        " · ".join(rates),
    ]


def _media(rule: MediaRule | None, words: Words) -> str:
    if rule is None:
        return ""
    said = _size(rule.max_bytes, words)
    if rule.min_side:
        said += "; " + words["pixels"].format(rule.min_side, rule.max_pixels + 1)
    return said if rule.inline else words["url"].format(said)


def _size(size: int, words: Words) -> str:
    whole = size % 2**20 == 0
    return words["size" if whole else "below"].format((size + (0 if whole else 1)) // 2**20)


def _kinds(model_info: ModelInfo, words: Words) -> str:
    return " ".join(words[kind] for kind in KINDS if kind in model_info.modalities)


def _lengths(model_info: ModelInfo) -> str:
    bold = (
        f"**{length}**" if length == model_info.default_dimension else str(length)
        for length in model_info.dimensions
    )
    return " ".join(bold) or "?"


def _items(model_info: ModelInfo, words: Words) -> str:
    return words["one"] if model_info.batch == 1 else words["many"].format(model_info.batch)


def _note(model_info: ModelInfo, words: Words) -> str:
    return NOTES[model_info.note] if words is CHINESE else model_info.note


def _price(model_info: ModelInfo) -> str:
    if model_info.price is None:
        return "?"
    media = model_info.price.image
    return f"{model_info.price.text:g}" + (
        f" · {media:g}" if media not in (None, model_info.price.text) else ""
    )


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    columns = head.split(" | ")
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(_line(cells) for cells in lines)


def _line(cells: Sequence[str]) -> str:
    bare = all(cell == "---" for cell in cells)
    return "|" + "|".join(cells) + "|\n" if bare else "| " + " | ".join(cells) + " |\n"


def main() -> int:
    """Rewrite the pages, or with --check say which are stale."""
    return write_blocks((page, name, make(words)) for page, name, make, words in TABLES)


if __name__ == "__main__":
    raise SystemExit(main())
