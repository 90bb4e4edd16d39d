"""
Bounds on what one client of the page can hold: connections, seconds, uploads.

uvicorn closes a connection that is idle between two requests, but waits for ever for the rest of a request that was
begun. A tab or a script that leaves hundreds of those open would keep them, and their memory, until the command ends.
"""

from __future__ import annotations

import asyncio

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

# A browser opens six connections to a host; a hundred are sixteen tabs.
MOST_CONNECTIONS = 100
HEADER_SECONDS = 10.0
_SHUTDOWN_SECONDS = 2


def server_config(app: ASGIApp, *, header_seconds: float = HEADER_SECONDS) -> uvicorn.Config:
    """
    Return how the page is served.

    Args:
        header_seconds: How long the lines and headers of a request may take to come.
    """

    class Bounded(_Bounded):
        seconds = header_seconds

    return uvicorn.Config(
        app,
        http=Bounded,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


class _Bounded(H11Protocol):
    """A connection that is closed when a request does not come whole in time, or when there are too many."""

    seconds = HEADER_SECONDS
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock, or turn the connection away."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the clock runs on while no request is whole, however slowly bytes drip in."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if not self._waits():
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self._expire)

    def _waits(self) -> bool:
        # `cycle` is the request that is being answered; its annotation does not say that there may be none.
        cycle = self.cycle
        return not cycle or cycle.response_complete

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._waits():
            self.transport.close()
