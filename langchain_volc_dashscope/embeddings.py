"""`ArkEmbeddings` and `DashScopeEmbeddings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

import orjson
from langchain_core.embeddings import Embeddings
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.utils.utils import secret_from_env
from pydantic import AliasChoices, Field

from langchain_volc_dashscope import sparse
from langchain_volc_dashscope.content_blocks import as_item
from langchain_volc_dashscope.documents import MediaTokenError, UnknownMedia
from langchain_volc_dashscope.media_calls import MediaCalls
from volc_dashscope import InputError, Item, SparseVector, TextType
from volc_dashscope.inputs import as_iterable
from volc_dashscope.integrations.construction import OPAQUE, Key
from volc_dashscope.integrations.hybrid import (
    Refused,
    SubCall,
    apartial_results,
    dense_calls,
    dense_rows,
    partial_results,
    raise_refused,
    reply_model,
    sparse_rows,
)
from volc_dashscope.integrations.settings import convert_each
from volc_dashscope.models import Provider
from volc_dashscope.settings import describe, fingerprint

if TYPE_CHECKING:
    from langchain_milvus.utils.sparse import BaseSparseEmbedding
    from langchain_qdrant import SparseEmbeddings
else:
    # The stores' packages are optional, and `typing.get_type_hints` must work without them.
    BaseSparseEmbedding = SparseEmbeddings = object

# A text or media token, an input value, a content block, or a list of blocks.
Embeddable: TypeAlias = Item | Mapping[str, Any] | Sequence[Any]
# The role of the items; "auto" depends on the method that is called.
Role: TypeAlias = Literal["auto", "query", "document"] | None


class RateLimiterAdapter:
    """
    Adapts LangChain's rate limiter to the client, which calls it before each request.

    Args:
        limiter: LangChain's limiter.
        other: A limiter with the client's own protocol, called as well; or None.
    """

    def __init__(self, limiter: BaseRateLimiter, other: Any) -> None:
        self._limiter = limiter
        self._other = other

    def acquire(self) -> None:
        if self._other is not None:
            self._other.acquire()
        self._limiter.acquire(blocking=True)

    async def aacquire(self) -> None:
        if self._other is not None:
            await self._other.aacquire()
        await self._limiter.aacquire(blocking=True)


class _MultimodalEmbeddings(MediaCalls, Embeddings):
    """The base of both classes, which differ in the service, its key and the default model."""

    model: str = Field(validation_alias=AliasChoices("model", "model_name"))
    rate_limiter: Annotated[BaseRateLimiter | None, OPAQUE] = Field(
        default=None,
        exclude=True,
        repr=False,
        description="LangChain's rate limiter, called once for every request.",
    )
    unknown_media: UnknownMedia = Field(
        default="raise", description='What to do with a media token of another process: "raise", or "text".'
    )
    text_type: Role = Field(
        default="auto",
        description='Role of each item: "query", "document", None (the same for all), or "auto" (by method).',
    )

    _key_field: ClassVar[str]

    if not TYPE_CHECKING:

        def __getstate__(self):
            state = super().__getstate__()
            # An explicit key is pickled; one from the environment is looked up again where the object is loaded.
            if self._key_field not in self.model_fields_set:
                state["__dict__"] = {**state["__dict__"], self._key_field: None}
            return state

        def __setstate__(self, state):
            super().__setstate__(state)
            self._look_up_key()

        def __deepcopy__(self, memo=None):
            copied = super().__deepcopy__(memo)
            copied._look_up_key()  # noqa: SLF001 - an object of this class
            return copied

    @property
    def fingerprint(self) -> str:
        """
        A name for a collection, table or namespace, known before any request: `[a-z0-9_]`, at most 63 characters.

        It begins with the model's name and ends in a digest of everything that shapes the vector of a document: vectors
        with different fingerprints must not share a store. `describe` returns the same in readable form.
        """
        return fingerprint(self._vector_key())

    def describe(self) -> str:
        """Return everything that shapes the vector of a document, as one readable line."""
        return describe(self._vector_key())

    def embed_documents(self, texts: Sequence[Embeddable]) -> list[list[float]]:
        """
        Embed documents: what is searched.

        Args:
            texts: Each a `str` (text, unless it ends in a media token), a `MediaStr`, an `Image`, `Video`,
                `Frames` or `Fused`, a content block, or a list of blocks (one fused vector).

        Returns:
            One vector per item, in order. If the call fails, its finished vectors are kept for the retry.

        Raises:
            InputError: An item does not fit the model. Nothing was sent.
            BulkError: Some of many items failed; holds the rows that are done.
        """
        return self.embed_contents(texts)

    def embed_query(self, text: Embeddable) -> list[float]:
        """
        Embed a query: what is searched for.

        Args:
            text: As one of the `texts` of `embed_documents`.

        Raises:
            InputError: The query does not fit the model. Nothing was sent.
            EmbeddingError: The request failed.
        """
        return self.embed_contents([text], text_type=self._role("query"))[0]

    async def aembed_documents(self, texts: Sequence[Embeddable]) -> list[list[float]]:
        """As `embed_documents`, awaited."""
        return await self.aembed_contents(texts)

    async def aembed_query(self, text: Embeddable) -> list[float]:
        """As `embed_query`, awaited."""
        return (await self.aembed_contents([text], text_type=self._role("query")))[0]

    def embed_contents(self, items: Sequence[Embeddable], *, text_type: Role = "auto") -> list[list[float]]:
        """
        Embed anything that `embed_documents` accepts, in any role.

        Args:
            items: As `texts` of `embed_documents`.
            text_type: "query", "document", or None if all items have the same role; "auto" as for `embed_documents`.

        Raises:
            InputError, BulkError: As `embed_documents`.
        """
        role = self._role("document") if text_type == "auto" else text_type
        calls = dense_calls(self._items(items), reply_model(self._client), hybrid=self._requests_sparse)
        if len(calls) == 1:
            return calls[0].lists(self._client, role, progress=self.show_progress_bar)
        return dense_rows(calls, partial_results(calls, self._client, role))

    async def aembed_contents(
        self, items: Sequence[Embeddable], *, text_type: Role = "auto"
    ) -> list[list[float]]:
        """As `embed_contents`, awaited."""
        role = self._role("document") if text_type == "auto" else text_type
        calls = dense_calls(self._items(items), reply_model(self._client), hybrid=self._requests_sparse)
        if len(calls) == 1:
            return await calls[0].alists(self._client.aio, role, progress=self.show_progress_bar)
        return dense_rows(calls, await apartial_results(calls, self._client.aio, role))

    def qdrant_sparse(self) -> SparseEmbeddings:
        """
        Return sparse vectors for `QdrantVectorStore(sparse_embedding=..., retrieval_mode=HYBRID)`.

        From then on, one request returns the dense and the sparse vector of a text, and the second call for the same
        text costs nothing.

        Raises:
            InputError: The model does not support sparse vectors.
        """
        return sparse.qdrant(*self._sparse_encoders())

    def milvus_sparse(self) -> BaseSparseEmbedding:
        """Return sparse vectors for `Milvus(embedding_function=[dense, sparse])`, as `qdrant_sparse`."""
        return sparse.milvus(*self._sparse_encoders())

    def _items(self, contents: Sequence[Embeddable]) -> list[Item]:
        return convert_each(contents, self._item, name="texts")

    def _item(self, content: Embeddable) -> Item:
        try:
            return as_item(content, self.unknown_media, root=self.media_root)
        except MediaTokenError as error:
            # Such a text may come from any user; it must not fail the other items of the call.
            return Refused(error).as_item()

    def _role(self, of_method: TextType) -> TextType | None:
        return of_method if self.text_type == "auto" else self.text_type

    def _vector_key(self) -> str:
        key = self._client_settings().vector_key()
        role = self._role("document")
        if role == "document":
            return key
        return orjson.dumps({**orjson.loads(key), "text_type": role or "none"}).decode()

    def _sparse_encoders(self) -> tuple[sparse.SparseEncoder, sparse.AsyncSparseEncoder]:
        if not self._client.model_info.sparse:
            raise InputError(f"{self.model} does not support sparse vectors")
        self._hybrid = True

        def encode(contents: Sequence[Embeddable], role: TextType) -> list[SparseVector]:
            items, calls = self._sparse_inputs(contents)
            sent_role, bar = self._role(role), self.show_progress_bar
            results = [call.run(self._client, sent_role, progress=bar) for call in calls]
            raise_refused(items)
            return sparse_rows(len(items), calls, results)

        async def aencode(contents: Sequence[Embeddable], role: TextType) -> list[SparseVector]:
            items, calls = self._sparse_inputs(contents)
            sent_role, bar = self._role(role), self.show_progress_bar
            results = [await call.arun(self._client.aio, sent_role, progress=bar) for call in calls]
            raise_refused(items)
            return sparse_rows(len(items), calls, results)

        return encode, aencode

    def _sparse_inputs(self, contents: Sequence[Embeddable]) -> tuple[list[Item], list[SubCall]]:
        """Return the items, and the calls for sparse vectors of their texts and captions."""
        contents = list(as_iterable(contents, name="texts"))
        items = self._items(contents)
        return items, sparse.sparse_calls(contents, items)

    def _model_and_key(self) -> tuple[str, Key]:
        # A key that was not passed is left to the client, which then knows that it comes from the environment.
        is_set = self._key_field in self.model_fields_set
        return self.model, getattr(self, self._key_field) if is_set else None

    def _look_up_key(self) -> None:
        if self._key_field not in self.model_fields_set:
            field = type(self).model_fields[self._key_field]
            self.__dict__[self._key_field] = field.get_default(call_default_factory=True)

    def _limiter(self) -> Any:
        return (
            self.limiter if self.rate_limiter is None else RateLimiterAdapter(self.rate_limiter, self.limiter)
        )


class ArkEmbeddings(_MultimodalEmbeddings):
    """
    Doubao embeddings of Volcengine Ark, for any LangChain chain or vector store.

    ```python
    embed_model = ArkEmbeddings(model="doubao-embedding-vision-251215")
    print(len(embed_model.embed_query("a red shoe")), embed_model.dimension)
    ```
    ```text
    2048 2048
    ```

    Each vector takes one request; `max_concurrency` requests are in flight at once.

    Args:
        model: Model id, or an endpoint id `ep-…` together with `base_model=`.
        api_key: Default: the environment variable `ARK_API_KEY`.
        text_type: The role: "auto" depends on the method. Use "query", "document" or None (the same role for all) for
            stores that embed queries by `embed_documents` or documents by `embed_query`, as LangGraph's and mem0's do.

    Raises:
        ConfigError: There is no key, or the model does not support a setting.
    """

    provider_name: ClassVar[Provider] = "ark"
    _key_field: ClassVar[str] = "ark_api_key"

    model: str = Field(
        default="doubao-embedding-vision-251215", validation_alias=AliasChoices("model", "model_name")
    )
    ark_api_key: Key = Field(
        alias="api_key", default_factory=secret_from_env("ARK_API_KEY", default=None), exclude=True
    )


class DashScopeEmbeddings(_MultimodalEmbeddings):
    """
    Qwen and Tongyi embeddings of Alibaba DashScope, for any LangChain chain or vector store.

    ```python
    embed_model = DashScopeEmbeddings(model="qwen3-vl-embedding")
    print(len(embed_model.embed_documents(["a red shoe"])), len(embed_model.embed_image(["pictures/banana.png"])))
    ```
    ```text
    1 1
    ```

    Args:
        model: "text-embedding-v4" for text, "qwen3-vl-embedding" for text, images and videos, and others.
        api_key: Default: the environment variable `DASHSCOPE_API_KEY`.
        text_type: The role: "auto" depends on the method. Use "query", "document" or None (the same role for all) for
            stores that embed queries by `embed_documents` or documents by `embed_query`, as LangGraph's and mem0's do.

    Raises:
        ConfigError: There is no key, or the model does not support a setting.
    """

    provider_name: ClassVar[Provider] = "dashscope"
    _key_field: ClassVar[str] = "dashscope_api_key"

    model: str = Field(default="qwen3-vl-embedding", validation_alias=AliasChoices("model", "model_name"))
    dashscope_api_key: Key = Field(
        alias="api_key", default_factory=secret_from_env("DASHSCOPE_API_KEY", default=None), exclude=True
    )
