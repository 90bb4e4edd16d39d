"""`embed_file`: embeds a source into a Parquet file by a client, resumable at any moment."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from volc_dashscope._paths import checked_path
from volc_dashscope._request.assembly import OTHER_CACHE, ReplyModel
from volc_dashscope._request.validation import check_call
from volc_dashscope._types import TextType
from volc_dashscope.bulk._failed import failed_lines
from volc_dashscope.bulk._identity import Identity, settings_of
from volc_dashscope.bulk._parquet import arrow
from volc_dashscope.bulk._partial import Outcomes, PartialOutput, RowFormat
from volc_dashscope.bulk._partial_folder import partial_folder, read_manifest
from volc_dashscope.bulk._records import Record, item_of
from volc_dashscope.bulk._report import ProgressCallback, Report
from volc_dashscope.bulk._run import BulkRun, OnOutcome, check_group_rows, row_message
from volc_dashscope.bulk._sources import Source, open_source
from volc_dashscope.bulk._vectors import VectorRows, facts_of
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Item
from volc_dashscope.results import Usage


def embed_file(
    source: Source | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: str | Client,
    text_type: TextType | None = "document",
    watch: ProgressCallback | None = None,
    stop: threading.Event | None = None,
    restart: bool = False,
    group_rows: int | None = None,
) -> Report:
    """
    Embed every row of a source into a Parquet file of id, row, vector (fixed-size list of float32) and error.

    Finished rows are saved at once in a folder beside the output. The same call continues with them, also after a
    crash: no row is lost or written twice, and at most the requests in flight are paid again. Failed rows have an
    error instead of a vector, and are listed in `<output>.failed.jsonl`, which can be a source.

    Args:
        source: A path, or what `open_source` returns for one.
        output: Path of the Parquet file.
        model: A model's name, with key and URL from the environment; or a client with settings of your own.
        text_type: The role of all rows.
        watch: Called in this thread after each row with the number of finished and of failed rows, and the usage.
            Rows do not wait for it: where it is slower than the rows, it is not called for each of them.
        stop: Set it to finish the requests in flight, save and return.
        restart: Delete the partial output, or replace the finished one, instead of continuing.
        group_rows: Rows of a Parquet row group, at most a million; None for about 16 MB.

    Raises:
        ConfigError: The output was started with other settings, or the model does not have a setting.
        InputError: The source cannot be read.
        EmbeddingError: The key or account is refused, or the service is down. Finished rows are saved.
    """
    if not isinstance(source, Source):
        source = open_source(source)
    check_group_rows(group_rows)
    with nullcontext(model) if isinstance(model, Client) else Client(model) as client:
        task = _Embedding(source, client, text_type)
        return BulkRun(source, checked_path(output, "output"), task, watch, stop).run(
            restart=restart, group_rows=group_rows
        )


def is_up_to_date(
    source: Source, output: Path, client: Client, *, text_type: TextType | None = "document"
) -> bool:
    """
    Return whether `embed_file` can begin or continue an output as it is; if not, it needs `restart=True`.

    ```python
    source, output = open_source("texts.txt"), Path("vectors.parquet")
    embed_file(source, output, model=client)
    print(is_up_to_date(source, output, client))
    ```
    ```text
    True
    ```

    Args:
        source, output, text_type: As for `embed_file`.
        client: The client that `embed_file` would use.

    Raises:
        InputError: The source cannot be read.
        ConfigError: The partial output is damaged.
    """
    spec = client._spec_for(text_type)  # noqa: SLF001 - the call's settings are the output's identity
    identity = Identity(settings_of(spec), source)
    folder = partial_folder(output)
    if folder.exists():
        if not (folder / "manifest.json").exists():
            return True
        return identity.difference(read_manifest(folder)["identity"]) is None
    if not output.exists():
        return True
    facts = facts_of(output)
    return facts is not None and identity.difference(facts.get("identity") or {}) is None


class _Embedding:
    """The task of `embed_file`: one vector for each row."""

    def __init__(self, source: Source, client: Client, text_type: TextType | None) -> None:
        arrow()
        spec = client._spec_for(text_type)  # noqa: SLF001 - the call's settings are the output's identity
        check_call(spec)
        source.check(spec)
        self._source, self._client, self._text_type = source, client, text_type
        self.form: RowFormat = VectorRows(client.dimension)
        self.settings: Mapping[str, Any] = settings_of(spec)
        self.model_info = client.model_info
        self._foreign = spec.foreign
        self._model: _OutputModel | None = None

    @property
    def usage(self) -> Usage:
        return self._client.usage

    def resume(self, partial: PartialOutput) -> None:
        """Bind the model of the replies, and the length if the model is unknown, to those of the finished rows."""
        caches = self._client._row_cache.caches  # noqa: SLF001 - for a message
        self._model = _OutputModel(partial, foreign=self._foreign, caches=caches)
        if partial.dimension is not None:
            self._client._length.agrees(partial.dimension)  # noqa: SLF001 - as a first reply does

    def item(self, record: Record) -> Item:
        return item_of(record, self._source.root)

    def run(self, items: Iterator[Item], on_outcome: OnOutcome, idle: Callable[[], None]) -> None:
        model = self._model

        def record_outcome(indexes: Sequence[int], outcome: Outcomes | EmbeddingError) -> None:
            # A row that is not valid was not requested, and one of the cache shows nothing of the service.
            if (
                model is not None
                and isinstance(outcome, EmbeddingError)
                and not isinstance(outcome, InputError)
            ):
                model.first_ended = True
            on_outcome(indexes, outcome)

        self._client._embed_each(items, record_outcome, text_type=self._text_type, idle=idle, model=model)  # noqa: SLF001 - whole replies

    def row_message(self, record: Record, error: EmbeddingError) -> str:
        return row_message(record.row, error)

    def failed_lines(self, groups: Iterable[bytes]) -> Iterator[bytes]:
        return failed_lines(self._source, groups)


class _OutputModel(ReplyModel):
    """
    The model that replies name, of all runs of one output: an endpoint id may be given another model between two.

    In a run that continues rows of a known model, no second request is sent before the first one has ended.

    Attributes:
        first_ended: Whether it has. One that failed shows no model, but the others may fail at the same time.
    """

    def __init__(self, partial: PartialOutput, *, foreign: bool, caches: bool) -> None:
        super().__init__(foreign=foreign)
        self._partial, self._caches = partial, caches
        self.name = partial.model
        self._replied = self.first_ended = self.name is None

    def mismatch(self, name: str | None) -> str | None:
        """
        As `ReplyModel.mismatch`, and keep the name with the rows.

        Raises:
            ConfigError: The first reply of this run names another model than those of earlier runs.
        """
        earlier, fault = self.name, super().mismatch(name)
        if fault is not None and not self._replied:
            raise ConfigError(
                f"the half-finished output {self._partial.folder.name!r} has vectors of model {earlier!r}, and the "
                f"service now answers with {name!r}; use another output, or start again with restart (--restart), "
                "which drops rows that are paid for" + (OTHER_CACHE if self._caches else "")
            )
        self._replied = self.first_ended = True
        if self.name is not None and not self._foreign:
            self._partial.keep_model(self.name)
        return fault

    def max_in_flight(self) -> float:
        return math.inf if self.first_ended else 1
