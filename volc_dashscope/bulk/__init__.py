"""
Embeds and reranks files of any size into a Parquet file: resumable, priced beforehand, in bounded memory.

    embed_file     a source through a client into id, row, vector and error
    rerank_file    pairs of query and document through a reranker into score and rank
    embed_batch    the same through the service's own half-price jobs
    open_source    text lines, JSONL, CSV, Parquet, or a folder of images and videos
    preview        items, requests, tokens, price and time, before a byte is sent

A name loads its module when it is first used: a search of a folder needs neither jobs nor estimates.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volc_dashscope.bulk._batch import embed_batch
    from volc_dashscope.bulk._embed import embed_file, is_up_to_date
    from volc_dashscope.bulk._pairs import PairColumns
    from volc_dashscope.bulk._preview import preview, preview_rerank
    from volc_dashscope.bulk._records import Columns
    from volc_dashscope.bulk._report import Preview, Progress, ProgressCallback, Report
    from volc_dashscope.bulk._rerank import rerank_file
    from volc_dashscope.bulk._sources import ScanCallback, Source, count_rows, open_source

__all__ = [
    "Columns",
    "PairColumns",
    "Preview",
    "Progress",
    "ProgressCallback",
    "Report",
    "ScanCallback",
    "Source",
    "count_rows",
    "embed_batch",
    "embed_file",
    "is_up_to_date",
    "open_source",
    "preview",
    "preview_rerank",
    "rerank_file",
]

_MODULE_OF = {
    "Columns": "_records",
    "PairColumns": "_pairs",
    "Preview": "_report",
    "Progress": "_report",
    "ProgressCallback": "_report",
    "Report": "_report",
    "ScanCallback": "_sources",
    "Source": "_sources",
    "count_rows": "_sources",
    "embed_batch": "_batch",
    "embed_file": "_embed",
    "is_up_to_date": "_embed",
    "open_source": "_sources",
    "preview": "_preview",
    "preview_rerank": "_preview",
    "rerank_file": "_rerank",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
