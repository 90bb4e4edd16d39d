"""What a half-finished output was begun with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from volc_dashscope.bulk._identity import Identity
from volc_dashscope.bulk._storage import read_checked, write_checked
from volc_dashscope.errors import ConfigError

# A row group is held in memory while it fills, and read whole by those who use it.
_GROUP_BYTES = 16 * 1024 * 1024
_GROUP_ROWS = (256, 65_536)
_VERSION = 2


def read_manifest(folder: Path) -> dict[str, Any]:
    """
    Return what a half-finished output was begun with.

    Raises:
        ConfigError: manifest.json is damaged, or of another version of this library.
    """
    found = read_checked(folder / "manifest.json")
    if found is None:
        raise ConfigError(
            f"manifest.json in {folder.name!r} is damaged or cannot be read; restore it, or start again with "
            "restart (--restart), which drops what is paid for"
        )
    if found.get("version") != _VERSION:
        raise ConfigError(f"{folder.name!r} was made by another version; finish it there, or remove it")
    return found


def begin_manifest(
    folder: Path, identity: Identity, dimension: int | None, group_rows: int | None
) -> dict[str, Any]:
    """Note what an output is begun with, and return it."""
    least, most = _GROUP_ROWS
    rows = group_rows or max(least, min(most, _GROUP_BYTES // (4 * (dimension or 1024))))
    manifest = {"version": _VERSION, "identity": identity.as_json(), "group_rows": rows}
    write_checked(folder / "manifest.json", manifest)
    return manifest
