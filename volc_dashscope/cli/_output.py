"""How the command speaks: results on stdout, all else on stderr, and errors as one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import click
import orjson

from volc_dashscope.errors import ConfigError, EmbeddingError, InputError

FAILED_ROWS, WRONG, STOPPED = 1, 2, 3
SOMETHING_TO_FIX = 1


def say_json(value: Mapping[str, Any]) -> None:
    """Write one line of JSON to stdout."""
    click.echo(orjson.dumps(value).decode())


def note(text: str) -> None:
    """Write a line to stderr."""
    click.echo(text, err=True)


def leave(code: int) -> NoReturn:
    """End the command."""
    sys.exit(code)


@contextmanager
def errors_told(*, as_json: bool = False, hint: str = "") -> Iterator[None]:
    """
    Turn what the library raises into a line and an exit code.

    Args:
        hint: What to do after an error that is not the command's fault.
    """
    try:
        yield
    except EmbeddingError as error:
        wrong = isinstance(error, ConfigError | InputError)
        if as_json:
            kind = type(error).__name__
            say_json({"error": str(error), "kind": kind, "code": error.code, "request_id": error.request_id})
        note(f"error: {error}")
        if hint and not wrong:
            note(hint)
        leave(WRONG if wrong else STOPPED)


def megabytes(size: int) -> str:
    """Return a number of bytes in words."""
    return f"{size / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    """Return a time in words: the two largest units."""
    whole = round(seconds)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{seconds:.1f} s"
