"""The progress bar of a call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from volc_dashscope.errors import ConfigError


class ProgressStream:
    """
    A stream that discards what cannot be written: its disk is full, its reader has left, or it is closed.

    A progress bar that cannot be shown must not end a call that is paid for.

    Args:
        stream: What is written to; None for stderr.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream: Any = sys.stderr if stream is None else stream

    def write(self, text: str) -> None:
        # A ValueError is of a closed stream, or of an encoding without these characters; without stderr it is None.
        with suppress(OSError, ValueError, AttributeError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            self._stream.flush()

    def isatty(self) -> bool:
        with suppress(OSError, ValueError, AttributeError):
            return bool(self._stream.isatty())
        return False

    def __getattr__(self, name: str) -> Any:
        # tqdm asks for the encoding and for the width of the terminal.
        return getattr(self._stream, name)


@contextmanager
def progress_bar(
    total: int, finished: Callable[[], int], *, shown: bool
) -> Iterator[Callable[[], None] | None]:
    """
    Show a tqdm bar that counts items on the terminal.

    Yields what updates the bar, or None if none is shown.

    Args:
        total: Items of the call.
        finished: Returns how many of them are finished now.

    Raises:
        ConfigError: tqdm is not installed.
    """
    if not shown:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ConfigError('a progress bar needs tqdm: pip install "volc-dashscope[bulk]"') from error
    with tqdm(total=total, unit="item", file=ProgressStream(), dynamic_ncols=True) as bar:

        def update() -> None:
            bar.update(finished() - bar.n)

        try:
            yield update
        finally:
            update()
