"""openinference reads LlamaIndex's events and spans: an ingest and a query of pictures leave no base64 in them."""

from __future__ import annotations

from base64 import b64encode

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import ImageDocument, ImageNode, TextNode
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from paintings import data_uri, painted

from llama_index_ext import ArkMultiModalEmbedding, MultiModalNodeEmbedder, query_bundle

RED = painted("red")


@pytest.fixture
def spans():
    """Return the exporter that LlamaIndex's spans go to."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()


def test_an_ingest_and_a_query(inside, embed_model_of, spans, tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    nodes = [
        ImageDocument(image_path=str(path)),
        ImageNode(image_url=data_uri(RED)),
        TextNode(text="sea"),
    ]

    ready = MultiModalNodeEmbedder(embed_model=embed_model)(nodes)
    index = VectorStoreIndex(ready, embed_model=embed_model, store_nodes_override=True)
    question = query_bundle(image=data_uri(RED), embed_model=embed_model)
    found = index.as_retriever(similarity_top_k=1).retrieve(question)

    assert found
    written = [span.to_json() for span in spans.get_finished_spans()]
    assert any("embedding" in text.lower() for text in written)
    holding = [
        span.name for span in spans.get_finished_spans() if b64encode(RED).decode()[:60] in span.to_json()
    ]
    assert holding == []
