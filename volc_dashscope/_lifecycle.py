"""
The parts that clients, rerankers and job classes share: connections, closing, forking and pickling.

Clients and rerankers are `ServiceClient`s; these and the job classes are closed by `SyncLifecycle` and
`AsyncLifecycle`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar, Self, TypeVar

from volc_dashscope import _config
from volc_dashscope._http import ConnectionPool, arun, process_id, run
from volc_dashscope._limits.rate_limiter import RateLimiter
from volc_dashscope._limits.retry import Retry
from volc_dashscope._request.exchange import RetryContext
from volc_dashscope._request.workers import run_one
from volc_dashscope._types import Flow, RequestSpec
from volc_dashscope.errors import ConfigError
from volc_dashscope.results import Usage
from volc_dashscope.settings import ClientSettings

T = TypeVar("T")
C = TypeVar("C", bound="ServiceClient")


def connection_pool(settings: ClientSettings, spec: RequestSpec) -> ConnectionPool:
    """Return the connection pool for these settings; it has no connection yet."""
    return ConnectionPool(
        key=spec.key,
        timeout=settings.timeout,
        width=settings.max_concurrency,
        limiter=settings.limiter,
        http_client=settings.http_client,
        http_async_client=settings.http_async_client,
        proxy=_config.find_proxy(spec.base_url),
    )


def retry_context(settings: ClientSettings, service: str) -> RetryContext:
    """Return the context that all requests with these settings share: retries, rate limits, and the clock."""
    return RetryContext(
        Retry(settings.max_retries, settings.deadline, random.Random().random),
        RateLimiter(settings.requests_per_minute, settings.tokens_per_minute, settings.max_concurrency),
        time.monotonic,
        service,
    )


class UsageCounter:
    """The usage a client has been billed, added up by many threads."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._lock = threading.Lock()

    def add(self, usage: Usage) -> None:
        """Add what one request, or one call, was billed."""
        with self._lock:
            self.usage += usage


class ServiceClient(_config.CheckedConstructor):
    """
    The base of clients and rerankers.

    A subclass takes its settings in `_start`, whose arguments `_start_arguments` returns, and calls `_open` there.
    In `_begin` it creates the state that its calls share besides the connections. A forked child calls `_begin` again,
    so that it has its own locks and counts its own usage.
    """

    _noun: ClassVar[str]
    _settings: ClientSettings
    _spec: RequestSpec

    def _start(self, *arguments: object) -> None:
        raise NotImplementedError

    def _start_arguments(self) -> tuple[object, ...]:
        return (self._settings,)

    def _open(self, settings: ClientSettings, spec: RequestSpec) -> None:
        self._settings, self._spec = settings, spec
        self._begin()
        self._pool = connection_pool(settings, spec)

    def _begin(self) -> None:
        """Create the state that calls share; called again in a forked child."""
        self._process = process_id()
        self._usage_counter = UsageCounter()
        self._context = retry_context(self._settings, self._spec.service)

    def _check_process(self) -> None:
        if self._process != process_id():
            self._begin()

    @property
    def usage(self) -> Usage:
        """Usage billed to this object so far."""
        return self._usage_counter.usage

    def _shared_as(self, kind: type[C]) -> C:
        """Return an object of another class that shares everything with this one."""
        other = kind.__new__(kind)
        other.__dict__.update(self.__dict__)
        return other

    def _described(self) -> str:
        return f"{self._spec.model!r}, {self._spec.place}"

    def __repr__(self) -> str:
        if not hasattr(self, "_pool"):
            # The constructor failed, and a crash report shows `self`.
            return f"{type(self).__name__}(unfinished)"
        return f"{type(self).__name__}({self._described()})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        if self._settings.http_client is not None or self._settings.http_async_client is not None:
            raise ConfigError(
                f"a {self._noun} with your own HTTP client cannot be pickled or copied; create it where it is used"
            )
        # An explicit key is pickled; one from the environment is looked up again where the object is loaded.
        return (_remake, (type(self), *self._start_arguments()))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Share limiter and cache with the copy, so that the calls of both count towards the same limits."""
        for shared in (self._settings.limiter, self._settings.cache):
            memo[id(shared)] = shared
        remake, arguments = self.__reduce__()
        copied: Self = remake(*deepcopy(arguments, memo))
        return copied


class SyncLifecycle:
    """Requests in the caller's thread, and connections that are closed with the object."""

    _pool: ConnectionPool

    def _run(self, flow: Flow[T]) -> T:
        transport = self._pool.sync_transport()
        return run_one(lambda worker_step: run(flow, transport, worker_step))

    def close(self) -> None:
        """Close the connections. Closing twice is allowed; calls after that raise `ConfigError`."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncLifecycle:
    """Requests in the caller's task, and connections of its event loop that are closed with the object."""

    _pool: ConnectionPool

    async def _arun(self, flow: Flow[T]) -> T:
        return await arun(flow, await self._pool.async_transport())

    async def close(self) -> None:
        """Close this event loop's connections. Closing twice is allowed; calls after that raise `ConfigError`."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def continue_usage(client: ServiceClient, former: ServiceClient) -> None:
    """Let a client count its usage together with the client that it replaces, whose calls may still run."""
    former._check_process()  # noqa: SLF001 - both are of this module's class
    client._usage_counter = former._usage_counter  # noqa: SLF001


def _remake(kind: type[C], *arguments: object) -> C:
    loaded = kind.__new__(kind)
    loaded._start(*arguments)  # noqa: SLF001 - an object of this class
    return loaded
