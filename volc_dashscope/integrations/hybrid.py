"""
Dense and sparse vectors for hybrid stores: stores ask for the two separately, and one request returns both.

An integration splits a list of items into `SubCall`s, each one call of the client. A call of texts requests both
vectors and keeps them, so that the store's second question is answered from memory. Media have no sparse vectors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypedDict, Unpack

import numpy as np

from volc_dashscope._request import validation
from volc_dashscope._request.assembly import ReplyModel
from volc_dashscope._request.items import Refused, all_as_sent, raise_refused
from volc_dashscope._types import OnError, TextType
from volc_dashscope.client import AsyncClient, Client
from volc_dashscope.errors import BulkError, ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item
from volc_dashscope.results import EmbeddingResult, SparseVector, Usage

__all__ = [
    "Refused",
    "ReplyModel",
    "SubCall",
    "apartial_results",
    "check_items",
    "dense_calls",
    "joined",
    "partial_results",
    "raise_refused",
    "renumbered",
    "reply_model",
    "sparse_calls",
    "sparse_rows",
    "whole_call",
]

# Where our own messages name items; a service's words about an item come after these.
_ITEM_NUMBERS = re.compile(r"(\A|\b(?:refused|answered|first:) )items? (\d+)(?: to (\d+))?\b")
_EMPTY = SparseVector(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))


class CallOptions(TypedDict, total=False):
    """
    What a call passes on to the client.

    `into` is an empty list that takes the rows as lists; the result then holds none, unless items failed.
    """

    on_error: OnError
    progress: bool
    into: list[list[float]]


@dataclass(frozen=True)
class SubCall:
    """
    One call of the core: some of the items of a list, and what it asks for.

    What it returns and raises names items by their place in the whole list. The replies of all calls with the same
    `model` must name one model.
    """

    positions: tuple[int, ...]
    items: list[Item] = field(repr=False)
    with_sparse: bool
    model: ReplyModel | None = field(default=None, repr=False, compare=False)

    @property
    def output_type(self) -> Literal["dense", "dense&sparse"]:
        """What the call asks the service for."""
        return "dense&sparse" if self.with_sparse else "dense"

    def run(
        self, client: Client, text_type: TextType | None, **options: Unpack[CallOptions]
    ) -> EmbeddingResult:
        """
        Make the call. If it requests both vectors, they are kept for the call that asks for the other one.

        Raises:
            EmbeddingError: As `Client.embed`.
        """
        try:
            # The private twin of `embed` that keeps both halves and gives lists.
            result = client._embed(  # noqa: SLF001
                self.items,
                text_type=text_type,
                output_type=self.output_type,
                keep=self.with_sparse,
                model=self.model,
                **options,
            )
        except EmbeddingError as error:
            raise self._renumber_error(error) from error.__cause__
        return self._renumber_result(result)

    async def arun(
        self, client: AsyncClient, text_type: TextType | None, **options: Unpack[CallOptions]
    ) -> EmbeddingResult:
        """As `run`, awaited."""
        try:
            result = await client._embed(  # noqa: SLF001 - as in `run`
                self.items,
                text_type=text_type,
                output_type=self.output_type,
                keep=self.with_sparse,
                model=self.model,
                **options,
            )
        except EmbeddingError as error:
            raise self._renumber_error(error) from error.__cause__
        return self._renumber_result(result)

    def lists(self, client: Client, text_type: TextType | None, *, progress: bool) -> list[list[float]]:
        """As `run`; return the rows as lists."""
        rows: list[list[float]] = []
        self.run(client, text_type, progress=progress, into=rows)
        return rows

    async def alists(
        self, client: AsyncClient, text_type: TextType | None, *, progress: bool
    ) -> list[list[float]]:
        """As `lists`, awaited."""
        rows: list[list[float]] = []
        await self.arun(client, text_type, progress=progress, into=rows)
        return rows

    def partial_result(
        self, client: Client, text_type: TextType | None, *, on_error: OnError = "raise"
    ) -> EmbeddingResult:
        """
        As `run`, but what fails does not stop the other calls: its errors are in the result, for `joined`.

        Raises:
            InputError, ConfigError: Nothing was sent.
        """
        try:
            return self.run(client, text_type, on_error=on_error)
        except EmbeddingError as error:
            return self._failed_result(error)

    async def apartial_result(
        self, client: AsyncClient, text_type: TextType | None, *, on_error: OnError = "raise"
    ) -> EmbeddingResult:
        """As `partial_result`, awaited."""
        try:
            return await self.arun(client, text_type, on_error=on_error)
        except EmbeddingError as error:
            return self._failed_result(error)

    def _renumber_error(self, error: EmbeddingError) -> EmbeddingError:
        if not isinstance(error, BulkError):
            self._renumber(error)
            return error
        message = renumbered(str(error), self.positions)
        return BulkError(message, result=error.result, failures=self._renumber_failures(error.failures))

    def _renumber_result(self, result: EmbeddingResult) -> EmbeddingResult:
        return replace(result, errors=self._renumber_failures(result.errors)) if result.errors else result

    def _renumber_failures(self, failures: Mapping[int, EmbeddingError]) -> dict[int, EmbeddingError]:
        # The items of a batch that was refused share one error.
        for failure in {id(failure): failure for failure in failures.values()}.values():
            self._renumber(failure)
        return {self.positions[index]: failure for index, failure in failures.items()}

    def _renumber(self, error: EmbeddingError) -> None:
        error.args = (renumbered(str(error), self.positions),)
        if error.index is not None:
            error.index = self.positions[error.index]

    def _failed_result(self, error: EmbeddingError) -> EmbeddingResult:
        """Return the result of a failed call: its finished rows and its errors."""
        if isinstance(error, BulkError):
            return replace(error.result, errors=error.failures)
        if isinstance(error, InputError | ConfigError):
            raise error
        return EmbeddingResult(
            vectors=np.full((len(self.items), 0), np.nan, dtype=np.float32),
            usage=Usage(),
            request_ids=(),
            model="",
            errors=dict.fromkeys(self.positions, error),
        )


def renumbered(message: str, positions: Sequence[int]) -> str:
    """Return an error's message with the first item or items it names as they are numbered in the whole list."""

    def replacement(found: re.Match[str]) -> str:
        places = [int(place) for place in found.groups()[1:] if place is not None]
        if places[-1] >= len(positions):
            return found[0]
        noun = "item" if len(places) == 1 else "items"
        return f"{found[1]}{noun} {' to '.join(str(positions[place]) for place in places)}"

    return _ITEM_NUMBERS.sub(replacement, message, count=1)


