"""Events and spans of embedding calls for core's callbacks and dispatcher: they contain labels, never bytes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Any, Protocol
from uuid import uuid4

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.base.embeddings.base_sparse import SparseEmbedding
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.callbacks.token_counting import TokenCountingEvent
from llama_index.core.instrumentation.events.embedding import (
    EmbeddingEndEvent,
    EmbeddingStartEvent,
    SparseEmbeddingEndEvent,
    SparseEmbeddingStartEvent,
)
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.span import active_span_id

from volc_dashscope import Item, Usage
from volc_dashscope.inputs import label

_dispatcher = get_dispatcher(__name__)


def event_label(item: Item) -> str:
    """Return an item's name in events: a text itself, or the label of a medium."""
    return item if isinstance(item, str) else label(item)


class InstrumentedModel(Protocol):
    """An embedding model whose calls raise core's events; its `to_payload` contains no secrets."""

    @property
    def callback_manager(self) -> CallbackManager: ...

    def to_payload(self) -> dict[str, Any]: ...


class Billed(Protocol):
    """An object that counts its usage, such as an embedding model."""

    @property
    def usage(self) -> Usage: ...


def instrumented(model: InstrumentedModel, chunks: Sequence[str]) -> AbstractContextManager[list[Embedding]]:
    """
    Raise the events and the span of one embedding call, as core does for its own calls.

    Args:
        model: The embedding model.
        chunks: What is embedded, by `event_label`. A list may be changed in the block.

    Yields:
        The list that the block fills with the vectors.
    """
    return _instrumented(model, chunks, "embed", EmbeddingStartEvent, EmbeddingEndEvent)


def instrumented_sparse(
    model: InstrumentedModel, chunks: Sequence[str]
) -> AbstractContextManager[list[SparseEmbedding]]:
    """As `instrumented`, for sparse vectors."""
    return _instrumented(model, chunks, "embed_sparse", SparseEmbeddingStartEvent, SparseEmbeddingEndEvent)


@contextmanager
def _instrumented(
    model: InstrumentedModel,
    chunks: Sequence[str],
    name: str,
    start: Callable[..., BaseEvent],
    end: Callable[..., BaseEvent],
) -> Iterator[list[Any]]:
    payload = model.to_payload()
    vectors: list[Any] = []
    with _span(model, name, chunks):
        _dispatcher.event(start(model_dict=payload))
        with callback(model.callback_manager, payload, chunks, vectors):
            yield vectors
        _dispatcher.event(end(chunks=list(chunks), embeddings=vectors))


@contextmanager
def callback(
    manager: CallbackManager, payload: dict[str, Any], chunks: Sequence[str], vectors: Sequence[object]
) -> Iterator[None]:
    """Raise core's callback event around an embedding call."""
    with manager.event(CBEventType.EMBEDDING, payload={EventPayload.SERIALIZED: payload}) as event:
        yield
        event.on_end(payload={EventPayload.CHUNKS: list(chunks), EventPayload.EMBEDDINGS: vectors})


@contextmanager
def _span(model: InstrumentedModel, name: str, chunks: Sequence[str]) -> Iterator[None]:
    # Not core's decorator, because it passes every argument to the span handlers, including the bytes of pictures.
    bound = inspect.signature(_chunks_only).bind(chunks=list(chunks))
    id_ = f"{type(model).__name__}.{name}-{uuid4()}"
    token = active_span_id.set(id_)
    parent = token.old_value if isinstance(token.old_value, str) else None
    _dispatcher.span_enter(id_=id_, bound_args=bound, instance=model, parent_id=parent, tags={})
    try:
        yield
    except BaseException as error:
        _dispatcher.span_drop(id_=id_, bound_args=bound, instance=model, err=error)
        raise
    else:
        _dispatcher.span_exit(id_=id_, bound_args=bound, instance=model, result=None)
    finally:
        active_span_id.reset(token)


def _chunks_only(chunks: list[str]) -> None: ...


class UsageCountingHandler(TokenCountingHandler):
    """
    Core's token counter, with the tokens the service billed instead of a tokenizer's estimate.

    ```python
    counter = UsageCountingHandler(embed_model)
    Settings.callback_manager = embed_model.callback_manager = CallbackManager([counter])
    embed_model.get_text_embedding("a red shoe")
    print(counter.total_embedding_token_count == embed_model.usage.total_tokens)
    ```
    ```text
    True
    ```

    Core's counter counts the words of a picture's label as its tokens, and also counts texts whose vectors come from
    `cache=`. The total here is the increase of `embed_model.usage`. If several calls run at once, an event may contain
    tokens of another call. LLM tokens are counted as core counts them.

    Args:
        embed_model: The model whose usage is counted.
        tokenizer: For LLM events, as in core.
    """

    def __init__(self, embed_model: Billed, *, tokenizer: Callable[[str], list[Any]] | None = None) -> None:
        super().__init__(tokenizer=tokenizer)
        self._embed_model = embed_model
        self._lock = Lock()
        self._counted = embed_model.usage.total_tokens

    def on_event_end(
        self,
        event_type: CBEventType,
        payload: dict[str, Any] | None = None,
        event_id: str = "",
        **kwargs: Any,
    ) -> None:
        """
        Count an embedding event by what was billed since the last one.

        Args:
            event_type, payload, event_id, kwargs: As core passes them.
        """
        if event_type != CBEventType.EMBEDDING:
            super().on_event_end(event_type, payload, event_id, **kwargs)
        elif payload is not None and event_type not in self.event_ends_to_ignore:
            prompt = "\n".join(payload.get(EventPayload.CHUNKS, []))
            self.embedding_token_counts.append(
                TokenCountingEvent(prompt, "", 0, self._billed(), event_id=event_id)
            )

    def _billed(self) -> int:
        with self._lock:
            total = self._embed_model.usage.total_tokens
            # In a forked process the usage begins at 0.
            new = total - self._counted if total >= self._counted else total
            self._counted = total
            return new
