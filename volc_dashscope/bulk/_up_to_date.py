"""Whether an output still is what its source and settings ask for."""

from __future__ import annotations

from pathlib import Path

from volc_dashscope._types import TextType
from volc_dashscope.bulk._identity import Identity
from volc_dashscope.bulk._manifest import read_manifest
from volc_dashscope.bulk._partial import partial_folder
from volc_dashscope.bulk._sources import Source
from volc_dashscope.bulk._vectors import facts_of
from volc_dashscope.client import Client


def is_up_to_date(
    source: Source, output: Path, client: Client, *, text_type: TextType | None = "document"
) -> bool:
    """Return whether `embed_file` would go on with an output as it is, or begin: else it needs `restart`."""
    identity = Identity(client._spec_for(text_type), source)  # noqa: SLF001 - the call's settings are the output's identity
    folder = partial_folder(output)
    if folder.exists():
        if not (folder / "manifest.json").exists():
            return True
        return identity.difference(read_manifest(folder)["identity"]) is None
    if not output.exists():
        return True
    facts = facts_of(output)
    return facts is not None and identity.difference(facts.get("identity") or {}) is None
