"""
What becomes of an event loop's connections when nobody closes them.

They are closed with the loop: `asyncio.run` closes open async generators, and the keeper is one. A client that
is dropped before that has its connections closed at once, or by the keeper if the loop is just ending.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Protocol, TypeVar

V = TypeVar("V")

_keepers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopCleanup] = weakref.WeakKeyDictionary()


class Closable(Protocol):
    """Connections of one event loop."""

    async def close(self) -> None: ...


class Place(Protocol):
    """Where the connections of one event loop are found."""

    @property
    def channel(self) -> Closable: ...


class LoopCleanup:
    """Holds on to an event loop's connections until they are closed."""

    def __init__(self) -> None:
        self._kept: set[Closable] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._watch = self._until_the_end()

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            for channel in [*self._kept]:
                await self.close(channel)
            await asyncio.gather(*self._closing, return_exceptions=True)

    async def begin(self) -> None:
        """Let the event loop know of the generator."""
        await self._watch.__anext__()

    def keep(self, channel: Closable) -> None:
        """Close this one with the loop, if nobody did before."""
        self._kept.add(channel)

    async def close(self, channel: Closable) -> None:
        """Close this one now."""
        await channel.close()
        self._kept.discard(channel)

    def close_soon(self, channel: Closable) -> None:
        """As `close`, for those who cannot wait; called in the loop's thread."""
        task = asyncio.get_running_loop().create_task(self.close(channel))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def keeper() -> LoopCleanup:
    """Return the running event loop's keeper."""
    loop = asyncio.get_running_loop()
    found = _keepers.get(loop)
    if found is None:
        forget_closed(_keepers)
        found = _keepers[loop] = LoopCleanup()
        await found.begin()
    return found


def forget_closed(kept: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, V]) -> None:
    """Let go of closed loops: what is kept knows its loop, so a weak reference alone would keep both for ever."""
    for known in kept.keyrefs():  # a list made at once, since other threads have loops of their own
        loop = known()
        if loop is not None and loop.is_closed():
            kept.pop(loop, None)


def close_dropped(places: Mapping[asyncio.AbstractEventLoop, Place], process: int) -> None:
    """Close the connections of a client that nobody has any more; in any thread, at any time."""
    if os.getpid() != process:
        return  # a forked child has neither the loops nor the connections
    for loop, place in list(places.items()):
        found = _keepers.get(loop)
        if found is not None:
            with suppress(RuntimeError):  # the loop is closed, and its keeper was called before
                loop.call_soon_threadsafe(found.close_soon, place.channel)
