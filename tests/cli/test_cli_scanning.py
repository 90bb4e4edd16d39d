"""A command that scans many files says how far it is: on a terminal in one line that changes, else line by line."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import termios
from pathlib import Path

import forked
import pytest
from canary import KEY
from cli_runs import environ, run
from paintings import painted

FILES = 250
VL = "qwen3-vl-embedding"
# Listing a folder is slow the first time, as it is on another machine. Nothing of ours is replaced.
SLOW = """
import os, time
listed, known = os.scandir, set()

class Slow:
    def __init__(self, *folder):
        self._found = listed(*folder)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._found.close()

    def __iter__(self):
        for entry in self._found:
            if entry.path not in known:
                time.sleep(0.0025)
                known.add(entry.path)
            yield entry

os.scandir = Slow
"""
FAST_CLOCK = "real = time.monotonic\ntime.monotonic = lambda: 50 * real()\n"
START = "from volc_dashscope.cli import main; main()"
COMMANDS = {
    "embed": ("embed", "pics", "-m", VL, "-o", "out.parquet"),
    "embed --dry-run": ("embed", "pics", "-m", VL, "--dry-run"),
    "estimate": ("estimate", "pics", "-m", VL),
    "search": ("search", "pics", "sea", "-m", VL),
    "serve": ("serve", "pics", "-m", VL, "--port", "0"),
}


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    """A folder of files that are pictures by their names only, so that nothing is sent for them."""
    (tmp_path / "pics").mkdir()
    for number in range(FILES):
        (tmp_path / "pics" / f"{number}.png").touch()
    return tmp_path


def _environment() -> dict[str, str]:
    return {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_BASE_URL": "http://127.0.0.1:9/api/v1"}


def _on_terminal(
    folder: Path, *arguments: str, code: str = SLOW + START, stop_at: str = ""
) -> tuple[str, str]:
    """
    Run the command with stderr on a terminal of 100 columns; return that, and stdout.

    Args:
        stop_at: What is on the terminal when Ctrl-C is pressed.
    """
    terminal, other_end = pty.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = forked.start(
        code, *arguments, folder=folder, environ=environ(**_environment()), stderr=other_end
    )
    os.close(other_end)
    written = b""
    try:
        while piece := _read(terminal):
            written += piece
            if stop_at and stop_at in written.decode(errors="replace"):
                process.send_signal(signal.SIGINT)
                stop_at = ""
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(terminal)
    return written.decode(), out


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so that the other end is closed
        return b""


def _screen(written: str) -> list[str]:
    """Return the lines that stay on a terminal."""
    lines, column = [""], 0
    for letter in written:
        if letter == "\r":
            column = 0
        elif letter == "\n":
            lines.append("")
        else:
            line = lines[-1].ljust(column)
            lines[-1] = line[:column] + letter + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("line", COMMANDS.values(), ids=COMMANDS)
def test_a_terminal_shows_how_many_files_were_found(pics, line):
    written, out = _on_terminal(pics, *line)

    assert re.search(r"found [12]00 files …", written)
    # The line is gone when the next one comes, and results do not stand in the middle of it.
    assert [] == [text for text in _screen(written) if re.match(r"found [\d,]+ files", text)]
    assert "…" not in out
    assert "Traceback" not in written


@pytest.mark.parametrize("line", COMMANDS.values(), ids=COMMANDS)
def test_a_log_gets_a_line_now_and_then(pics, line):
    done = run(*line, folder=pics, code=SLOW + FAST_CLOCK + START, **_environment())

    assert re.search(r"^found [12]00 files …$", done.err, re.M)
    assert "\r" not in done.err


@pytest.mark.parametrize(
    "line", [(*COMMANDS["embed"], "-q"), (*COMMANDS["search"], "-q")], ids=["embed", "search"]
)
def test_a_quiet_command_says_nothing_of_it(pics, line):
    done = run(*line, folder=pics, code=SLOW + FAST_CLOCK + START, **_environment())

    assert "found" not in done.err


def test_a_scan_goes_on_after_its_terminal_is_gone(pics):
    terminal, other_end = pty.openpty()
    process = forked.start(
        SLOW + START, *COMMANDS["estimate"], folder=pics, environ=environ(**_environment()), stderr=other_end
    )
    os.close(other_end)
    try:
        while b"found" not in _read(terminal):
            pass
        os.close(terminal)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()

    assert "250" in out


STOPS = {
    "embed": (
        ("embed", "pics", "-m", VL, "-o", "out.parquet"),
        "stopping after the requests in flight; press Ctrl-C again",
    ),
    "search": (("search", "pics", "sea", "-m", VL), "finished work is saved; run the same command"),
}


@pytest.mark.parametrize(("line", "words"), STOPS.values(), ids=STOPS)
def test_what_ctrl_c_says_stands_in_a_line_of_its_own(emulate, tmp_path, line, words):
    (tmp_path / "pics").mkdir()
    for number in range(200):
        (tmp_path / "pics" / f"{number}.png").write_bytes(painted(size=(16, 16 + number)))
    # Ten requests: the first Ctrl-C has to come before the last of them.
    url = emulate(socket=True, latency=0.7).emulator.dashscope_url

    written, _ = _on_terminal(
        tmp_path, *line, "--concurrency", "1", "--base-url", url, code=START, stop_at=" failed"
    )

    assert [words] == [text[: len(words)] for text in _screen(written) if words in text]
