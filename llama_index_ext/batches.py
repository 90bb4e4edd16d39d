"""Core's batches of a list of texts: where each begins in the list, for errors and retries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

from volc_dashscope import BulkError, Client, EmbeddingError, EmbeddingResult, Item
from volc_dashscope.integrations.finished_calls import FinishedCalls
from volc_dashscope.integrations.hybrid import ReplyModel, renumbered, reply_model

# The finished batches of the list that core embeds in this thread or task.
_finished_calls: ContextVar[FinishedCalls | None] = ContextVar("finished", default=None)


class BatchStart(str):
    """
    The first text of a batch, with its position in the list.

    Core splits a list into batches and does not tell a hook which one it gets; async batches run in any order.
    """

    position: int
    total: int

    def __new__(cls, text: str, position: int = 0, total: int = 1) -> Self:
        start = super().__new__(cls, text)
        start.position, start.total = position, total
        return start


def with_batch_starts(texts: Sequence[str], size: int) -> list[str]:
    """Return the texts, with a `BatchStart` as the first of each batch."""
    total = len(texts)
    return [
        BatchStart(text, position, total) if position % size == 0 else text
        for position, text in enumerate(texts)
    ]


@contextmanager
def kept_on_failure(client: Client) -> Iterator[None]:
    """Keep the vectors of the batches that core finishes in this block for the retry, if a later one fails."""
    finished = FinishedCalls(client)
    token = _finished_calls.set(finished)
    try:
        with finished.kept_on_failure():
            yield
    finally:
        _finished_calls.reset(token)


def list_model(client: Client) -> ReplyModel:
    """Return the model of the replies for the list that core is embedding, or of one call elsewhere."""
    finished = _finished_calls.get()
    return finished.model if finished is not None and finished.is_of(client) else reply_model(client)


def note_batch(
    items: Sequence[Item], result: EmbeddingResult, *, with_sparse: bool = False
) -> list[list[float]]:
    """
    Return the vectors of a batch as lists, as core expects them, and note them for `kept_on_failure`.

    Args:
        with_sparse: Sparse vectors were requested too, and are kept as well.
    """
    rows: list[list[float]] = result.vectors.tolist()
    finished = _finished_calls.get()
    if finished is not None:
        finished.add(items, rows, result.sparse if with_sparse else None, result.model)
    return rows


@contextmanager
def renumbered_errors(texts: Sequence[str]) -> Iterator[None]:
    """Number the items in errors of a batch as in the whole list."""
    start = texts[0] if texts else ""
    if not isinstance(start, BatchStart):
        yield
        return
    try:
        yield
    except EmbeddingError as error:
        first, last = start.position, start.position + len(texts) - 1
        if isinstance(error, BulkError):
            # Its failures and rows stay those of the batch.
            error.args = (f"items {first} to {last} of {start.total}: {error}",)
        elif error.index is not None:
            error.args = (renumbered(str(error), range(first, last + 1)),)
            error.index += first
        raise
