"""Output of the command: results on stdout, all else on stderr; an error is one line and an exit code."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from volc_dashscope._paths import CONTROL, escaped
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from volc_dashscope.bulk import ScanCallback
    from volc_dashscope.models import ModelInfo


class ExitCode(IntEnum):
    """
    Every exit code of the command.

    Attributes:
        DONE: Everything worked.
        FAILED_ROWS: Some rows or files failed, `doctor` found something to fix, or the output cannot be written.
        WRONG: The command, its input or a setting is wrong; nothing was sent.
        STOPPED: The service or the account stopped the job; the same command continues it.
        HUNG_UP: Stopped by SIGHUP, because the terminal was closed.
        INTERRUPTED: Stopped by Ctrl-C: 128 plus the number of the signal, as in shells.
        TERMINATED: Stopped by SIGTERM.
    """

    DONE = 0
    FAILED_ROWS = 1
    WRONG = 2
    STOPPED = 3
    HUNG_UP = 128 + 1
    INTERRUPTED = 128 + signal.SIGINT
    TERMINATED = 128 + signal.SIGTERM


# A terminal shows one line that changes, a log new lines.
_TERMINAL_SECONDS, _LINE_SECONDS = 0.2, 5.0
_MAX_REASONS = 3
# The row at the beginning of an error, and what differs between errors that have the same reason.
_ROW = re.compile(r"^rows? \d+(?: to \d+)?: |\brow \d+\b: ?")
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\b[0-9a-f]{8}[0-9a-f-]*\b|\d[\d,.]*")
# Settings whose option has a shorter name.
_OPTION_NAMES = {"max_concurrency": "concurrency", "max_image_pixels": "max_pixels"}
# Settings that messages of the library name in Python's spelling.
_OPTION = re.compile(
    r"(?<![\w?&.-])(base_model|provider|region|workspace|base_url|dimensions|instruct|res_level|upload|truncate"
    r"|max_image_pixels|route|insecure_http|requests_per_minute|tokens_per_minute|max_concurrency|model)="
    r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<true>True\b)|(?P<number>\d[\d.]*\b)|(?=[\s,;.:)]|$))"
)
# Other words about Python in messages, and those for the shell.
_PHRASES = {
    "pass api_key or set": "set",
    "pass a key as api_key, or set": "set",
    "; use Reranker": "; use `volc-dashscope rerank`",
}


def print_json(value: Mapping[str, Any]) -> None:
    """Write one line of JSON to stdout."""
    # Not by orjson, which refuses paths that are not UTF-8.
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    click.echo(CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line))


def print_line(line: str) -> None:
    """Write a line to stdout."""
    click.echo(escaped(line))


def note(*lines: str) -> None:
    """Write lines to stderr. If that fails, the command continues, because its work may have been paid for."""
    for line in lines:
        _write(escaped(line), end_line=True)


def _write(text: str, *, end_line: bool) -> None:
    try:
        click.echo(text, err=True, nl=end_line)
    except OSError:
        silence("stderr")


def silence(stream: Literal["stdout", "stderr"]) -> None:
    """Discard everything written to a stream from now on: Python would flush the rest at exit, and fail again."""
    setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends


def open_streams() -> None:
    """
    Open the null device in place of each standard stream that is closed.

    Otherwise the next file that is opened would get its number, and what anything writes to the stream would end up in
    that file, which may be a cache.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as above


def exit_with(code: int) -> NoReturn:
    """End the command."""
    sys.exit(code)


@contextmanager
def errors_reported(*, as_json: bool = False, hint: Sequence[str] = ()) -> Iterator[None]:
    """
    Turn the library's errors into a line and an exit code.

    Args:
        hint: Lines that say what to do after an error that is not the command's fault.
    """
    try:
        yield
    except EmbeddingError as error:
        wrong = isinstance(error, ConfigError | InputError)
        if as_json:
            kind = type(error).__name__
            print_json(
                {
                    "error": shell_spelling(str(error)),
                    "kind": kind,
                    "code": error.code,
                    "request_id": error.request_id,
                }
            )
        note(f"error: {shell_spelling(str(error))}")
        if not wrong:
            note(*hint)
        exit_with(ExitCode.WRONG if wrong else ExitCode.STOPPED)


def shell_spelling(message: str) -> str:
    """
    Return a message of the library with settings as options.

    `base_model=` becomes `--base-model`, `base_model="a"` becomes `--base-model a`, `upload=True` becomes `--upload`.
    """
    for python, shell in _PHRASES.items():
        message = message.replace(python, shell)
    return _OPTION.sub(_as_option, message)


def _as_option(found: re.Match[str]) -> str:
    option = "--" + _OPTION_NAMES.get(found[1], found[1]).replace("_", "-")
    text = found["double"] if found["double"] is not None else found["single"]
    value = found["number"] if text is None else shlex.quote(text)
    return option if value is None else f"{option} {value}"


def most_frequent(errors: Iterable[str]) -> list[tuple[str, int]]:
    """
    Return the three most frequent reasons with their counts.

    Errors that differ only in numbers, ids and quoted names have one reason; the first of them is shown.
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for error in errors:
        text = _ROW.sub("", error)
        reason = _VARIABLE.sub("*", text)
        counts[reason] += 1
        first.setdefault(reason, text)
    return [(first[reason], count) for reason, count in counts.most_common(_MAX_REASONS)]


def note_reasons(errors: Iterable[str]) -> None:
    """Write the most frequent reasons to stderr."""
    for reason, count in most_frequent(errors):
        note(f"{count:>9,} x {reason}")


@contextmanager
def scanning(source: Path, *, quiet: bool) -> Iterator[ScanCallback | None]:
    """Yield a function that shows the progress of a scan: one changing line on a terminal, else a line every 5 s."""
    if quiet:
        yield None
        return
    unit = "files" if source.is_dir() else "rows"
    terminal = sys.stderr.isatty()
    shown_at, width = time.monotonic(), 0

    def show(step: str, number: int) -> None:
        nonlocal shown_at, width
        now = time.monotonic()
        if now - shown_at < (_TERMINAL_SECONDS if terminal else _LINE_SECONDS):
            return
        shown_at = now
        line = f"{step} {number:,} {unit} …"
        if terminal:
            _write(f"\r{line.ljust(width)}", end_line=False)
            width = len(line)
        else:
            note(line)

    try:
        yield show
    finally:
        # The next output starts on a new line.
        if width:
            _write(f"\r{' ' * width}\r", end_line=False)


def media_count(number: int) -> str:
    """Return the number of searchable files in a folder, for display."""
    return "1 picture or video" if number == 1 else f"{number:,} pictures and videos"


def file_size(size: int) -> str:
    """Return a number of bytes for display; one that rounds to zero megabytes is shown in kilobytes."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def duration(seconds: float) -> str:
    """Return a time in its two largest units."""
    whole = round(seconds)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{seconds:.1f} s"


def kinds(row: ModelInfo) -> list[str]:
    """Return the modalities that a model embeds, in the order of the table."""
    found: list[str] = [kind for kind in ("text", "image", "video", "frames") if kind in row.modalities]
    return found + (["fused"] if row.fusion is not None else [])


def price(row: ModelInfo) -> str:
    """Return the prices of a million tokens of text and, where it differs, of media."""
    if row.price is None:
        return "?"
    media = row.price.image
    return f"{row.price.text:g}" + ("" if media in (None, row.price.text) else f" / {media:g}")


def summary(row: ModelInfo) -> str:
    """Return a short description of a model."""
    unit = "" if row.price is None else f", {row.price.currency} {price(row)} per million tokens"
    return f"{' '.join(kinds(row))}{unit}"
