"""
The drivers: the only place of the client that sends bytes, sleeps, or imports httpx.

`run` and `arun` carry out the steps of one flow; `fan_out` and `afan_out` keep several flows going. None of
them decides anything: that is `_flow`, `_retry`, `_pace` and `_feed`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

import httpx

from volc_dashscope._feed import Feed
from volc_dashscope._flow import Flow, Send, Wait
from volc_dashscope._wire import Fault, Reply, Request, Secret
from volc_dashscope.errors import ConfigError

T = TypeVar("T")
J = TypeVar("J")

_log = logging.getLogger("volc_dashscope")
_LONG_WAIT = 10.0
# The largest honest reply is a batch of 25 vectors of 4096 floats in text, under 3 MB; token vectors of a
# long text are the exception.
_LARGEST_REPLY = 256 * 1024 * 1024


class Limiter(Protocol):
    """A user's own brake, asked before each request is sent."""

    def acquire(self) -> object: ...

    async def aacquire(self) -> object: ...


class Interrupted(Exception):
    """A worker was told to stop while it waited. Never leaves this module."""


class Home:
    """
    Where a client's connections live: made on first use, remade after a fork, one per event loop.

    A client handed in by the user is used as it is, and never remade or closed.
    """

    def __init__(
        self,
        *,
        key: Secret,
        timeout: float,
        width: int,
        limiter: Limiter | None,
        given: httpx.Client | None,
        given_async: httpx.AsyncClient | None,
    ) -> None:
        self._key = key
        # A day stands for "no end": sockets do not take infinity.
        self._timeout = httpx.Timeout(min(timeout, 86_400.0), connect=min(timeout, 10.0))
        self._limits = httpx.Limits(max_connections=None, max_keepalive_connections=width)
        self.width = width
        self.limiter = limiter
        self._given, self._given_async = given, given_async
        self._settle()

    def _settle(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._gate = threading.BoundedSemaphore(self.width)
        self._leases: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lease] = WeakKeyDictionary()

    def client(self) -> tuple[httpx.Client, threading.BoundedSemaphore]:
        """Return this process's client and the gate that bounds its requests in flight."""
        self._check(self._given, self._given_async, "http_client")
        with self._lock:
            if self._given is not None:
                return self._given, self._gate
            if self._client is None:
                self._client = httpx.Client(
                    timeout=self._timeout, limits=self._limits, follow_redirects=False
                )
            return self._client, self._gate

    async def aclient(self) -> tuple[httpx.AsyncClient, asyncio.Semaphore]:
        """Return this event loop's client and gate."""
        self._check(self._given_async, self._given, "http_async_client")
        loop = asyncio.get_running_loop()
        lease = self._leases.get(loop)
        if lease is None:
            client = self._given_async
            lease = _Lease(
                client or self._async_client(), asyncio.Semaphore(self.width), owned=client is None
            )
            # A lease knows its loop, so that the weak reference alone would keep both for ever.
            for closed in [other for other in self._leases if other.is_closed()]:
                del self._leases[closed]
            self._leases[loop] = lease
            await lease.open()
        return lease.client, lease.gate

    def _async_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=self._timeout, limits=self._limits, follow_redirects=False)

    def _check(self, wanted: object, other: object, name: str) -> None:
        if wanted is None and other is not None:
            raise ConfigError(f"only the other kind of HTTP client was handed in; pass {name} for this call")
        if self._pid != os.getpid():
            if wanted is not None:
                raise ConfigError(
                    f"{name} was handed in before a fork and cannot be shared; make a new one here"
                )
            self._settle()

    def headers(self, request: Request) -> dict[str, str]:
        """Return a request's headers, the key among them unless the request is for another host."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **request.headers}
        return headers if request.keyless else {**headers, "Authorization": f"Bearer {self._key.reveal()}"}

    def close(self) -> None:
        """Close what was made here. Closing twice is allowed; the next call makes a new client."""
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()

    async def aclose(self) -> None:
        """Close this event loop's client."""
        lease = self._leases.pop(asyncio.get_running_loop(), None)
        if lease is not None:
            await lease.close()


class _Lease:
    """An event loop's client. `asyncio.run` closes open async generators, and with this one the client."""

    def __init__(self, client: httpx.AsyncClient, gate: asyncio.Semaphore, *, owned: bool) -> None:
        self.client, self.gate = client, gate
        self._closing = _close_at_end(client if owned else None)

    async def open(self) -> None:
        await self._closing.__anext__()

    async def close(self) -> None:
        await self._closing.aclose()


