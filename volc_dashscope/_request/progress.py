"""A progress bar, when one is asked for."""

from __future__ import annotations

from typing import Any

from volc_dashscope.errors import ConfigError


class Progress:
    """
    Counts finished items on a terminal.

    Args:
        total: Items of the call.
        shown: False makes every method do nothing.

    Raises:
        ConfigError: A bar is wanted and tqdm is not installed.
    """

    def __init__(self, total: int, *, shown: bool) -> None:
        self._bar: Any = None
        if shown:
            try:
                from tqdm.auto import tqdm
            except ImportError as error:
                raise ConfigError('a progress bar needs tqdm: pip install "volc-dashscope[bulk]"') from error
            self._bar = tqdm(total=total, unit="item")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, finished: int) -> None:
        """Show that so many items are done."""
        if self._bar is not None:
            self._bar.update(finished - self._bar.n)
