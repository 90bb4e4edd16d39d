"""What a half-finished output was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from volc_dashscope.bulk._vectors import settle
from volc_dashscope.errors import ConfigError

# A row group is held in memory while it fills, and read whole by those who use it.
_GROUP_BYTES = 16 * 1024 * 1024
_GROUP_ROWS = (256, 65_536)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what a draft was begun with."""
    try:
        found = orjson.loads((folder / "manifest.json").read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError(f"{folder.name!r} has no readable manifest.json; remove the folder") from error
    if not isinstance(found, dict) or found.get("version") != 1:
        raise ConfigError(f"{folder.name!r} was made by another version; finish it there, or remove it")
    return found


def refuse_other(begun: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> None:
    """
    Refuse to go on with what was begun with something else.

    Raises:
        ConfigError: With the first difference.
    """
    for name, value in wanted.items():
        if begun.get(name) != value:
            way_out = (
                "give another output, or start again with restart (--restart), which drops what is paid for"
            )
            if name == "source":
                raise ConfigError(
                    f"{place} was begun with another source, or the source has changed; {way_out}"
                )
            raise ConfigError(f"{place} was begun with {name} {begun.get(name)!r}, not {value!r}; {way_out}")


def begin_manifest(
    folder: Path, identity: Mapping[str, Any], dimension: int | None, group_rows: int | None
) -> dict[str, Any]:
    """Note what a draft is begun with, and return it."""
    least, most = _GROUP_ROWS
    rows = group_rows or max(least, min(most, _GROUP_BYTES // (4 * (dimension or 1024))))
    manifest = {"version": 1, "identity": dict(identity), "group_rows": rows}
    write_json(folder / "manifest.json", manifest)
    return manifest


def write_json(path: Path, value: object) -> None:
    """Write a small file, wholly or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(orjson.dumps(value))
    settle(fresh, path)
