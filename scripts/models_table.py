"""Write the tables of models in READMEs and docs from the rows: python scripts/models_table.py [--check]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from marked import write_blocks

from volc_dashscope.models import MediaRule, ModelCard, models

KINDS = ("text", "image", "video", "frames")
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
    """Return the READMEs' table."""
    return _table(words["models"], [_overview(card, words) for card in models()])


def choice(words: Words) -> str:
    """Return the table to choose from: by what can be embedded, then by price."""
    usable = [card for card in models() if card.ready]
    usable.sort(key=lambda card: (len(card.modalities), card.price.text if card.price else float("inf")))
    return _table(words["choice"], [_choice(card, words) for card in usable])


def limits(words: Words) -> str:
    """Return the table of limits."""
    return _table(words["limits"], [_limits(card, words) for card in models() if card.ready])


def scores(words: Words) -> str:
    """Return the benchmark scores the vendor prints, by dimension."""
    rows = []
    for card in models():
        for score in sorted(card.scores, key=lambda score: score.dimension):
            numbers = (score.mteb, score.mteb_retrieval, score.cmteb, score.cmteb_retrieval)
            rows.append([f"`{card.name}`", str(score.dimension), *(f"{number:.2f}" for number in numbers)])
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


def _overview(card: ModelCard, words: Words) -> list[str]:
    note = f" ({_note(card, words)})" if not card.ready else ""
    return [
        f"`{card.name}`",
        _kinds(card, words) + (words["fused"] if card.fusion else ""),
        _lengths(card),
        _items(card, words),
        _price(card),
        " ".join(card.regions) + note,
    ]


def _choice(card: ModelCard, words: Words) -> list[str]:
    best = max(card.scores, key=lambda score: score.dimension, default=None)
    scores = f"{best.mteb:.2f} · {best.cmteb:.2f}" if best else ""
    extras = {
        "fusion": card.fusion is not None,
        "sparse": card.sparse,
        "multi": card.multi_vector,
        "instruct": card.instruct,
        "roles": card.text_type,
        "batch": card.price is not None and card.price.batch is not None and "batch" in card.routes,
    }
    also = [words[name] for name, has in extras.items() if has]
    return [
        _kinds(card, words),
        f"`{card.name}`",
        card.languages or "?",
        _price(card),
        _lengths(card),
        words["at"].format(scores, best.dimension) if best else "",
        words["comma"].join([*also, *([_note(card, words)] if card.note else [])]),
        " ".join(card.regions),
    ]


def _limits(card: ModelCard, words: Words) -> list[str]:
    tokens = f"{card.max_tokens:,}" if card.max_tokens else "?"
    if card.truncates and card.max_tokens:
        tokens = words["cut"].format(card.max_tokens)
    rates = [f"{rate:,}" if rate else "?" for rate in (card.requests_per_minute, card.tokens_per_minute)]
    return [
        f"`{card.name}`",
        f"{card.batch:,}",
        tokens,
        _media(card.image, words),
        _media(card.video, words),
        _size(card.max_request_bytes, words) if card.max_request_bytes else "?",
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


def _kinds(card: ModelCard, words: Words) -> str:
    return " ".join(words[kind] for kind in KINDS if kind in card.modalities)


def _lengths(card: ModelCard) -> str:
    bold = (
        f"**{length}**" if length == card.default_dimension else str(length) for length in card.dimensions
    )
    return " ".join(bold) or "?"


def _items(card: ModelCard, words: Words) -> str:
    return words["one"] if card.batch == 1 else words["many"].format(card.batch)


def _note(card: ModelCard, words: Words) -> str:
    return NOTES[card.note] if words is CHINESE else card.note


def _price(card: ModelCard) -> str:
    if card.price is None:
        return "?"
    media = card.price.image
    return f"{card.price.text:g}" + (f" · {media:g}" if media not in (None, card.price.text) else "")


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
