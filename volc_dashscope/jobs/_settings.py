"""The base of the job classes: checked settings and connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from volc_dashscope import _config
from volc_dashscope._http import AsyncHttpClient, HttpClient
from volc_dashscope._lifecycle import connection_pool, retry_context
from volc_dashscope._request.validation import check_call
from volc_dashscope._types import RequestSpec, Secret
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo, Route
from volc_dashscope.settings import ClientSettings, region_of

_WIDTH = 8


class Settings(_config.CheckedConstructor):
    """
    The client settings that apply to jobs too, with the same names, defaults and meaning.

    Args:
        model: Model id. The row of that name says which kind of job it has. None for the default one.
        api_key: Default: `DASHSCOPE_API_KEY`.
        base_url: Default: `DASHSCOPE_BASE_URL`, then by `workspace` and `region`.
        region: "cn-beijing", "ap-southeast-1", ...; keys are bound to one. Default: `DASHSCOPE_REGION`. Batch of
            embeddings exists in cn-beijing only.
        truncate: Cut texts that are longer than the model accepts, by our estimate of tokens. Otherwise such a text
            is an error.

    Raises:
        ConfigError: No key, an unknown model, or one that has no jobs of this kind.
    """

    _route: Route
    _model: str

    def __init__(
        self,
        model: str | None = None,
        *,
        base_model: str | None = None,
        model_info: ModelInfo | None = None,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        region: str | None = None,
        workspace: str | None = None,
        dimensions: int | None = None,
        normalize: bool = True,
        max_retries: int = 7,
        deadline: float = 180.0,
        timeout: float = 60.0,
        truncate: bool = False,
        insecure_http: bool = False,
        default_headers: Mapping[str, str] | None = None,
        http_client: HttpClient | None = None,
        http_async_client: AsyncHttpClient | None = None,
    ) -> None:
        # Crash reports show local variables; from here on none of them holds the key as text.
        api_key = _config.sealed(api_key)
        settings = ClientSettings(
            self._model if model is None else model,
            provider="dashscope",
            base_model=base_model,
            model_info=model_info,
            route=self._route,
            api_key=api_key,
            base_url=base_url,
            region=region,
            workspace=workspace,
            dimensions=dimensions,
            normalize=normalize,
            max_retries=max_retries,
            deadline=deadline,
            timeout=timeout,
            truncate=truncate,
            insecure_http=insecure_http,
            default_headers=default_headers,
            http_client=http_client,
            http_async_client=http_async_client,
        )
        self._start(settings)

    @classmethod
    def from_settings(cls, settings: ClientSettings) -> Self:
        """
        Return an object with a client's settings; those that do not apply to jobs are ignored.

        Raises:
            ConfigError: As the constructor.
        """
        jobs = cls.__new__(cls)
        jobs._start(replace(settings, provider="dashscope", route=cls._route))  # noqa: SLF001 - an object of this class
        return jobs

    def _start(self, settings: ClientSettings) -> None:
        # Page batch-interfaces-compatible-with-openai: embedding Batch is offered in Beijing only.
        region = region_of(settings)
        if self._route == "batch" and region not in (None, "", "cn-beijing"):
            raise ConfigError(f"region {region!r} does not offer Batch for embeddings; use 'cn-beijing'")
        self._spec = spec = settings.resolved_spec()
        if spec.expected is None:
            raise ConfigError(f"the dimension of {spec.model!r} is not known; pass dimensions")
        # The account's limits are for embedding requests; the service has separate limits for jobs.
        settings = replace(
            settings, requests_per_minute=None, tokens_per_minute=None, max_concurrency=_WIDTH, limiter=None
        )
        self._context = retry_context(settings, spec.model_info.provider)
        self._pool = connection_pool(settings, spec)

    @property
    def model_info(self) -> ModelInfo:
        """The row that says what the model can do."""
        return self._spec.model_info

    @property
    def dimension(self) -> int | None:
        """Length of the rows."""
        return self._spec.expected

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._spec.model!r}, {self._spec.place}, dimension={self.dimension})"

    def _spec_for(self, **changes: str | None) -> RequestSpec:
        """Return the checked spec with the arguments of a call."""
        spec = replace(self._spec, **changes)  # type: ignore[arg-type]
        check_call(spec)
        return spec
