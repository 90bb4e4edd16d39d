"""Keeps what a framework has embedded in several calls, for the retry when a later call fails."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import TypeAlias

import numpy as np

from volc_dashscope._request.items import all_as_sent
from volc_dashscope.client import Client
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import Item
from volc_dashscope.integrations.hybrid import reply_model
from volc_dashscope.results import SparseVector

__all__ = ["FinishedCalls"]

# The items of a call, their rows as lists, their sparse vectors if these were requested too, and the reply's model.
_Finished: TypeAlias = tuple[
    Sequence[Item], Sequence[Sequence[float]], "Sequence[SparseVector | None] | None", str
]


class FinishedCalls:
    """
    The finished calls of a list that a framework has embedded in several, for when a later one fails.

    The framework has their vectors in a list of its own, which is lost then. They are kept for the retry instead,
    unless the calls got replies of two models: the retry would then mix rows of both.

    Args:
        client: What made the calls, for documents.

    Attributes:
        model: The model of the replies of all calls.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.model = reply_model(client)
        self._calls: list[_Finished] = []
        self._failed = False

    def is_of(self, client: Client) -> bool:
        """Return whether the calls are those of a client, and not of another that is used meanwhile."""
        return self._client is client

    def add(
        self,
        items: Sequence[Item],
        rows: Sequence[Sequence[float]],
        sparse: Sequence[SparseVector | None] | None,
        model: str,
    ) -> None:
        """Store the vectors of a call; also of one that was running when another failed."""
        self._calls.append((items, rows, sparse, model))
        if self._failed:
            self._keep(quick=False)

    @contextmanager
    def kept_on_failure(self) -> Iterator[None]:
        """Keep the vectors of all calls if the body of the `with` statement fails or is stopped."""
        try:
            yield
        except BaseException as error:
            self._failed = True
            self._keep(quick=not isinstance(error, EmbeddingError))
            raise
        finally:
            self._calls.clear()

    def _keep(self, *, quick: bool) -> None:
        client, calls = self._client, [*self._calls]
        self._calls.clear()
        row_cache = client._row_cache  # noqa: SLF001 - as a failed `embed` keeps its own
        until = row_cache.keep_deadline() if quick else math.inf
        for items, rows, sparse, model in calls:
            spec = client._spec_for("document", "dense" if sparse is None else "dense&sparse")  # noqa: SLF001
            sent, _ = all_as_sent(items, spec)
            if self.model.mixed:
                # The call itself has kept them for the store's second question.
                row_cache.forget(sent if sparse is not None else (), spec)
                continue
            # A result without a name in its replies has that of the request.
            named = repeat(None if model == spec.model else model)
            whole = zip(np.asarray(rows, dtype=np.float32), sparse or repeat(None), named, strict=False)
            row_cache.keep(sent, spec, whole, until=until)
