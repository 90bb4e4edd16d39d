"""
A hook of mkdocs: links from the docs to files of the repository outside `docs/`.

The built site does not hold those files, so a link to one that exists becomes its text. A link to one that does
not exist is left as it is, for `strict` to refuse.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Return the page with such links replaced."""
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def plain(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        inside = target.is_relative_to(ROOT / "docs") or not target.is_relative_to(ROOT)
        return link[0] if inside or not target.exists() else link[1]

    return LINK.sub(plain, markdown)
