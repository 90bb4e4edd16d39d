"""The progress bar of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from volc_dashscope.errors import ConfigError


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
    with tqdm(total=total, unit="item") as bar:

        def update() -> None:
            bar.update(finished() - bar.n)

        try:
            yield update
        finally:
            update()
