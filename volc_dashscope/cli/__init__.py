"""
The command `volc-dashscope`: a shell's way to what the library does. No decision is made here.

Exit codes: 0 all is well; 1 some rows failed, or `doctor` found something to fix; 2 the command, its input or a
setting is wrong and nothing was sent; 3 the service or the account stopped it; 130 (143) stopped by Ctrl-C
(SIGTERM).
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command of this process and exit."""
    try:
        import click  # noqa: F401 - to say which extra is missing
    except ImportError:
        sys.stderr.write('volc-dashscope needs click: pip install "volc-dashscope[bulk]"\n')
        sys.exit(2)
    from volc_dashscope.cli._app import app

    app(prog_name="volc-dashscope")
