"""`volc-dashscope emulator`: what `python -m volc_dashscope.emulator` does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import click

from volc_dashscope.cli._options import json_option
from volc_dashscope.cli._output import errors_reported, print_json
from volc_dashscope.emulator import __main__ as console
from volc_dashscope.errors import ConfigError


def _read(read: Callable[[str], Any]) -> Callable[..., Any]:
    def convert(context: click.Context, option: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else read(value)
        except argparse.ArgumentTypeError as error:
            raise click.BadParameter(str(error)) from error

    return convert


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port; 0 picks a free one."
)
@click.option(
    "--rpm",
    callback=_read(console.limit),
    help="Rate limit of each model, in requests per minute. Default: none.",
)
@click.option(
    "--tpm",
    callback=_read(console.limit),
    help="Rate limit of each model, in tokens per minute. Default: none.",
)
@click.option(
    "--latency",
    default="0",
    callback=_read(console.seconds),
    help="Delay before each reply, for example 50ms.",
)
@click.option(
    "--faults", callback=_read(console.plan), help="Failures and their shares, for example 429:5%,reset:2%."
)
@click.option("--seed", type=int, default=0, help="Random seed of the failures.")
@json_option
def emulator(as_json: bool, **options: Any) -> None:
    """
    Emulate both services on this machine until Ctrl-C.

    Serves the protocols of Volcengine Ark and Alibaba DashScope on 127.0.0.1 with their limits and errors; the
    vectors come from simple features, not from a model. Prints the environment variables that connect a program
    to it; any API key is accepted.

    \b
    Example:
      volc-dashscope emulator --rpm 120 --latency 50ms --faults 429:5%,reset:2%
    """
    with errors_reported(as_json=as_json):
        try:
            server = console.started(argparse.Namespace(**options))
        except console.PortError as error:
            raise ConfigError(str(error)) from error
    console.serve(server, tell=print_json if as_json else None)
