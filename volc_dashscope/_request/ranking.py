"""Checks of rerank requests before anything is sent, and the order in which many are sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from volc_dashscope._request.items import all_as_sent, as_sent, items_of
from volc_dashscope._request.scheduler import Scheduler
from volc_dashscope._request.validation import check_item
from volc_dashscope._types import RequestSpec, counted
from volc_dashscope.errors import ConfigError, EmbeddingError, InputError
from volc_dashscope.inputs import Frames, Fused, Item, Video, modalities, parts
from volc_dashscope.models.rerank import RerankModelInfo
from volc_dashscope.models.tokens import fewest_text_tokens, text_tokens

_REMEDY = "retrieve fewer documents; the list is not split, because scores of two requests cannot be compared"


Q = TypeVar("Q")
R = TypeVar("R")


class RerankStream(Generic[Q]):
    """
    The state of one `stream`: each pair becomes a request or an `InputError`.

    Args:
        pairs: (query, documents), read as they are needed.
        check: Returns the request for a pair, or raises `InputError`.
        width: Requests in flight at once.
        max_in_flight: Returns how many of `width` may be in flight now.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[Item, Iterable[Item]]],
        check: Callable[[Item, Iterable[Item]], Q],
        *,
        width: int,
        max_in_flight: Callable[[], float],
    ) -> None:
        jobs = (_check_pair(query, documents, check) for query, documents in pairs)
        self.scheduler: Scheduler[Q | InputError] = Scheduler(jobs, width=width, max_in_flight=max_in_flight)

    def handle(self, number: int, outcome: R | InputError | BaseException) -> R | EmbeddingError:
        """Return the result or error of a request; after an account error, no other starts."""
        if isinstance(outcome, BaseException) and (
            not isinstance(outcome, EmbeddingError) or isinstance(outcome, ConfigError)
        ):
            raise outcome
        if isinstance(outcome, EmbeddingError) and outcome.account:
            self.scheduler.halt(outcome)
        self.scheduler.finish(number)
        return outcome

    def end(self) -> None:
        """Raise the account error that stopped the stream, if one did."""
        cause = self.scheduler.cause()
        if cause is not None:
            raise cause


def _check_pair(
    query: Item, documents: Iterable[Item], check: Callable[[Item, Iterable[Item]], Q]
) -> Q | InputError:
    try:
        return check(query, documents)
    except InputError as error:
        return error


def check_rerank_settings(row: RerankModelInfo, spec: RequestSpec, top_n: int | None) -> None:
    """
    Refuse settings that the model does not support.

    Raises:
        ConfigError: The model does not have the route.
        InputError: The model has no instruction, or `top_n` is not a positive whole number.
    """
    if spec.route not in row.routes:
        raise ConfigError(f"{row.name} has no route {spec.route!r}; its routes are {', '.join(row.routes)}")
    if spec.instruct is not None and not row.instruct:
        raise InputError(f"{row.name} does not support an instruction; leave out instruct")
    if top_n is not None and (isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 1):
        raise InputError(f"top_n must be a whole number from 1 or None, got {top_n!r}")


def check_rerank(query: Item, documents: Sequence[Item], row: RerankModelInfo, spec: RequestSpec) -> None:
    """
    Refuse a query or document that does not fit the model, or a list that does not fit into one request.

    Raises:
        InputError: With the document's index, what was seen and what is allowed.
    """
    _check_each([query], "query", row, spec)
    _check_each(documents, "document", row, spec)
    _check_counts(documents, row)
    _check_frame_rates([query, *documents])
    fewest = fewest_tokens(query) * len(documents) + sum(map(fewest_tokens, documents))
    if fewest > row.max_request_tokens:
        raise InputError(
            f"the query with {counted(len(documents), 'documents')} is at least {fewest:,} tokens "
            f"(query x documents + documents); {row.name} accepts at most {row.max_request_tokens:,} in one "
            f"request; {_REMEDY}"
        )


def checked_pairs(
    pairs: Iterable[tuple[Item, Iterable[Item]]], row: RerankModelInfo, spec: RequestSpec
) -> Iterator[tuple[Item, list[Item]]]:
    """
    Yield pairs as they are sent.

    Raises:
        InputError: The model does not accept a query, document or list.
    """
    for raw_query, documents in pairs:
        query, _ = as_sent(raw_query, spec)
        listed, _ = all_as_sent(items_of(documents, name="documents"), spec)
        if listed:
            check_rerank(query, listed, row, spec)
        yield query, listed


def fewest_tokens(item: Item) -> int:
    """Return a lower bound of an item's tokens; 0 for media, since no page states their formula."""
    return sum(fewest_text_tokens(part) for part in parts(item) if isinstance(part, str))


def estimated_tokens(query: Item, documents: Sequence[Item]) -> int:
    """Estimate what a request is billed: query tokens x documents + document tokens (page text-rerank-api)."""
    counts = [sum(text_tokens(part) for part in parts(item) if isinstance(part, str)) for item in documents]
    query_tokens = sum(text_tokens(part) for part in parts(query) if isinstance(part, str))
    return query_tokens * len(counts) + sum(counts)


def _check_each(items: Sequence[Item], name: str, row: RerankModelInfo, spec: RequestSpec) -> None:
    for index, item in enumerate(items):
        try:
            _check_whole(item, row)
            check_item(item, spec)
        except InputError as error:
            if name == "query":
                raise InputError(f"the query: {error}") from error
            raise InputError(f"document {index}: {error}", index=index) from error


def _check_whole(item: Item, row: RerankModelInfo) -> None:
    several = isinstance(item, Fused) and len(item.parts) > 1
    if several or any(isinstance(part, Frames) for part in parts(item)):
        actual = "several fused parts" if several else "frames"
        raise InputError(f"{actual}; {row.name} accepts one text, one image or one video")


def _check_counts(documents: Sequence[Item], row: RerankModelInfo) -> None:
    if row.max_documents is not None and len(documents) > row.max_documents:
        raise InputError(
            f"{len(documents)} documents; {row.name} accepts at most {row.max_documents} in one request; {_REMEDY}"
        )
    kinds: list[str] = [modalities(item)[0] for item in documents]
    for kind, most in (("text", row.max_texts), ("image", row.max_images), ("video", row.max_videos)):
        if most is not None and kinds.count(kind) > most:
            raise InputError(
                f"{kinds.count(kind)} documents of kind {kind}; {row.name} accepts at most {most} in one request; "
                f"{_REMEDY}"
            )


def _check_frame_rates(items: Sequence[Item]) -> None:
    rates = {
        part.fps for item in items for part in parts(item) if isinstance(part, Video) and part.fps is not None
    }
    if len(rates) > 1:
        actual = ", ".join(f"{rate:g}" for rate in sorted(rates))
        raise InputError(
            f"fps {actual} in one request; DashScope accepts one fps for the whole rerank request"
        )
