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

from typing import TYPE_CHECKING

from volc_dashscope import _lazy

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

_NAMES = {
    "_batch": ("embed_batch",),
    "_embed": ("embed_file", "is_up_to_date"),
    "_pairs": ("PairColumns",),
    "_preview": ("preview", "preview_rerank"),
    "_records": ("Columns",),
    "_report": ("Preview", "Progress", "ProgressCallback", "Report"),
    "_rerank": ("rerank_file",),
    "_sources": ("ScanCallback", "Source", "count_rows", "open_source"),
}


def __getattr__(name: str) -> object:
    return _lazy.load(__name__, _NAMES, name)


def __dir__() -> list[str]:
    return _lazy.listed(__name__, _NAMES)
