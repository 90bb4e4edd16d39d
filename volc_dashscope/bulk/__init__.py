"""
Many items, from files into a Parquet file: priced beforehand, resumable at any moment, in bounded memory.

    embed_file     a source through a client into id, row, vector and error
    rerank_file    pairs of query and document through a reranker into score and rank
    embed_batch    the same through the service's own half-price jobs
    open_source    text lines, JSONL, CSV, Parquet, or a folder of images and videos
    preview        items, requests, tokens, price and time, before a byte is sent
"""

from __future__ import annotations

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
