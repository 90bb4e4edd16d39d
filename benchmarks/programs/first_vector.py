"""Line 7: from a finished import of `Client` to its first vector, against an emulator in its own process."""

from __future__ import annotations

import os

from figures import say, timed

from volc_dashscope import Client


def main() -> None:
    """Make a client and embed one text."""
    figures = timed(
        lambda: Client("text-embedding-v4", api_key="k", base_url=f"{os.environ['EMULATOR']}/api/v1").embed(
            ["a"]
        )
    )
    say(**figures)


if __name__ == "__main__":
    main()
