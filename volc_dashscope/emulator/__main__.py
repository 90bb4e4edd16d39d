"""`python -m volc_dashscope.emulator`: the emulator on a socket of this machine, until Ctrl-C."""

# ruff: noqa: T201 - a command speaks to its user

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from threading import Event

from volc_dashscope.emulator.emulator import Emulator
from volc_dashscope.emulator.faults import parse

# The emulator accepts every key, and the client needs one. The guides use the same.
ANY_KEY = "emulator-takes-any"


def seconds(text: str) -> float:
    """Return `50ms`, `0.05s` or `0.05` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)?", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; examples: 50ms, 0.05s")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def limit(text: str) -> float:
    """Return a limit of requests or tokens per minute."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a limit; pass a number above 0")
    return found


def plan(text: str) -> str:
    """Return the fault plan, after checking that it can be parsed."""
    try:
        parse(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    return text


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m volc_dashscope.emulator",
        description="Emulate the embedding protocols of Volcengine Ark and Alibaba DashScope on 127.0.0.1.",
    )
    parser.add_argument(
        "--port", type=int, default=8765, help="port; 0 picks a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--rpm", type=limit, help="rate limit of each model, in requests per minute (default: none)"
    )
    parser.add_argument(
        "--tpm", type=limit, help="rate limit of each model, in tokens per minute (default: none)"
    )
    parser.add_argument(
        "--latency",
        type=seconds,
        default=0.0,
        help="delay before each reply, for example 50ms (default: none)",
    )
    parser.add_argument(
        "--faults", type=plan, help="failures and their shares, for example 429:5%%,reset:2%%"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of the failures (default: %(default)s)"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    try:
        emulator = started(arguments(argv))
    except PortError as error:
        sys.exit(str(error))
    try:
        serve(emulator)
    except OSError as error:
        # Python would write the rest at its end, and fail again.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
        sys.exit(f"error: the output cannot be written: {error.strerror or error}")


class PortError(Exception):
    """The port cannot be used."""


def started(options: argparse.Namespace) -> Emulator:
    """
    Return a listening emulator.

    Raises:
        PortError: The port cannot be used.
    """
    emulator = Emulator(
        options.faults, options.latency, options.rpm, options.tpm, options.seed, job_seconds=2.0
    )
    try:
        return emulator.start(options.port)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "ports are 0 to 65535"
        raise PortError(
            f"port {options.port} cannot be used ({reason}); choose another with --port, or 0 for any"
        ) from error


def serve(emulator: Emulator, *, tell: Callable[[dict[str, str]], None] | None = None) -> None:
    """
    Serve until interrupted.

    Args:
        emulator: A listening emulator.
        tell: Called with the base URLs; None prints shell commands that set them, with a key.
    """
    if tell is not None:
        urls = {"ark": emulator.ark_url, "dashscope": emulator.dashscope_url}
        tell({**urls, "compatible": emulator.compatible_url})
        sys.stdout.flush()
    else:
        print(
            "emulator of the Ark and DashScope embedding protocols (not a model); to use it in another shell:"
        )
        print(f"export ARK_API_KEY={ANY_KEY} ARK_BASE_URL={emulator.ark_url}")
        print(f"export DASHSCOPE_API_KEY={ANY_KEY} DASHSCOPE_BASE_URL={emulator.dashscope_url}")
        print(f"compatible mode: {emulator.compatible_url}", flush=True)
    try:
        Event().wait()
    except KeyboardInterrupt:
        answered = len(emulator.ledger)
        summary = "1 request answered" if answered == 1 else f"{answered:,} requests answered"
        print(summary, file=sys.stderr if tell is not None else sys.stdout)
    finally:
        emulator.stop()


if __name__ == "__main__":
    main()
