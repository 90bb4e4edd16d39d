"""`Embedder`, the class for Ray Data's `map_batches`."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Unpack

import numpy as np

from volc_dashscope._config import CheckedConstructor
from volc_dashscope._options import ClientOptions, settings_of
from volc_dashscope._types import TextType
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.estimate import estimate_cost
from volc_dashscope.inputs import Item
from volc_dashscope.ray._budget import RateBudget
from volc_dashscope.ray._rows import Column, InputColumns
from volc_dashscope.settings import SETTING_NAMES, ClientSettings

_SAMPLE = 32


class Embedder(CheckedConstructor):
    """
    Adds a vector to every row: `ds.map_batches(Embedder, fn_constructor_kwargs={...}, batch_format="numpy")`.

    ```python
    import numpy as np

    embedder = Embedder("text-embedding-v4", text_column="text")
    batch = embedder({"text": np.array(["a red shoe", "a blue hat"], dtype=object)})
    print(batch["vector"].shape)
    ```
    ```text
    (2, 1024)
    ```

    All columns and rows stay. Two columns are added: the vectors (float32, all of one length; NaN where a row failed)
    and the errors (text; null where the row has its vector). Null or empty cells are ignored; a row with several
    parts becomes one fused vector. Rate limits and outages are retried.

    Args:
        model: The model's name, or a `ClientSettings`.
        text_column: Column of str.
        image_column: Column of bytes, URLs (http, https, data, oss), paths (anything else), or arrays of pixels.
        video_column: Column of bytes, URLs or paths.
        vector_column, error_column: Names of the new columns.
        budget: The limits that all actors share; with None each actor adapts to its own rate limit errors.
        stop_on_account_error: Fail the whole pipeline when the account is refused (key, money) or the service cannot
            be reached. False writes the error into each row, so that finished rows are saved and the others can be
            run again.
        media_root: Refuse paths that are not inside this directory.
        fps: Sampling rate of videos, for models that have this parameter.
        text_type: The role, as for `Client.embed`.
        settings: By the names of `ClientSettings`, as for `Client`; or pass a `ClientSettings` as `model`. Keep the key
            in the environment of the workers.

    Raises:
        ConfigError: A setting is missing or invalid, or the length of the vectors is unknown.
    """

    def __init__(
        self,
        model: str | ClientSettings,
        *,
        text_column: str | None = None,
        image_column: str | None = None,
        video_column: str | None = None,
        vector_column: str = "vector",
        error_column: str = "error",
        budget: RateBudget | None = None,
        stop_on_account_error: bool = False,
        media_root: str | os.PathLike[str] | None = None,
        fps: float | None = None,
        text_type: TextType | None = "document",
        **settings: Unpack[ClientOptions],
    ) -> None:
        self._columns = InputColumns(
            text=text_column, image=image_column, video=video_column, root=media_root, fps=fps
        )
        self._added = (vector_column, error_column)
        if vector_column == error_column:
            raise ConfigError(
                f"vector_column and error_column are both {vector_column!r}; use different names"
            )
        self._stops, self._text_type = stop_on_account_error, text_type
        arguments = settings_of(model, settings, owner="Embedder")
        if arguments.limiter is not None:
            raise ConfigError("limiter cannot be shared by actors; pass budget=RateBudget(...)")
        self._client = Client.from_settings(replace(arguments, limiter=budget))
        if self._client.dimension is None:
            raise ConfigError(f"the dimension of {arguments.model!r} is not known; pass dimensions")
        self._budget, self._guessed = budget, budget is None
        if budget is not None:
            budget.watch(lambda: self._client.usage)

    @classmethod
    def _setting_names(cls) -> Collection[str]:
        return {*super()._setting_names(), *SETTING_NAMES}

    def __call__(self, batch: Mapping[str, Column]) -> dict[str, Any]:
        """
        Embed one batch.

        Raises:
            ConfigError: A column is missing, or a new column already exists; or a setting that is used only when
                something is sent is wrong, such as a proxy or a file of certificates.
            AuthError, QuotaError, TransportError: Only with `stop_on_account_error`: the account is refused, or the
                service cannot be reached. Without it they are the rows' errors, and while the service stays
                unreachable, every further batch tries it once.
        """
        self._columns.check(batch)
        taken = [name for name in self._added if name in batch]
        if taken:
            raise ConfigError(
                f"the batch already has a column {taken[0]!r}; choose another name for the new column"
            )
        count = len(batch[self._columns.names[0]])
        vectors = np.full((count, self._client.dimension or 0), np.nan, dtype=np.float32)
        reasons: list[str | None] = [None] * count
        places: list[int] = []
        self._guess(batch)
        try:
            stream = self._client.stream(
                self._valid_items(batch, places, reasons), text_type=self._text_type, ordered=False
            )
            for index, outcome in stream:
                if isinstance(outcome, EmbeddingError):
                    reasons[places[index]] = _reason(outcome, index)
                else:
                    vectors[places[index]] = outcome
        except EmbeddingError as error:
            if self._stops or not error.account:
                raise
            self._give_up(error, vectors, reasons)
        return {**batch, self._added[0]: vectors, self._added[1]: _texts(reasons)}

    def _valid_items(
        self, batch: Mapping[str, Column], places: list[int], reasons: list[str | None]
    ) -> Iterator[Item]:
        """Yield the items, and note for rows without one the reason."""
        for row, item in enumerate(self._columns.items(batch)):
            if isinstance(item, InputError):
                reasons[row] = _reason(item, None)
            else:
                places.append(row)
                yield item

    def _give_up(self, error: EmbeddingError, vectors: Column, reasons: list[str | None]) -> None:
        for row, reason in enumerate(reasons):
            if reason is None and np.isnan(vectors[row, 0]):
                reasons[row] = f"{type(error).__name__}: not embedded because of an earlier failure: {error}"

    def _guess(self, batch: Mapping[str, Column]) -> None:
        """Give the budget an estimate of a request's tokens, until usage is reported."""
        if self._guessed or self._budget is None:
            return
        self._guessed = True
        items = [
            item for item in islice(self._columns.items(batch), _SAMPLE) if not isinstance(item, InputError)
        ]
        most = [tokens for item in items if (tokens := self._most(item)) is not None]
        if most:
            self._budget.expect(sum(most) / len(most) * min(self._client.model_info.batch, len(most)))

    def _most(self, item: Item) -> float | None:
        model_info = self._client.model_info
        try:
            low, high = estimate_cost(
                [item], model_info.name, model_info=model_info, text_type=self._text_type
            ).tokens
        except EmbeddingError:
            return None
        return low if high is None else high


def _reason(error: EmbeddingError, index: int | None) -> str:
    # Neither the position in the stream nor that in the batch means anything to the reader of a table.
    text = str(error).removeprefix(f"item {index}: ")
    return f"{type(error).__name__}: {text}"


def _texts(reasons: Sequence[str | None]) -> Any:
    """Return a column of texts, also if all are null: all files of a data set must have the same type."""
    import pyarrow

    return pyarrow.array(reasons, type=pyarrow.string())
