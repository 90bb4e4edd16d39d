"""Spans and metrics by OpenTelemetry's conventions, read back from the SDK's in-memory exporter and reader."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from canary import KEY
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from paintings import data_uri, painted

from volc_dashscope import AsyncReranker, BulkError, Fused, Image, Reranker

V4 = "text-embedding-v4"
ARK = "doubao-embedding-vision-251215"
CONTENT = "a very private shoe"
_SPANS = InMemorySpanExporter()
_READER = InMemoryMetricReader()


@pytest.fixture(scope="module", autouse=True)
def providers() -> None:
    """Set the process's providers; there is one of each a process, and no way back."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_SPANS))
        trace.set_tracer_provider(provider)
        metrics.set_meter_provider(MeterProvider([_READER]))


@pytest.fixture
def spans() -> Iterator[Callable[[], Any]]:
    """Return what gives the spans of this test."""
    _SPANS.clear()
    yield _SPANS.get_finished_spans
    _SPANS.clear()


def _points() -> dict[str, list[Any]]:
    data = _READER.get_metrics_data()
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def _embed(mount: Any, model: str, items: list[Any], way: str) -> None:
    if way == "embed":
        mount.client(model).embed(items)
    elif way == "stream":
        list(mount.client(model).stream(items))
    elif way == "async embed":
        asyncio.run(mount.async_client(model).embed(items))
    else:
        asyncio.run(_stream(mount.async_client(model), items))


async def _stream(client: Any, items: list[Any]) -> None:
    async for _ in client.stream(items):
        pass


@pytest.mark.parametrize("way", ["embed", "stream", "async embed", "async stream"])
def test_each_request_is_a_span_below_the_callers(inside, spans, way):
    tracer = trace.get_tracer("test")
    with tracer.start_as_current_span("mine") as mine:
        _embed(inside, ARK, ["shoe", "hat", "sea"], way)

    made = [span for span in spans() if span.name == f"embeddings {ARK}"]
    assert len(made) == 3
    for span in made:
        assert span.kind is SpanKind.CLIENT
        assert span.parent.span_id == mine.get_span_context().span_id
        recorded = dict(span.attributes)
        assert recorded.pop("gen_ai.response.id")
        assert (
            recorded.pop("gen_ai.usage.input_tokens") == recorded.pop("volc_dashscope.usage.text_tokens") > 0
        )
        assert recorded.pop("server.address")
        recorded.pop("server.port", None)
        assert recorded == {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.provider.name": "ark",
            "gen_ai.request.model": ARK,
            "gen_ai.response.model": ARK,
            "gen_ai.embeddings.dimension.count": 2048,
            "volc_dashscope.items": 1,
            "volc_dashscope.usage.image_tokens": 0,
            "volc_dashscope.retries": 0,
            "volc_dashscope.wait_seconds": pytest.approx(0, abs=60),
        }


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_rerank_is_a_span(inside, spans, awaited, streamed):
    model, documents = "qwen3-rerank", ["Billing", "Reset a password"]
    settings = inside.settings("dashscope")
    if awaited:
        asyncio.run(_arerank(AsyncReranker(model, **settings), documents, streamed=streamed))
    elif streamed:
        list(Reranker(model, **settings).stream([("password", documents)]))
    else:
        Reranker(model, **settings).rerank("password", documents)

    (span,) = spans()
    assert span.name == f"rerank {model}"
    assert span.attributes["gen_ai.operation.name"] == "rerank"
    assert span.attributes["volc_dashscope.items"] == 2
    assert span.attributes["gen_ai.usage.input_tokens"] > 0
    assert span.attributes["gen_ai.response.id"]
    assert "gen_ai.embeddings.dimension.count" not in span.attributes


async def _arerank(reranker: AsyncReranker, documents: list[str], *, streamed: bool) -> None:
    if not streamed:
        await reranker.rerank("password", documents)
        return
    async for _ in reranker.stream([("password", documents)]):
        pass


def test_tokens_are_reported_by_modality(inside, spans):
    inside.client(ARK).embed([Fused("shoe", Image.from_url(data_uri(painted("red"))))])

    (span,) = spans()
    tokens = {kind: span.attributes[f"volc_dashscope.usage.{kind}_tokens"] for kind in ("text", "image")}
    assert all(tokens.values())
    kinds = {
        point.attributes.get("volc_dashscope.modality") for point in _points()["gen_ai.client.token.usage"]
    }
    assert {"text", "image"} <= kinds


def test_retries_and_waits_are_recorded(emulate, spans):
    emulate(faults=["429", None]).client(V4).embed(["shoe"])

    (span,) = spans()
    assert span.attributes["volc_dashscope.retries"] == 1
    assert span.attributes["volc_dashscope.wait_seconds"] > 0
    assert span.status.status_code is not StatusCode.ERROR


def test_a_failure_is_reported_by_its_code_and_without_content(emulate, spans):
    client = emulate(faults=lambda request: "401").client(V4)

    with pytest.raises(BulkError):
        client.embed([CONTENT, "hat"])

    (span,) = spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"]
    assert CONTENT not in span.to_json()
    assert KEY not in span.to_json()


def test_durations_are_measured_with_what_failed(inside):
    inside.client(V4).embed(["shoe"])

    points = _points()["gen_ai.client.operation.duration"]

    assert any(point.attributes["gen_ai.request.model"] == V4 and point.count for point in points)
    assert not any(CONTENT in str(point.attributes) or KEY in str(point.attributes) for point in points)


def test_a_program_without_opentelemetry_never_imports_it():
    code = (
        "import sys\n"
        "from volc_dashscope import Client\n"
        "from volc_dashscope.emulator import Emulator\n"
        "Client('text-embedding-v4', api_key='k', http_client=Emulator().http_client()).embed(['a'])\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_nothing_is_observed_until_a_provider_is_set():
    code = (
        "from opentelemetry import metrics, trace\n"
        "from volc_dashscope import ClientSettings\n"
        "from volc_dashscope._request.telemetry import telemetry\n"
        "spec = ClientSettings('text-embedding-v4', api_key='k').resolved_spec()\n"
        "print(telemetry('embeddings', spec, float))\n"
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "metrics.set_meter_provider(MeterProvider())\n"
        "print(telemetry('embeddings', spec, float) is None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "None\nFalse\n"
