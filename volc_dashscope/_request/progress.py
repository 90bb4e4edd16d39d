"""The progress bar of a call."""

from __future__ import annotations

from typing import Any

from volc_dashscope.errors import ConfigError


def progress_bar(total: int) -> Any:
    """
    Return a tqdm bar that counts items on the terminal.

    Args:
        total: Items of the call.

    Raises:
        ConfigError: tqdm is not installed.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ConfigError('a progress bar needs tqdm: pip install "volc-dashscope[bulk]"') from error
    return tqdm(total=total, unit="item")
