"""`volc-dashscope estimate`, which `embed --dry-run` prints too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from volc_dashscope.bulk import Preview, preview
from volc_dashscope.bulk._report import amount
from volc_dashscope.cli._options import SourceOptions, priced_options
from volc_dashscope.cli._output import duration, errors_reported, note, print_json, print_line, scanning
from volc_dashscope.cli._paths import PathArgument


@click.command()
@click.argument("source", type=PathArgument())
@priced_options
def estimate(**options: Any) -> None:
    """
    Estimate what embedding SOURCE would cost.

    Counts requests, tokens, price and time for every row of SOURCE (a text file, JSONL, CSV, TSV, Parquet, or a
    folder of images and videos). Needs no key and sends nothing.

    \b
    Example:
      volc-dashscope estimate photos/ --model qwen3-vl-embedding
    """
    arguments = SourceOptions(**options)
    with errors_reported(as_json=arguments.as_json):
        print_preview(arguments, None, quiet=arguments.as_json, restart=False)


def print_preview(arguments: SourceOptions, output: Path | None, *, quiet: bool, restart: bool) -> None:
    """Print what a job would still send and cost, excluding the finished rows of `output` unless it restarts."""
    with scanning(arguments.source, quiet=quiet) as watch:
        source = arguments.opened(watch)
        settings = arguments.settings()
        found = preview(source, output, model=settings, text_type=arguments.text_type, restart=restart)
    print_counted(
        found, arguments.model, "files" if source.format == "folder" else "rows", as_json=arguments.as_json
    )


def print_counted(found: Preview, model: str, unit: str, *, items: str = "items", as_json: bool) -> None:
    """Print the counts; `items` is the name of what the requests contain."""
    if as_json:
        print_json({"model": model, **found.as_json()})
        return
    for name, value in _lines(found, unit, items):
        if value:
            print_line(f"{name + ':':20}{value}")
    note(found.rule)


def _lines(found: Preview, unit: str, items: str) -> list[tuple[str, str]]:
    priced = _price(*found.price, found.currency) if found.price else "unknown"
    seconds = "unknown" if found.seconds is None else _least_time(found.seconds)
    return [
        (unit, f"{found.rows:,}"),
        ("finished already", f"{found.finished:,}" if found.finished else ""),
        (
            "cannot be sent" if items == "documents" else "cannot be embedded",
            f"{found.bad:,}" if found.bad else "",
        ),
        (items, f"{found.items:,}"),
        ("requests", f"{found.requests:,}"),
        ("tokens", _range(*found.tokens, ",.0f")),
        ("price", priced),
        ("time at the limits", seconds),
    ]


def _least_time(seconds: float) -> str:
    """Return a minimum time for display; one that rounds to zero is not shown as zero."""
    least = 0.1
    return f"under {least} s" if 0 < seconds < least else f"at least {duration(seconds)}"


def _price(least: float, most: float | None, currency: str | None) -> str:
    if least == most:
        return amount(least, currency)
    price = _range(least, most, ",.4f")
    return price if price == "unknown" else f"{currency} {price}"


def _range(fewest: float, most: float | None, style: str) -> str:
    least = f"{fewest:{style}}"
    if most is None:
        # If nothing could be counted, or it rounds to zero, "at least 0" would be misleading.
        return f"at least {least}" if least.strip("0.,") else "unknown"
    return least if fewest == most else f"{least} to {most:{style}}"
