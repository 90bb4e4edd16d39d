"""
Reranking: one query, up to a few hundred candidates, a score for each. DashScope only; Ark has no such model.

```python
with Reranker("qwen3-vl-rerank") as reranker:
    best = reranker.rerank("a red shoe", ["blue hat", Image.from_path("shoe.png")], top_n=1)
    print(best[0].index, best[0].score, best[0].document)
```
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

from volc_dashscope import _config
from volc_dashscope._http import AsyncHttpClient, HttpClient, Limiter, arun, run
from volc_dashscope._lifecycle import AsyncLifecycle, ServiceClient, SyncLifecycle
from volc_dashscope._limits.rate_limiter import RequestCost
from volc_dashscope._request.exchange import Halted, Step, exchange
from volc_dashscope._request.items import all_as_sent, as_sent, instruction, items_of
from volc_dashscope._request.ranking import (
    RerankStream,
    check_rerank,
    check_rerank_settings,
    estimated_tokens,
)
from volc_dashscope._request.row_cache import BatchCache
from volc_dashscope._request.score_cache import ScoreCache
from volc_dashscope._request.shrinking import shrunk
from volc_dashscope._request.telemetry import RequestTelemetry, telemetry
from volc_dashscope._request.workers import fan_out
from volc_dashscope._types import Flow, RequestSpec, Secret
from volc_dashscope.errors import EmbeddingError, InputError
from volc_dashscope.inputs import Item
from volc_dashscope.models.rerank import (
    RerankModelInfo,
    RerankRoute,
)
from volc_dashscope.providers.rerank import RerankInput, Scores, best_first, build, read
from volc_dashscope.settings import ClientSettings, documented

__all__ = ["AsyncReranker", "RerankResult", "Reranker"]

_log = logging.getLogger("volc_dashscope")
_EMBEDDING_PATH, _RERANK_PATH = "/compatible-mode/v1", "/compatible-api/v1"


# What is sent, its settings, and the documents as the caller passed them.
_Prepared: TypeAlias = tuple[RerankInput, RequestSpec, Sequence[Item]]


@dataclass(frozen=True, slots=True)
class RerankResult:
    """
    One document's place in a ranking.

    ```python
    best = Reranker("qwen3-rerank").rerank("reset password", ["Billing", "Reset a password"])[0]
    print(best.index, best.document)
    ```
    ```text
    1 Reset a password
    ```

    Attributes:
        index: Position of the document in the caller's list, from 0.
        score: 0 to 1, higher is better. Comparable within one call only.
        document: The caller's own object.
    """

    index: int
    score: float
    document: Item


class _RerankerBase(ServiceClient):
    """The base of both rerankers: the signature, the checks, and the request as a flow."""

    _noun = "reranker"

    def __init__(
        self,
        model: str = "qwen3-vl-rerank",
        *,
        base_model: str | None = None,
        model_info: RerankModelInfo | None = None,
        route: RerankRoute = "native",
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        region: str | None = None,
        workspace: str | None = None,
        instruct: str | None = None,
        max_concurrency: int = 8,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        limiter: Limiter | None = None,
        max_retries: int = 7,
        deadline: float = 180.0,
        timeout: float = 60.0,
        cache: MutableMapping[str, bytes] | BatchCache | None = None,
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
        row = _config.find_rerank_model(model, base_model=base_model, model_info=model_info)
        settings = {
            field.name: arguments[field.name] for field in fields(ClientSettings) if field.name in arguments
        }
        found = base_model is None and model_info is None
        sent = row.as_model_info(row.name if found else model.strip())
        resolved = {"model": sent.name, "provider": "dashscope", "base_model": None, "model_info": sent}
        self._start(row, ClientSettings(**{**settings, **resolved}))

    def _start(self, row: RerankModelInfo, settings: ClientSettings) -> None:  # type: ignore[override]
        spec = settings.resolved_spec()
        if spec.base_url.endswith(_EMBEDDING_PATH):
            # Rerank has a separate compatible path (page text-rerank-api).
            spec = replace(spec, base_url=spec.base_url.removesuffix(_EMBEDDING_PATH) + _RERANK_PATH)
        check_rerank_settings(row, spec, None)
        self._row = row
        self._open(settings, spec)

    def _start_arguments(self) -> tuple[object, ...]:
        return (self._row, self._settings)

    def _begin(self) -> None:
        super()._begin()
        self._scores = ScoreCache(self._settings.cache, clock=self._context.clock, warn=_log.warning)

    @property
    def model_info(self) -> RerankModelInfo:
        """The row that says what the model can do."""
        return self._row

    def _prepare(
        self, query: Item, documents: Iterable[Item], top_n: int | None, instruct: str | None
    ) -> _Prepared:
        """Check everything before a byte is sent."""
        self._check_process()
        spec = self._spec
        if instruct is not None:
            spec = replace(spec, instruct=instruction("instruct", instruct))
        check_rerank_settings(self._row, spec, top_n)
        originals = items_of(documents, name="documents")
        sent = tuple(all_as_sent(originals, spec)[0])
        query, _ = as_sent(query, spec)
        if sent:
            check_rerank(query, sent, self._row, spec)
        # A cache needs every score: a document that is not among the best now may be among them in a later call.
        sent_top_n = top_n if self._settings.cache is None else None
        return RerankInput(query, sent, sent_top_n), spec, originals

    def _telemetry(self) -> RequestTelemetry | None:
        return telemetry("rerank", self._spec, self._context.clock)

    def _rank(
        self,
        rerank_input: RerankInput,
        spec: RequestSpec,
        observer: RequestTelemetry | None,
        halted: Halted | None = None,
    ) -> Flow[Sequence[tuple[int, float]]]:
        """Return (position, score), best first: from the cache, or by one request."""
        if not rerank_input.documents:
            return ()
        keys = self._scores.keys(f"{self._settings.vector_key()}:{spec.instruct or ''}", rerank_input)
        if (known := self._scores.find(keys)) is not None:
            return best_first(enumerate(known))
        batch = yield from shrunk(rerank_input.batch, spec, item_name=_item_name)
        sent = replace(rerank_input, query=batch.items[0], documents=batch.items[1:])
        step: Step[Scores] = Step(
            build=lambda: build(sent, self._row, spec),
            read=lambda reply: read(reply, sent, spec),
            cost=RequestCost(1, estimated_tokens(sent.query, sent.documents)),
        )
        flow = exchange(step, self._context, halted)
        scores = yield from (
            flow if observer is None else observer.observed(flow, len(rerank_input.documents))
        )
        self._usage_counter.add(scores.usage)
        self._scores.store(keys, scores.ranking)
        return scores.ranking

    def _prepare_stream(
        self, pairs: Iterable[tuple[Item, Iterable[Item]]], top_n: int | None, instruct: str | None
    ) -> RerankStream[_Prepared]:
        """Check the settings now, and each pair just before it is sent."""
        self._prepare("", (), top_n, instruct)
        return RerankStream(
            pairs,
            lambda query, documents: self._prepare(query, documents, top_n, instruct),
            width=self._pool.width,
            max_in_flight=self._context.rate_limiter.max_in_flight,
        )

    def _rank_prepared(
        self,
        prepared: _Prepared | InputError,
        top_n: int | None,
        observer: RequestTelemetry | None,
        halted: Halted,
    ) -> Flow[list[RerankResult] | InputError]:
        if isinstance(prepared, InputError):
            return prepared
        sent, spec, documents = prepared
        return self._results((yield from self._rank(sent, spec, observer, halted)), documents, top_n)

    @staticmethod
    def _results(
        ranking: Sequence[tuple[int, float]], documents: Sequence[Item], top_n: int | None
    ) -> list[RerankResult]:
        return [RerankResult(index, score, documents[index]) for index, score in ranking[:top_n]]


def _item_name(position: int) -> tuple[str, int | None]:
    """Return the name and index of a batch's item: the query comes first."""
    return (f"document {position - 1}", position - 1) if position else ("the query", None)


