"""What core's callbacks and its dispatcher hear of images: labels, never bytes or keys."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from canary import KEY
from li_recorder import recorded
from li_samples import samples
from listener import Listener
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.schema import ImageNode
from paintings import data_uri, painted

from llama_index_ext import ArkMultiModalEmbedding, MultiModalNodeEmbedder, fingerprint

ENCODED = b64encode(painted()).decode()


@pytest.fixture
def recorder():
    with recorded("Embedding") as recorder:
        yield recorder


def image_nodes(paths: dict[str, Any]) -> list[ImageNode]:
    return fingerprint([ImageNode(image=ENCODED), ImageNode(image_path=str(paths["green"]))])


def listened(embed_model: Any, callbacks: Listener) -> MultiModalVectorStoreIndex:
    """Return an index that listens; core gives its models the index's own callback manager."""
    manager = CallbackManager([callbacks])
    return MultiModalVectorStoreIndex(
        [], embed_model=embed_model, image_embed_model=embed_model, callback_manager=manager
    )


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_images_are_announced_by_labels(inside, embed_model_of, pictures, recorder, mode):
    callbacks = Listener(CBEventType.EMBEDDING)
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    index = listened(embed_model, callbacks)

    nodes = image_nodes(pictures)
    await index.ainsert_nodes(nodes) if mode == "async" else index.insert_nodes(nodes)

    start, end = callbacks.heard
    assert embed_model.to_payload() == start[EventPayload.SERIALIZED]
    assert [str, str] == [type(chunk) for chunk in end[EventPayload.CHUNKS]]
    assert 2 == len(end[EventPayload.EMBEDDINGS])
    assert "green.png" in end[EventPayload.CHUNKS][1]
    assert end[EventPayload.CHUNKS] == recorder.events[-1].chunks
    assert [EmbeddingStartEvent, EmbeddingEndEvent] == [type(event) for event in recorder.events]


@pytest.mark.parametrize("query", ["path", "data URI"])
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_an_image_query_is_announced_by_its_label(
    inside, embed_model_of, pictures, recorder, mode, query
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    index = MultiModalVectorStoreIndex(
        image_nodes(pictures), embed_model=embed_model, image_embed_model=embed_model
    )
    retriever: Any = index.as_retriever()
    given = str(pictures["red"]) if query == "path" else data_uri(painted())
    recorder.events.clear()

    await retriever.aimage_to_image_retrieve(given) if mode == "async" else retriever.image_to_image_retrieve(
        given
    )

    (label,) = recorder.events[-1].chunks
    assert 80 > len(label)
    assert "base64" not in label


def test_no_event_holds_bytes_or_the_key(inside, embed_model_of, pictures, recorder):
    callbacks = Listener(CBEventType.EMBEDDING)
    embed_model = embed_model_of(
        ArkMultiModalEmbedding, inside, callback_manager=CallbackManager([callbacks])
    )

    IngestionPipeline(transformations=[MultiModalNodeEmbedder(embed_model=embed_model)]).run(
        nodes=image_nodes(pictures)
    )
    listened(embed_model, callbacks).insert_nodes(image_nodes(pictures))

    logged = f"{callbacks.heard} {recorder.events}"
    assert (4, 4) == (len(callbacks.heard), len(recorder.events))
    assert ENCODED[:40] not in logged
    assert repr(painted()[:20]) not in logged
    assert KEY not in logged


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_the_node_embedder_announces_texts_as_they_are_and_media_by_label(
    inside, embed_model_of, pictures, recorder, mode
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    pipeline = IngestionPipeline(transformations=[MultiModalNodeEmbedder(embed_model=embed_model)])

    await pipeline.arun(nodes=samples(pictures)) if mode == "async" else pipeline.run(nodes=samples(pictures))

    chunks = recorder.events[-1].chunks
    assert ("invoice for the office rent", 5) == (chunks[0], len(chunks))
    assert "raincoat for children + " in chunks[4]
    assert "yellow.png" in chunks[4]


async def test_a_failed_batch_of_images_still_ends_its_event(inside, embed_model_of, pictures):
    callbacks = Listener(CBEventType.EMBEDDING)
    index = listened(embed_model_of(ArkMultiModalEmbedding, inside, max_retries=0), callbacks)
    inside.emulator.fail("500", "500")

    with pytest.raises(Exception, match="500"):
        await index.ainsert_nodes(image_nodes(pictures))

    assert 2 == len(callbacks.heard)
