"""An event loop in a thread of its own, for drivers that have none but asynchronous connections."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Waited
from contextlib import suppress
from typing import Any, TypeVar, cast

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for threads that wait. The thread ends when this is closed or dropped."""

    def __init__(self) -> None:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(_serve(started)), name="volc-dashscope-loop", daemon=True
        )
        self._thread.start()
        self._loop, end = started.result()
        self._finish = weakref.finalize(self, _finish, self._loop, end, os.getpid())
        self._finish.atexit = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns. Leaving early, as by Ctrl-C, cancels it and does not wait."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            while True:
                # A bounded wait keeps Ctrl-C alive where an unbounded one would not notice signals (Windows).
                try:
                    return future.result(timeout=0.5)
                except Waited:
                    if future.done():
                        raise
        finally:
            future.cancel()

    def iterate(self, values: AsyncGenerator[T, None]) -> Iterator[T]:
        """Yield what the generator yields, and close it."""
        try:
            while (value := self.run(_next(values))) is not _END:
                yield cast(T, value)
        finally:
            self.run(values.aclose())

    def close(self) -> None:
        """Close what the coroutines opened, and end the thread."""
        self._finish()
        self._thread.join()


def _finish(loop: asyncio.AbstractEventLoop, end: asyncio.Event, process: int) -> None:
    if os.getpid() == process:  # a forked child has no such thread
        with suppress(RuntimeError):  # it ended with the interpreter
            loop.call_soon_threadsafe(end.set)


_END = object()


async def _next(values: AsyncGenerator[T, None]) -> T | object:
    return await anext(values, _END)


async def _serve(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    end = asyncio.Event()
    started.set_result((asyncio.get_running_loop(), end))
    await end.wait()
