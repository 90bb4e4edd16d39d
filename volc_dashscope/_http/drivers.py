"""The two drivers. Each carries out the steps of one flow: it sends, and it lets time pass."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TypeVar
from urllib.parse import urlsplit

from volc_dashscope._http.pool import AsyncTransport, Transport
from volc_dashscope._types import Fault, Flow, Reply, Request, Send, Wait

T = TypeVar("T")

_log = logging.getLogger("volc_dashscope")
_LONG_WAIT = 10.0
_LONGEST_ID = 120  # what a server names is not ours to let fill a log


class Interrupted(Exception):
    """A worker was told to stop while it waited. Never leaves the client."""


def run(flow: Flow[T], way: Transport, stop: threading.Event) -> T:
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
            happened = _send(step.request, way)
        else:
            _note(step)
            if stop.wait(step.seconds):
                raise Interrupted


async def arun(flow: Flow[T], way: AsyncTransport) -> T:
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
            happened = await _asend(step.request, way)
        else:
            _note(step)
            await asyncio.sleep(step.seconds)


def _send(request: Request, way: Transport) -> Reply | Fault:
    if way.limiter is not None:
        way.limiter.acquire()
    with way.gate:
        began = time.monotonic()
        return _noted(way.channel.send(request), request, began)


async def _asend(request: Request, way: AsyncTransport) -> Reply | Fault:
    if way.limiter is not None:
        await way.limiter.aacquire()
    async with way.gate:
        began = time.monotonic()
        return _noted(await way.channel.send(request), request, began)


def _noted(happened: Reply | Fault, request: Request, began: float) -> Reply | Fault:
    if _log.isEnabledFor(logging.DEBUG):
        path, seconds = urlsplit(request.url).path, time.monotonic() - began
        if isinstance(happened, Reply):
            _log.debug(
                "%s %s -> %d in %.3f s, request id %s",
                request.method,
                path,
                happened.status,
                seconds,
                happened.headers.get("x-request-id", "")[:_LONGEST_ID],
            )
        else:
            _log.debug("%s %s -> %s after %.3f s", request.method, path, happened.kind, seconds)
    return happened


def _note(wait: Wait) -> None:
    if wait.seconds >= _LONG_WAIT and not wait.expected:
        _log.warning("waiting %.1f s before the next request", wait.seconds)
