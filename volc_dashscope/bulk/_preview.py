"""What a job would send and cost, row by row and in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from volc_dashscope import _config
from volc_dashscope._request.validation import check_item
from volc_dashscope._types import RequestSpec, TextType
from volc_dashscope.bulk._partial import finished_rows, partial_folder
from volc_dashscope.bulk._records import item_of
from volc_dashscope.bulk._report import Preview
from volc_dashscope.bulk._sources import Source, open_source
from volc_dashscope.errors import InputError
from volc_dashscope.estimate import Estimate, estimate_cost
from volc_dashscope.inputs import Item
from volc_dashscope.models import ModelInfo, Provider, Route


def preview(
    source: Source | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    model: str,
    base_model: str | None = None,
    model_info: ModelInfo | None = None,
    provider: Provider | None = None,
    route: Route | None = None,
    text_type: TextType | None = "document",
    instruct: str | None = None,
    res_level: int | None = None,
    upload: bool = False,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
) -> Preview:
    """
    Count what `embed_file` would still send and cost. Needs no key and sends nothing.

    Args:
        source: As for `embed_file`.
        output: Where rows may be finished already, which are left out.
        model, base_model, model_info, provider, route, text_type, instruct, res_level, upload: As for `estimate_cost`.
        requests_per_minute, tokens_per_minute: The account's limits; None for those the model's row publishes.

    Raises:
        ConfigError: An unknown model, or a setting it does not have.
        InputError: The source cannot be read.
    """
    opened = source if isinstance(source, Source) else open_source(source)
    found = _config.find_model_info(model, provider=provider, base_model=base_model, model_info=model_info)
    spec = RequestSpec(
        model_info=found,
        model=model,
        base_url="",
        place="",
        route=route or found.routes[0],
        text_type=text_type,
        instruct=instruct,
        res_level=res_level,
        upload=upload,
    )
    opened.check(spec)
    count = _Count(opened, spec, None if output is None else Path(output))
    guess = estimate_cost(
        count.items(),
        model,
        model_info=found,
        route=route,
        text_type=text_type,
        instruct=instruct,
        res_level=res_level,
        upload=upload,
    )
    return Preview(
        rows=count.rows,
        finished=count.finished,
        bad=count.bad,
        items=guess.items,
        requests=guess.requests,
        tokens=guess.tokens,
        price=guess.price,
        currency=guess.currency,
        seconds=_seconds(guess, requests_per_minute, tokens_per_minute),
        rule=guess.rule,
        as_of=guess.as_of,
    )


@dataclass(slots=True)
class _Count:
    """Rows that passed by."""

    source: Source
    spec: RequestSpec
    output: Path | None
    rows: int = field(default=0, init=False)
    finished: int = field(default=0, init=False)
    bad: int = field(default=0, init=False)

    def items(self) -> Iterator[Item]:
        finished = finished_rows(partial_folder(self.output)) if self.output is not None else None
        for record in self.source.records():
            self.rows += 1
            if finished is not None and finished(record.row):
                self.finished += 1
                continue
            try:
                item = item_of(record, self.source.root)
                check_item(item, self.spec)
            except InputError:
                self.bad += 1
            else:
                yield item


def _seconds(guess: Estimate, requests: float | None, tokens: float | None) -> float | None:
    if requests is None and tokens is None:
        return guess.seconds_at_limit
    most = guess.tokens[0] if guess.tokens[1] is None else guess.tokens[1]
    answer = ((guess.requests, requests), (most, tokens))
    return max(60 * used / limit for used, limit in answer if limit)
