"""The settings of a `Reranker` as pydantic fields, for the rerank classes of both frameworks."""

from __future__ import annotations

from pydantic import Field, PrivateAttr

from volc_dashscope._config import argument_docs
from volc_dashscope._lifecycle import continue_usage
from volc_dashscope.integrations.construction import Key, as_secret, describe_fields
from volc_dashscope.integrations.settings import ServiceFields
from volc_dashscope.models.rerank import RerankModelInfo, RerankRoute
from volc_dashscope.rerank import Reranker
from volc_dashscope.results import Usage


class RerankFields(ServiceFields):
    """Every setting of `Reranker`, with the same names and defaults, and what a framework's class adds."""

    model: str = "qwen3-vl-rerank"
    api_key: Key = Field(default=None, exclude=True, repr=False)
    top_n: int | None = Field(default=None, description="Number of results to return. Default: all.")
    model_info: RerankModelInfo | None = None
    route: RerankRoute = "native"

    _reranker: Reranker = PrivateAttr()

    def _connect(self) -> None:
        key = as_secret(self.api_key)
        reranker = Reranker(self.model, api_key=key, **self._values(_RERANK_SETTINGS))
        if self._connected:
            continue_usage(reranker, self._reranker)
        self._reranker = reranker

    @property
    def usage(self) -> Usage:
        """Usage billed to this object so far."""
        return self._reranker.usage

    def close(self) -> None:
        """Close the connections of synchronous calls. A later call raises `ConfigError`."""
        self._reranker.close()


describe_fields(RerankFields, argument_docs(Reranker))

_RERANK_SETTINGS = tuple(
    name for name in RerankFields.model_fields if name not in {"model", "api_key", "top_n", "media_root"}
)
RerankFields.connecting = frozenset({*_RERANK_SETTINGS, "model", "api_key"})
