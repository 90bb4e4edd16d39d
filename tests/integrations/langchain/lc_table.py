"""
The tables of langchain.md in docs/en and docs/zh, written from marks that tests set when they pass.

    WRITE_TABLES=1 python -m pytest tests/integrations/langchain/test_lc_stores.py

With `STORES=1` it is the table of the stores of `make stores`.
"""

from __future__ import annotations

import os
from pathlib import Path

from lc_entries import BY_IMAGE, MAKERS, WAYS_IN, WAYS_OUT
from lc_samples import MODALITIES
from lc_selected_stores import BLOCK, ON_SERVERS, STORE_SETUPS
from marked import block, write_block

_DOCS = Path(__file__).parents[3] / "docs"
PAGES = {language: _DOCS / language / "langchain.md" for language in ("en", "zh")}

# Reasons below the table, where the page is Chinese.
_CHINESE = {
    "LangChain validates a tool's query as text; ask with `media(...)`": (
        "LangChain 把工具的查询当作文本校验；请用 `media(...)` 提问"
    ),
    "Qdrant accepts only UUIDs and integers as ids; use `uuid5_key`": (
        "Qdrant 的编号只能是 UUID 或整数，请用 `uuid5_key`"
    ),
    "langchain-chroma passes the whole list that `embed_image` returns instead of its first vector": (
        "langchain-chroma 本应取第一个向量，却把 `embed_image` 返回的整个列表传了下去"
    ),
    "`PGVectorStore` accepts only UUIDs as ids by default; use `uuid5_key`": (
        "`PGVectorStore` 的编号默认只能是 UUID，请用 `uuid5_key`"
    ),
    "the first batch determines the metadata fields; begin with a picture, or give texts the same fields": (
        "第一批数据决定元数据有哪些字段；请先写入图片，或给文本也写上同样的字段"
    ),
    "the store cannot delete, which `index` requires": "该库不能删除，而 `index` 要求能删除",
    "the store has no such search": "该库没有这种检索",
    "its connection belongs to the thread that opened it; open one with `check_same_thread=False`": (
        "它自己建的连接只属于建它的线程；请用 `check_same_thread=False` 打开连接"
    ),
    "a DuckDB connection answers one query at a time": "DuckDB 的一个连接一次只回答一个问题",
}
Cell = tuple[str, str, str]
ENTRIES = (*WAYS_IN, *MAKERS, *WAYS_OUT)
CELLS = [
    *(
        (setup.name, entry, modality)
        for setup in STORE_SETUPS
        for entry in ENTRIES
        for modality in MODALITIES
    ),
    *(("Chroma", entry, "image") for entry in ("add_images", *BY_IMAGE) if not ON_SERVERS),
]


def table(passed: set[Cell], limits: dict[Cell, str]) -> str:
    """
    Return the table.

    Args:
        passed: What works, by test.
        limits: What a store itself cannot do, by a test that saw it fail, with the reason.
    """
    names = [setup.name for setup in STORE_SETUPS]
    reasons = list(dict.fromkeys(limits[cell] for cell in CELLS if cell in limits))
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for entry in dict.fromkeys(entry for _, entry, _ in CELLS):
        cells = [_marks(name, entry, passed, limits, reasons) for name in names]
        lines.append(f"| `{entry}` | {' | '.join(cells)} |")
    notes = [f"- ✗{number}: {reason}" for number, reason in enumerate(reasons, start=1)]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _marks(name: str, entry: str, passed: set[Cell], limits: dict[Cell, str], reasons: list[str]) -> str:
    marks = []
    for cell in ((name, entry, modality) for modality in MODALITIES):
        number = reasons.index(limits[cell]) + 1 if cell in limits else ""
        cross = f"✗{number}" if cell in CELLS else "–"
        marks.append("✓" if cell in passed else cross)
    return "\u00a0".join(marks)  # four marks are one cell; a page must not break them


def translated(text: str, language: str) -> str:
    """Return a table with its reasons in the language of a page."""
    for english, chinese in _CHINESE.items() if language == "zh" else ():
        text = text.replace(f": {english}\n", f"：{chinese}\n")
    return text


def committed(language: str) -> str:
    """Return the table in the docs."""
    return block(PAGES[language], BLOCK)


def write(text: str) -> None:
    """Put a table into the docs, if the environment asks for it."""
    for language, path in PAGES.items() if os.environ.get("WRITE_TABLES") else ():
        write_block(path, BLOCK, translated(text, language))
