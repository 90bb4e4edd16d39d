"""An ear at LlamaIndex's callbacks."""

from __future__ import annotations

from typing import Any

from llama_index.core.callbacks import CBEventType
from llama_index.core.callbacks.base_handler import BaseCallbackHandler


class Listener(BaseCallbackHandler):
    """
    Keeps the payload of every event.

    Args:
        kinds: The only events to keep; none named means all.
    """

    def __init__(self, *kinds: CBEventType) -> None:
        super().__init__([], [])
        self.heard: list[Any] = []
        self._kinds = kinds

    def on_event_start(self, event_type, payload=None, event_id="", parent_id="", **kwargs):
        self._hear(event_type, payload)
        return event_id

    def on_event_end(self, event_type, payload=None, event_id="", **kwargs):
        self._hear(event_type, payload)

    def start_trace(self, trace_id=None):
        pass

    def end_trace(self, trace_id=None, trace_map=None):
        pass

    def _hear(self, kind: CBEventType, payload: dict[str, Any] | None) -> None:
        if not self._kinds or kind in self._kinds:
            self.heard.append(payload)