def check_items(client: Client, items: Sequence[Item]) -> None:
    """
    Refuse the first item of a list that does not fit the model, before a framework has its first batch embedded.

    Raises:
        InputError: With the item's index.
    """
    spec = client._spec  # noqa: SLF001 - `embed` checks by the same
    sent, _ = all_as_sent(items, spec)
    validation.check_items(sent, spec)


def whole_call(items: Sequence[Item], model: ReplyModel | None = None) -> SubCall:
    """Return the one call for dense rows of all items."""
    return SubCall(tuple(range(len(items))), list(items), with_sparse=False, model=model)


def reply_model(client: Client) -> ReplyModel:
    """Return what compares the models in the replies of several calls."""
    return ReplyModel(foreign=client._spec.foreign)  # noqa: SLF001 - as one call does


def dense_calls(items: Sequence[Item], model: ReplyModel, *, hybrid: bool) -> list[SubCall]:
    """
    Return the calls for dense rows. In hybrid use, those of texts request sparse vectors too.

    Args:
        model: The model of all their replies.
    """
    if not hybrid:
        return [whole_call(items, model)]
    # A refused item is part of both calls: each then fails and keeps its rows, so that the retry pays for neither.
    texts = _pick(items, lambda item: isinstance(item, str | Refused), with_sparse=True, model=model)
    media = _pick(items, lambda item: not isinstance(item, str), with_sparse=False, model=model)
    valid = [call for call in (texts, media) if not all(isinstance(item, Refused) for item in call.items)]
    return valid or [texts]


