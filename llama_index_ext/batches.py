"""Core's batches of a list of texts: which items of the list a batch holds, for errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

from volc_dashscope import BulkError, Client, EmbeddingError, EmbeddingResult, Item
from volc_dashscope._request.assembly import ReplyModel
from volc_dashscope.integrations.finished_calls import FinishedCalls
from volc_dashscope.integrations.hybrid import renumbered, reply_model

# The finished batches of the list that core is embedding in this thread or task.
_finished: ContextVar[FinishedCalls | None] = ContextVar("finished", default=None)


class BatchStart(str):
    """
    The first text of a batch, which knows its place in the list.

    Core cuts a list into batches and does not say which one a hook gets; asynchronous batches run in any order.
    """

    place: int
    total: int

    def __new__(cls, text: str, place: int = 0, total: int = 1) -> Self:
        start = super().__new__(cls, text)
        start.place, start.total = place, total
        return start


def with_places(texts: Sequence[str], size: int) -> list[str]:
    """Return the texts, of which the first of each batch knows its place."""
    total = len(texts)
    return [BatchStart(text, place, total) if place % size == 0 else text for place, text in enumerate(texts)]


@contextmanager
def kept_on_failure(client: Client) -> Iterator[None]:
    """Keep the vectors of the batches that core finishes within, for the retry, if a later one fails."""
    finished = FinishedCalls(client)
    token = _finished.set(finished)
    try:
        with finished.kept_on_failure():
            yield
    finally:
        _finished.reset(token)


def list_model(client: Client) -> ReplyModel:
    """Return the model of the replies for the list that core is embedding, or of one call elsewhere."""
    finished = _finished.get()
    return reply_model(client) if finished is None else finished.model


def note_batch(items: Sequence[Item], result: EmbeddingResult, *, both: bool = False) -> list[list[float]]:
    """
    Return the vectors of a batch as lists, as core expects them, and note them for `kept_on_failure`.

    Args:
        both: Sparse vectors were requested too, and are kept as well.
    """
    rows: list[list[float]] = result.vectors.tolist()
    finished = _finished.get()
    if finished is not None:
        finished.add(items, rows, result.sparse if both else None, result.model)
    return rows


@contextmanager
def placed_errors(texts: Sequence[str]) -> Iterator[None]:
    """Let an error of a batch say which items of the list it is about."""
    start = texts[0] if texts else ""
    if not isinstance(start, BatchStart):
        yield
        return
    try:
        yield
    except EmbeddingError as error:
        first, last = start.place, start.place + len(texts) - 1
        if isinstance(error, BulkError):
            # Its failures and rows are those of the batch.
            error.args = (f"items {first} to {last} of {start.total}: {error}",)
        elif error.index is not None:
            error.args = (renumbered(str(error), range(first, last + 1)),)
            error.index += first
        raise
