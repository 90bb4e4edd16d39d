"""
The settings of a client as keyword arguments of other functions: estimates, previews and Ray.

Kept apart from `settings`, because a `TypedDict` compiles the annotation of each key, which would slow
down every import of `Client`.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TypedDict, cast

from volc_dashscope import _config
from volc_dashscope._http import AsyncHttpClient, HttpClient, Limiter
from volc_dashscope._request.row_cache import BatchCache
from volc_dashscope._types import Secret
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo, Provider, Route
from volc_dashscope.settings import SETTING_NAMES, ClientSettings


class ClientOptions(TypedDict, total=False):
    """The fields of `ClientSettings` but the model, for functions that take them by keyword as a client does."""

    provider: Provider | None
    base_model: str | None
    model_info: ModelInfo | None
    route: Route
    api_key: str | Secret | None
    base_url: str | None
    region: str | None
    workspace: str | None
    dimensions: int | None
    normalize: bool
    instruct: str | None
    target_modality: str | None
    query_instructions: str | None
    document_instructions: str | None
    res_level: int | None
    max_video_frames: int | None
    upload: bool
    max_concurrency: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    limiter: Limiter | None
    max_retries: int
    deadline: float
    timeout: float
    cache: MutableMapping[str, bytes] | BatchCache | None
    partial_results_bytes: int
    truncate: bool
    max_image_pixels: int | None
    insecure_http: bool
    default_headers: Mapping[str, str] | None
    http_client: HttpClient | None
    http_async_client: AsyncHttpClient | None
    extra_body: Mapping[str, object] | None


def settings_of(model: str | ClientSettings, options: ClientOptions, *, owner: str) -> ClientSettings:
    """
    Return the settings of a function that takes a model's name and options, or `ClientSettings` alone.

    Raises:
        ConfigError: Both, or an option that is no setting of a client; `owner` is what it was given to.
    """
    _seal_keys(options)
    _config.refuse_unknown_names(options, ours=SETTING_NAMES, owner=owner)
    if not isinstance(model, ClientSettings):
        return ClientSettings(model, **options)
    if options:
        raise ConfigError(f"{', '.join(options)}: pass it in ClientSettings, not as a separate argument")
    return model


def _seal_keys(options: ClientOptions) -> None:
    """Replace the key in place by a hidden one, under any of its names: crash reports show variables of callers."""
    writable = cast("dict[str, object]", options)
    for name, value in writable.items():
        if name.endswith("api_key") and isinstance(value, str):
            writable[name] = Secret(value)