def sparse_calls(texts: Sequence[str]) -> list[SubCall]:
    """Return the calls for sparse vectors of texts; an empty text needs none."""
    call = _pick(texts, bool, with_sparse=True)
    return [call] if call.items else []


def partial_results(
    calls: Sequence[SubCall], client: Client, text_type: TextType | None, *, on_error: OnError = "raise"
) -> list[EmbeddingResult]:
    """Make the calls for dense rows of one list, as `SubCall.partial_result` does."""
    results = [call.partial_result(client, text_type, on_error=on_error) for call in calls]
    _forget_mixed(calls, client, text_type)
    return results


async def apartial_results(
    calls: Sequence[SubCall], client: AsyncClient, text_type: TextType | None, *, on_error: OnError = "raise"
) -> list[EmbeddingResult]:
    """As `partial_results`, awaited."""
    results = [await call.apartial_result(client, text_type, on_error=on_error) for call in calls]
    _forget_mixed(calls, client, text_type)
    return results


def _forget_mixed(calls: Sequence[SubCall], client: Client | AsyncClient, text_type: TextType | None) -> None:
    """Keep no row of a call for the store's second question if a later call got replies of another model."""
    for call in calls:
        if call.with_sparse and call.model is not None and call.model.mixed:
            spec = client._spec_for(text_type, call.output_type)  # noqa: SLF001 - as the call that kept them
            sent, _ = all_as_sent([item for item in call.items if not isinstance(item, Refused)], spec)
            client._row_cache.forget(sent, spec)  # noqa: SLF001 - likewise


def dense_rows(calls: Sequence[SubCall], results: Sequence[EmbeddingResult]) -> list[list[float]]:
    """
    Put the dense rows of several calls together as lists, in the order of the items.

    Raises:
        BulkError: Some items failed.
    """
    if any(result.errors for result in results):
        joined(calls, results, on_error="raise")
    rows: list[list[float]] = [[]] * sum(len(call.positions) for call in calls)
    for call, result in zip(calls, results, strict=True):
        for position, row in zip(call.positions, result.vectors.tolist(), strict=True):
            rows[position] = row
    return rows


def sparse_rows(
    count: int, calls: Sequence[SubCall], results: Sequence[EmbeddingResult]
) -> list[SparseVector]:
    """Put sparse vectors together in the order of the items; an item without words gets an empty one."""
    rows = [_EMPTY] * count
    for call, result in zip(calls, results, strict=True):
        for position, vector in zip(call.positions, result.sparse or (), strict=True):
            rows[position] = vector or _EMPTY
    return rows


def joined(
    calls: Sequence[SubCall], results: Sequence[EmbeddingResult], *, on_error: OnError
) -> EmbeddingResult:
    """
    Put the dense rows of several calls together, with NaN rows where an item failed.

    Raises:
        BulkError: Some items failed, unless `on_error` is "skip".
    """
    width = max(result.vectors.shape[1] for result in results)
    count = len({position for call in calls for position in call.positions})
    vectors = np.full((count, width), np.nan, dtype=np.float32)
    errors: dict[int, EmbeddingError] = {}
    for call, result in zip(calls, results, strict=True):
        if result.vectors.shape[1] == width:
            vectors[list(call.positions)] = result.vectors
        errors.update(result.errors)
    whole = EmbeddingResult(
        vectors=vectors,
        usage=Usage.total(result.usage for result in results),
        request_ids=tuple(name for result in results for name in result.request_ids),
        model=next((result.model for result in results if result.model), ""),
        errors=dict(sorted(errors.items())),
    )
    if not errors or on_error == "skip":
        return whole
    first = errors[min(errors)]
    failed = f"{len(errors)} of {count} items failed; the first: {first}"
    raise BulkError(failed, result=whole, failures=whole.errors) from first


def _pick(
    items: Sequence[Item],
    select: Callable[[Item], object],
    *,
    with_sparse: bool,
    model: ReplyModel | None = None,
) -> SubCall:
    positions = tuple(position for position, item in enumerate(items) if select(item))
    return SubCall(
        positions, [items[position] for position in positions], with_sparse=with_sparse, model=model
    )