@documented
class Reranker(_RerankerBase, SyncLifecycle):
    """
    Orders documents by how well they answer a query, in the caller's thread.

    ```python
    reranker = Reranker("qwen3-rerank")
    best = reranker.rerank("How do I reset my password?", ["Billing", "Reset a password"], top_n=1)
    print(best[0].document)
    ```
    ```text
    Reset a password
    ```

    Args:
        model: A rerank model. qwen3-vl-rerank takes texts, images and videos, the others texts.
        base_model: Name of the row to use for a name the table does not have.
        route: "native", or "openai" for the flat form under `/compatible-api/v1/reranks` (texts only).
        api_key: Default: `DASHSCOPE_API_KEY`.
        base_url: Default: `DASHSCOPE_BASE_URL`, then by `workspace` and `region`.
        instruct: What "relevant" means, as an English sentence, for the models that have it.
        cache: Scores by pair. They are used in a later call only if one request scored all its pairs, because scores
            of two requests cannot be compared. With a cache, `top_n` is cut here and not by the service.
        truncate: Cut a query or document longer than the model accepts, by our estimate of tokens. Otherwise
            it is an error: the service cuts without saying so.

    Raises:
        ConfigError: No key, an unknown or stopped model, a route the model does not have.
        InputError: An instruction for a model that takes none.
    """

    def rerank(
        self,
        query: Item,
        documents: Iterable[Item],
        *,
        top_n: int | None = None,
        instruct: str | None = None,
    ) -> list[RerankResult]:
        """
        Return documents with their scores, best first; equal scores in input order.

        Everything goes in one request: scores of two requests cannot be compared, so that a list over the limit
        is an error and never split.

        Args:
            query: str (always text), Image or Video, as the model takes it.
            documents: A list of the same, also mixed. An empty list gives an empty list, without a request.
            top_n: How many of the best to return; None for all.
            instruct: Replaces the reranker's own instruction for this call.

        Raises:
            InputError: A query, document or list that the model does not take. Nothing was sent.
            EmbeddingError: The request failed.
        """
        rerank_input, spec, originals = self._prepare(query, documents, top_n, instruct)
        return self._results(self._run(self._rank(rerank_input, spec, self._telemetry())), originals, top_n)

    def stream(
        self,
        pairs: Iterable[tuple[Item, Iterable[Item]]],
        *,
        top_n: int | None = None,
        instruct: str | None = None,
    ) -> Iterator[tuple[int, list[RerankResult] | EmbeddingError]]:
        """
        Rerank many lists, one request each, and yield (index, results or error) as soon as each is finished.

        Pairs are read as they are needed, so that memory stays bounded.

        Args:
            pairs: (query, documents), each as for `rerank`.
            top_n, instruct: As for `rerank`, for all pairs.

        Raises:
            InputError: A setting that the model does not have.
            AuthError, QuotaError: The account cannot go on; what was finished has been yielded.
        """
        observer = self._telemetry()
        stream, transport = self._prepare_stream(pairs, top_n, instruct), self._pool.sync_transport()
        # A caller that saves each result at once loses no more than the requests in flight when it is killed.
        for number, _, outcome in fan_out(
            stream.scheduler,
            lambda prepared, worker_step: run(
                self._rank_prepared(prepared, top_n, observer, stream.scheduler.cause), transport, worker_step
            ),
            prefetch=False,
        ):
            yield number, stream.handle(number, outcome)
        stream.end()

    @property
    def aio(self) -> AsyncReranker:
        """The asynchronous reranker: the same settings, limits and usage."""
        return self._shared_as(AsyncReranker)


