"""The settings of a `Reranker` as pydantic fields, for the rerank classes of both frameworks."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, SkipValidation, ValidationError

from volc_dashscope._http import AsyncHttpClient, HttpClient, Limiter
from volc_dashscope._request.row_cache import BatchCache
from volc_dashscope._types import Secret
from volc_dashscope.errors import ConfigError
from volc_dashscope.integrations.settings import own_names, without_inputs
from volc_dashscope.models.rerank import RerankModelInfo, RerankRoute
from volc_dashscope.rerank import Reranker
from volc_dashscope.results import Usage

_OWN = frozenset({"model", "api_key", "top_n", "media_root"})


class RerankFields(BaseModel):
    """
    Every setting of `Reranker`, with the same names and defaults, and what a framework's class adds.

    Attributes:
        top_n: How many of the best to return; None for all.
        media_root: Local files must be inside this folder.
    """

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        # A misspelt key argument must not be printed with its value.
        hide_input_in_errors=True,
    )

    model: str = "qwen3-vl-rerank"
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    top_n: int | None = None
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
    limiter: SkipValidation[Limiter | None] = Field(default=None, exclude=True, repr=False)
    max_retries: int = 7
    deadline: float = 180.0
    timeout: float = 60.0
    cache: SkipValidation[MutableMapping[str, bytes] | BatchCache | None] = Field(
        default=None, exclude=True, repr=False
    )
    truncate: bool = False
    insecure_http: bool = False
    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    http_client: SkipValidation[HttpClient | None] = Field(default=None, exclude=True, repr=False)
    http_async_client: SkipValidation[AsyncHttpClient | None] = Field(default=None, exclude=True, repr=False)
    extra_body: Mapping[str, Any] | None = None
    media_root: str | None = None

    _reranker: Reranker = PrivateAttr()

    if not TYPE_CHECKING:

        def __init__(self, **data):
            data = own_names(type(self), data)
            # After validation, not in a validator: pydantic would turn our errors into its own.
            refusal = None
            try:
                super().__init__(**data)
            except ValidationError as error:
                refusal = without_inputs(error)
            # It holds the key, and reports of crashes show local variables.
            data = None
            if refusal is not None:
                raise refusal
            self._reranker = self._make_reranker()

        def __getstate__(self):
            self._require_own_connections()
            return super().__getstate__()

        def __deepcopy__(self, memo=None):
            self._require_own_connections()
            return super().__deepcopy__(memo)

    def _make_reranker(self) -> Reranker:
        settings = {name: getattr(self, name) for name in RerankFields.model_fields if name not in _OWN}
        key = self.api_key
        return Reranker(
            self.model, api_key=Secret(key.get_secret_value()) if key is not None else None, **settings
        )

    def _require_own_connections(self) -> None:
        if self.http_client is not None or self.http_async_client is not None:
            name = type(self).__name__
            raise ConfigError(f"{name} with an http_client handed in cannot be pickled or copied")

    @property
    def usage(self) -> Usage:
        """What this object has been billed so far."""
        return self._reranker.usage

    def close(self) -> None:
        """Close the connections of synchronous calls. A later call raises `ConfigError`."""
        self._reranker.close()
