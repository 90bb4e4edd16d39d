"""Copies of components: pickled for another process, or deep-copied in this one."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

from llama_index.core.rate_limiter import BaseRateLimiter
from pydantic import BaseModel

from volc_dashscope.integrations.settings import warn_of_copied_cache

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
        warn_of_copied_cache(settings.get("cache"))
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


@dataclass(frozen=True)
class Packed:
    """A limiter of core's on its way to another process: its settings, without the lock it counts under."""

    kind: type[BaseModel]
    settings: dict[str, Any]

    def made(self) -> BaseModel:
        """Return a limiter with the same limits, which counts for itself."""
        return self.kind(**self.settings)


def packed(value: Any) -> Any:
    """Return what travels in the place of a limiter of core's, and anything else as it is."""
    if isinstance(value, BaseModel) and isinstance(value, BaseRateLimiter):
        return Packed(type(value), {name: getattr(value, name) for name in type(value).model_fields})
    return value