class AsyncReranker(_RerankerBase, AsyncLifecycle):
    """
    As `Reranker`, awaited.

    ```python
    async with AsyncReranker("qwen3-rerank") as reranker:
        best = await reranker.rerank("reset password", ["Billing", "Reset a password"], top_n=1)
    ```
    """

    async def rerank(
        self,
        query: Item,
        documents: Iterable[Item],
        *,
        top_n: int | None = None,
        instruct: str | None = None,
    ) -> list[RerankResult]:
        """As `Reranker.rerank`, awaited."""
        rerank_input, spec, originals = self._prepare(query, documents, top_n, instruct)
        return self._results(
            await self._arun(self._rank(rerank_input, spec, self._telemetry())), originals, top_n
        )

    async def stream(
        self,
        pairs: Iterable[tuple[Item, Iterable[Item]]],
        *,
        top_n: int | None = None,
        instruct: str | None = None,
    ) -> AsyncGenerator[tuple[int, list[RerankResult] | EmbeddingError], None]:
        """As `Reranker.stream`, awaited."""
        # Needs asyncio, which the sync reranker does not need.
        from volc_dashscope._request.tasks import afan_out

        observer = self._telemetry()
        stream, transport = self._prepare_stream(pairs, top_n, instruct), await self._pool.async_transport()
        outcomes = afan_out(
            stream.scheduler,
            lambda prepared: arun(
                self._rank_prepared(prepared, top_n, observer, stream.scheduler.cause), transport
            ),
        )
        async with aclosing(outcomes):
            async for number, _, outcome in outcomes:
                yield number, stream.handle(number, outcome)
        stream.end()
