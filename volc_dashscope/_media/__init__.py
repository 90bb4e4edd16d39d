"""
Images and videos as files, bytes and URLs: formats, sizes, data URIs, and shrinking.

Format and MIME type come from the first bytes, width, height and length from the header; nothing is decoded but for
shrinking. Local files are opened inside a given folder only. Nothing here fetches a URL.
"""

from __future__ import annotations

from volc_dashscope._media._files import open_fenced
from volc_dashscope._media._formats import HEAD_BYTES, Kind, MediaType, agrees, recognise, sniff
from volc_dashscope._media._measure import duration, measure
from volc_dashscope._media._shrink import shrink, shrunk_size
from volc_dashscope._media._sources import Inline, LocalFile, Remote, Source, source_of_url
from volc_dashscope._media._urls import b64decode, b64encode, data_uri, label_url, local_path, parse_data_uri
from volc_dashscope._media._value import Media, json_value, mixed_digest

__all__ = [
    "HEAD_BYTES",
    "Inline",
    "Kind",
    "LocalFile",
    "Media",
    "MediaType",
    "Remote",
    "Source",
    "agrees",
    "b64decode",
    "b64encode",
    "data_uri",
    "duration",
    "json_value",
    "label_url",
    "local_path",
    "measure",
    "mixed_digest",
    "open_fenced",
    "parse_data_uri",
    "recognise",
    "shrink",
    "shrunk_size",
    "sniff",
    "source_of_url",
]
