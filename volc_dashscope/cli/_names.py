"""`--model` as a kind of option: a shell completes the names of the table."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from volc_dashscope.models import ModelInfo, list_models


class _ModelName(click.types.StringParamType):
    """Any text, because endpoint ids are names too."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin as what is typed."""
        fitting = (row for row in list_models() if row.ready and row.name.startswith(incomplete))
        return [CompletionItem(row.name, help=summary(row)) for row in fitting]


MODEL_NAME = _ModelName()


def kinds(row: ModelInfo) -> list[str]:
    """Return what a model embeds, in the order of the table."""
    found: list[str] = [kind for kind in ("text", "image", "video", "frames") if kind in row.modalities]
    return found + (["fused"] if row.fusion is not None else [])


def price(row: ModelInfo) -> str:
    """Return the prices of a million tokens of text and, where it differs, of media."""
    if row.price is None:
        return "?"
    media = row.price.image
    return f"{row.price.text:g}" + ("" if media in (None, row.price.text) else f" / {media:g}")


def summary(row: ModelInfo) -> str:
    """Return a model in a few words."""
    unit = "" if row.price is None else f", {row.price.currency} {price(row)} per million tokens"
    return f"{' '.join(kinds(row))}{unit}"