async def _close_at_end(client: httpx.AsyncClient | None) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        if client is not None:
            await client.aclose()


def process_id() -> int:
    """Return the process this runs in, for what must not be shared with a forked child."""
    return os.getpid()


def run(flow: Flow[T], home: Home, stop: threading.Event) -> T:
    """Carry out a flow in this thread. Setting `stop` ends its waits."""
    happened: Reply | Fault | None = None
    while True:
        try:
            step = flow.send(happened)
        except StopIteration as done:
            result: T = done.value
            return result
        happened = None
        if isinstance(step, Send):
            happened = _send(step.request, home)
        else:
            _note(step)
            if stop.wait(step.seconds):
                raise Interrupted


async def arun(flow: Flow[T], home: Home) -> T:
    """Carry out a flow in this task. Cancelling the task ends it."""
    happened: Reply | Fault | None = None
    while True:
        try:
            step = flow.send(happened)
        except StopIteration as done:
            result: T = done.value
            return result
        happened = None
        if isinstance(step, Send):
            happened = await _asend(step.request, home)
        else:
            _note(step)
            await asyncio.sleep(step.seconds)


def _send(request: Request, home: Home) -> Reply | Fault:
    client, gate = home.client()
    if home.limiter is not None:
        home.limiter.acquire()
    with gate:
        began = time.monotonic()
        try:
            response = client.send(
                _made(request, client, home),
                stream=True,
                auth=None if request.keyless else httpx.USE_CLIENT_DEFAULT,
                follow_redirects=False if request.keyless else httpx.USE_CLIENT_DEFAULT,
            )
            try:
                body = _Body(request, response.status_code)
                for chunk in response.iter_bytes():
                    if not body.takes(chunk):
                        return _fault(Fault("too large"), request, began)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.StreamError) as error:
            return _fault(_kind(error), request, began)
        return _reply(response, body.kept(), request, began)


async def _asend(request: Request, home: Home) -> Reply | Fault:
    client, gate = await home.aclient()
    if home.limiter is not None:
        await home.limiter.aacquire()
    async with gate:
        began = time.monotonic()
        try:
            response = await client.send(
                _made(request, client, home),
                stream=True,
                auth=None if request.keyless else httpx.USE_CLIENT_DEFAULT,
                follow_redirects=False if request.keyless else httpx.USE_CLIENT_DEFAULT,
            )
            try:
                body = _Body(request, response.status_code)
                async for chunk in response.aiter_bytes():
                    if not body.takes(chunk):
                        return _fault(Fault("too large"), request, began)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.StreamError) as error:
            return _fault(_kind(error), request, began)
        return _reply(response, body.kept(), request, began)


def _made(request: Request, client: httpx.Client | httpx.AsyncClient, home: Home) -> httpx.Request:
    headers = home.headers(request)
    if not request.keyless:
        return client.build_request(request.method, request.url, headers=headers, content=request.body)
    # Not built by the client: its headers and cookies are for the service, not for a host named in a reply.
    extensions = {"timeout": client.timeout.as_dict()}
    return httpx.Request(
        request.method, request.url, headers=headers, content=request.body, extensions=extensions
    )


class _Body:
    """What a reply holds, in memory or in the file its request names, and no more than it may."""

    def __init__(self, request: Request, status: int) -> None:
        self._room = request.largest or _LARGEST_REPLY
        self._file = request.into if status == 200 else None
        self._memory = bytearray()
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    def takes(self, chunk: bytes) -> bool:
        """Keep a chunk; False if that is too much."""
        self._room -= len(chunk)
        if self._room < 0:
            return False
        if self._file is not None:
            self._file.write(chunk)
        else:
            self._memory += chunk
        return True

    def kept(self) -> bytes:
        """Return what is in memory."""
        return bytes(self._memory)


def _reply(response: httpx.Response, body: bytes, request: Request, began: float) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug(
            "%s %s -> %d in %.3f s, request id %s",
            request.method,
            httpx.URL(request.url).path,
            response.status_code,
            time.monotonic() - began,
            headers.get("x-request-id"),
        )
    return Reply(response.status_code, headers, body, time.time())


def _fault(fault: Fault, request: Request, began: float) -> Fault:
    if _log.isEnabledFor(logging.DEBUG):
        path, seconds = httpx.URL(request.url).path, time.monotonic() - began
        _log.debug("%s %s -> %s after %.3f s", request.method, path, fault.kind, seconds)
    return fault


