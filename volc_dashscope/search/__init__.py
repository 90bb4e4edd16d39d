"""
Search in a folder of pictures and videos. The vectors are kept beside it and updated where files changed.

    open_album     embeds new files of a folder, forgets removed ones, and returns its Album
    store_folder   where the vectors of a folder and a service are kept
    Album          the files with their vectors; `search` ranks them
"""

from __future__ import annotations

from volc_dashscope.search.index import Album, Entry, Found
from volc_dashscope.search.reranking import PictureReranker, Reranked
from volc_dashscope.search.store import is_current, open_album, store_folder

__all__ = [
    "Album",
    "Entry",
    "Found",
    "PictureReranker",
    "Reranked",
    "is_current",
    "open_album",
    "store_folder",
]
