"""Whether an output still is what its source and settings ask for."""

from __future__ import annotations

from pathlib import Path

from volc_dashscope._types import TextType
from volc_dashscope.bulk._manifest import read_manifest
from volc_dashscope.bulk._partial import draft_folder
from volc_dashscope.bulk._sources import Source
from volc_dashscope.bulk._vectors import facts_of
from volc_dashscope.bulk._work import identity_of
from volc_dashscope.client import Client


def is_up_to_date(
    source: Source, output: Path, client: Client, *, text_type: TextType | None = "document"
) -> bool:
    """Return whether `embed_file` would go on with an output as it is, or begin: else it needs `restart`."""
    identity = identity_of(client._spec_for(text_type), source)
    folder = draft_folder(output)
    if folder.exists():
        return read_manifest(folder)["identity"] == identity if (folder / "manifest.json").exists() else True
    if not output.exists():
        return True
    facts = facts_of(output)
    return facts is not None and facts.get("identity") == identity
