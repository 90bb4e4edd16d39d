"""`volc-dashscope estimate`, which is also what `embed --dry-run` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from volc_dashscope.bulk import Preview, Source, preview
from volc_dashscope.cli._options import SourceOptions, priced_options
from volc_dashscope.cli._output import duration, errors_told, note, say_json


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@priced_options
def estimate(**options: Any) -> None:
    """
    Say what embedding SOURCE would cost.

    Counts requests, tokens, price and time for every row of SOURCE (a text file, JSONL, CSV, TSV, Parquet, or a
    folder of images and videos). Needs no key and sends nothing.

    \b
    Example:
      volc-dashscope estimate photos/ --model qwen3-vl-embedding
    """
    asked = SourceOptions(**options)
    with errors_told(as_json=asked.as_json):
        tell_preview(asked.opened(), asked, None)


def tell_preview(source: Source, asked: SourceOptions, output: Path | None) -> None:
    """Say what a job would still send and cost; `output` is where rows may be finished already."""
    found = preview(source, output, model=asked.settings(), text_type=asked.text_type)
    if asked.as_json:
        say_json({"model": asked.model, **found.as_json()})
        return
    for name, value in _lines(found):
        if value:
            click.echo(f"{name + ':':20}{value}")
    note(found.rule)


def _lines(found: Preview) -> list[tuple[str, str]]:
    price = f"{found.currency} {_range(*found.price, ',.4f')}" if found.price else "not known"
    seconds = "not known" if found.seconds is None else "at least " + duration(found.seconds)
    return [
        ("rows", f"{found.rows:,}"),
        ("finished already", f"{found.finished:,}" if found.finished else ""),
        ("cannot be embedded", f"{found.bad:,}" if found.bad else ""),
        ("items", f"{found.items:,}"),
        ("requests", f"{found.requests:,}"),
        ("tokens", _range(*found.tokens, ",.0f")),
        ("price", price),
        ("time at the limits", seconds),
    ]


def _range(fewest: float, most: float | None, style: str) -> str:
    if most is None:
        return f"at least {fewest:{style}}"
    return f"{fewest:{style}}" if fewest == most else f"{fewest:{style}} to {most:{style}}"
