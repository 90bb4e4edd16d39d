"""
Write the tables that compare clients, in READMEs and the speed guide: python scripts/comparison.py [--check].

    python -m benchmarks --latency 0 > benchmarks/results/clients.log

Numbers come from that file; what the cells in words say is proved by tests/parity/test_beside_others.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from marked import ROOT, write_blocks

RESULTS = ROOT / "benchmarks" / "results" / "clients.log"
TEXTS, ITEMS, PICTURES = "W1", "W2", "W3"
OURS = ("ours_sync", "ours_langchain", "ours_llama_index")


@dataclass(frozen=True)
class Other:
    """
    A package to compare with.

    Attributes:
        contender: Its name in the benchmarks.
        workload: What it was measured on.
        words: In English and in Chinese: its name, what it does with 25 texts, after a 429, and with pictures.
    """

    contender: str
    workload: str
    words: tuple[tuple[str, str, str, str], tuple[str, str, str, str]]


OTHERS = (
    Other(
        "community",
        TEXTS,
        (
            (
                "`langchain-community` (retired)",
                "3 requests in turn",
                "all batches are sent and billed again",
                "none",
            ),
            ("`langchain-community`（已停用）", "3 个请求，逐个发送", "所有批次重发、重复计费", "不支持"),
        ),
    ),
    Other(
        "llama_index_dashscope",
        TEXTS,
        (
            (
                "`llama-index-embeddings-dashscope`",
                "one request, refused",
                "the vector is `[]`",
                "`KeyError` for current models",
            ),
            (
                "`llama-index-embeddings-dashscope`",
                "1 个请求，被拒绝",
                "向量是 `[]`",
                "现有模型都是 `KeyError`",
            ),
        ),
    ),
    Other(
        "dashscope",
        TEXTS,
        (
            (
                "`dashscope` SDK",
                "one request, refused",
                "no retry, no exception",
                "yes; a text that is a path is uploaded",
            ),
            ("`dashscope` SDK", "1 个请求，被拒绝", "不重试，也不抛异常", "支持；恰好是路径的文本会被上传"),
        ),
    ),
    Other(
        "ark",
        ITEMS,
        (
            ("`volcengine-ark-runtime`, default settings (float)", "", "two retries, then an error", "yes"),
            ("`volcengine-ark-runtime`，默认设置（float）", "", "重试两次，然后报错", "支持"),
        ),
    ),
    Other(
        "ark_base64",
        ITEMS,
        (
            ('the same, `encoding_format="base64"`', "", "two retries, then an error", "yes"),
            ('同上，`encoding_format="base64"`', "", "重试两次，然后报错", "支持"),
        ),
    ),
)
HEADS = (
    "| | CPU s: 1,000 texts | 1,000 Doubao items | 25 texts, `text-embedding-v4` | after a 429 | pictures |\n",
    "| | CPU 秒：1,000 条文本 | 1,000 项豆包 | 25 条文本给 `text-embedding-v4` | 遇到 429 | 图片 |\n",
)
OWN = (
    (
        "**this**: core · LangChain · LlamaIndex",
        "3 requests at once",
        "waits as long as asked, resends only what failed",
        "yes",
    ),
    ("**本库**：核心 · LangChain · LlamaIndex", "3 个请求，同时发送", "按要求等待，只重发失败的", "支持"),
)
PAGES = ("README.md", "README.zh-CN.md")
# The client with its own connections, and with clients that are handed in.
HANDED_IN = (
    ("ours_sync", "`Client`", "`Client`"),
    ("ours_httpx2", "`Client`, `http_client`: `httpx2.Client`", "`Client`，`http_client`：`httpx2.Client`"),
    ("ours_async", "`AsyncClient`", "`AsyncClient`"),
    (
        "ours_aiohttp",
        "`AsyncClient`, `http_async_client` with `AiohttpTransport`",
        "`AsyncClient`，`http_async_client` 用 `AiohttpTransport`",
    ),
)
HANDED_IN_HEADS = (
    "| CPU seconds | 1,000 texts, ten a request | 1,000 Doubao texts | 1,000 pictures of 1 MB |\n",
    "| CPU 秒 | 1,000 条文本，每个请求十条 | 1,000 条豆包文本 | 1,000 张 1 MB 的图片 |\n",
)
GUIDES = ("docs/en/speed.md", "docs/zh/speed.md")


def measured(log: str) -> dict[tuple[str, str], float]:
    """Return CPU seconds for 1,000 vectors by workload and contender, of the runs without latency."""
    found: dict[tuple[str, str], float] = {}
    workload = ""
    for line in log.splitlines():
        if head := re.match(r"(W\d), ([\d.]+) ms,", line):
            workload = head[1] if float(head[2]) == 0 else ""
        elif workload and (row := re.match(r"(\w+) +(\d+\.\d+) ", line)):
            found[workload, row[1]] = float(row[2])
    return found


def table(language: int, numbers: dict[tuple[str, str], float]) -> str:
    """Return the table in one language, 0 for English and 1 for Chinese."""
    return "".join(_lines(language, numbers))


def handed_in_table(language: int, numbers: dict[tuple[str, str], float]) -> str:
    """Return the table of clients that are handed in, in one language."""
    rows = [
        _line(
            names[language], *(_number(numbers[workload, contender]) for workload in (TEXTS, ITEMS, PICTURES))
        )
        for contender, *names in HANDED_IN
    ]
    return "".join([HANDED_IN_HEADS[language], "|---|--:|--:|--:|\n", *rows])


def _lines(language: int, numbers: dict[tuple[str, str], float]) -> Iterator[str]:
    yield HEADS[language]
    yield "|---|--:|--:|---|---|---|\n"
    name, *words = OWN[language]
    yield _line(name, *(_several(numbers, workload) for workload in (TEXTS, ITEMS)), *words)
    for other in OTHERS:
        name, *words = other.words[language]
        cells = [
            _number(numbers[workload, other.contender]) if workload == other.workload else ""
            for workload in (TEXTS, ITEMS)
        ]
        yield _line(name, *cells, *words)


def _several(numbers: dict[tuple[str, str], float], workload: str) -> str:
    return " · ".join(_number(numbers[workload, contender]) for contender in OURS)


def _number(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 1 else f"{seconds:.1f}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def main() -> int:
    """Rewrite the pages, or with --check say which are stale."""
    numbers = measured(RESULTS.read_text(encoding="utf-8"))
    blocks = [
        (pages[language], name, make(language, numbers))
        for pages, name, make in ((PAGES, "comparison", table), (GUIDES, "clients", handed_in_table))
        for language in range(2)
    ]
    return write_blocks(blocks)


if __name__ == "__main__":
    raise SystemExit(main())
