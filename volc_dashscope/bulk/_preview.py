"""Counts what a bulk job would send and cost, row by row in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Unpack

from volc_dashscope._config import find_rerank_model
from volc_dashscope._options import ClientOptions, settings_of
from volc_dashscope._paths import checked_path
from volc_dashscope._request.items import as_sent
from volc_dashscope._request.ranking import checked_pairs
from volc_dashscope._request.validation import check_item
from volc_dashscope._types import RequestSpec, TextType
from volc_dashscope.bulk._output import check_path
from volc_dashscope.bulk._pairs import PairColumns, PairSource
from volc_dashscope.bulk._partial_folder import finished_rows, partial_folder
from volc_dashscope.bulk._records import item_of
from volc_dashscope.bulk._report import Preview
from volc_dashscope.bulk._sources import Source, open_source
from volc_dashscope.bulk._vectors import facts_of
from volc_dashscope.errors import InputError
from volc_dashscope.estimate import (
    Estimate,
    estimate_pairs,
    estimate_spec,
    rerank_spec,
    usual_spec,
)
from volc_dashscope.inputs import Item
from volc_dashscope.models.rerank import RerankModelInfo
from volc_dashscope.settings import ClientSettings


def preview(
    source: Source | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    model: str | ClientSettings,
    text_type: TextType | None = "document",
    restart: bool = False,
    **settings: Unpack[ClientOptions],
) -> Preview:
    """
    Count what `embed_file` would still send and cost. Needs no key and sends nothing.

    Args:
        source: As for `embed_file`.
        output: The output; rows that are already finished are left out.
        model: The model's name, with `settings` by the names of `ClientSettings`; or a `ClientSettings`.
        text_type: The role of all rows.
        restart: Count the finished rows too, since a job with `restart` sends them again.
        settings: As for `estimate_cost`. With the account's `requests_per_minute` and `tokens_per_minute` the time
            is counted by them, else by those the model's row publishes.

    Raises:
        ConfigError: An unknown model, or a setting it does not have.
        InputError: The source cannot be read.
    """
    spec = replace(usual_spec(model, settings, owner="preview"), text_type=text_type)
    opened = source if isinstance(source, Source) else open_source(source)
    opened.check(spec)
    count = _Count(opened, spec, _finished(_place(output, opened), restart=restart))
    estimate = estimate_spec(count.items(), spec, checked=True)
    limits = settings_of(model, settings, owner="preview")
    return _preview(count, estimate, limits.requests_per_minute, limits.tokens_per_minute)


def preview_rerank(
    source: Source | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    model: str | RerankModelInfo,
    instruct: str | None = None,
    truncate: bool = False,
    max_image_pixels: int | None = None,
    region: str | None = None,
    base_url: str | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    restart: bool = False,
) -> Preview:
    """
    Count what `rerank_file` would still send and cost. Needs no key and sends nothing.

    Args:
        source: As for `rerank_file`; `rows`, `finished` and `bad` count queries, `items` documents.
        output: The output; queries that are already finished are left out.
        model: The model's name, or a row of your own.
        instruct, truncate, max_image_pixels, region, base_url: As for `Reranker`.
        requests_per_minute, tokens_per_minute: The account's; else the time is counted by the row's.
        restart: As for `preview`.

    Raises:
        ConfigError: An unknown or stopped model.
        InputError: The source cannot be read, or rows of one query do not stand together.
    """
    opened = source if isinstance(source, Source) else open_source(source, columns=PairColumns())
    row = model if isinstance(model, RerankModelInfo) else find_rerank_model(model)
    pairs = PairSource(opened, row.max_documents)
    pairs.check()
    spec = rerank_spec(
        row.name,
        row,
        instruct=instruct,
        truncate=truncate,
        max_image_pixels=max_image_pixels,
        region=region,
        base_url=base_url,
    )
    count = _QueryCount(pairs, row, spec, _finished(_place(output, opened), restart=restart))
    estimate = estimate_pairs(count.pairs(), spec)
    return _preview(count, estimate, requests_per_minute, tokens_per_minute)


def _place(output: str | os.PathLike[str] | None, source: Source) -> Path | None:
    if output is None:
        return None
    place = checked_path(output, "output")
    check_path(place, source.path)
    return place


def _finished(output: Path | None, *, restart: bool) -> Callable[[int], bool]:
    """Return a function that tells whether a row is finished; all rows of a finished output are."""
    if output is None or restart:
        return lambda row: False
    folder = partial_folder(output)
    if not folder.exists() and output.exists() and facts_of(output) is not None:
        return lambda row: True
    return finished_rows(folder)


def _preview(
    count: _Count | _QueryCount, estimate: Estimate, requests: float | None, tokens: float | None
) -> Preview:
    return Preview(
        rows=count.rows,
        finished=count.finished,
        bad=count.bad,
        items=estimate.items,
        requests=estimate.requests,
        tokens=estimate.tokens,
        price=estimate.price,
        currency=estimate.currency,
        seconds=_seconds(estimate, requests, tokens),
        rule=estimate.rule,
        as_of=estimate.as_of,
    )


@dataclass(slots=True)
class _QueryCount:
    """Counts the queries that pass through it."""

    source: PairSource
    row: RerankModelInfo
    spec: RequestSpec
    is_finished: Callable[[int], bool]
    rows: int = field(default=0, init=False)
    finished: int = field(default=0, init=False)
    bad: int = field(default=0, init=False)

    def pairs(self) -> Iterator[tuple[Item, list[Item]]]:
        for record in self.source.records():
            self.rows += 1
            if self.is_finished(record.row):
                self.finished += 1
                continue
            try:
                yield from checked_pairs([self.source.item(record)], self.row, self.spec)
            except InputError:
                self.bad += 1


@dataclass(slots=True)
class _Count:
    """Counts the rows that pass through it."""

    source: Source
    spec: RequestSpec
    is_finished: Callable[[int], bool]
    rows: int = field(default=0, init=False)
    finished: int = field(default=0, init=False)
    bad: int = field(default=0, init=False)

    def items(self) -> Iterator[Item]:
        for record in self.source.records():
            self.rows += 1
            self.source.scanned("counted", self.rows)
            if self.is_finished(record.row):
                self.finished += 1
                continue
            try:
                item, _ = as_sent(item_of(record, self.source.root), self.spec)
                check_item(item, self.spec)
            except InputError:
                self.bad += 1
            else:
                yield item


def _seconds(estimate: Estimate, requests: float | None, tokens: float | None) -> float | None:
    if requests is None and tokens is None:
        return estimate.seconds_at_limit
    most = estimate.tokens[0] if estimate.tokens[1] is None else estimate.tokens[1]
    answer = ((estimate.requests, requests), (most, tokens))
    return max(60 * used / limit for used, limit in answer if limit)
