"""Pickling and deep-copying of components."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

from llama_index.core.rate_limiter import BaseRateLimiter
from pydantic import BaseModel

from volc_dashscope.integrations.construction import SettingsModel
from volc_dashscope.integrations.settings import warn_of_copied_cache


class Portable(SettingsModel):
    """
    A component that is copied and unpickled by constructing a new one from its settings.

    Core would delete from the original object what cannot be pickled. Here the original is only read, and what cannot
    be pickled raises an error. The callback manager is not copied.
    """

    def __getstate__(self) -> dict[str, Any]:
        settings = self._settings()
        warn_of_copied_cache(settings.get("cache"))
        return {"__dict__": {name: picklable(value) for name, value in settings.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        settings = state["__dict__"]
        made = {
            name: value.restore() if isinstance(value, PickledLimiter) else value
            for name, value in settings.items()
        }
        self.__init__(**made)  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return type(self)(**deepcopy(self._settings(), self._with_shared(memo)))

    def _settings(self) -> dict[str, Any]:
        self._require_own_connections()
        return {name: value for name, value in self.__dict__.items() if name != "callback_manager"}


@dataclass(frozen=True)
class PickledLimiter:
    """The settings of one of core's limiters, for pickling without its lock."""

    kind: type[BaseModel]
    settings: dict[str, Any]

    def restore(self) -> BaseModel:
        """Return a new limiter with the same limits."""
        return self.kind(**self.settings)


def picklable(value: Any) -> Any:
    """Return what is pickled instead of one of core's limiters; anything else is returned as it is."""
    if isinstance(value, BaseModel) and isinstance(value, BaseRateLimiter):
        return PickledLimiter(type(value), {name: getattr(value, name) for name in type(value).model_fields})
    return value