def _kind(error: Exception) -> Fault:
    if isinstance(error, httpx.TimeoutException):
        return Fault("timeout")
    return Fault("connect" if isinstance(error, httpx.ConnectError) else "broken")


def _note(wait: Wait) -> None:
    if wait.seconds >= _LONG_WAIT and not wait.expected:
        _log.warning("waiting %.1f s before the next request", wait.seconds)


Outcome = tuple[int, J, T | BaseException]


def fan_out(
    feed: Feed[J], work: Callable[[J, threading.Event], T], *, alone: bool = False
) -> Iterator[Outcome[J, T]]:
    """
    Do jobs in daemon threads and yield (number, job, result or error) as they end.

    The caller's thread only waits, so Ctrl-C raises there at once; leaving the loop early tells the workers
    to stop and does not wait for replies in flight. A job that is `alone` is done in the caller's thread.
    """
    crew = _Alone(work) if alone else _Crew(work)
    running = 0
    try:
        while True:
            for number, job in feed.ready():
                running += 1
                crew.start(number, job, running)
            if not running:
                break
            ended = crew.next()
            running -= 1
            yield ended
    finally:
        crew.dismiss(idle=not running)


class _Alone(Generic[J, T]):
    """A crew of nobody: the job is done when its outcome is asked for."""

    def __init__(self, work: Callable[[J, threading.Event], T]) -> None:
        self._work = work
        self._waiting: deque[tuple[int, J]] = deque()

    def start(self, number: int, job: J, running: int) -> None:
        self._waiting.append((number, job))

    def next(self) -> Outcome[J, T]:
        number, job = self._waiting.popleft()
        try:
            return number, job, self._work(job, threading.Event())
        except Exception as error:
            return number, job, error

    def dismiss(self, *, idle: bool) -> None:
        self._waiting.clear()


class _Crew(Generic[J, T]):
    """Daemon threads, one for each job that runs at the same time."""

    def __init__(self, work: Callable[[J, threading.Event], T]) -> None:
        self._work = work
        self._todo: SimpleQueue[tuple[int, J] | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome[J, T]] = SimpleQueue()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, number: int, job: J, running: int) -> None:
        if running > len(self._threads):
            self._threads.append(threading.Thread(target=self._labour, name="volc-dashscope", daemon=True))
            self._threads[-1].start()
        self._todo.put((number, job))

    def next(self) -> Outcome[J, T]:
        # A bounded wait keeps Ctrl-C alive where an unbounded one would not notice signals (Windows).
        while True:
            with suppress(Empty):
                return self._done.get(timeout=0.5)

    def dismiss(self, *, idle: bool) -> None:
        self._stop.set()
        for _ in self._threads:
            self._todo.put(None)
        if idle:
            for thread in self._threads:
                thread.join()

    def _labour(self) -> None:
        while (task := self._todo.get()) is not None and not self._stop.is_set():
            number, job = task
            try:
                self._done.put((number, job, self._work(job, self._stop)))
            except BaseException as error:
                self._done.put((number, job, error))


async def afan_out(
    feed: Feed[J], work: Callable[[J], Awaitable[T]], *, alone: bool = False
) -> AsyncGenerator[Outcome[J, T], None]:
    """Do jobs in tasks and yield (number, job, result or error) as they end; no task outlives the loop."""
    todo: asyncio.Queue[tuple[int, J]] = asyncio.Queue()
    done: asyncio.Queue[Outcome[J, T]] = asyncio.Queue()
    tasks: list[asyncio.Task[None]] = []
    running = 0
    try:
        while True:
            for task in feed.ready():
                running += 1
                if running > len(tasks) and not alone:
                    tasks.append(asyncio.create_task(_labour(todo, done, work)))
                todo.put_nowait(task)
            if not running:
                break
            if alone:
                done.put_nowait(await _outcome(todo.get_nowait(), work))
            ended = await done.get()
            running -= 1
            yield ended
    finally:
        for worker in tasks:
            worker.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _labour(
    todo: asyncio.Queue[tuple[int, J]], done: asyncio.Queue[Outcome[J, T]], work: Callable[[J], Awaitable[T]]
) -> None:
    while True:
        done.put_nowait(await _outcome(await todo.get(), work))


async def _outcome(task: tuple[int, J], work: Callable[[J], Awaitable[T]]) -> Outcome[J, T]:
    number, job = task
    try:
        return number, job, await work(job)
    except Exception as error:
        return number, job, error
