"""Copies of components: pickled for another process, or deep-copied in this one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Self

from llama_index_ext.rate_limit import Packed, packed

# Copies in one process count and remember together.
_SHARED = frozenset({"rate_limiter", "limiter", "cache"})


class Portable:
    """
    A component that is remade from its settings wherever a copy arrives.

    Core's own way deletes from the live object what cannot be pickled, then embeds without it. Here the live
    object is only read; what cannot be pickled raises. The callback manager stays behind.
    """

    def __getstate__(self) -> dict[str, Any]:
        settings = self._settings()
        return {"__dict__": {name: packed(value) for name, value in settings.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        settings = state["__dict__"]
        made = {
            name: value.made() if isinstance(value, Packed) else value for name, value in settings.items()
        }
        self.__init__(**made)  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        settings = self._settings()
        return type(self)(
            **{name: value if name in _SHARED else deepcopy(value, memo) for name, value in settings.items()}
        )

    def _settings(self) -> dict[str, Any]:
        require = getattr(self, "_require_own_connections", None)
        if require is not None:
            require()
        return {name: value for name, value in self.__dict__.items() if name != "callback_manager"}
