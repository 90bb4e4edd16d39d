"""The command `volc-dashscope`: the library for a shell. Exit codes are in `volc_dashscope.cli._output.ExitCode`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command of this process and exit."""
    from volc_dashscope.cli._app import app
    from volc_dashscope.cli._output import open_streams

    if None in (sys.stdin, sys.stdout, sys.stderr):
        open_streams()
    app(prog_name="volc-dashscope")
