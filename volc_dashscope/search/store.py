"""
Stores the vectors of a folder beside it.

    FOLDER/.volc-dashscope/<host>/      one folder per service, so that the emulator's vectors and real ones never mix
        vectors.sqlite                  all vectors that were paid for, by content
        <model>-<dimension>.parquet     the files at the time of the last scan

The Parquet file is a bulk job's output. If nothing in the folder has changed it is read as it is; otherwise the job
runs again, and known vectors come from the cache.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from volc_dashscope._types import counted
from volc_dashscope.bulk import (
    ProgressCallback,
    ScanCallback,
    Source,
    count_rows,
    embed_file,
    is_up_to_date,
    open_source,
)
from volc_dashscope.bulk._listing import kind_of
from volc_dashscope.bulk._parquet import parquet_rows
from volc_dashscope.bulk._vectors import DamagedOutputError, read_output
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError, InputError
from volc_dashscope.results import FloatArray
from volc_dashscope.search.index import Album, Entry, unit

_NAME = ".volc-dashscope"


def store_folder(folder: Path, host: str, *, root: Path | None = None) -> Path:
    """
    Return the folder for the vectors of `folder` from the service at `host`; it is created if it does not exist.

    Args:
        folder: The folder of pictures and videos.
        host: Host of the service, so that vectors of two services are kept apart.
        root: Where to create it instead of in `folder`, for example if that is read-only.

    Raises:
        ConfigError: It cannot be created.
    """
    home = folder / _NAME if root is None else root
    place = home / re.sub(r"[^\w.-]", "_", host, flags=re.ASCII)
    try:
        place.mkdir(parents=True, exist_ok=True)
        ignore = home / ".gitignore"
        if root is None and not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        message = f"{str(home)!r} cannot be written ({error.strerror}); choose a folder for the vectors with --store"
        raise ConfigError(message) from error
    return place


def is_current(folder: Path, client: Client, store: Path, *, scan: ScanCallback | None = None) -> bool:
    """
    Return whether the folder has not changed since its vectors were made.

    Args:
        folder, client, store: As for `open_album`.
        scan: Called while the folder is scanned, as the `watch` of `open_source`.
    """
    output = _output(client, store)
    return output.exists() and is_up_to_date(_source(folder, scan), output, client)


def open_album(
    folder: Path,
    client: Client,
    store: Path,
    *,
    watch: ProgressCallback | None = None,
    scan: ScanCallback | None = None,
    refresh: bool = False,
) -> Album:
    """
    Embed new and changed files of a folder, drop removed ones, and return the album.

    Args:
        folder: The folder of pictures and videos, with its subfolders.
        client: Should have a cache in `store`, so that known vectors are not paid for again.
        store: As `store_folder` returns it.
        watch: As for `embed_file`.
        scan: Called while the folder is scanned, as the `watch` of `open_source`.
        refresh: Retry files that could not be embedded.

    Raises:
        InputError: The folder has no images and no videos that can be embedded.
        EmbeddingError: The service failed or the account was refused. Finished files are kept.
    """
    source = _source(folder, scan)
    if not count_rows(source):
        raise InputError(f"folder {folder.name!r} has no images and no videos")
    output = _output(client, store)
    outdated = refresh or not is_up_to_date(source, output, client)
    embed_file(source, output, model=client, watch=watch, restart=outdated)
    try:
        return _read(output, folder)
    except DamagedOutputError:
        # Rows are in the cache; only the file that lists them is made again.
        embed_file(source, output, model=client, watch=watch, restart=True)
        return _read(output, folder)
    except InputError:
        output.unlink()  # the reason why no file could be embedded may be gone the next time
        raise


def _source(folder: Path, scan: ScanCallback | None) -> Source:
    return open_source(folder, format="folder", watch=scan)


def _output(client: Client, store: Path) -> Path:
    model = re.sub(r"[^\w.-]", "_", client.model_info.name, flags=re.ASCII)
    return store / f"{model}-{client.dimension or 'unknown'}.parquet"


def _read(output: Path, folder: Path) -> Album:
    entries: list[Entry] = []
    left_out: dict[str, str] = {}
    vectors = np.empty((0, 0), dtype=np.float32)
    for batch in read_output(output, ["id", "vector", "error"]):
        names, errors = batch["id"].to_pylist(), batch["error"].to_pylist()
        left_out |= {name: error for name, error in zip(names, errors, strict=True) if error is not None}
        present = [place for place, error in enumerate(errors) if error is None]
        if not present:
            continue
        rows = _rows(batch["vector"], present)
        if not entries:
            # A second copy of all of them, to join them at the end, would need most of the memory of a search.
            vectors = np.empty((parquet_rows(output) or 0, rows.shape[1]), dtype=np.float32)
        vectors[len(entries) : len(entries) + len(rows)] = unit(rows)
        entries += [_entry(names[place]) for place in present]
    if not entries:
        first = next(iter(left_out.values()))
        raise InputError(f"of {counted(len(left_out), 'files')} none could be embedded; the first: {first}")
    return Album(folder, entries, vectors[: len(entries)], left_out)


def _rows(vectors: Any, present: list[int]) -> FloatArray:
    """
    Return the vectors of the rows that have one.

    Arrow's own `to_numpy` imports pandas where it is installed, and `flatten` pyarrow.compute, which takes a third of
    the time of a search in a folder where nothing has changed.
    """
    size = getattr(vectors.type, "list_size", None)
    floats = np.frombuffer(vectors.values.buffers()[1], dtype="<f4")[vectors.values.offset :]
    if size is not None:
        # `values` are those of the whole column that this may be a part of; a row without a vector has some too.
        return floats.reshape(-1, size)[[vectors.offset + place for place in present]]
    # In a plain list it has none. `merge` writes both kinds.
    first, last = vectors.offsets[0].as_py(), vectors.offsets[-1].as_py()
    return floats[first:last].reshape(len(present), -1)


def _entry(name: str) -> Entry:
    kind = kind_of(name)
    return Entry(name, "video" if kind == "video" else "image")
