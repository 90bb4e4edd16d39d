"""
`Client` and `AsyncClient`: the same settings and decisions, in threads or in tasks.

Long because the settings stand here once more as arguments, where type checkers read them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Self

from volc_dashscope import _config
from volc_dashscope._http import AsyncHttpClient, HttpClient, Limiter, WorkerStep, arun, run
from volc_dashscope._lifecycle import AsyncLifecycle, ServiceClient, SyncLifecycle
from volc_dashscope._request.batching import BatchOperation, LearnedLength
from volc_dashscope._request.call import Call
from volc_dashscope._request.exchange import exchange
from volc_dashscope._request.items import items_of
from volc_dashscope._request.progress import progress_bar
from volc_dashscope._request.row_cache import BatchCache, RowCache
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.telemetry import RequestTelemetry, telemetry
from volc_dashscope._request.workers import fan_out, run_jobs
from volc_dashscope._types import (
    EMPTY_ROWS,
    Batch,
    Flow,
    OnError,
    OutputType,
    RequestSpec,
    Rows,
    Secret,
    TextType,
)
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import Item
from volc_dashscope.models import ModelInfo, Provider, Route
from volc_dashscope.providers import codec
from volc_dashscope.results import EmbeddingResult, FloatArray
from volc_dashscope.settings import ClientSettings, describe, documented, fingerprint

if TYPE_CHECKING:
    # Modules that few programs need are imported where they are used.
    from volc_dashscope._request.assembly import ReplyModel
    from volc_dashscope._request.stream import Stream
    from volc_dashscope._request.temporary_storage import Storage

__all__ = ["AsyncClient", "Client"]

_log = logging.getLogger("volc_dashscope")


class _ClientBase(ServiceClient):
    """The base of both clients: the signature, and what calls share."""

    _noun = "client"

    def __init__(
        self,
        model: str,
        *,
        provider: Provider | None = None,
        base_model: str | None = None,
        model_info: ModelInfo | None = None,
        route: Route = "native",
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        region: str | None = None,
        workspace: str | None = None,
        dimensions: int | None = None,
        normalize: bool = True,
        instruct: str | None = None,
        target_modality: str | None = None,
        query_instructions: str | None = None,
        document_instructions: str | None = None,
        res_level: int | None = None,
        max_video_frames: int | None = None,
        upload: bool = False,
        max_concurrency: int = 8,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        limiter: Limiter | None = None,
        max_retries: int = 7,
        deadline: float = 180.0,
        timeout: float = 60.0,
        cache: MutableMapping[str, bytes] | BatchCache | None = None,
        partial_results_bytes: int = 0,
        truncate: bool = False,
        max_image_pixels: int | None = None,
        insecure_http: bool = False,
        default_headers: Mapping[str, str] | None = None,
        http_client: HttpClient | None = None,
        http_async_client: AsyncHttpClient | None = None,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        # Crash reports show local variables; from here on none holds the key as text.
        api_key = _config.sealed(api_key)
        arguments = locals()
        self._start(ClientSettings(**{field.name: arguments[field.name] for field in fields(ClientSettings)}))

    @classmethod
    def from_settings(cls, settings: ClientSettings) -> Self:
        """
        Return a client with the settings of a value.

        Raises:
            ConfigError, InputError: As the constructor.
        """
        client = cls.__new__(cls)
        client._start(settings)  # noqa: SLF001 - an object of this class
        return client

    def _start(self, settings: ClientSettings) -> None:  # type: ignore[override]
        spec = settings.resolved_spec()
        self._codec = codec(spec.model_info.provider, foreign=spec.foreign and spec.route == "openai")
        self._length = LearnedLength()
        self._open(settings, spec)

    def _begin(self) -> None:
        super()._begin()
        settings = self._settings
        self._row_cache = RowCache(
            settings.cache, settings.partial_results_bytes, clock=self._context.clock, warn=_log.warning
        )
        self._storage: Storage | None = None
        if settings.upload:
            from volc_dashscope._request.temporary_storage import Storage

            self._storage = Storage(self._context)
        self._length = LearnedLength(self._length.value)

    @property
    def model_info(self) -> ModelInfo:
        """The row that says what the model can do."""
        return self._spec.model_info

    @property
    def max_image_pixels(self) -> int | None:
        """The setting: local images above it are shrunk before they are sent. None: images are sent as they are."""
        return self._settings.max_image_pixels

    @property
    def dimension(self) -> int | None:
        """Length of the rows; None for an unknown model until its first reply."""
        return self._spec.expected or self._length.value

    @property
    def fingerprint(self) -> str:
        """
        A name for a collection, table or namespace, known before any request: `[a-z0-9_]`, at most 63 characters.

        It begins with the model's name and ends in a digest of `ClientSettings.vector_key`: vectors of two
        fingerprints must not share a store. `describe` returns the same in readable form.
        """
        return fingerprint(self._spec.vector_key)

    def describe(self) -> str:
        """Return everything that shapes a vector as one line to read."""
        return describe(self._spec.vector_key)

    def _described(self) -> str:
        return f"{super()._described()}, dimension={self.dimension}"

    def _call(
        self,
        items: Iterable[Item],
        spec: RequestSpec,
        on_error: OnError,
        keep: bool,
        model: ReplyModel | None,
    ) -> Call:
        return Call(
            items_of(items),
            spec,
            on_error=on_error,
            width=self._pool.width,
            max_in_flight=self._context.rate_limiter.max_in_flight,
            row_cache=self._row_cache,
            keep=keep,
            model=model,
        )

    def _spec_for(self, text_type: TextType | None, output_type: OutputType = "dense") -> RequestSpec:
        self._check_process()
        return replace(self._spec, text_type=text_type, output_type=output_type, learned=self._length.value)

    def _stream(
        self, items: Iterable[Item], spec: RequestSpec, ordered: bool, model: ReplyModel | None = None
    ) -> Stream:
        from volc_dashscope._request.stream import Stream

        return Stream(
            items,
            spec,
            width=self._pool.width,
            max_in_flight=self._context.rate_limiter.max_in_flight,
            row_cache=self._row_cache,
            ordered=ordered,
            model=model,
        )

    def _flow(
        self, batch: Batch, spec: RequestSpec, telemetry: RequestTelemetry | None, jobs: Scheduler[Batch]
    ) -> Flow[Rows]:
        if not batch.items:
            return EMPTY_ROWS
        if spec.max_image_pixels is not None:
            from volc_dashscope._request.shrinking import shrunk

            batch = yield from shrunk(batch, spec)
        if self._storage is not None:
            from volc_dashscope._request.upload import stored

            batch = yield from stored(batch, spec, self._storage)
        flow = exchange(BatchOperation(batch, spec, self._codec, self._length), self._context, jobs.cause)
        return (yield from (flow if telemetry is None else telemetry.observed(flow, len(batch))))

    def _telemetry(self, spec: RequestSpec) -> RequestTelemetry | None:
        return telemetry("embeddings", spec, self._context.clock)


@documented
class Client(_ClientBase, SyncLifecycle):
    """
    Embeds texts, images, videos and mixed items through one model, in threads.

    ```python
    with Client("text-embedding-v4") as client:
        vectors = client.embed(["a red shoe", "a blue hat"]).vectors
    ```

    Raises:
        ConfigError: No key, an unknown model, a setting the model does not have.
        InputError: An instruction for a model that takes none.
    """

    def embed(
        self,
        items: Iterable[Item],
        *,
        text_type: TextType | None = "document",
        output_type: OutputType = "dense",
        on_error: OnError = "raise",
        progress: bool = False,
    ) -> EmbeddingResult:
        """
        Embed items and return float32 rows of shape (n, dimension) in their order.

        Args:
            items: str (always text), Image, Video, Frames or Fused; or an open text file, one item a line.
            text_type: The role: "query", "document", or None where all items play the same one.
            output_type: "dense", "sparse", "dense&sparse", or "multi" for token vectors beside the dense one.
            on_error: "raise" finishes the others first and raises `BulkError`; "abort" stops at the first
                failure; "skip" leaves NaN rows and lists `.errors`.
            progress: Show a progress bar (needs tqdm).

        Raises:
            InputError: An item does not fit the model. Nothing was sent.
            EmbeddingError: The only item failed.
            BulkError: Some of many failed; holds the rows that are done.
        """
        return self._embed(
            items, text_type=text_type, output_type=output_type, on_error=on_error, progress=progress
        )

    def _embed(
        self,
        items: Iterable[Item],
        *,
        text_type: TextType | None,
        output_type: OutputType,
        on_error: OnError = "raise",
        progress: bool = False,
        keep: bool = False,
        into: list[list[float]] | None = None,
        model: ReplyModel | None = None,
    ) -> EmbeddingResult:
        """
        As `embed`, with `keep`, `into` and `model` for the integrations.

        With `into`, rows are appended to it as lists, and the result holds none, unless items failed.

        Hybrid stores get the dense and the sparse vector of a text in two calls. One request returns both: with
        `keep`, rows are kept in memory (`partial_results_bytes`) and served to one more call for the same item.

        Calls whose rows belong together share a `model`: their replies must name the same.
        """
        call = self._call(items, self._spec_for(text_type, output_type), on_error, keep, model)
        observer, transport = self._telemetry(call.spec), self._pool.sync_transport()

        def work(batch: Batch, worker_step: WorkerStep) -> Rows:
            return run(self._flow(batch, call.spec, observer, call.scheduler), transport, worker_step)

        with progress_bar(call.count, lambda: call.finished, shown=progress) as show:
            try:
                if call.while_waiting is None:
                    run_jobs(call.scheduler, work, call.handle, while_waiting=show)
                else:
                    # Not every cache may be used in another thread than the caller's.
                    for ended in fan_out(call.scheduler, work, while_waiting=call.while_waiting):
                        call.handle(*ended)
                        if show is not None:
                            show()
            except BaseException:
                call.keep_finished()
                raise
            finally:
                call.write()
                self._usage_counter.add(call.usage)
        return call.result(into)

    def stream(
        self, items: Iterable[Item], *, text_type: TextType | None = "document", ordered: bool = True
    ) -> Iterator[tuple[int, FloatArray | EmbeddingError]]:
        """
        Embed items as they are read and yield (index, row or error) in their order, in bounded memory.

        Args:
            items, text_type: As for `embed`.
            ordered: False yields each as soon as it is finished, for callers that save it at once.

        Raises:
            AuthError, QuotaError: The account cannot go on; what was finished has been yielded.
        """
        spec = self._spec_for(text_type)
        observer = self._telemetry(spec)
        stream, transport = self._stream(items, spec, ordered), self._pool.sync_transport()
        try:
            # A caller that saves each row at once loses no more than the requests in flight when it is killed.
            for number, batch, outcome in fan_out(
                stream.scheduler,
                lambda batch, worker_step: run(
                    self._flow(batch, spec, observer, stream.scheduler), transport, worker_step
                ),
                prefetch=False,
                while_waiting=stream.write_old,
            ):
                stream.handle(number, batch, outcome)
                self._usage_counter.add(stream.take_usage())
                yield from stream.drain()
        finally:
            stream.write()
            self._usage_counter.add(stream.take_usage())
        yield from stream.drain()
        stream.end()

    def _embed_each(
        self,
        items: Iterable[Item],
        on_outcome: Callable[[Sequence[int], FloatArray | EmbeddingError], None],
        *,
        text_type: TextType | None,
        idle: Callable[[], None],
        model: ReplyModel | None = None,
    ) -> None:
        """
        As `stream` with `ordered=False`, for bulk jobs: whole replies instead of rows.

        Args:
            on_outcome: Called with the positions of some items, in ascending order, and their rows or their error; one
                call at a time.
            idle: Called in this thread: often while `on_outcome` is called in others, and once after the last.
            model: The model that earlier rows are from.
        """
        spec = self._spec_for(text_type)
        observer = self._telemetry(spec)
        stream, transport = self._stream(items, spec, False, model), self._pool.sync_transport()

        def handle(number: int, batch: Batch, outcome: Rows | BaseException) -> None:
            stream.handle(number, batch, outcome)
            self._usage_counter.add(stream.take_usage())
            for finished in stream.take_outcomes():
                on_outcome(*finished)

        def work(batch: Batch, worker_step: WorkerStep) -> Rows:
            return run(self._flow(batch, spec, observer, stream.scheduler), transport, worker_step)

        try:
            if self._row_cache.caches:
                # Not every cache may be used in another thread than the caller's.
                for ended in fan_out(stream.scheduler, work, prefetch=False, while_waiting=stream.write_old):
                    handle(*ended)
            else:
                run_jobs(stream.scheduler, work, handle, while_waiting=idle)
        finally:
            stream.write()
            self._usage_counter.add(stream.take_usage())
        for finished in stream.take_outcomes():
            on_outcome(*finished)
        idle()
        stream.end()

    @property
    def aio(self) -> AsyncClient:
        """The asynchronous client: the same settings, usage and limits."""
        return self._shared_as(AsyncClient)


@documented
class AsyncClient(_ClientBase, AsyncLifecycle):
    """
    As `Client`, awaited: the same settings, methods and limits, in the tasks of an event loop.

    ```python
    async with AsyncClient("text-embedding-v4") as client:
        vectors = (await client.embed(["a red shoe", "a blue hat"])).vectors
    ```

    Raises:
        ConfigError: No key, an unknown model, a setting the model does not have.
        InputError: An instruction for a model that takes none.
    """

    async def embed(
        self,
        items: Iterable[Item],
        *,
        text_type: TextType | None = "document",
        output_type: OutputType = "dense",
        on_error: OnError = "raise",
        progress: bool = False,
    ) -> EmbeddingResult:
        """As `Client.embed`, awaited."""
        return await self._embed(
            items, text_type=text_type, output_type=output_type, on_error=on_error, progress=progress
        )

    async def _embed(
        self,
        items: Iterable[Item],
        *,
        text_type: TextType | None,
        output_type: OutputType,
        on_error: OnError = "raise",
        progress: bool = False,
        keep: bool = False,
        into: list[list[float]] | None = None,
        model: ReplyModel | None = None,
    ) -> EmbeddingResult:
        """As `Client._embed`, awaited."""
        # Needs asyncio, which the sync client does not need.
        from volc_dashscope._request.tasks import arun_jobs

        call = self._call(items, self._spec_for(text_type, output_type), on_error, keep, model)
        observer, transport = self._telemetry(call.spec), await self._pool.async_transport()
        with progress_bar(call.count, lambda: call.finished, shown=progress) as show:

            def handle(number: int, batch: Batch, outcome: Rows | BaseException) -> None:
                call.handle(number, batch, outcome)
                if show is not None:
                    show()

            try:
                await arun_jobs(
                    call.scheduler,
                    lambda batch: arun(self._flow(batch, call.spec, observer, call.scheduler), transport),
                    handle,
                    inline=call.single,
                    while_waiting=call.while_waiting,
                )
            except BaseException:
                call.keep_finished()
                raise
            finally:
                call.write()
                self._usage_counter.add(call.usage)
        return call.result(into)

    async def stream(
        self, items: Iterable[Item], *, text_type: TextType | None = "document", ordered: bool = True
    ) -> AsyncGenerator[tuple[int, FloatArray | EmbeddingError], None]:
        """As `Client.stream`, awaited."""
        from volc_dashscope._request.tasks import afan_out

        spec = self._spec_for(text_type)
        observer = self._telemetry(spec)
        stream, transport = self._stream(items, spec, ordered), await self._pool.async_transport()
        outcomes = afan_out(
            stream.scheduler,
            lambda batch: arun(self._flow(batch, spec, observer, stream.scheduler), transport),
            while_waiting=stream.write_old,
        )
        try:
            async with aclosing(outcomes):
                async for number, batch, outcome in outcomes:
                    stream.handle(number, batch, outcome)
                    self._usage_counter.add(stream.take_usage())
                    for ended in stream.drain():
                        yield ended
        finally:
            stream.write()
            self._usage_counter.add(stream.take_usage())
        for ended in stream.drain():
            yield ended
        stream.end()
