"""
A search page for an album, on this machine only (extra `serve`).

    create_app   the page as a Starlette application
"""

from __future__ import annotations

from volc_dashscope.search.page._app import create_app

__all__ = ["create_app"]
