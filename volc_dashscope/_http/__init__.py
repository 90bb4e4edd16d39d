"""
Connections and the two drivers: the only package of the client that sends bytes, sleeps, or imports an HTTP library.

`run` and `arun` carry out the steps of one flow; all decisions are made in `_request.exchange` and `_limits`.
`ConnectionPool` keeps the connections: our own, or those of an HTTP client passed in by the user.
"""

from __future__ import annotations

from volc_dashscope._http.drivers import Interrupted, WorkerStep, arun, run
from volc_dashscope._http.pool import ConnectionPool, Limiter, check_limiter, process_id, running_loop
from volc_dashscope._http.proxies import check_proxy
from volc_dashscope._http.request_builder import find_headers, ssl_context
from volc_dashscope._http.transport import AsyncHttpClient, HttpClient

__all__ = [
    "AsyncHttpClient",
    "ConnectionPool",
    "HttpClient",
    "Interrupted",
    "Limiter",
    "WorkerStep",
    "arun",
    "check_limiter",
    "check_proxy",
    "find_headers",
    "process_id",
    "run",
    "running_loop",
    "ssl_context",
]
