"""
The drivers: the only package of the client that sends bytes, sleeps, or imports an HTTP library.

`run` and `arun` carry out the steps of one flow and decide nothing: that is `_flow`, `_retry` and `_pace`.
`Home` keeps the connections: of our own (`_lanes`), of a client handed in (`_given`), or aiohttp's (`_aiohttp`).
"""

from __future__ import annotations

from volc_dashscope._http._dress import trusted
from volc_dashscope._http._drivers import Interrupted, arun, run
from volc_dashscope._http._home import Driver, Home, Limiter, process_id

__all__ = ["Driver", "Home", "Interrupted", "Limiter", "arun", "process_id", "run", "trusted"]
