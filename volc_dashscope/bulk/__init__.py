"""
Many items, from files into a Parquet file: priced beforehand, resumable at any moment, in bounded memory.

    embed_file     a source through a client into id, row, vector and error
    embed_batch    the same through the service's own half-price jobs
    open_source    text lines, JSONL, CSV, Parquet, or a folder of images and videos
    preview        items, requests, tokens, price and time, before a byte is sent
"""

from __future__ import annotations

from volc_dashscope.bulk._batch import embed_batch
from volc_dashscope.bulk._embed import embed_file, is_up_to_date
from volc_dashscope.bulk._preview import preview
from volc_dashscope.bulk._records import Columns
from volc_dashscope.bulk._report import Preview, Progress, ProgressCallback, Report
from volc_dashscope.bulk._sources import ScanCallback, Source, count_rows, open_source

__all__ = [
    "Columns",
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
]
