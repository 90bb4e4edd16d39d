"""
A span and two metrics for each request, by OpenTelemetry's conventions for generative AI; no content and no key.

Source: github.com/open-telemetry/semantic-conventions-genai (names that begin with `gen_ai.`, `server.`, `error.`).
Names that the conventions lack begin with `volc_dashscope.`. OpenTelemetry is not imported unless the program itself
has imported it, and nothing is recorded unless the program has set a provider.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from volc_dashscope._types import Flow, RequestSpec, Send, Wait
from volc_dashscope._version import __version__
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.results import Usage

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram
    from opentelemetry.trace import Span

_NAME = "volc_dashscope"


class Result(Protocol):
    """The parts of a request's result that are recorded."""

    @property
    def usage(self) -> Usage: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def model(self) -> str | None: ...


R = TypeVar("R", bound=Result)


class RequestTelemetry:
    """
    The spans and metrics of one call's requests. The parent span is the one current where the call was made.

    Args:
        operation: "embeddings", a name of the conventions, or "rerank", for which they have none.
        clock: Returns seconds, for durations.
    """

    def __init__(
        self, operation: Literal["embeddings", "rerank"], spec: RequestSpec, clock: Callable[[], float]
    ) -> None:
        from opentelemetry import context

        self._clock = clock
        # Requests run in worker threads, where another span or none is current.
        self._parent: Context = context.get_current()
        self._title = f"{operation} {spec.model}"
        host, _, port = spec.host.partition(":")
        self._attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": spec.model_info.provider,
            "gen_ai.request.model": spec.model,
            **({"server.address": host} if host else {}),
            **({"server.port": int(port)} if port.isdigit() else {}),
        }
        length = spec.expected if operation == "embeddings" else None
        self._dimension = {} if length is None else {"gen_ai.embeddings.dimension.count": length}

    def observed(self, flow: Flow[R], items: int) -> Flow[R]:
        """Run a flow step by step and record its span and metrics."""
        from opentelemetry import trace

        tracer = trace.get_tracer(_NAME, __version__)
        attributes = {**self._attributes, **self._dimension, "volc_dashscope.items": items}
        span = tracer.start_span(self._title, self._parent, kind=trace.SpanKind.CLIENT, attributes=attributes)
        began, attempts, waited = self._clock(), 0, 0.0
        failure: str | None = None
        try:
            with closing(flow):
                step = next(flow)
                while True:
                    if isinstance(step, Send):
                        attempts += 1
                    elif isinstance(step, Wait):
                        waited += step.seconds
                    step = flow.send((yield step))
        except StopIteration as done:
            result: R = done.value
            self._record_result(span, result)
            return result
        except BaseException as error:
            failure = _error_type(error)
            if isinstance(error, EmbeddingError) and error.request_id is not None:
                span.set_attribute("gen_ai.response.id", error.request_id)
            raise
        finally:
            span.set_attribute("volc_dashscope.retries", max(0, attempts - 1))
            span.set_attribute("volc_dashscope.wait_seconds", waited)
            self._end(span, failure, self._clock() - began)

    def _record_result(self, span: Span, result: Result) -> None:
        usage = result.usage
        span.set_attribute("gen_ai.usage.input_tokens", usage.total_tokens)
        span.set_attribute("volc_dashscope.usage.text_tokens", usage.text_tokens)
        span.set_attribute("volc_dashscope.usage.image_tokens", usage.image_tokens)
        for name, value in (("id", result.request_id), ("model", result.model)):
            if value is not None:
                span.set_attribute(f"gen_ai.response.{name}", value)
        for modality, tokens in _by_modality(usage).items():
            kind = {"volc_dashscope.modality": modality} if modality else {}
            _histograms()[1].record(tokens, {**self._attributes, "gen_ai.token.type": "input", **kind})

    def _end(self, span: Span, failure: str | None, seconds: float) -> None:
        from opentelemetry.trace import StatusCode

        attributes = dict(self._attributes)
        if failure is not None:
            attributes["error.type"] = failure
            span.set_attribute("error.type", failure)
            # No description, because the message of an error may name an item.
            span.set_status(StatusCode.ERROR)
        _histograms()[0].record(seconds, attributes)
        span.end()


def telemetry(
    operation: Literal["embeddings", "rerank"], spec: RequestSpec, clock: Callable[[], float]
) -> RequestTelemetry | None:
    """Return the telemetry of a call's requests, or None if the program has set no provider."""
    trace, metrics = sys.modules.get("opentelemetry.trace"), sys.modules.get("opentelemetry.metrics")
    if (trace is None or not _is_set(trace.get_tracer_provider())) and (
        metrics is None or not _is_set(metrics.get_meter_provider())
    ):
        return None
    return RequestTelemetry(operation, spec, clock)


def _is_set(provider: object) -> bool:
    # Until a program sets a provider, the API returns one that does nothing.
    return not type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


@cache
def _histograms() -> tuple[Histogram, Histogram]:
    """Return the instruments for durations and tokens; a provider that is set later gets them too."""
    from opentelemetry import metrics

    meter = metrics.get_meter(_NAME, __version__)
    return (
        meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "Duration of a request, retries included"
        ),
        meter.create_histogram("gen_ai.client.token.usage", "{token}", "Billed tokens"),
    )


def _by_modality(usage: Usage) -> Mapping[str, int]:
    known = {"text": usage.text_tokens, "image": usage.image_tokens}
    if sum(known.values()) != usage.total_tokens:
        return {"": usage.total_tokens}
    return {modality: tokens for modality, tokens in known.items() if tokens}


def _error_type(error: BaseException) -> str:
    code = error.code if isinstance(error, EmbeddingError) else None
    return code or type(error).__name__
