"""Paths that users give to the cache, to jobs and to bulk jobs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from volc_dashscope.errors import ConfigError


def checked_path(given: object, name: str) -> Path:
    """
    Return a path that the user gave. Whether something is there is not looked at.

    Args:
        name: What the path is of, for messages.

    Raises:
        ConfigError: It is no path, or one that no file can have.
    """
    if given == "":
        raise ConfigError(f"{name} is an empty path")
    if not isinstance(given, str | os.PathLike):
        raise ConfigError(f"{name} must be a str or a Path, got {type(given).__name__}")
    try:
        path = Path(given)
    except TypeError as error:  # a PathLike of bytes
        raise ConfigError(f"{name} must be a str or a Path, got a path of bytes") from error
    try:
        os.lstat(path)
    except ValueError as error:  # a zero byte, or half of a character
        raise ConfigError(
            f"{name} {str(path)!r} contains a character that is not allowed in file names"
        ) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            words = f"{name} {str(path)[:40]!r}... is too long: {len(str(path))} characters"
            raise ConfigError(words) from error
    return path
