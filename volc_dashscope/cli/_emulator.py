"""`volc-dashscope emulator`: what `python -m volc_dashscope.emulator` does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import click

from volc_dashscope.cli._options import json_option
from volc_dashscope.cli._output import errors_told, say_json
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
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one."
)
@click.option("--rpm", type=float, help="Requests a minute for each model.")
@click.option("--tpm", type=float, help="Tokens a minute for each model.")
@click.option(
    "--latency", default="0", callback=_read(console.seconds), help="How long each answer takes, e.g. 50ms."
)
@click.option("--faults", callback=_read(console.plan), help="What goes wrong, e.g. 429:5%,reset:2%.")
@click.option("--seed", type=int, default=0, help="Fixes what chance decides.")
@json_option
def emulator(as_json: bool, **options: Any) -> None:
    """
    Run both services offline on this machine, until Ctrl-C.

    An emulator of the protocols of Volcengine Ark and Alibaba DashScope on 127.0.0.1: same limits, same errors,
    vectors that are stand-ins. It prints the variables that point a program at it; any key will do.
    """
    with errors_told(as_json=as_json):
        try:
            server = console.started(argparse.Namespace(**options))
        except console.PortError as error:
            raise ConfigError(str(error)) from error
    console.serve(server, tell=say_json if as_json else None)
