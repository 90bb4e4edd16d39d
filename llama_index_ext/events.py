"""What core's two event systems are told of an embedding call: labels, never bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index_instrumentation import get_dispatcher

_dispatcher = get_dispatcher(__name__)


@contextmanager
def announced(model: BaseEmbedding, chunks: Sequence[str]) -> Iterator[list[Embedding]]:
    """
    Announce one embedding call as core announces its own for texts.

    Args:
        model: Who embeds; its `to_payload` holds no secrets.
        chunks: What is embedded: a text, or the label of a medium.

    Yields:
        The list the block puts the vectors into.
    """
    payload = model.to_payload()
    vectors: list[Embedding] = []
    _dispatcher.event(EmbeddingStartEvent(model_dict=payload))
    with model.callback_manager.event(
        CBEventType.EMBEDDING, payload={EventPayload.SERIALIZED: payload}
    ) as event:
        yield vectors
        event.on_end(payload={EventPayload.CHUNKS: list(chunks), EventPayload.EMBEDDINGS: vectors})
    _dispatcher.event(EmbeddingEndEvent(chunks=list(chunks), embeddings=vectors))
