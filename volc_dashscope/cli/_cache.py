"""`volc-dashscope cache stats|prune`."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from pathlib import Path

import click

from volc_dashscope._types import counted
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._options import json_option
from volc_dashscope.cli._output import duration, errors_reported, file_size, note, print_json, print_line
from volc_dashscope.cli._paths import PathArgument

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_PLACE = PathArgument(exists=True, dir_okay=False)


def _age(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value) if value is not None else None
    if found is None:
        if value is None:
            return None
        raise click.BadParameter(f"{value!r} is not an age; examples: 30d, 12h, 90m")
    return float(found[1]) * _SECONDS[found[2]]


def _size(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", value.upper()) if value is not None else None
    if found is None:
        if value is None:
            return None
        raise click.BadParameter(f"{value!r} is not a size; examples: 500MB, 2G")
    return int(float(found[1]) * _BYTES[found[2]])


@click.group()
def cache() -> None:
    """Show or prune a cache file of vectors (`SQLiteCache`, `embed --cache`)."""


@cache.command()
@click.argument("path", type=_PLACE)
@json_option
def stats(path: Path, as_json: bool) -> None:
    """Count the entries of the cache at PATH."""
    with errors_reported(as_json=as_json), SQLiteCache(path) as opened:
        found = opened.stats()
    if as_json:
        print_json(asdict(found))
        return
    vectors = counted(found.entries, "vectors")
    print_line(f"{vectors}, {file_size(found.value_bytes)}; the file has {file_size(found.file_bytes)}")
    if found.oldest is not None:
        print_line(f"unused for longest: {duration(max(0.0, time.time() - found.oldest))}")


@cache.command()
@click.argument("path", type=_PLACE)
@click.option(
    "--older-than", callback=_age, help="Delete entries not used for this time, for example 30d or 12h."
)
@click.option(
    "--max-size",
    callback=_size,
    help="Delete the least recently used entries until the vectors fit, for example 2G.",
)
@json_option
def prune(path: Path, older_than: float | None, max_size: int | None, as_json: bool) -> None:
    """Delete entries of the cache at PATH and return the space to the disk."""
    if older_than is None and max_size is None:
        raise click.UsageError("pass --older-than, --max-size or both")
    with errors_reported(as_json=as_json), SQLiteCache(path) as opened:
        dropped = opened.prune(max_age=older_than, max_bytes=max_size)
        left = opened.stats()
    if as_json:
        print_json({"dropped": dropped, **asdict(left)})
    else:
        note(f"dropped {counted(dropped, 'vectors')}; {left.entries:,} left, {file_size(left.file_bytes)}")
