"""Shared by commands that run a bulk job: stopping by signals, and the final report."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, groupby
from types import FrameType

from volc_dashscope._error import without_keys
from volc_dashscope._types import counted
from volc_dashscope.bulk import Report
from volc_dashscope.bulk._report import amount
from volc_dashscope.bulk._vectors import read_output
from volc_dashscope.cli._output import ExitCode, exit_with, most_frequent, note, note_reasons, print_json
from volc_dashscope.errors import ConfigError

# What a closed terminal sends. Windows has none.
_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """
    Yield an event that the first Ctrl-C, SIGTERM or SIGHUP sets; the second one ends the process as usual.

    But for a second SIGHUP: when a terminal is closed, both the system and the shell send one. Where SIGHUP is ignored,
    as by `nohup`, it stays so.
    """
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if _HANGUP is not None and signal.getsignal(_HANGUP) is not signal.SIG_IGN:
        before[_HANGUP] = signal.getsignal(_HANGUP)

    def halt(number: int, frame: FrameType | None) -> None:
        for handled, handler in before.items():
            signal.signal(handled, signal.SIG_IGN if handled == number == _HANGUP else handler)
        _STOPPED.append(number)
        stop.set()
        below = [""] if sys.stderr.isatty() else []  # the bar
        with suppress(RuntimeError):  # it came while the job wrote to stderr, which takes no second writer
            note(*below, "stopping after the requests in flight; press Ctrl-C again to stop at once")

    for number in before:
        signal.signal(number, halt)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# The signal that stopped this process, for its exit code.
_STOPPED: list[int] = []


def how_to_resume() -> tuple[str, str]:
    """Return what to do after an interruption, in two lines."""
    return "finished work is saved; to continue, run the same command again:", _command()


def _command() -> str:
    return without_keys("  " + shlex.join(["volc-dashscope", *sys.argv[1:]]), uuids=False)


def print_report(report: Report, unit: str, *, as_json: bool) -> None:
    """
    Print how a job ended, and exit with its exit code.

    Args:
        unit: Name of its rows: "rows", "files" or "queries".
    """
    if as_json:
        reasons = [{"reason": reason, "count": count} for reason, count in most_frequent(_errors(report))]
        print_json({**report.as_json(), "reasons": reasons})
    price = "price unknown" if report.price is None else amount(report.price, report.currency)
    tokens = counted(report.usage.total_tokens, "tokens")
    note(f"{counted(report.rows, unit)}, {report.failed:,} failed, {tokens}, {price}")
    note_reasons(_errors(report))
    if report.damaged:
        note(f"{unit} of damaged files were sent again: {', '.join(report.damaged)}")
    if report.resumed:
        note(f"{report.resumed:,} of them finished in an earlier run")
    if report.skipped_files:
        files = counted(report.skipped_files, "files")
        note(f"left out {files} whose names are neither those of images nor of videos")
    if report.state == "waiting":
        note(*_waiting(report))
        exit_with(ExitCode.DONE)
    if report.state == "interrupted":
        note(*how_to_resume())
        exit_with(ExitCode(128 + _STOPPED[0]) if len(_STOPPED) == 1 else ExitCode.INTERRUPTED)
    note(f"written to {report.output}")
    if report.failed_file is not None:
        note(f"the failed {unit} are in {report.failed_file}, which can be the SOURCE of another run")
        exit_with(ExitCode.FAILED_ROWS)


def _errors(report: Report) -> Iterator[str]:
    """
    Yield each error once, because the rows of a query share theirs, in bounded memory.

    They are those of the output; the list of failed rows may have been edited since.
    """
    if report.failed_file is not None:
        with suppress(ConfigError):  # a damaged output raises when its vectors are read
            batches = (batch["error"].to_pylist() for batch in read_output(report.output, ["error"]))
            for error, _ in groupby(chain.from_iterable(batches)):
                if error is not None:
                    yield error


def _waiting(report: Report) -> tuple[str, str]:
    if report.jobs:
        jobs = ", ".join(report.jobs)
        return (
            f"jobs at the service: {jobs}; to collect their results, run the same command again:",
            _command(),
        )
    folder = f"{report.output}.partial"
    return f"put {folder}/lines-*.txt where the service can fetch them, and add --file-url to:", _command()
