"""
Images and videos as files, bytes and URLs: formats, sizes, data URIs, and shrinking.

Format and MIME type come from the first bytes, width, height and length from the header; nothing is decoded but for
shrinking. Local files are opened inside a given folder only. Nothing here fetches a URL.

Modules are loaded at the first use of one of their names: a program that embeds texts needs none but that of `Media`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volc_dashscope import _lazy

if TYPE_CHECKING:
    from volc_dashscope._media._files import open_fenced
    from volc_dashscope._media._formats import HEAD_BYTES, Kind, MediaType, agrees, recognise, sniff
    from volc_dashscope._media._measure import duration, measure
    from volc_dashscope._media._shrink import shrink, shrunk_size
    from volc_dashscope._media._sources import Inline, LocalFile, Remote, Source, source_of_url
    from volc_dashscope._media._urls import (
        b64decode,
        b64encode,
        data_uri,
        label_url,
        local_path,
        parse_data_uri,
    )
    from volc_dashscope._media._value import Media, constructor_hint, json_value, mixed_digest, type_name

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
    "constructor_hint",
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
    "type_name",
]

_NAMES = {
    "_files": ("open_fenced",),
    "_formats": ("HEAD_BYTES", "Kind", "MediaType", "agrees", "recognise", "sniff"),
    "_measure": ("duration", "measure"),
    "_shrink": ("shrink", "shrunk_size"),
    "_sources": ("Inline", "LocalFile", "Remote", "Source", "source_of_url"),
    "_urls": ("b64decode", "b64encode", "data_uri", "label_url", "local_path", "parse_data_uri"),
    "_value": ("Media", "constructor_hint", "json_value", "mixed_digest", "type_name"),
}


def __getattr__(name: str) -> object:
    return _lazy.load(__name__, _NAMES, name)


def __dir__() -> list[str]:
    return _lazy.listed(__name__, _NAMES)
