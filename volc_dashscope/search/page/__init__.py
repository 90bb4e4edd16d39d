"""
A search page for an album, on this machine only (extra `serve`).

    create_app      the page as a Starlette application
    server_config   how uvicorn serves it, within bounds of time and number
"""

from __future__ import annotations

from volc_dashscope.search.page._app import create_app
from volc_dashscope.search.page._limits import server_config

__all__ = ["create_app", "server_config"]
