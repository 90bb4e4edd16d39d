"""`python -m volc_dashscope`: the command `volc-dashscope`."""

from __future__ import annotations

from volc_dashscope.cli import main

if __name__ == "__main__":
    main()
