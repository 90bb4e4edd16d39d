"""`volc-dashscope models`: the table of models, whole or filtered, or one row with all its facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from textwrap import wrap
from typing import Any

import click

from volc_dashscope._config import refuse_keys
from volc_dashscope.cli._options import MODEL_NAME, json_option
from volc_dashscope.cli._output import errors_reported, kinds, note, price, print_json, print_line, summary
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo, Provider, get_model_info, list_models
from volc_dashscope.models.names import near
from volc_dashscope.models.rerank import get_rerank_model_info

_KINDS = ("text", "image", "video", "frames", "fused")
_LETTERS = dict(zip(_KINDS, "TIVF+", strict=True))
_OWNERS: dict[Provider, str] = {"ark": "Volcengine Ark", "dashscope": "Alibaba DashScope"}
_LEGEND = """\
EMBEDS: T text, I image, V video, F frames, + several of them fused into one vector.
DIMENSION: the default, then the other choices. BATCH: items per request.
PRICE: {currency} per million tokens, text / images and video; ? if not published.
All facts of a model, with their source: volc-dashscope models NAME"""


@click.command()
@click.argument("name", required=False, type=MODEL_NAME)
@click.option("--provider", type=click.Choice(list(_OWNERS)), help="Only models of this service.")
@click.option(
    "--embeds",
    multiple=True,
    type=click.Choice(_KINDS),
    help="Only models that embed this. Repeat it for models that embed all of them.",
)
@click.option(
    "--max-price",
    type=click.FloatRange(0),
    help="Only models whose price per million tokens is at most this.",
)
@click.option("--dimension", type=click.IntRange(1), help="Only models that support this vector dimension.")
@click.option("--region", help="Only models served in this region: cn-beijing, ap-southeast-1, ...")
@click.option("--sparse", is_flag=True, help="Only models with sparse vectors, for hybrid search.")
@json_option
def models(name: str | None, as_json: bool, **filters: Any) -> None:
    """
    List the models with what they embed, their dimensions and prices.

    With NAME, show all facts of one model and the page they come from.

    \b
    Examples:
      volc-dashscope models --embeds image --embeds fused --max-price 2
      volc-dashscope models qwen3-vl-embedding
    """
    with errors_reported(as_json=as_json):
        if name is not None:
            _print_model(_named(name), as_json=as_json)
            return
    found = [row for row in list_models() if _fits(row, **filters)]
    if as_json:
        print_json({"models": [_as_json(row) for row in found]})
        return
    if not found:
        note("no model matches all filters; remove a filter")
        return
    for line in _table(found):
        print_line(line)
    currencies = sorted({row.price.currency for row in found if row.price})
    note(*_LEGEND.format(currency=" or ".join(currencies) or "money").splitlines())


def _named(name: str) -> ModelInfo:
    refuse_keys(name=name)
    found = get_model_info(name)
    if found is None and get_rerank_model_info(name) is not None:
        raise ConfigError(f"{name!r} is a rerank model; see `volc-dashscope rerank --help`")
    if found is None:
        names = [row.name for row in list_models()]
        meant = ", ".join([known for known in names if name.lower() in known][:3]) or near(name, names)
        hint = f"; did you mean {meant}?" if meant else "; `volc-dashscope models` lists them"
        raise ConfigError(f"{name!r} is not in the table of models{hint}")
    return found


def _fits(
    row: ModelInfo,
    *,
    provider: str | None,
    embeds: tuple[str, ...],
    max_price: float | None,
    dimension: int | None,
    region: str | None,
    sparse: bool,
) -> bool:
    return (
        provider in (None, row.provider)
        and set(embeds) <= set(kinds(row))
        and (max_price is None or _highest_price(row, embeds) <= max_price)
        and (dimension is None or dimension in row.dimensions)
        and (region is None or region in row.regions)
        and (row.sparse or not sparse)
    )


def _highest_price(row: ModelInfo, embeds: tuple[str, ...]) -> float:
    """Return the highest price of the wanted content; infinite if unknown."""
    if row.price is None:
        return float("inf")
    media = bool(set(embeds) - {"text"}) and row.price.image is not None
    return max(row.price.text, row.price.image or 0) if media else row.price.text


def _table(found: list[ModelInfo]) -> Iterator[str]:
    headings = ("MODEL", "EMBEDS", "DIMENSION", "BATCH", "PRICE")
    cells = [_cells(row) for row in found]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    yield _line(headings, widths)
    owner = None
    for row, line in zip(found, cells, strict=True):
        if row.provider != owner:
            owner = row.provider
            yield f"{_OWNERS[owner]}:"
        yield _line(line, widths)


def _cells(row: ModelInfo) -> tuple[str, ...]:
    lengths = sorted(length for length in row.dimensions if length != row.default_dimension)
    others = "" if not lengths else f" {lengths[0]}" if len(lengths) == 1 else f" {lengths[0]}-{lengths[-1]}"
    items = f"{row.batch // 1000}k" if row.batch >= 1000 else str(row.batch)
    letters = "".join(_LETTERS[kind] for kind in kinds(row))
    return row.name, letters, f"{row.default_dimension or '?'}{others}", items, price(row)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _print_model(row: ModelInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(row))
        return
    print_line(f"{row.name} ({_OWNERS[row.provider]})")
    for name, value in _facts(row):
        if value:
            _print_fact(name, value)


def _print_fact(name: str, value: str) -> None:
    begin, rest = f"  {name + ':':18}", " " * 20
    for line in wrap(
        value,
        80,
        initial_indent=begin,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        print_line(line)


def _facts(row: ModelInfo) -> list[tuple[str, str]]:
    lengths = ", ".join(map(str, row.dimensions))
    abilities = [name for name in ("instruct", "sparse", "multi_vector", "text_type") if getattr(row, name)]
    batch = "" if row.price is None or row.price.batch is None else f"; {row.price.batch:g} as a batch job"
    limits = (("requests", row.requests_per_minute), ("tokens", row.tokens_per_minute))
    return [
        ("embeds", " ".join(kinds(row))),
        ("dimensions", lengths and f"{lengths} (default {row.default_dimension})"),
        ("items per request", f"{row.batch:,} item{'s' if row.batch > 1 else ''}"),
        ("longest text", f"{row.max_tokens:,} tokens" if row.max_tokens else ""),
        ("takes", ", ".join(abilities)),
        ("price", f"{summary(row).partition(', ')[2]}{batch}" if row.price else "not known"),
        ("limits per minute", ", ".join(f"{number:,} {name}" for name, number in limits if number)),
        ("regions", ", ".join(row.regions)),
        ("languages", row.languages),
        ("note", row.note),
        ("source", f"{row.source} ({row.as_of})"),
    ]


def _as_json(row: ModelInfo) -> dict[str, Any]:
    found = asdict(row)
    for rule in ("image", "video"):
        if found[rule] is not None:
            found[rule] = {**found[rule], "formats": sorted(found[rule]["formats"])}
    return {**found, "modalities": sorted(row.modalities)}
