"""Paths that users give to the cache, to jobs and to bulk jobs, and how a terminal may show what they name."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from volc_dashscope.errors import ConfigError

# What a terminal obeys instead of showing it, what turns the direction of the text after it, and line separators.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""Return a text for one line of a terminal: control characters, as file names may have them, become `\x1b`."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def checked_path(value: object, name: str) -> Path:
    """
    Return a path that the user gave. Whether something is there is not looked at.

    Args:
        name: What the path is of, for messages.

    Raises:
        ConfigError: It is no path, or one that no file can have.
    """
    if value == "":
        raise ConfigError(f"{name} is an empty path")
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"{name} must be a str or a Path, got {type(value).__name__}")
    try:
        path = Path(value)
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
            message = f"{name} {str(path)[:40]!r}... is too long: {len(str(path))} characters"
            raise ConfigError(message) from error
    return path
