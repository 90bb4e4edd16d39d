"""
Hooks of mkdocs: links from the docs to files of the repository outside `docs/`, and what a page loads.

The built site does not hold those files, so a link to one that exists becomes its text. A link to one that does
not exist is left as it is, for `strict` to refuse. A page that loads anything from another host is a warning,
which `strict` refuses too: the site can be read offline.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)(?:#[^)]*)?\)")
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]+["']?[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)"""
)
_log = logging.getLogger("mkdocs.hooks.docs_links")


def on_post_page(output: str, *, page: Any, **_: object) -> str:
    """Warn of everything a page would load from elsewhere."""
    for found in LOADED.finditer(output):
        _log.warning("%s loads from another host: %s", page.file.src_uri, found[0][:200])
    return output


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Return the page with such links replaced."""
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def plain(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        inside = target.is_relative_to(ROOT / "docs") or not target.is_relative_to(ROOT)
        return link[0] if inside or not target.exists() else link[1]

    return LINK.sub(plain, markdown)
