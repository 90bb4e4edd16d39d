"""A call over items that are read as they are needed, in bounded memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from volc_dashscope import _plan
from volc_dashscope._check import check_item, check_settings
from volc_dashscope._feed import Feed
from volc_dashscope._wire import Ask, Batch, Rows
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item
from volc_dashscope.results import FloatArray, Usage

_WINDOW_PER_WORKER = 4


class Stream:
    """
    The state of one `stream`: as a `Call`, but over items that are read as they are needed.

    Holds what is finished out of order, at most a window of batches, until `drain` can hand it on in order.
    """

    def __init__(self, items: Iterable[Item], ask: Ask, *, width: int) -> None:
        check_settings(ask)
        if isinstance(items, str | bytes):
            raise InputError(f"items must be a list, got one {type(items).__name__}; pass [text]")
        self._ask = ask
        self._ended: dict[int, FloatArray | EmbeddingError] = {}
        self._next = 0
        self._fatal: EmbeddingError | None = None
        self.usage = Usage()
        self.feed: Feed[Batch] = Feed(
            _plan.plan(self._checked(items), ask), width=width, window=_WINDOW_PER_WORKER * width
        )

    def take(self, number: int, batch: Batch, outcome: Rows | BaseException) -> None:
        """Store rows or the error of a batch."""
        again: tuple[Batch, ...] = ()
        if isinstance(outcome, Rows) and outcome.vectors is not None:
            self._ended.update(zip(batch.positions, outcome.vectors, strict=True))
            self.usage += outcome.usage
        elif not isinstance(outcome, EmbeddingError) or isinstance(outcome, ConfigError):
            raise outcome if isinstance(outcome, BaseException) else AssertionError("rows without vectors")
        elif len(batch) > 1 and (outcome.splittable or isinstance(outcome, InputError)):
            # An `InputError` this late is a file that changed; its neighbours are not to blame.
            again = batch.halves()
        else:
            self._ended.update(dict.fromkeys(batch.positions, outcome))
            if outcome.account:
                self._fatal = outcome
                self.feed.halt()
        self.feed.finish(number, again)

    def drain(self) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
        """Yield what is finished, in input order."""
        while self._next in self._ended:
            yield self._next, self._ended.pop(self._next)
            self._next += 1

    def end(self) -> None:
        """Raise the account error that stopped the stream, if one did."""
        if self._fatal is not None:
            raise self._fatal

    def _checked(self, items: Iterable[Item]) -> Iterator[tuple[int, Item]]:
        lines = hasattr(items, "readline")
        for index, given in enumerate(items):
            # An open text file gives one item a line.
            item = given.rstrip("\r\n") if lines and isinstance(given, str) else given
            try:
                check_item(item, self._ask)
            except InputError as error:
                self._ended[index] = InputError(f"item {index}: {error}", index=index)
            else:
                yield index, item
