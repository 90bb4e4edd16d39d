"""The settings of a `Reranker` as pydantic fields, for the rerank classes of both frameworks."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Annotated

from pydantic import Field, PrivateAttr, SecretStr, SkipValidation

from volc_dashscope._config import argument_docs
from volc_dashscope._http import AsyncHttpClient, HttpClient, Limiter
from volc_dashscope._request.row_cache import BatchCache
from volc_dashscope._types import Secret
from volc_dashscope.integrations.construction import OPAQUE, MediaRoot, SettingsModel, describe_fields
from volc_dashscope.models.rerank import RerankModelInfo, RerankRoute
from volc_dashscope.rerank import Reranker
from volc_dashscope.results import Usage

_OWN = frozenset({"model", "api_key", "top_n", "media_root"})


class RerankFields(SettingsModel):
    """Every setting of `Reranker`, with the same names and defaults, and what a framework's class adds."""

    model: str = "qwen3-vl-rerank"
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    top_n: int | None = Field(default=None, description="Number of results to return. Default: all.")
    base_model: str | None = None
    model_info: RerankModelInfo | None = None
    route: RerankRoute = "native"
    base_url: str | None = None
    region: str | None = None
    workspace: str | None = None
    instruct: str | None = None
    max_concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    limiter: Annotated[SkipValidation[Limiter | None], OPAQUE] = Field(default=None, exclude=True, repr=False)
    max_retries: int = 7
    deadline: float = 180.0
    timeout: float = 60.0
    cache: Annotated[SkipValidation[MutableMapping[str, bytes] | BatchCache | None], OPAQUE] = Field(
        default=None, exclude=True, repr=False
    )
    truncate: bool = False
    insecure_http: bool = False
    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    http_client: Annotated[SkipValidation[HttpClient | None], OPAQUE] = Field(
        default=None, exclude=True, repr=False
    )
    http_async_client: Annotated[SkipValidation[AsyncHttpClient | None], OPAQUE] = Field(
        default=None, exclude=True, repr=False
    )
    extra_body: Mapping[str, object] | None = None
    media_root: MediaRoot = Field(default=None, description="Local files must be inside this folder.")

    _reranker: Reranker = PrivateAttr()

    def _connect(self) -> None:
        self._reranker = self._make_reranker()

    def _make_reranker(self) -> Reranker:
        settings = {name: getattr(self, name) for name in RerankFields.model_fields if name not in _OWN}
        key = self.api_key
        return Reranker(
            self.model, api_key=Secret(key.get_secret_value()) if key is not None else None, **settings
        )

    @property
    def usage(self) -> Usage:
        """What this object has been billed so far."""
        return self._reranker.usage

    def close(self) -> None:
        """Close the connections of synchronous calls. A later call raises `ConfigError`."""
        self._reranker.close()


describe_fields(RerankFields, argument_docs(Reranker))
RerankFields.connecting = (frozenset(RerankFields.model_fields) - _OWN) | {"model", "api_key"}
