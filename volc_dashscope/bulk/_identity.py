"""The settings and source of an output, and the check that an earlier run had the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import orjson

from volc_dashscope._types import RequestSpec
from volc_dashscope.errors import ConfigError


class Records(Protocol):
    """
    A source of records in a fixed order, numbered by `row`.

    Attributes:
        path: A file, or a folder.
    """

    @property
    def path(self) -> Path: ...

    def records(self) -> Iterator[Any]:
        """Yield every record, including unreadable ones."""
        ...

    def layout(self) -> dict[str, str]:
        """Return two digests without reading content: `sizes` of names and sizes, `times` also of times."""
        ...

    def content(self) -> str:
        """Return a digest of every byte."""
        ...

    def skipped(self) -> int:
        """Return the number of files that are not records."""
        ...


class Identity:
    """
    Everything that shapes the rows of an output.

    Sources are compared in three steps, so that the usual case reads no content. With equal names, sizes and times they
    are the same; with other names or sizes they differ; if only times differ, the content decides (a copied or
    restored source has new times and the same bytes).
    """

    def __init__(self, settings: Mapping[str, Any], source: Records) -> None:
        self.settings = dict(settings)
        self._source = source

    @cached_property
    def _layout(self) -> dict[str, str]:
        return self._source.layout()

    @cached_property
    def _content(self) -> str:
        return self._source.content()

    def as_json(self, stored: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """
        Return the JSON that is stored with the rows.

        Args:
            stored: What an earlier run stored, if nothing differs; None to read the content of the source.
        """
        content = self._content if stored is None else stored["source"]["content"]
        return {**self.settings, "source": {**self._layout, "content": content}}

    def difference(self, stored: Mapping[str, Any]) -> str | None:
        """Return the name of the first setting that differs, "source", or None."""
        for name, value in self.settings.items():
            if stored.get(name) != value:
                return name
        kept, now = stored.get("source"), self._layout
        if not isinstance(kept, dict) or kept.get("sizes") != now["sizes"]:
            return "source"
        if kept.get("times") == now["times"] or kept.get("content") == self._content:
            return None
        return "source"

    def refuse_other(self, stored: Mapping[str, Any], place: str) -> None:
        """
        Refuse to continue rows that were made with other settings or another source.

        Raises:
            ConfigError: With the first difference.
        """
        name = self.difference(stored)
        if name is None:
            return
        remedy = (
            "use another output, or start again with restart (--restart), which drops rows that are paid for"
        )
        if name == "source":
            raise ConfigError(
                f"{place} was started with another source, or the source has changed; restore it, {remedy}"
            )
        raise ConfigError(
            f"{place} was started with {name} {stored.get(name)!r}, not {self.settings[name]!r}; {remedy}"
        )


def settings_of(spec: RequestSpec) -> dict[str, Any]:
    """Return the settings that shape a vector, from `vector_key()`, and the role."""
    return {**orjson.loads(spec.vector_key), "text_type": spec.text_type}
