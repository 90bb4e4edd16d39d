"""Records the events of core's dispatcher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation import get_dispatcher


class EventRecorder(BaseEventHandler):
    """
    Keeps events in order.

    Attributes:
        kind: Part of the class name of the events to keep; empty for all.
        events: The events so far.
    """

    kind: str
    events: list[Any]

    def handle(self, event: Any, **kwargs: Any) -> None:
        if self.kind in type(event).__name__:
            self.events.append(event)


@contextmanager
def recorded(kind: str = "") -> Iterator[EventRecorder]:
    """Record the events of the root dispatcher within the block."""
    dispatcher, recorder = get_dispatcher(), EventRecorder(kind=kind, events=[])
    dispatcher.add_event_handler(recorder)
    try:
        yield recorder
    finally:
        dispatcher.event_handlers.remove(recorder)
