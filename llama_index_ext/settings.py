"""The settings of dense and sparse embedding classes, under core's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr

from llama_index_ext.batches import kept_on_failure, with_batch_starts
from llama_index_ext.fingerprints import refuse_marks
from llama_index_ext.pickling import Portable
from volc_dashscope import Client
from volc_dashscope.inputs import as_iterable
from volc_dashscope.integrations.construction import Key
from volc_dashscope.integrations.hybrid import check_items
from volc_dashscope.integrations.settings import ClientFields, require_event_loop

_MAX_BATCH = 2048

# Core's name for our setting.
SPELLINGS: Mapping[str, str] = {"api_base": "base_url"}


class ListArguments:
    """
    Checks the list arguments of core's embedding classes, dense and sparse, before core sees them.

    Core iterates over any argument, so a `str` would be embedded letter by letter.
    """

    embed_batch_size: int

    if not TYPE_CHECKING:

        def get_text_embedding_batch(self, texts, *args, **kwargs):
            texts = self._in_batches(texts)
            with kept_on_failure(self._client):
                return super().get_text_embedding_batch(texts, *args, **kwargs)

        async def aget_text_embedding_batch(self, texts, *args, **kwargs):
            require_event_loop()
            texts = self._in_batches(texts)
            with kept_on_failure(self._client):
                return await super().aget_text_embedding_batch(texts, *args, **kwargs)

        def get_agg_embedding_from_queries(self, queries, *args, **kwargs):
            return super().get_agg_embedding_from_queries(_listed(queries, "queries"), *args, **kwargs)

        async def aget_agg_embedding_from_queries(self, queries, *args, **kwargs):
            require_event_loop()
            return await super().aget_agg_embedding_from_queries(_listed(queries, "queries"), *args, **kwargs)

    def _check_list(self, texts: Sequence[str]) -> None:
        raise NotImplementedError

    def _in_batches(self, texts: Iterable[str]) -> list[str]:
        """Return texts as a list, checked before the first batch is sent if core will split it into batches."""
        found = _listed(texts, "texts")
        if len(found) <= self.embed_batch_size:
            return found
        self._check_list(found)
        return with_batch_starts(found, self.embed_batch_size)


class EmbeddingFields(ListArguments, Portable, ClientFields):
    """The settings of an embedding class, with core's names for model and key, and a batch size for our client."""

    spellings: ClassVar[Mapping[str, str]] = SPELLINGS

    model_name: str
    api_key: Key = Field(default=None, exclude=True, repr=False)
    embed_batch_size: int = Field(
        default=0,
        ge=0,
        le=_MAX_BATCH,
        validate_default=False,
        description="Items that core passes at once; 0 for 4 x batch size of the model x max_concurrency.",
    )
    num_workers: int | None = Field(
        default=None, ge=0, description="Batches that an async call sends at once. Default: all."
    )

    # Whether the batch size is the default, which follows the model and `max_concurrency`.
    _default_size: bool = PrivateAttr(default=False)

    if not TYPE_CHECKING:

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "embed_batch_size":
                self._size_batches(self._client)

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        return {**settings, "embed_batch_size": 0} if self._default_size else settings

    def _check_list(self, texts: Sequence[str]) -> None:
        refuse_marks(texts)
        check_items(self._client, texts)

    def _model_and_key(self) -> tuple[str, Key]:
        return self.model_name, self.api_key

    def _make_client(self) -> Client:
        client = super()._make_client()
        self._size_batches(client, keeps_default=self._default_size)
        return client

    def _size_batches(self, client: Client, *, keeps_default: bool = False) -> None:
        self._default_size = keeps_default or not self.embed_batch_size
        if self._default_size:
            self.__dict__["embed_batch_size"] = _default_batch_size(client, self.max_concurrency)


def _default_batch_size(client: Client, width: int) -> int:
    # Core calls the sync hook once per embed_batch_size items: enough for several requests at once.
    return min(_MAX_BATCH, 4 * client.model_info.batch * width)


def _listed(values: Iterable[Any], name: str) -> list[Any]:
    return list(as_iterable(values, name=name))
